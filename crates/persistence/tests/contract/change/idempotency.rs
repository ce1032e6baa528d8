//! Changes: idempotency keys, and the answers that are stored with them.

use domain::change::{Change, ChangeRepo as _, ChangeRepoError, Entry, IdempotencyError, Keyed, KeyedAnswer, Write};
use domain::conversation::turn::{IDEMPOTENCY_TTL, TurnState};
use domain::conversation::{ConversationRepo as _, ConversationRepoError, Idempotency, KeyReuse, NewTurn, TurnStart};
use domain::id::UserId;
use domain::system::SystemRepo as _;
use domain::task::TaskRepo as _;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, as_new, at, change, end, id, new_conversation, new_task, new_turn, request};

on_both_databases!(
    a_key_is_stored_with_its_change_and_refuses_another_one,
    a_refused_change_stores_no_key,
    a_key_without_a_change_is_stored_once,
    of_twenty_concurrent_changes_with_one_key_one_is_committed,
    of_concurrent_answers_with_one_key_one_is_stored,
    a_key_with_another_fingerprint_or_of_a_turn_is_reused,
    a_key_of_a_change_begins_no_turn,
    keys_are_scoped_to_the_user,
    a_key_expires_after_a_day,
    upkeep_deletes_only_expired_keys,
    a_key_adds_one_statement_to_a_commit,
);

/// `IDEMPOTENCY_TTL` in microseconds.
const DAY: i64 = 86_400_000_000;

fn the_key(fingerprint: u8) -> anyhow::Result<Idempotency> {
    request("key", fingerprint, KeyReuse::Refuse)
}

/// An undo without changes, with the key "key".
fn keyed() -> anyhow::Result<Keyed> {
    let answer = KeyedAnswer::Undo { operation: None, conflicts: Vec::new() };
    Ok(Keyed { request: the_key(1)?, answer })
}

/// A stop, with the key "key".
fn stopped() -> anyhow::Result<Keyed> {
    Ok(Keyed { answer: KeyedAnswer::Stop { turn: id() }, ..keyed()? })
}

fn keyed_change(owner: UserId, when: i64) -> anyhow::Result<Change> {
    Ok(Change { keyed: Some(keyed()?), ..change(owner, at(when)) })
}

/// Creates a task with the key "key".
async fn commit(fixture: &Fixture, owner: UserId, when: i64) -> anyhow::Result<Result<Vec<Entry>, ChangeRepoError>> {
    let write = Write::create(new_task(owner, "Milk")?);
    Ok(fixture.changes.commit(owner, &[write], &keyed_change(owner, when)?).await)
}

async fn found(fixture: &Fixture, owner: UserId, when: i64) -> anyhow::Result<Option<KeyedAnswer>> {
    Ok(fixture.changes.find_answer(owner, &the_key(1)?, at(when)).await?)
}

async fn a_key_is_stored_with_its_change_and_refuses_another_one(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    assert_eq!(found(&fixture, owner, 1).await?, None);
    let entries = commit(&fixture, owner, 1).await??;
    assert_eq!(found(&fixture, owner, 2).await?, Some(keyed()?.answer));
    for _ in 0..2 {
        let again = commit(&fixture, owner, 2).await?;
        assert!(matches!(again, Err(ChangeRepoError::KeyUsed)), "{again:?}");
    }
    assert_eq!(fixture.entries(owner).await?, entries);
    assert_eq!((fixture.tasks.counts(owner).await?.pending, fixture.changes.head(owner).await?.seq.0), (1, 1));
    Ok(())
}

async fn a_refused_change_stores_no_key(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let stale = Write::create(task);
    let refused = fixture.changes.commit(owner, &[stale], &keyed_change(owner, 1)?).await;
    assert!(matches!(refused, Err(ChangeRepoError::Stale)), "{refused:?}");
    let missing = commit(&fixture, id(), 1).await?;
    assert!(matches!(missing, Err(ChangeRepoError::NotFound)), "{missing:?}");
    assert_eq!(found(&fixture, owner, 2).await?, None);
    commit(&fixture, owner, 2).await??;
    Ok(())
}

async fn a_key_without_a_change_is_stored_once(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let stopped = stopped()?;
    fixture.changes.store_answer(owner, &stopped, at(1)).await?;
    let again = fixture.changes.store_answer(owner, &keyed()?, at(2)).await;
    assert!(matches!(again, Err(IdempotencyError::InProgress)), "{again:?}");
    let refused = commit(&fixture, owner, 2).await?;
    assert!(matches!(refused, Err(ChangeRepoError::KeyUsed)), "{refused:?}");
    assert_eq!(found(&fixture, owner, 2).await?, Some(stopped.answer));
    Ok(())
}

async fn of_twenty_concurrent_changes_with_one_key_one_is_committed(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let (changes, write) = (fixture.changes.clone(), Write::create(new_task(owner, "Milk")?));
        let change = keyed_change(owner, 1)?;
        tasks.push(tokio::spawn(async move { changes.commit(owner, &[write], &change).await }));
    }
    let mut committed = 0;
    for task in tasks {
        match task.await? {
            Ok(_) => committed += 1,
            Err(ChangeRepoError::KeyUsed) => {}
            Err(other) => return Err(other.into()),
        }
    }
    assert_eq!((committed, fixture.tasks.counts(owner).await?.pending, fixture.entries(owner).await?.len()), (1, 1, 1));
    Ok(())
}

async fn of_concurrent_answers_with_one_key_one_is_stored(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    // The second time, over the expired key of the first.
    for when in [0, DAY] {
        let store = |_| {
            let (changes, keyed) = (fixture.changes.clone(), stopped()?);
            anyhow::Ok(tokio::spawn(async move { (changes.store_answer(owner, &keyed, at(when)).await, keyed) }))
        };
        let mut stored = Vec::new();
        for task in (0..8).map(store).collect::<Result<Vec<_>, _>>()? {
            match task.await? {
                (Ok(()), keyed) => stored.push(keyed.answer),
                (Err(IdempotencyError::InProgress), _) => {}
                (Err(other), _) => return Err(other.into()),
            }
        }
        assert_eq!((stored.len(), found(&fixture, owner, when).await?), (1, stored.pop()));
    }
    Ok(())
}

async fn a_key_with_another_fingerprint_or_of_a_turn_is_reused(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    fixture.changes.store_answer(ada, &keyed()?, at(1)).await?;
    let reused = fixture.changes.find_answer(ada, &the_key(2)?, at(2)).await;
    assert!(matches!(reused, Err(IdempotencyError::KeyReused)), "{reused:?}");
    let turn = NewTurn { idempotency: Some(the_key(3)?), ..new_turn(new_conversation()?, at(1))? };
    as_new(fixture.conversations.begin_turn(eve, turn).await?);
    let reused = fixture.changes.find_answer(eve, &the_key(1)?, at(2)).await;
    assert!(matches!(reused, Err(IdempotencyError::KeyReused)), "{reused:?}");
    assert_eq!(found(&fixture, eve, DAY + 1).await?, None);
    Ok(())
}

async fn a_key_of_a_change_begins_no_turn(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    commit(&fixture, owner, 1).await??;
    let turn = |reuse, when| -> anyhow::Result<NewTurn> {
        let idempotency = Some(request("key", 1, reuse)?);
        Ok(NewTurn { idempotency, ..new_turn(new_conversation()?, at(when))? })
    };
    let refused = fixture.conversations.begin_turn(owner, turn(KeyReuse::Refuse, 2)?).await;
    assert!(matches!(refused, Err(ConversationRepoError::IdempotencyKeyReused)), "{refused:?}");
    assert_eq!(fixture.number("SELECT COUNT(*) FROM turns").await?, 0);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM conversations").await?, 0);
    // A turn that has got the key nevertheless is answered again.
    let first = as_new(fixture.conversations.begin_turn(owner, turn(KeyReuse::StartNew, 2)?).await?);
    fixture.conversations.end_turn(owner, first.attempt(), end(TurnState::Complete, at(3))).await?;
    let again = fixture.conversations.begin_turn(owner, turn(KeyReuse::Refuse, 4)?).await?;
    assert!(matches!(again, TurnStart::AlreadyAnswered(_)), "{again:?}");
    Ok(())
}

async fn keys_are_scoped_to_the_user(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    commit(&fixture, ada, 1).await??;
    assert_eq!(found(&fixture, eve, 2).await?, None);
    commit(&fixture, eve, 2).await??;
    assert_eq!((fixture.entries(ada).await?.len(), fixture.entries(eve).await?.len()), (1, 1));
    Ok(())
}

async fn a_key_expires_after_a_day(test: TestDatabase) -> anyhow::Result<()> {
    assert_eq!(at(DAY) - at(0), IDEMPOTENCY_TTL);
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    commit(&fixture, owner, 0).await??;
    let refused = commit(&fixture, owner, DAY - 1).await?;
    assert!(matches!(refused, Err(ChangeRepoError::KeyUsed)), "{refused:?}");
    assert!(found(&fixture, owner, DAY - 1).await?.is_some());
    assert_eq!(found(&fixture, owner, DAY).await?, None);
    // Another request may have it now.
    let other = Keyed { request: the_key(2)?, ..stopped()? };
    fixture.changes.store_answer(owner, &other, at(DAY)).await?;
    assert_eq!(fixture.changes.find_answer(owner, &the_key(2)?, at(2 * DAY - 1)).await?, Some(other.answer));
    commit(&fixture, owner, 2 * DAY).await??;
    assert_eq!(fixture.number("SELECT COUNT(*) FROM idempotency_keys").await?, 1);
    Ok(())
}

async fn upkeep_deletes_only_expired_keys(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    // The same key of two users.
    commit(&fixture, ada, 0).await??;
    commit(&fixture, eve, 1).await??;
    assert_eq!(fixture.system.delete_expired(at(DAY - 1)).await?, 0);
    assert_eq!(fixture.system.delete_expired(at(DAY)).await?, 1);
    assert!(found(&fixture, eve, DAY).await?.is_some());
    assert_eq!(fixture.number("SELECT COUNT(*) FROM idempotency_keys").await?, 1);
    Ok(())
}

async fn a_key_adds_one_statement_to_a_commit(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    fixture.statements();
    fixture.write(owner, Write::create(new_task(owner, "Milk")?)).await?;
    assert_eq!(fixture.statements().len(), 3);
    commit(&fixture, owner, 1).await??;
    assert_eq!(fixture.statements().len(), 4);
    found(&fixture, owner, 1).await?;
    assert_eq!(fixture.statements().len(), 1);
    Ok(())
}

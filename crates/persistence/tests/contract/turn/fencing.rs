//! Turns: fencing of writes by an ended turn or by an earlier attempt.

use std::future::Future;

use domain::change::{CallOrigin, Change, ChangeRepo as _, ChangeRepoError, EffectId, Entry, Row, Write};
use domain::conversation::turn::{Attempt, Turn, TurnState};
use domain::conversation::{ConversationRepo as _, ConversationRepoError, KeyReuse, NewTurn, TurnStart};
use domain::id::{ConversationId, MessageId, UserId};
use domain::system::SystemRepo as _;
use domain::task::{Task, TaskRepo as _, Version};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, LEASE, at, effect, end, id, new_conversation, new_task, new_turn, request, text};

on_both_databases!(
    writes_of_an_earlier_attempt_are_fenced,
    writes_of_an_unknown_attempt_are_fenced,
    writes_of_an_ended_turn_are_fenced,
    a_stop_is_serialized_with_a_commit,
    a_stop_is_serialized_with_a_commit_of_several_rows,
    the_next_attempt_is_serialized_with_a_commit,
    the_next_attempt_is_serialized_with_saving_progress,
    deleting_the_conversation_is_serialized_with_a_commit,
);

const ROUNDS: usize = 12;

fn keyed(key: &str, when: i64) -> anyhow::Result<NewTurn> {
    Ok(NewTurn { idempotency: Some(request(key, 1, KeyReuse::Refuse)?), ..new_turn(new_conversation()?, at(when))? })
}

/// Makes the lease of an attempt expire, and begins the next attempt at the turn with this key.
async fn next_attempt(fixture: &Fixture, owner: UserId, key: &str, expired: Attempt) -> anyhow::Result<Turn> {
    fixture.expire(owner, expired).await?;
    match fixture.conversations.begin_turn(owner, keyed(key, 1)?).await? {
        TurnStart::Resumed { turn, .. } => Ok(turn),
        other => anyhow::bail!("{other:?}"),
    }
}

/// Returns a change by call `index` of the attempt, with a conversation and a message that do not matter.
fn call(owner: UserId, attempt: Attempt, index: u8) -> Change {
    let (conversation, message) = (id::<ConversationId>(), id::<MessageId>());
    effect(owner, CallOrigin { conversation, message, attempt, round: 0, index }, at(1))
}

fn first_effect(turn: Attempt) -> EffectId {
    EffectId { turn: turn.turn, round: 0, index: 0 }
}

/// Asserts that this attempt can write neither the turn nor a task.
async fn assert_fenced(fixture: &Fixture, owner: UserId, turn: Attempt, task: &Task) -> anyhow::Result<()> {
    let refused = [
        fixture.conversations.renew_lease(owner, turn, LEASE).await.err(),
        fixture.conversations.save_progress(owner, turn, &text("Late")).await.err(),
        fixture.conversations.end_turn(owner, turn, end(TurnState::Complete, at(9))).await.err(),
    ];
    for outcome in refused {
        assert!(matches!(outcome, Some(ConversationRepoError::NoTurn)), "{outcome:?}");
    }
    let before = fixture.entries(owner).await?;
    let stale = Task { version: Version::new(99).unwrap_or(Version::FIRST), ..task.clone() };
    for writes in [
        vec![Write::create(new_task(owner, "Late")?)],
        vec![Write::replace(task.clone(), task.toggle(at(1)))],
        vec![Write::purge(task.clone())],
        vec![Write::create(new_task(owner, "Late")?), Write::replace(task.clone(), task.delete(at(1)))],
        // A stale write does not reveal the state of the row.
        vec![Write::replace(stale.clone(), stale.toggle(at(1)))],
    ] {
        let outcome = fixture.changes.commit(owner, &writes, &call(owner, turn, 100)).await;
        assert!(matches!(outcome, Err(ChangeRepoError::LeaseLost)), "{outcome:?}");
    }
    assert_eq!(fixture.tasks.get(owner, task.id).await?, *task);
    assert_eq!(fixture.entries(owner).await?, before);
    Ok(())
}

async fn writes_of_an_earlier_attempt_are_fenced(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let first = fixture.begin(owner, keyed("key", 0)?).await?;
    fixture.conversations.save_progress(owner, first.attempt(), &text("Add")).await?;
    let second = next_attempt(&fixture, owner, "key", first.attempt()).await?;
    assert_fenced(&fixture, owner, first.attempt(), &task).await?;
    let third = next_attempt(&fixture, owner, "key", second.attempt()).await?;
    for earlier in [&first, &second] {
        assert_fenced(&fixture, owner, earlier.attempt(), &task).await?;
    }
    assert_eq!(fixture.conversations.answer(owner, first.id).await?.message.parts, text("Add"));
    // The running attempt still has its lease and can write.
    assert_eq!(fixture.system.fail_expired_turns(at(3)).await?, 0);
    fixture.conversations.renew_lease(owner, third.attempt(), LEASE).await?;
    fixture.conversations.save_progress(owner, third.attempt(), &text("More")).await?;
    assert_eq!(fixture.conversations.answer(owner, first.id).await?.message.parts, text("More"));
    let toggle = Write::replace(task.clone(), task.toggle(at(1)));
    fixture.changes.commit(owner, &[toggle], &call(owner, third.attempt(), 0)).await?;
    fixture.conversations.end_turn(owner, third.attempt(), end(TurnState::Complete, at(3))).await?;
    Ok(())
}

async fn writes_of_an_unknown_attempt_are_fenced(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let (_, turn) = fixture.conversation(owner).await?;
    for number in [0, 2] {
        assert_fenced(&fixture, owner, Attempt { number, ..turn.attempt() }, &task).await?;
    }
    // The running turn belongs to another user.
    let eve = fixture.user().await?;
    let theirs = fixture.task(eve, "Milk").await?;
    assert_fenced(&fixture, eve, turn.attempt(), &theirs).await
}

async fn writes_of_an_ended_turn_are_fenced(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    for state in [TurnState::Complete, TurnState::Stopped, TurnState::Failed] {
        let (_, turn) = fixture.conversation(owner).await?;
        fixture.conversations.end_turn(owner, turn.attempt(), end(state, at(1))).await?;
        assert_fenced(&fixture, owner, turn.attempt(), &task).await?;
    }
    let (_, stopped) = fixture.conversation(owner).await?;
    fixture.conversations.stop_turn(owner, stopped.id, at(1)).await?;
    let (conversation, deleted) = fixture.conversation(owner).await?;
    fixture.conversations.delete(owner, conversation).await?;
    let (_, expired) = fixture.conversation(owner).await?;
    fixture.expire(owner, expired.attempt()).await?;
    assert_eq!(fixture.system.fail_expired_turns(at(1)).await?, 1);
    for turn in [stopped, deleted, expired] {
        assert_fenced(&fixture, owner, turn.attempt(), &task).await?;
    }
    Ok(())
}

/// Spawns a commit that toggles the task in the running turn. [`assert_consistent`] checks its result.
fn toggle(
    fixture: &Fixture,
    owner: UserId,
    turn: Attempt,
    task: &Task,
) -> impl Future<Output = anyhow::Result<Result<Entry, ChangeRepoError>>> + use<> {
    let (changes, change) = (fixture.changes.clone(), call(owner, turn, 0));
    let write = Write::replace(task.clone(), task.toggle(at(1)));
    let toggled = tokio::spawn(async move { changes.commit(owner, &[write], &change).await });
    async move { Ok(toggled.await?.map(|mut entries| entries.remove(0))) }
}

/// Asserts that the task is changed and the ledger has the entry, or neither.
async fn assert_consistent(
    fixture: &Fixture,
    owner: UserId,
    toggled: Result<Entry, ChangeRepoError>,
    (task, turn): (&Task, Attempt),
) -> anyhow::Result<()> {
    let recorded = fixture.changes.find_effect(owner, first_effect(turn)).await?;
    let now = fixture.tasks.get(owner, task.id).await?;
    match toggled {
        Ok(entry) => {
            assert_eq!(entry.after, Some(Row::Task(now)));
            assert_eq!(recorded, [entry]);
        }
        Err(ChangeRepoError::LeaseLost) => assert_eq!((&now, recorded), (task, Vec::new())),
        Err(other) => return Err(other.into()),
    }
    Ok(())
}

async fn a_stop_is_serialized_with_a_commit(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for _ in 0..ROUNDS {
        let task = fixture.task(owner, "Milk").await?;
        let turn = fixture.conversation(owner).await?.1.attempt();
        let toggled = toggle(&fixture, owner, turn, &task);
        fixture.conversations.stop_turn(owner, turn.turn, at(1)).await?;
        // After the stop, no further effect is recorded.
        let recorded = !fixture.changes.find_effect(owner, first_effect(turn)).await?.is_empty();
        let toggled = toggled.await?;
        assert_eq!(toggled.is_ok(), recorded, "{toggled:?}");
        assert_consistent(&fixture, owner, toggled, (&task, turn)).await?;
    }
    Ok(())
}

async fn a_stop_is_serialized_with_a_commit_of_several_rows(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for _ in 0..ROUNDS {
        let (one, two) = (fixture.task(owner, "1").await?, fixture.task(owner, "2").await?);
        let turn = fixture.conversation(owner).await?.1.attempt();
        let (changes, change) = (fixture.changes.clone(), call(owner, turn, 0));
        let writes = [&one, &two].map(|task| Write::replace(task.clone(), task.delete(at(1))));
        let deleted = tokio::spawn(async move { changes.commit(owner, &writes, &change).await });
        fixture.conversations.stop_turn(owner, turn.turn, at(1)).await?;
        let count = async || -> anyhow::Result<usize> {
            let tasks = fixture.tasks.get_many(owner, &[one.id, two.id]).await?;
            Ok(tasks.iter().filter(|task| task.deleted_at.is_none()).count())
        };
        let left = count().await?;
        match deleted.await? {
            Ok(entries) => assert_eq!((entries.len(), left), (2, 0)),
            Err(ChangeRepoError::LeaseLost) => assert_eq!(left, 2),
            Err(other) => return Err(other.into()),
        }
        assert_eq!(count().await?, left);
    }
    Ok(())
}

async fn the_next_attempt_is_serialized_with_a_commit(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for round in 0..ROUNDS {
        let key = round.to_string();
        let task = fixture.task(owner, "Milk").await?;
        let turn = fixture.begin(owner, keyed(&key, 0)?).await?.attempt();
        let toggled = toggle(&fixture, owner, turn, &task);
        // The next attempt makes the same call and gets the recorded entries, or commits them itself.
        let second = next_attempt(&fixture, owner, &key, turn).await?.attempt();
        let again = toggle(&fixture, owner, second, &task).await??;
        let toggled = toggled.await?;
        assert!(matches!(&toggled, Ok(_) | Err(ChangeRepoError::LeaseLost)), "{toggled:?}");
        let now = fixture.tasks.get(owner, task.id).await?;
        assert_eq!((now.version.get(), again.after), (2, Some(Row::Task(now))));
    }
    Ok(())
}

async fn the_next_attempt_is_serialized_with_saving_progress(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for round in 0..ROUNDS {
        let key = round.to_string();
        let turn = fixture.begin(owner, keyed(&key, 0)?).await?.attempt();
        let conversations = fixture.conversations.clone();
        // Saves until it is fenced.
        let saved = tokio::spawn(async move {
            let mut last = Vec::new();
            for number in 0.. {
                let parts = text(&format!("Late {number}"));
                match conversations.save_progress(owner, turn, &parts).await {
                    Ok(()) => last = parts,
                    Err(ConversationRepoError::NoTurn) => break,
                    Err(other) => return Err(other),
                }
            }
            Ok(last)
        });
        fixture.expire(owner, turn).await?;
        let TurnStart::Resumed { parts, .. } = fixture.conversations.begin_turn(owner, keyed(&key, 1)?).await? else {
            anyhow::bail!("not resumed")
        };
        // The next attempt resumes from the last saved parts, and nothing is saved afterwards.
        assert_eq!(parts, saved.await??);
        assert_eq!(fixture.conversations.answer(owner, turn.turn).await?.message.parts, parts);
    }
    Ok(())
}

async fn deleting_the_conversation_is_serialized_with_a_commit(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for _ in 0..ROUNDS {
        let task = fixture.task(owner, "Milk").await?;
        let (conversation, turn) = fixture.conversation(owner).await?;
        let toggled = toggle(&fixture, owner, turn.attempt(), &task);
        fixture.conversations.delete(owner, conversation).await?;
        assert_consistent(&fixture, owner, toggled.await?, (&task, turn.attempt())).await?;
    }
    Ok(())
}

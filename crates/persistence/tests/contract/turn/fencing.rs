//! Turns: whoever works on one that has ended, or on an earlier attempt at it, writes nothing any more.

use std::future::Future;

use domain::change::{CallOrigin, Change, ChangeRepo as _, ChangeRepoError, EffectId, Entry, Row, Write};
use domain::conversation::{ConversationRepo as _, ConversationRepoError, KeyReuse, NewTurn, TurnStart};
use domain::id::{ConversationId, MessageId, UserId};
use domain::system::SystemRepo as _;
use domain::task::{Task, TaskRepo as _, Version};
use domain::turn::{Attempt, Turn, TurnState};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, effect, end, id, new_conversation, new_task, new_turn, request, text};

on_both_databases!(
    who_works_on_an_earlier_attempt_writes_nothing,
    an_attempt_that_was_never_begun_writes_nothing,
    a_turn_that_has_ended_changes_no_task,
    a_stop_comes_before_a_change_or_after_it,
    a_stop_comes_before_a_change_of_several_or_after_it,
    a_next_attempt_comes_before_a_change_or_after_it,
    a_next_attempt_comes_before_progress_or_after_it,
    a_deletion_of_the_conversation_comes_before_a_change_or_after_it,
);

/// A lease is 15 s long.
const DEAD: i64 = 15_000_000;
const ROUNDS: usize = 12;

fn keyed(key: &str, when: i64) -> anyhow::Result<NewTurn> {
    Ok(NewTurn { idempotency: Some(request(key, 1, KeyReuse::Refuse)?), ..new_turn(new_conversation()?, at(when))? })
}

/// The next attempt at the turn that was begun by this key, once its lease is over.
async fn next(fixture: &Fixture, owner: UserId, key: &str, when: i64) -> anyhow::Result<Turn> {
    match fixture.conversations.begin_turn(owner, keyed(key, when)?).await? {
        TurnStart::Resumed { turn, .. } => Ok(turn),
        other => anyhow::bail!("{other:?}"),
    }
}

/// A change that call `index` of the attempt asks for. The turn alone says whether it may.
fn call(owner: UserId, attempt: Attempt, index: u8) -> Change {
    let (conversation, message) = (id::<ConversationId>(), id::<MessageId>());
    effect(owner, CallOrigin { conversation, message, attempt, round: 0, index }, at(1))
}

fn first_effect(turn: Attempt) -> EffectId {
    EffectId { turn: turn.turn, round: 0, index: 0 }
}

/// Neither the turn nor a task can be written by this attempt.
async fn is_shut_out(fixture: &Fixture, owner: UserId, turn: Attempt, task: &Task) -> anyhow::Result<()> {
    let refused = [
        fixture.conversations.renew_lease(owner, turn, at(9 * DEAD)).await.err(),
        fixture.conversations.save_progress(owner, turn, &text("Late")).await.err(),
        fixture.conversations.end_turn(owner, turn, end(TurnState::Complete, at(9 * DEAD))).await.err(),
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
        // Nor is it told what is there.
        vec![Write::replace(stale.clone(), stale.toggle(at(1)))],
    ] {
        let outcome = fixture.changes.commit(owner, &writes, &call(owner, turn, 100)).await;
        assert!(matches!(outcome, Err(ChangeRepoError::LeaseLost)), "{outcome:?}");
    }
    assert_eq!(fixture.tasks.get(owner, task.id).await?, *task);
    assert_eq!(fixture.entries(owner).await?, before);
    Ok(())
}

async fn who_works_on_an_earlier_attempt_writes_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let first = fixture.begin(owner, keyed("key", 0)?).await?;
    fixture.conversations.save_progress(owner, first.attempt(), &text("Add")).await?;
    let second = next(&fixture, owner, "key", DEAD).await?;
    is_shut_out(&fixture, owner, first.attempt(), &task).await?;
    let third = next(&fixture, owner, "key", 2 * DEAD).await?;
    for earlier in [&first, &second] {
        is_shut_out(&fixture, owner, earlier.attempt(), &task).await?;
    }
    assert_eq!(fixture.conversations.answer(owner, first.id).await?.message.parts, text("Add"));
    // Its lease is its own still; and it may write all of it.
    assert_eq!(fixture.system.fail_expired_turns(at(3 * DEAD - 1)).await?, 0);
    fixture.conversations.renew_lease(owner, third.attempt(), at(4 * DEAD)).await?;
    fixture.conversations.save_progress(owner, third.attempt(), &text("More")).await?;
    assert_eq!(fixture.conversations.answer(owner, first.id).await?.message.parts, text("More"));
    let toggle = Write::replace(task.clone(), task.toggle(at(1)));
    fixture.changes.commit(owner, &[toggle], &call(owner, third.attempt(), 0)).await?;
    fixture.conversations.end_turn(owner, third.attempt(), end(TurnState::Complete, at(3 * DEAD))).await?;
    Ok(())
}

async fn an_attempt_that_was_never_begun_writes_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let (_, turn) = fixture.conversation(owner).await?;
    for number in [0, 2] {
        is_shut_out(&fixture, owner, Attempt { number, ..turn.attempt() }, &task).await?;
    }
    // Another user's turn runs, too.
    let eve = fixture.user().await?;
    let theirs = fixture.task(eve, "Milk").await?;
    is_shut_out(&fixture, eve, turn.attempt(), &theirs).await
}

async fn a_turn_that_has_ended_changes_no_task(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    for state in [TurnState::Complete, TurnState::Stopped, TurnState::Failed] {
        let (_, turn) = fixture.conversation(owner).await?;
        fixture.conversations.end_turn(owner, turn.attempt(), end(state, at(1))).await?;
        is_shut_out(&fixture, owner, turn.attempt(), &task).await?;
    }
    let (_, stopped) = fixture.conversation(owner).await?;
    fixture.conversations.stop_turn(owner, stopped.id, at(1)).await?;
    let (conversation, deleted) = fixture.conversation(owner).await?;
    fixture.conversations.delete(owner, conversation).await?;
    let (_, dead) = fixture.conversation(owner).await?;
    assert_eq!(fixture.system.fail_expired_turns(at(DEAD)).await?, 1);
    for turn in [stopped, deleted, dead] {
        is_shut_out(&fixture, owner, turn.attempt(), &task).await?;
    }
    Ok(())
}

/// A toggle in the turn that is under way; what it tells, and whether it is done, is [`agrees`]'s to say.
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

/// The task is changed and that is on the ledger, or neither.
async fn agrees(
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

async fn a_stop_comes_before_a_change_or_after_it(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for _ in 0..ROUNDS {
        let task = fixture.task(owner, "Milk").await?;
        let turn = fixture.conversation(owner).await?.1.attempt();
        let toggled = toggle(&fixture, owner, turn, &task);
        fixture.conversations.stop_turn(owner, turn.turn, at(1)).await?;
        // What is not on record when the stop is done never will be.
        let recorded = !fixture.changes.find_effect(owner, first_effect(turn)).await?.is_empty();
        let toggled = toggled.await?;
        assert_eq!(toggled.is_ok(), recorded, "{toggled:?}");
        agrees(&fixture, owner, toggled, (&task, turn)).await?;
    }
    Ok(())
}

async fn a_stop_comes_before_a_change_of_several_or_after_it(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for _ in 0..ROUNDS {
        let (one, two) = (fixture.task(owner, "1").await?, fixture.task(owner, "2").await?);
        let turn = fixture.conversation(owner).await?.1.attempt();
        let (changes, change) = (fixture.changes.clone(), call(owner, turn, 0));
        let writes = [&one, &two].map(|task| Write::replace(task.clone(), task.delete(at(1))));
        let deleted = tokio::spawn(async move { changes.commit(owner, &writes, &change).await });
        fixture.conversations.stop_turn(owner, turn.turn, at(1)).await?;
        let live = async || -> anyhow::Result<usize> {
            let tasks = fixture.tasks.get_many(owner, &[one.id, two.id]).await?;
            Ok(tasks.iter().filter(|task| task.deleted_at.is_none()).count())
        };
        let left = live().await?;
        match deleted.await? {
            Ok(entries) => assert_eq!((entries.len(), left), (2, 0)),
            Err(ChangeRepoError::LeaseLost) => assert_eq!(left, 2),
            Err(other) => return Err(other.into()),
        }
        assert_eq!(live().await?, left);
    }
    Ok(())
}

async fn a_next_attempt_comes_before_a_change_or_after_it(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for round in 0..ROUNDS {
        let key = round.to_string();
        let task = fixture.task(owner, "Milk").await?;
        let turn = fixture.begin(owner, keyed(&key, 0)?).await?.attempt();
        let toggled = toggle(&fixture, owner, turn, &task);
        // It makes the same call, and is told what the earlier attempt did, or does it itself.
        let second = next(&fixture, owner, &key, DEAD).await?.attempt();
        let again = toggle(&fixture, owner, second, &task).await??;
        let toggled = toggled.await?;
        assert!(matches!(&toggled, Ok(_) | Err(ChangeRepoError::LeaseLost)), "{toggled:?}");
        let now = fixture.tasks.get(owner, task.id).await?;
        assert_eq!((now.version.get(), again.after), (2, Some(Row::Task(now))));
    }
    Ok(())
}

async fn a_next_attempt_comes_before_progress_or_after_it(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for round in 0..ROUNDS {
        let key = round.to_string();
        let turn = fixture.begin(owner, keyed(&key, 0)?).await?.attempt();
        let conversations = fixture.conversations.clone();
        // It saves for as long as it may.
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
        let TurnStart::Resumed { parts, .. } = fixture.conversations.begin_turn(owner, keyed(&key, DEAD)?).await?
        else {
            anyhow::bail!("not resumed")
        };
        // The next attempt goes on from what was saved, and nothing is saved behind its back.
        assert_eq!(parts, saved.await??);
        assert_eq!(fixture.conversations.answer(owner, turn.turn).await?.message.parts, parts);
    }
    Ok(())
}

async fn a_deletion_of_the_conversation_comes_before_a_change_or_after_it(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for _ in 0..ROUNDS {
        let task = fixture.task(owner, "Milk").await?;
        let (conversation, turn) = fixture.conversation(owner).await?;
        let toggled = toggle(&fixture, owner, turn.attempt(), &task);
        fixture.conversations.delete(owner, conversation).await?;
        agrees(&fixture, owner, toggled.await?, (&task, turn.attempt())).await?;
    }
    Ok(())
}

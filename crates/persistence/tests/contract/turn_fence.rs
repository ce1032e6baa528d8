//! Turns: whoever works on one that has ended, or on an earlier attempt at it, writes nothing any more.

use std::future::Future;

use domain::change::{Change, EffectId};
use domain::conversation::{BegunTurn, ConversationRepo as _, ConversationRepoError, KeyReuse, NewTurn};
use domain::id::UserId;
use domain::patch::Patch;
use domain::system::SystemRepo as _;
use domain::task::{Task, TaskPatch, TaskRepo as _, TaskRepoError, Version};
use domain::turn::{Attempt, Turn, TurnState};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, change, end, id, new_conversation, new_task, new_turn, request, text};

on_both_databases!(
    who_works_on_an_earlier_attempt_writes_nothing,
    an_attempt_that_was_never_begun_writes_nothing,
    a_turn_that_has_ended_changes_no_task,
    a_write_without_its_attempt_changes_nothing,
    an_effect_is_told_to_a_later_attempt_and_after_the_end,
    a_stop_comes_before_a_change_or_after_it,
    a_stop_comes_before_a_deletion_of_several_or_after_it,
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
        BegunTurn::Resumed { turn, .. } => Ok(turn),
        other => anyhow::bail!("{other:?}"),
    }
}

/// A change that call `index` of the attempt asks for.
fn call(owner: UserId, turn: Attempt, index: u8) -> Change {
    let call = EffectId { turn: turn.turn, round: 0, index };
    Change { turn: Some(turn), call: Some(call), ..change(owner, at(1)) }
}

fn completed() -> TaskPatch {
    TaskPatch { title: Patch::Keep, completed: Patch::Set(true) }
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
    changes_no_task(fixture, owner, &call(owner, turn, 100), task).await
}

async fn changes_no_task(fixture: &Fixture, owner: UserId, change: &Change, task: &Task) -> anyhow::Result<()> {
    let tasks = &fixture.tasks;
    let before = (tasks.counts(owner).await?, fixture.number("SELECT COUNT(*) FROM effects").await?);
    let (missing, stale) = (id(), Version::new(99));
    let refused = [
        tasks.create(owner, new_task("Late")?, change).await.err(),
        tasks.update(owner, task.id, completed(), None, change).await.err(),
        tasks.update(owner, task.id, TaskPatch::default(), None, change).await.err(),
        tasks.toggle(owner, task.id, Some(task.version), change).await.err(),
        tasks.delete(owner, task.id, None, change).await.err(),
        tasks.delete_many(owner, &[(task.id, task.version)], change).await.err(),
        // Nor is it told what is there.
        tasks.toggle(owner, missing, None, change).await.err(),
        tasks.toggle(owner, task.id, stale, change).await.err(),
        tasks.delete_many(owner, &[(missing, Version::FIRST)], change).await.err(),
    ];
    for (number, outcome) in refused.into_iter().enumerate() {
        assert!(matches!(outcome, Some(TaskRepoError::TurnEnded)), "{number}: {outcome:?}");
    }
    assert_eq!(tasks.get(owner, task.id).await?, *task);
    assert_eq!((tasks.counts(owner).await?, fixture.number("SELECT COUNT(*) FROM effects").await?), before);
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
    fixture.tasks.toggle(owner, task.id, None, &call(owner, third.attempt(), 0)).await?;
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

async fn a_write_without_its_attempt_changes_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let (_, turn) = fixture.conversation(owner).await?;
    let (_, other) = fixture.conversation(owner).await?;
    // It names no attempt, or one at another turn.
    for attempt in [None, Some(other.attempt())] {
        let change = Change { turn: attempt, ..call(owner, turn.attempt(), 0) };
        changes_no_task(&fixture, owner, &change, &task).await?;
    }
    Ok(())
}

async fn an_effect_is_told_to_a_later_attempt_and_after_the_end(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (tasks, owner) = (&fixture.tasks, fixture.user().await?);
    let first = fixture.begin(owner, keyed("key", 0)?).await?.attempt();
    let new = new_task("Milk")?;
    let created = tasks.create(owner, new.clone(), &call(owner, first, 0)).await?;
    let toggled = tasks.toggle(owner, created.id, None, &call(owner, first, 1)).await?;
    let named = [(created.id, toggled.after.version)];
    let gone = tasks.delete_many(owner, &named, &call(owner, first, 2)).await?;
    let second = next(&fixture, owner, "key", DEAD).await?.attempt();
    for ended in [false, true] {
        if ended {
            fixture.conversations.stop_turn(owner, second.turn, at(DEAD)).await?;
        }
        for attempt in [first, second] {
            assert_eq!(tasks.create(owner, new.clone(), &call(owner, attempt, 0)).await?, created);
            assert_eq!(tasks.toggle(owner, created.id, None, &call(owner, attempt, 1)).await?, toggled);
            assert_eq!(tasks.delete_many(owner, &named, &call(owner, attempt, 2)).await?, gone);
        }
    }
    assert_eq!(fixture.number("SELECT COUNT(*) FROM effects").await?, 3);
    Ok(())
}

/// A toggle in the turn that is under way; what it tells, and whether it is done, is [`agrees`]'s to say.
fn toggle(
    fixture: &Fixture,
    owner: UserId,
    turn: Attempt,
    task: &Task,
) -> impl Future<Output = anyhow::Result<Result<Task, TaskRepoError>>> + use<> {
    let (tasks, id, change) = (fixture.tasks.clone(), task.id, call(owner, turn, 0));
    let toggled = tokio::spawn(async move { tasks.toggle(owner, id, None, &change).await });
    async move { Ok(toggled.await?.map(|change| change.after)) }
}

/// The task is changed and that is on record, or nothing is. Of a record that went with its conversation nothing is
/// known.
async fn agrees(
    fixture: &Fixture,
    owner: UserId,
    toggled: Result<Task, TaskRepoError>,
    (task, turn, kept): (&Task, Attempt, bool),
) -> anyhow::Result<()> {
    let effect = EffectId { turn: turn.turn, round: 0, index: 0 };
    let recorded = fixture.tasks.effect(owner, effect).await?;
    let now = fixture.tasks.get(owner, task.id).await?;
    match toggled {
        Ok(after) => {
            assert_eq!(now, after);
            assert_eq!(recorded.and_then(|effect| effect.after), kept.then_some(after));
        }
        Err(TaskRepoError::TurnEnded) => assert_eq!((&now, recorded), (task, None)),
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
        let effect = EffectId { turn: turn.turn, round: 0, index: 0 };
        let recorded = fixture.tasks.effect(owner, effect).await?.is_some();
        let toggled = toggled.await?;
        assert_eq!(toggled.is_ok(), recorded, "{toggled:?}");
        agrees(&fixture, owner, toggled, (&task, turn, true)).await?;
    }
    Ok(())
}

async fn a_stop_comes_before_a_deletion_of_several_or_after_it(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for _ in 0..ROUNDS {
        let (one, two) = (fixture.task(owner, "1").await?, fixture.task(owner, "2").await?);
        let turn = fixture.conversation(owner).await?.1.attempt();
        let (tasks, change) = (fixture.tasks.clone(), call(owner, turn, 0));
        let these = [(one.id, one.version), (two.id, two.version)];
        let deleted = tokio::spawn(async move { tasks.delete_many(owner, &these, &change).await });
        fixture.conversations.stop_turn(owner, turn.turn, at(1)).await?;
        let left = fixture.tasks.get_many(owner, &[one.id, two.id]).await?.len();
        match deleted.await? {
            Ok(gone) => assert_eq!((gone.len(), left), (2, 0)),
            Err(TaskRepoError::TurnEnded) => assert_eq!(left, 2),
            Err(other) => return Err(other.into()),
        }
        assert_eq!(fixture.tasks.get_many(owner, &[one.id, two.id]).await?.len(), left);
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
        let again = fixture.tasks.toggle(owner, task.id, None, &call(owner, second, 0)).await?;
        let toggled = toggled.await?;
        assert!(matches!(&toggled, Ok(_) | Err(TaskRepoError::TurnEnded)), "{toggled:?}");
        assert_eq!(again.after.version, Version::new(2).unwrap_or(Version::FIRST));
        assert_eq!(fixture.tasks.get(owner, task.id).await?, again.after);
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
        let BegunTurn::Resumed { parts, .. } = fixture.conversations.begin_turn(owner, keyed(&key, DEAD)?).await?
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
        agrees(&fixture, owner, toggled.await?, (&task, turn.attempt(), false)).await?;
    }
    Ok(())
}

//! Tasks: effects of a chat turn's tool calls, each of which happens once.

use chrono::TimeDelta;
use domain::change::{Change, EffectId};
use domain::conversation::ConversationRepo as _;
use domain::id::{TaskId, UserId};
use domain::patch::Patch;
use domain::storage::StorageError;
use domain::task::{NewTask, Task, TaskChange, TaskEffect, TaskPatch, TaskRepo as _, TaskRepoError, Version};
use domain::turn::Turn;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, change, effect, id, new_task};

on_both_databases!(
    a_task_is_created_once,
    the_id_of_another_task_creates_nothing_and_is_not_on_record,
    a_task_is_changed_once,
    a_task_is_toggled_once,
    a_task_is_deleted_once,
    tasks_are_deleted_together_once,
    only_what_is_at_its_version_is_deleted,
    a_miss_is_not_on_record,
    an_effect_is_on_record_with_its_change_or_neither_is,
    an_effect_that_was_another_write_changes_nothing,
    effects_are_told_apart_by_turn_round_and_call,
    what_is_on_record_is_exact,
    effects_go_with_their_conversation,
    a_write_that_is_no_effect_is_one_statement,
);

struct Call {
    fixture: Fixture,
    owner: UserId,
    turn: Turn,
}

impl Call {
    async fn new(test: TestDatabase) -> anyhow::Result<Self> {
        let fixture = Fixture::new(test).await?;
        let owner = fixture.user().await?;
        let (_, turn) = fixture.conversation(owner).await?;
        Ok(Self { fixture, owner, turn })
    }

    fn id(&self, index: u8) -> EffectId {
        EffectId { turn: self.turn.id, round: 2, index }
    }

    fn change(&self, index: u8, microseconds: i64) -> Change {
        effect(self.owner, self.id(index), at(microseconds))
    }

    async fn task(&self, title: &str) -> anyhow::Result<Task> {
        self.fixture.task(self.owner, title).await
    }

    async fn effect(&self, index: u8) -> anyhow::Result<Option<TaskEffect>> {
        Ok(self.fixture.tasks.effect(self.owner, self.id(index)).await?)
    }

    async fn recorded(&self) -> anyhow::Result<i64> {
        self.fixture.number("SELECT COUNT(*) FROM effects").await
    }
}

fn completed() -> TaskPatch {
    TaskPatch { title: Patch::Keep, completed: Patch::Set(true) }
}

async fn a_task_is_created_once(test: TestDatabase) -> anyhow::Result<()> {
    let call = Call::new(test).await?;
    let (tasks, owner) = (&call.fixture.tasks, call.owner);
    assert_eq!(call.effect(0).await?, None);
    let new = new_task("Milk")?;
    let task = tasks.create(owner, new.clone(), &call.change(0, 1)).await?;
    assert_eq!(call.effect(0).await?, Some(TaskEffect { before: None, after: Some(task.clone()) }));
    // By the same id, by another one, and when it has changed since.
    assert_eq!(tasks.create(owner, new, &call.change(0, 2)).await?, task);
    tasks.update(owner, task.id, completed(), None, &change(owner, at(3))).await?;
    assert_eq!(tasks.create(owner, new_task("Bread")?, &call.change(0, 4)).await?, task);
    tasks.delete(owner, task.id, None, &change(owner, at(5))).await?;
    assert_eq!(tasks.create(owner, new_task("Bread")?, &call.change(0, 6)).await?, task);
    assert_eq!(tasks.counts(owner).await?.pending, 0);
    assert_eq!(call.recorded().await?, 1);
    Ok(())
}

async fn the_id_of_another_task_creates_nothing_and_is_not_on_record(test: TestDatabase) -> anyhow::Result<()> {
    let call = Call::new(test).await?;
    let stranger = call.fixture.user().await?;
    for task in [call.task("Milk").await?, call.fixture.task(stranger, "Bread").await?] {
        let new = NewTask { id: task.id, ..new_task("Eggs")? };
        let outcome = call.fixture.tasks.create(call.owner, new, &call.change(0, 1)).await;
        assert!(matches!(outcome, Err(TaskRepoError::Storage(StorageError::Other(_)))), "{outcome:?}");
        assert_eq!(call.effect(0).await?, None);
        assert_eq!(call.fixture.tasks.get(task.user_id, task.id).await?, task);
    }
    Ok(())
}

async fn a_task_is_changed_once(test: TestDatabase) -> anyhow::Result<()> {
    let call = Call::new(test).await?;
    let (tasks, owner) = (&call.fixture.tasks, call.owner);
    let before = call.task("Milk").await?;
    let patch = TaskPatch { title: Patch::Set("Bread".parse()?), completed: Patch::Keep };
    let done = tasks.update(owner, before.id, patch.clone(), Some(before.version), &call.change(0, 1)).await?;
    assert_eq!((&done.before, done.after.title.as_str()), (&before, "Bread"));
    let expected = TaskEffect { before: Some(before.clone()), after: Some(done.after.clone()) };
    assert_eq!(call.effect(0).await?, Some(expected));
    // At the same version, at none, and when it was changed back since.
    assert_eq!(tasks.update(owner, before.id, patch.clone(), Some(before.version), &call.change(0, 2)).await?, done);
    let back = TaskPatch { title: Patch::Set("Milk".parse()?), completed: Patch::Keep };
    let back = tasks.update(owner, before.id, back, None, &change(owner, at(3))).await?.after;
    for version in [None, Some(before.version), Some(back.version)] {
        assert_eq!(tasks.update(owner, before.id, patch.clone(), version, &call.change(0, 4)).await?, done);
        assert_eq!(tasks.update(owner, before.id, TaskPatch::default(), version, &call.change(0, 4)).await?, done);
    }
    assert_eq!(tasks.get(owner, before.id).await?, back);
    // What changes nothing is an effect, too.
    for (index, patch) in [(1, TaskPatch::default()), (2, completed()), (3, completed())] {
        let nothing = tasks.update(owner, before.id, patch.clone(), None, &call.change(index, 5)).await?;
        assert_eq!(nothing.before == nothing.after, index != 2);
        let later = tasks.update(owner, before.id, patch, None, &call.change(index, 6)).await?;
        assert_eq!(later, nothing);
        let expected = TaskEffect { before: Some(nothing.before), after: Some(nothing.after) };
        assert_eq!(call.effect(index).await?, Some(expected));
    }
    assert_eq!(tasks.get(owner, before.id).await?.version.get(), back.version.get() + 1);
    Ok(())
}

async fn a_task_is_toggled_once(test: TestDatabase) -> anyhow::Result<()> {
    let call = Call::new(test).await?;
    let (tasks, owner) = (&call.fixture.tasks, call.owner);
    let task = call.task("Milk").await?;
    let done = tasks.toggle(owner, task.id, None, &call.change(0, 1)).await?;
    for version in [None, Some(task.version)] {
        assert_eq!(tasks.toggle(owner, task.id, version, &call.change(0, 2)).await?, done);
    }
    assert_eq!(tasks.get(owner, task.id).await?, done.after);
    // The next call is another effect.
    let undone = tasks.toggle(owner, task.id, None, &call.change(1, 3)).await?;
    assert_eq!(undone.after.completed_at, None);
    assert_eq!(tasks.toggle(owner, task.id, None, &call.change(0, 4)).await?, done);
    assert_eq!(tasks.get(owner, task.id).await?, undone.after);
    Ok(())
}

async fn a_task_is_deleted_once(test: TestDatabase) -> anyhow::Result<()> {
    let call = Call::new(test).await?;
    let (tasks, owner) = (&call.fixture.tasks, call.owner);
    let (task, other) = (call.task("Milk").await?, call.task("Bread").await?);
    assert_eq!(tasks.delete(owner, task.id, Some(task.version), &call.change(0, 1)).await?, task);
    assert_eq!(call.effect(0).await?, Some(TaskEffect { before: Some(task.clone()), after: None }));
    for version in [None, Some(task.version)] {
        assert_eq!(tasks.delete(owner, task.id, version, &call.change(0, 2)).await?, task);
        // Whatever it is now that the call would delete.
        assert_eq!(tasks.delete(owner, other.id, version, &call.change(0, 2)).await?, task);
    }
    assert_eq!(tasks.get(owner, other.id).await?, other);
    Ok(())
}

fn named(tasks: &[Task]) -> Vec<(TaskId, Version)> {
    tasks.iter().map(|task| (task.id, task.version)).collect()
}

fn sorted(mut tasks: Vec<Task>) -> Vec<Task> {
    tasks.sort_by_key(|task| task.id);
    tasks
}

async fn tasks_are_deleted_together_once(test: TestDatabase) -> anyhow::Result<()> {
    let call = Call::new(test).await?;
    let (tasks, owner) = (&call.fixture.tasks, call.owner);
    let (one, two, three) = (call.task("1").await?, call.task("2").await?, call.task("3").await?);
    let kept = call.task("4").await?;
    let changed = tasks.toggle(owner, two.id, None, &change(owner, at(1))).await?.after;
    let missing = (id(), Version::FIRST);
    // The second one has changed meanwhile.
    let these = [named(&[three.clone(), two, one.clone()]), vec![missing]].concat();
    let gone = tasks.delete_many(owner, &these, &call.change(7, 2)).await?;
    assert_eq!(sorted(gone.clone()), [one.clone(), three.clone()]);
    let expected = [Some(&three), None, Some(&one), None];
    for (index, before) in (7..).zip(expected) {
        let effect = before.map(|before| TaskEffect { before: Some(before.clone()), after: None });
        assert_eq!(call.effect(index).await?, effect, "{index}");
    }
    // Again: it is what it was, whatever is there now.
    let all = [named(&[three, changed.clone(), one]), vec![missing]].concat();
    for these in [&these, &all] {
        assert_eq!(sorted(tasks.delete_many(owner, these, &call.change(7, 3)).await?), sorted(gone.clone()));
    }
    let others = named(&[kept.clone(), changed.clone()]);
    assert_eq!(sorted(tasks.delete_many(owner, &others, &call.change(7, 3)).await?).len(), 1);
    assert_eq!(tasks.get_many(owner, &[kept.id, changed.id]).await?.len(), 2);
    assert_eq!(call.recorded().await?, 2);
    // None of them is there, which is no effect; nor is nothing.
    assert_eq!(tasks.delete_many(owner, &[missing], &call.change(20, 4)).await?, []);
    assert_eq!(tasks.delete_many(owner, &[], &call.change(20, 4)).await?, []);
    assert_eq!(call.recorded().await?, 2);
    assert_eq!(tasks.delete_many(owner, &named(std::slice::from_ref(&kept)), &call.change(20, 5)).await?, [kept]);
    // No index is too high.
    let last = [call.task("5").await?, call.task("6").await?];
    assert_eq!(tasks.delete_many(owner, &named(&last), &call.change(u8::MAX, 6)).await?.len(), 2);
    assert_eq!(tasks.delete_many(owner, &named(&last), &call.change(u8::MAX, 6)).await?.len(), 2);
    Ok(())
}

async fn only_what_is_at_its_version_is_deleted(test: TestDatabase) -> anyhow::Result<()> {
    let call = Call::new(test).await?;
    let (tasks, owner) = (&call.fixture.tasks, call.owner);
    let now = change(owner, at(1));
    let mut all = Vec::new();
    for number in 0..600 {
        all.push(call.task(&number.to_string()).await?);
    }
    let (stale, fresh) = all.split_at(2);
    for task in stale {
        tasks.toggle(owner, task.id, None, &now).await?;
    }
    // Versions are those of their tasks, not of any.
    let crossed = [(fresh[0].id, Version::new(2).unwrap_or(Version::FIRST))];
    call.fixture.statements();
    assert_eq!(tasks.delete_many(owner, &[&named(stale)[..], &crossed].concat(), &now).await?, []);
    assert_eq!(sorted(tasks.delete_many(owner, &named(&all), &now).await?), sorted(fresh.to_vec()));
    assert_eq!(call.fixture.statements().len(), 2);
    assert_eq!(tasks.counts(owner).await?.completed, 2);
    assert_eq!(tasks.counts(owner).await?.pending, 0);
    Ok(())
}

async fn a_miss_is_not_on_record(test: TestDatabase) -> anyhow::Result<()> {
    let call = Call::new(test).await?;
    let (tasks, owner) = (&call.fixture.tasks, call.owner);
    let (task, missing) = (call.task("Milk").await?, id());
    let stale = Version::new(9);
    for (id, expected) in [(missing, None), (missing, stale), (task.id, stale)] {
        let outcomes = [
            tasks.update(owner, id, completed(), expected, &call.change(0, 1)).await.err(),
            tasks.update(owner, id, TaskPatch::default(), expected, &call.change(0, 1)).await.err(),
            tasks.toggle(owner, id, expected, &call.change(0, 1)).await.err(),
            tasks.delete(owner, id, expected, &call.change(0, 1)).await.err(),
        ];
        for outcome in outcomes {
            match outcome {
                Some(TaskRepoError::NotFound) if id == missing => {}
                Some(TaskRepoError::Stale) if id == task.id => {}
                other => anyhow::bail!("{other:?}"),
            }
        }
    }
    assert_eq!((call.effect(0).await?, call.recorded().await?), (None, 0));
    // So it may still happen.
    tasks.toggle(owner, task.id, None, &call.change(0, 2)).await?;
    assert_eq!(call.recorded().await?, 1);
    Ok(())
}

async fn an_effect_is_on_record_with_its_change_or_neither_is(test: TestDatabase) -> anyhow::Result<()> {
    let call = Call::new(test).await?;
    let (tasks, owner) = (&call.fixture.tasks, call.owner);
    let task = call.task("Milk").await?;
    // The id is taken, so the row cannot be created.
    let taken = NewTask { id: task.id, ..new_task("Bread")? };
    assert!(tasks.create(owner, taken, &call.change(0, 1)).await.is_err());
    assert_eq!(call.effect(0).await?, None);
    // The turn is not there, so the record is not made.
    let nowhere = effect(owner, EffectId { turn: id(), round: 0, index: 0 }, at(1));
    let outcomes = [
        tasks.create(owner, new_task("Bread")?, &nowhere).await.err(),
        tasks.update(owner, task.id, completed(), None, &nowhere).await.err(),
        tasks.toggle(owner, task.id, None, &nowhere).await.err(),
        tasks.delete(owner, task.id, None, &nowhere).await.err(),
        tasks.delete_many(owner, &[(task.id, task.version)], &nowhere).await.err(),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Some(TaskRepoError::TurnEnded)), "{outcome:?}");
    }
    assert_eq!(tasks.get(owner, task.id).await?, task);
    assert_eq!((tasks.counts(owner).await?.pending, call.recorded().await?), (1, 0));
    Ok(())
}

async fn an_effect_that_was_another_write_changes_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let call = Call::new(test).await?;
    let (tasks, owner) = (&call.fixture.tasks, call.owner);
    let task = call.task("Milk").await?;
    let created = tasks.create(owner, new_task("Bread")?, &call.change(0, 1)).await?;
    tasks.toggle(owner, created.id, None, &call.change(1, 1)).await?;
    let outcomes = [
        tasks.toggle(owner, task.id, None, &call.change(0, 2)).await.err(),
        tasks.delete(owner, task.id, None, &call.change(0, 2)).await.err(),
        tasks.delete_many(owner, &[(task.id, task.version)], &call.change(0, 2)).await.err(),
        tasks.create(owner, new_task("Eggs")?, &call.change(1, 2)).await.err(),
        tasks.delete(owner, task.id, None, &call.change(1, 2)).await.err(),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Some(TaskRepoError::Storage(StorageError::Other(_)))), "{outcome:?}");
    }
    assert_eq!(tasks.get(owner, task.id).await?, task);
    assert_eq!(call.recorded().await?, 2);
    Ok(())
}

async fn effects_are_told_apart_by_turn_round_and_call(test: TestDatabase) -> anyhow::Result<()> {
    let call = Call::new(test).await?;
    let (tasks, owner) = (&call.fixture.tasks, call.owner);
    let (_, other) = call.fixture.conversation(owner).await?;
    let task = call.task("Milk").await?;
    let ids = [(call.turn.id, 0, 0), (call.turn.id, 0, 255), (call.turn.id, 255, 0), (other.id, 0, 0)];
    let mut done: Vec<TaskChange> = Vec::new();
    for (turn, round, index) in ids {
        let change = effect(owner, EffectId { turn, round, index }, at(1));
        done.push(tasks.toggle(owner, task.id, None, &change).await?);
    }
    assert_eq!(done.last().map(|done| done.after.version.get()), Some(5));
    for ((turn, round, index), done) in ids.into_iter().zip(done) {
        let effect = tasks.effect(owner, EffectId { turn, round, index }).await?;
        assert_eq!(effect, Some(TaskEffect { before: Some(done.before), after: Some(done.after) }));
    }
    Ok(())
}

async fn what_is_on_record_is_exact(test: TestDatabase) -> anyhow::Result<()> {
    let call = Call::new(test).await?;
    let (tasks, owner) = (&call.fixture.tasks, call.owner);
    let title = "🧑\u{200D}🚀 ‏שלום‏ cafe\u{301} \"\\\u{FFFD}";
    let new = NewTask { completed: true, ..new_task(title)? };
    // Microseconds are kept, and nothing below them.
    let mut change = call.change(0, 123_457);
    change.at += TimeDelta::nanoseconds(999);
    let task = tasks.create(owner, new, &change).await?;
    assert_eq!((task.created_at, task.completed_at), (at(123_457), Some(at(123_457))));
    assert_eq!(tasks.get(owner, task.id).await?, task);
    assert_eq!(call.effect(0).await?, Some(TaskEffect { before: None, after: Some(task.clone()) }));
    let done = tasks.toggle(owner, task.id, None, &call.change(1, 1_000_001)).await?;
    assert_eq!(done.before, task);
    assert_eq!(call.effect(1).await?, Some(TaskEffect { before: Some(task), after: Some(done.after) }));
    Ok(())
}

async fn effects_go_with_their_conversation(test: TestDatabase) -> anyhow::Result<()> {
    let call = Call::new(test).await?;
    let (tasks, owner) = (&call.fixture.tasks, call.owner);
    let task = tasks.create(owner, new_task("Milk")?, &call.change(0, 1)).await?;
    call.fixture.conversations.delete(owner, call.turn.conversation).await?;
    assert_eq!((call.effect(0).await?, call.recorded().await?), (None, 0));
    assert_eq!(tasks.get(owner, task.id).await?, task);
    Ok(())
}

async fn a_write_that_is_no_effect_is_one_statement(test: TestDatabase) -> anyhow::Result<()> {
    let call = Call::new(test).await?;
    let (fixture, owner) = (&call.fixture, call.owner);
    // In a turn, but not by a call.
    let now = Change { call: None, ..call.change(0, 1) };
    fixture.statements();
    let task = fixture.tasks.create(owner, new_task("Milk")?, &now).await?;
    fixture.tasks.update(owner, task.id, completed(), None, &now).await?;
    fixture.tasks.toggle(owner, task.id, None, &now).await?;
    fixture.tasks.delete(owner, task.id, None, &now).await?;
    fixture.tasks.delete_many(owner, &[(task.id, task.version)], &now).await?;
    assert_eq!(fixture.statements().len(), 5);
    assert_eq!(call.recorded().await?, 0);
    // An effect is two.
    fixture.tasks.create(owner, new_task("Milk")?, &call.change(0, 1)).await?;
    fixture.statements();
    fixture.tasks.create(owner, new_task("Milk")?, &call.change(1, 1)).await?;
    assert_eq!(fixture.statements().len(), 2);
    Ok(())
}

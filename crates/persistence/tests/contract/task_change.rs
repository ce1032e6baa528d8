//! Tasks: changing them, alone and at the same time.

use domain::patch::Patch;
use domain::task::{Task, TaskChange, TaskPatch, TaskRepo as _, TaskRepoError, Version};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, change};

on_both_databases!(
    a_change_returns_the_row_before_and_after,
    a_change_that_changes_nothing_keeps_version_and_times,
    completing_a_completed_task_keeps_when_it_was_done,
    the_title_and_the_completion_change_together,
    a_patch_that_clears_changes_nothing,
    toggling_completes_and_reopens,
    a_stale_version_changes_nothing,
    of_two_updates_at_the_same_version_one_is_stale,
    toggles_at_the_same_time_all_count,
);

fn title(title: &str) -> anyhow::Result<TaskPatch> {
    Ok(TaskPatch { title: Patch::Set(title.parse()?), completed: Patch::Keep })
}

fn completed(completed: bool) -> TaskPatch {
    TaskPatch { title: Patch::Keep, completed: Patch::Set(completed) }
}

fn version(number: u32) -> anyhow::Result<Version> {
    Version::new(number).ok_or_else(|| anyhow::anyhow!("0 is no version"))
}

async fn a_change_returns_the_row_before_and_after(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut before = fixture.task(owner, "Milk").await?;
    let mut next = 1;
    for patch in [title("Oat milk")?, completed(true), title("Soy milk")?, completed(false), title("Milk")?] {
        let now = change(owner, at(next));
        let done = fixture.tasks.update(owner, before.id, patch.clone(), Some(before.version), &now).await?;
        let completed_at = match patch.completed {
            Patch::Set(true) => Some(at(next)),
            Patch::Set(false) => None,
            Patch::Keep | Patch::Clear => before.completed_at,
        };
        let title = patch.title.as_set().unwrap_or(&before.title).clone();
        let version = version(before.version.get() + 1)?;
        let after = Task { title, completed_at, version, updated_at: at(next), ..before.clone() };
        assert_eq!(done, TaskChange { before, after: after.clone() });
        assert_eq!(fixture.tasks.get(owner, after.id).await?, after);
        (before, next) = (after, next + 1);
    }
    Ok(())
}

async fn a_change_that_changes_nothing_keeps_version_and_times(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    // So that the row remembers another one than itself.
    let task = fixture.tasks.update(owner, task.id, title("Oat milk")?, None, &change(owner, at(1))).await?.after;
    let both = TaskPatch { completed: Patch::Set(false), ..title("Oat milk")? };
    for patch in [title("Oat milk")?, completed(false), both, TaskPatch::default()] {
        let done = fixture.tasks.update(owner, task.id, patch, Some(task.version), &change(owner, at(2))).await?;
        assert_eq!(done, TaskChange { before: task.clone(), after: task.clone() });
    }
    // What differs in bytes differs, although it is alike when folded.
    let done = fixture.tasks.update(owner, task.id, title("OAT MILK")?, None, &change(owner, at(2))).await?;
    assert_eq!(done.after.version, version(3)?);
    Ok(())
}

async fn completing_a_completed_task_keeps_when_it_was_done(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    fixture.tasks.update(owner, task.id, completed(true), None, &change(owner, at(1))).await?;
    let again = fixture.tasks.update(owner, task.id, completed(true), None, &change(owner, at(2))).await?;
    assert_eq!((again.after.completed_at, again.after.version), (Some(at(1)), version(2)?));
    let patch = TaskPatch { completed: Patch::Set(true), ..title("Oat milk")? };
    let renamed = fixture.tasks.update(owner, task.id, patch, None, &change(owner, at(3))).await?;
    assert_eq!((renamed.after.completed_at, renamed.after.updated_at), (Some(at(1)), at(3)));
    Ok(())
}

async fn the_title_and_the_completion_change_together(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let patch = TaskPatch { completed: Patch::Set(true), ..title("Oat milk")? };
    let done = fixture.tasks.update(owner, task.id, patch, None, &change(owner, at(1))).await?;
    assert_eq!(done.before, task);
    assert_eq!(done.after.version, version(2)?);
    assert_eq!((done.after.title.as_str(), done.after.completed_at), ("Oat milk", Some(at(1))));
    Ok(())
}

async fn a_patch_that_clears_changes_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let patch = TaskPatch { title: Patch::Clear, completed: Patch::Clear };
    let done = fixture.tasks.update(owner, task.id, patch, None, &change(owner, at(1))).await?;
    assert_eq!(done, TaskChange { before: task.clone(), after: task });
    Ok(())
}

async fn toggling_completes_and_reopens(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let done = fixture.tasks.toggle(owner, task.id, Some(task.version), &change(owner, at(1))).await?;
    let after = Task { completed_at: Some(at(1)), version: version(2)?, updated_at: at(1), ..task.clone() };
    assert_eq!(done, TaskChange { before: task, after: after.clone() });
    let reopened = fixture.tasks.toggle(owner, after.id, None, &change(owner, at(2))).await?;
    let open = Task { completed_at: None, version: version(3)?, updated_at: at(2), ..after.clone() };
    assert_eq!(reopened, TaskChange { before: after, after: open });
    Ok(())
}

async fn a_stale_version_changes_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let now = change(owner, at(1));
    for wrong in [version(2)?, version(u32::MAX)?] {
        for patch in [title("Bread")?, completed(true), TaskPatch::default()] {
            let outcome = fixture.tasks.update(owner, task.id, patch, Some(wrong), &now).await;
            assert!(matches!(outcome, Err(TaskRepoError::Stale)), "{outcome:?}");
        }
        let outcome = fixture.tasks.toggle(owner, task.id, Some(wrong), &now).await;
        assert!(matches!(outcome, Err(TaskRepoError::Stale)), "{outcome:?}");
    }
    assert_eq!(fixture.tasks.get(owner, task.id).await?, task);
    Ok(())
}

async fn of_two_updates_at_the_same_version_one_is_stale(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for _ in 0..20 {
        let task = fixture.task(owner, "Milk").await?;
        let update = |name: &'static str| {
            let (tasks, id) = (fixture.tasks.clone(), task.id);
            tokio::spawn(async move {
                let patch = title(name)?;
                anyhow::Ok(tasks.update(owner, id, patch, Some(Version::FIRST), &change(owner, at(1))).await)
            })
        };
        let (one, other) = (update("Bread"), update("Butter"));
        let outcomes = [one.await??, other.await??];
        let stale = outcomes.iter().filter(|outcome| matches!(outcome, Err(TaskRepoError::Stale))).count();
        assert_eq!(stale, 1, "{outcomes:?}");
        let done = outcomes.iter().flatten().next();
        assert_eq!(done.map(|done| &done.before), Some(&task));
        assert_eq!(done.map(|done| done.after.clone()), Some(fixture.tasks.get(owner, task.id).await?));
    }
    Ok(())
}

async fn toggles_at_the_same_time_all_count(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let toggles: Vec<_> = (0..20)
        .map(|_| {
            let (tasks, id) = (fixture.tasks.clone(), task.id);
            tokio::spawn(async move { tasks.toggle(owner, id, None, &change(owner, at(1))).await })
        })
        .collect();
    let mut versions = Vec::new();
    for toggle in toggles {
        let done = toggle.await??;
        assert_eq!(done.after.version.get(), done.before.version.get() + 1);
        assert_ne!(done.after.completed(), done.before.completed());
        versions.push(done.after.version.get());
    }
    versions.sort_unstable();
    assert_eq!(versions, (2..=21).collect::<Vec<_>>());
    Ok(())
}

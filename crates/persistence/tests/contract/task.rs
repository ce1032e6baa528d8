//! Tasks: creating, reading, deleting.

use domain::id::TaskId;
use domain::task::{NewTask, Task, TaskCounts, TaskPatch, TaskRepo as _, TaskRepoError, Version};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, change, id, new_task};

on_both_databases!(
    a_created_task_is_read_as_it_was_returned,
    a_title_comes_back_byte_for_byte,
    times_are_kept_in_whole_microseconds,
    a_missing_task_is_not_found,
    many_tasks_are_read_at_once_and_missing_ones_left_out,
    more_ids_than_a_statement_takes_are_read,
    tasks_are_counted_by_whether_they_are_done,
    deleting_returns_the_task_as_it_was,
    each_call_takes_one_statement_and_a_named_version_that_is_missed_one_more,
);

async fn a_created_task_is_read_as_it_was_returned(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for completed in [false, true] {
        let new = NewTask { completed, ..new_task("Buy milk")? };
        let created = fixture.tasks.create(owner, new.clone(), &change(owner, at(7))).await?;
        let expected = Task {
            id: new.id,
            user_id: owner,
            title: new.title,
            completed_at: completed.then(|| at(7)),
            version: Version::FIRST,
            created_at: at(7),
            updated_at: at(7),
        };
        assert_eq!(created, expected);
        assert_eq!(fixture.tasks.get(owner, new.id).await?, expected);
    }
    Ok(())
}

async fn a_title_comes_back_byte_for_byte(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    // Joined emoji, both directions, a combining mark, SQL's and LIKE's own characters, the longest title, and the
    // longest one of characters that fold into many.
    let long: String = "🦀".repeat(500);
    let folding: String = ('\u{3300}'..='\u{3357}').chain('\u{FDFA}'..='\u{FDFB}').cycle().take(500).collect();
    for title in
        ["🧑\u{200D}🚀", "‏שלום‏ milk", "cafe\u{301}", "'; DROP TABLE tasks; --", "100% _a_ \\ \" $1 ?", &long, &folding]
    {
        let created = fixture.task(owner, title).await?;
        assert_eq!(created.title.as_str(), title);
        assert_eq!(fixture.tasks.get(owner, created.id).await?, created);
    }
    Ok(())
}

async fn times_are_kept_in_whole_microseconds(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for (given, kept) in [(at(0), at(0)), (at(123_456), at(123_456)), (at(120_000), at(120_000))] {
        let fine = given + chrono::TimeDelta::nanoseconds(999);
        let created = fixture.tasks.create(owner, new_task("Buy milk")?, &change(owner, fine)).await?;
        assert_eq!(created.created_at, kept);
        assert_eq!(fixture.tasks.get(owner, created.id).await?, created);
    }
    Ok(())
}

async fn a_missing_task_is_not_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let now = change(owner, at(1));
    for expected in [None, Some(Version::FIRST)] {
        let (tasks, missing) = (&fixture.tasks, id::<TaskId>());
        let renamed = TaskPatch { title: Some("Milk".parse()?).into(), ..TaskPatch::default() };
        assert!(matches!(tasks.get(owner, missing).await, Err(TaskRepoError::NotFound)));
        assert!(matches!(tasks.update(owner, missing, renamed, expected, &now).await, Err(TaskRepoError::NotFound)));
        let nothing = TaskPatch::default();
        assert!(matches!(tasks.update(owner, missing, nothing, expected, &now).await, Err(TaskRepoError::NotFound)));
        assert!(matches!(tasks.toggle(owner, missing, expected, &now).await, Err(TaskRepoError::NotFound)));
        assert!(matches!(tasks.delete(owner, missing, expected, &now).await, Err(TaskRepoError::NotFound)));
    }
    Ok(())
}

async fn many_tasks_are_read_at_once_and_missing_ones_left_out(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (one, other) = (fixture.task(owner, "Milk").await?, fixture.task(owner, "Bread").await?);
    fixture.task(owner, "Butter").await?;
    let mut found = fixture.tasks.get_many(owner, &[other.id, id(), one.id]).await?;
    found.sort_by_key(|task| task.id);
    assert_eq!(found, [one, other]);
    assert_eq!(fixture.tasks.get_many(owner, &[]).await?, []);
    Ok(())
}

async fn more_ids_than_a_statement_takes_are_read(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let there = fixture.task(owner, "Milk").await?;
    let mut ids: Vec<TaskId> = (0..40_000).map(|_| id()).collect();
    ids.push(there.id);
    assert_eq!(fixture.tasks.get_many(owner, &ids).await?, [there]);
    Ok(())
}

async fn tasks_are_counted_by_whether_they_are_done(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    assert_eq!(fixture.tasks.counts(owner).await?, TaskCounts::default());
    for completed in [true, false, false] {
        let new = NewTask { completed, ..new_task("Milk")? };
        fixture.tasks.create(owner, new, &change(owner, at(0))).await?;
    }
    assert_eq!(fixture.tasks.counts(owner).await?, TaskCounts { pending: 2, completed: 1 });
    Ok(())
}

async fn deleting_returns_the_task_as_it_was(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let kept = fixture.task(owner, "Bread").await?;
    let second = Version::new(2);
    let now = change(owner, at(1));
    assert!(matches!(fixture.tasks.delete(owner, task.id, second, &now).await, Err(TaskRepoError::Stale)));
    assert_eq!(fixture.tasks.get(owner, task.id).await?, task);
    assert_eq!(fixture.tasks.delete(owner, task.id, Some(task.version), &now).await?, task);
    assert!(matches!(fixture.tasks.delete(owner, task.id, None, &now).await, Err(TaskRepoError::NotFound)));
    assert_eq!(fixture.tasks.delete(owner, kept.id, None, &now).await?, kept);
    Ok(())
}

async fn each_call_takes_one_statement_and_a_named_version_that_is_missed_one_more(
    test: TestDatabase,
) -> anyhow::Result<()> {
    use domain::page::PageRequest;
    use std::num::NonZeroU16;
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let now = change(owner, at(1));
    let (tasks, wrong) = (&fixture.tasks, Version::new(9));
    let patch = || -> anyhow::Result<TaskPatch> {
        Ok(TaskPatch { title: Some("Bread".parse()?).into(), completed: Some(true).into() })
    };
    fixture.statements();
    let task = tasks.create(owner, new_task("Milk")?, &now).await?;
    assert_eq!(fixture.statements().len(), 1, "create");
    tasks.get(owner, task.id).await?;
    assert_eq!(fixture.statements().len(), 1, "get");
    tasks.get_many(owner, &[task.id, id()]).await?;
    assert_eq!(fixture.statements().len(), 1, "get_many");
    tasks.list(owner, &domain::task::TaskFilter::default(), PageRequest::first(NonZeroU16::MIN)).await?;
    assert_eq!(fixture.statements().len(), 1, "list");
    tasks.counts(owner).await?;
    assert_eq!(fixture.statements().len(), 1, "counts");
    tasks.update(owner, task.id, patch()?, Some(Version::FIRST), &now).await?;
    assert_eq!(fixture.statements().len(), 1, "update");
    tasks.toggle(owner, task.id, None, &now).await?;
    assert_eq!(fixture.statements().len(), 1, "toggle");
    for (id, expected, statements) in [(task.id, wrong, 2), (id(), wrong, 2), (id(), None, 1)] {
        assert!(tasks.update(owner, id, patch()?, expected, &now).await.is_err());
        assert_eq!(fixture.statements().len(), statements, "update {expected:?}");
        assert!(tasks.toggle(owner, id, expected, &now).await.is_err());
        assert_eq!(fixture.statements().len(), statements, "toggle {expected:?}");
        assert!(tasks.delete(owner, id, expected, &now).await.is_err());
        assert_eq!(fixture.statements().len(), statements, "delete {expected:?}");
    }
    tasks.delete(owner, task.id, None, &now).await?;
    assert_eq!(fixture.statements().len(), 1, "delete");
    Ok(())
}

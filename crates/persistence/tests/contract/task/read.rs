//! Tasks: reads by id and counts.

use domain::change::{ChangeRepo as _, Write};
use domain::id::TaskId;
use domain::page::PageRequest;
use domain::task::{Task, TaskCounts, TaskFilter, TaskRepo as _, TaskRepoError, Version};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, change, id, new_task};

on_both_databases!(
    a_task_is_read_as_it_was_written,
    a_title_is_stored_byte_for_byte,
    times_are_stored_in_whole_microseconds,
    a_missing_task_is_not_found,
    get_many_omits_missing_tasks,
    get_many_may_exceed_the_parameters_of_one_statement,
    tasks_are_counted_by_status,
    each_read_takes_one_statement,
);

async fn a_task_is_read_as_it_was_written(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for completed in [false, true] {
        let task = Task::new(id(), owner, "Buy milk".parse()?, completed, at(7));
        fixture.write(owner, Write::create(task.clone())).await?;
        assert_eq!(fixture.tasks.get(owner, task.id).await?, task);
        let version = Version::new(u32::MAX).unwrap_or(Version::FIRST);
        let other =
            Task { title: "Bread".parse()?, completed_at: Some(at(8)), version, updated_at: at(9), ..task.clone() };
        fixture.write(owner, Write::replace(task, other.clone())).await?;
        assert_eq!(fixture.tasks.get(owner, other.id).await?, other);
    }
    Ok(())
}

async fn a_title_is_stored_byte_for_byte(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    // Joined emoji, both directions, a combining mark, SQL's and LIKE's own characters, the longest title, and the
    // longest one of characters that fold into many.
    let long: String = "🦀".repeat(500);
    let folding: String = ('\u{3300}'..='\u{3357}').chain('\u{FDFA}'..='\u{FDFB}').cycle().take(500).collect();
    for title in
        ["🧑\u{200D}🚀", "‏שלום‏ milk", "cafe\u{301}", "'; DROP TABLE tasks; --", "100% _a_ \\ \" $1 ?", &long, &folding]
    {
        let task = new_task(owner, title)?;
        let entry = fixture.write(owner, Write::create(task.clone())).await?;
        assert_eq!(task.title.as_str(), title);
        assert_eq!(fixture.tasks.get(owner, task.id).await?, task);
        assert_eq!(entry.after.as_ref().and_then(|row| row.as_task()), Some(&task));
    }
    Ok(())
}

async fn times_are_stored_in_whole_microseconds(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for stored in [at(0), at(123_456), at(120_000)] {
        let precise = stored + chrono::TimeDelta::nanoseconds(999);
        let task = Task::new(id(), owner, "Buy milk".parse()?, true, precise);
        let entries = fixture.changes.commit(owner, &[Write::create(task.clone())], &change(owner, precise)).await?;
        let task = Task { completed_at: Some(stored), created_at: stored, updated_at: stored, ..task };
        assert_eq!(fixture.tasks.get(owner, task.id).await?, task);
        // The committed entry has the rounded times that are stored.
        assert_eq!((entries[0].at, entries[0].after.as_ref().and_then(|row| row.as_task())), (stored, Some(&task)));
    }
    Ok(())
}

async fn a_missing_task_is_not_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    fixture.task(owner, "Milk").await?;
    let missing = fixture.tasks.get(owner, id()).await;
    assert!(matches!(missing, Err(TaskRepoError::NotFound)), "{missing:?}");
    Ok(())
}

async fn get_many_omits_missing_tasks(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (one, other) = (fixture.task(owner, "Milk").await?, fixture.task(owner, "Bread").await?);
    fixture.task(owner, "Butter").await?;
    // Includes tasks in the trash.
    let one = fixture.trash(&one, at(1)).await?;
    let mut found = fixture.tasks.get_many(owner, &[other.id, id(), one.id]).await?;
    found.sort_by_key(|task| task.id);
    assert_eq!(found, [one, other]);
    assert_eq!(fixture.tasks.get_many(owner, &[]).await?, []);
    Ok(())
}

async fn get_many_may_exceed_the_parameters_of_one_statement(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let there = fixture.task(owner, "Milk").await?;
    let mut ids: Vec<TaskId> = (0..40_000).map(|_| id()).collect();
    ids.push(there.id);
    assert_eq!(fixture.tasks.get_many(owner, &ids).await?, [there]);
    Ok(())
}

async fn tasks_are_counted_by_status(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    assert_eq!(fixture.tasks.counts(owner).await?, TaskCounts::default());
    for completed in [true, false, false] {
        let task = Task::new(id(), owner, "Milk".parse()?, completed, at(0));
        fixture.write(owner, Write::create(task)).await?;
    }
    assert_eq!(fixture.tasks.counts(owner).await?, TaskCounts { pending: 2, completed: 1 });
    Ok(())
}

async fn each_read_takes_one_statement(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (tasks, task) = (&fixture.tasks, fixture.task(owner, "Milk").await?);
    fixture.statements();
    tasks.get(owner, task.id).await?;
    assert_eq!(fixture.statements().len(), 1, "get");
    tasks.get_many(owner, &[task.id, id()]).await?;
    assert_eq!(fixture.statements().len(), 1, "get_many");
    tasks.list(owner, &TaskFilter::default(), PageRequest::first(std::num::NonZeroU16::MIN)).await?;
    assert_eq!(fixture.statements().len(), 1, "list");
    tasks.list_trash(owner, PageRequest::first(std::num::NonZeroU16::MIN)).await?;
    assert_eq!(fixture.statements().len(), 1, "list_trash");
    tasks.counts(owner).await?;
    assert_eq!(fixture.statements().len(), 1, "counts");
    Ok(())
}

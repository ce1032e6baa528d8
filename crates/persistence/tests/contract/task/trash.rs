//! The trash: pages, restoring, and exclusion from other reads.

use std::num::NonZeroU16;

use domain::change::Write;
use domain::id::UserId;
use domain::page::PageRequest;
use domain::task::{
    Task, TaskCounts, TaskFilter, TaskPatch, TaskRepo as _, TaskRepoError, TaskStatus, TitleMatch, TrashCursor,
};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, id};

on_both_databases!(
    other_reads_exclude_the_trash,
    a_task_is_restored_from_the_trash,
    a_task_in_the_trash_can_be_updated,
    pages_contain_each_deleted_task_once_and_the_newest_deletion_first,
    a_page_of_the_trash_starts_at_a_time,
);

async fn all(fixture: &Fixture, owner: UserId, size: u16) -> anyhow::Result<Vec<Task>> {
    let limit = NonZeroU16::new(size).unwrap_or(NonZeroU16::MIN);
    let (mut shown, mut request) = (Vec::new(), PageRequest::first(limit));
    loop {
        let page = fixture.tasks.list_trash(owner, request.clone()).await?;
        anyhow::ensure!(page.items.len() <= usize::from(size), "a page of {}", page.items.len());
        shown.extend(page.items);
        match page.next {
            Some(next) => request.after = Some(next),
            None => return Ok(shown),
        }
    }
}

async fn other_reads_exclude_the_trash(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut deleted = Vec::new();
    for completed in [false, true] {
        let task = Task::new(id(), owner, "Milk".parse()?, completed, at(0));
        fixture.write(owner, Write::create(task.clone())).await?;
        deleted.push(fixture.trash(&task, at(1)).await?);
    }
    let kept = fixture.task(owner, "Milk bottle").await?;
    for task in &deleted {
        let read = fixture.tasks.get(owner, task.id).await;
        assert!(matches!(read, Err(TaskRepoError::NotFound)), "{read:?}");
    }
    let title_text = kept.title.normalized();
    for status in [TaskStatus::All, TaskStatus::Pending, TaskStatus::Completed] {
        for title in
            [None, Some(TitleMatch::Exactly(title_text.clone())), Some(TitleMatch::Containing(title_text.clone()))]
        {
            let filter = TaskFilter { status, title };
            let page = fixture.tasks.list(owner, &filter, PageRequest::first(NonZeroU16::MAX)).await?;
            let expected = if status == TaskStatus::Completed { &[][..] } else { std::slice::from_ref(&kept) };
            assert_eq!(page.items, expected, "{filter:?}");
        }
    }
    let milk = deleted[0].title.normalized();
    let exactly = TaskFilter { title: Some(TitleMatch::Exactly(milk)), ..TaskFilter::default() };
    assert_eq!(fixture.tasks.list(owner, &exactly, PageRequest::first(NonZeroU16::MAX)).await?.items, []);
    assert_eq!(fixture.tasks.counts(owner).await?, TaskCounts { pending: 1, completed: 0 });
    deleted.reverse();
    assert_eq!(all(&fixture, owner, 9).await?, deleted);
    Ok(())
}

async fn a_task_is_restored_from_the_trash(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let deleted = fixture.trash(&task, at(1)).await?;
    let restored = deleted.restore(at(2));
    fixture.write(owner, Write::replace(deleted, restored.clone())).await?;
    assert_eq!(fixture.tasks.get(owner, task.id).await?, restored);
    assert_eq!(all(&fixture, owner, 9).await?, []);
    assert_eq!(fixture.tasks.counts(owner).await?.pending, 1);
    Ok(())
}

async fn a_task_in_the_trash_can_be_updated(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let deleted = fixture.trash(&fixture.task(owner, "Milk").await?, at(1)).await?;
    let patch = TaskPatch { title: Some("Bread".parse()?).into(), ..TaskPatch::default() };
    let renamed = deleted.apply(&patch, at(2));
    fixture.write(owner, Write::replace(deleted, renamed.clone())).await?;
    assert_eq!(all(&fixture, owner, 9).await?, [renamed]);
    Ok(())
}

async fn pages_contain_each_deleted_task_once_and_the_newest_deletion_first(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    let mut expected = Vec::new();
    // Some times are equal, some have a fraction that ends in zeros, and the order differs from that of creation.
    for when in [5, 1_000_000, 5, 500_000, 5, 3] {
        let task = fixture.task(owner, "Milk").await?;
        expected.push(fixture.trash(&task, at(when)).await?);
        fixture.trash(&fixture.task(other, "Bread").await?, at(when)).await?;
    }
    expected.sort_by_key(|task| std::cmp::Reverse((task.deleted_at, task.id)));
    for size in [1, 2, 3, 5, 6, 7] {
        assert_eq!(all(&fixture, owner, size).await?, expected, "pages of {size}");
    }
    Ok(())
}

async fn a_page_of_the_trash_starts_at_a_time(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut deleted = Vec::new();
    for when in [1, 2, 3] {
        deleted.push(fixture.trash(&fixture.task(owner, "Milk").await?, at(when)).await?);
    }
    // As upkeep does: tasks that were deleted at or before that time.
    let after = Some(TrashCursor { deleted_at: at(2), id: uuid::Uuid::max().into() });
    let page = fixture.tasks.list_trash(owner, PageRequest { limit: NonZeroU16::MAX, after }).await?;
    assert_eq!(page.items, [deleted[1].clone(), deleted[0].clone()]);
    Ok(())
}

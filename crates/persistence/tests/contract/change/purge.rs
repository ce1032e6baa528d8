//! Purged tasks: their contents are erased from the ledger.

use domain::change::{Action, ChangeRepo as _, ChangeRepoError, EntityId, Entry, Row, Write};
use domain::task::{Task, TaskPatch, TaskRepo as _};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, change, new_task};

on_both_databases!(
    a_purge_deletes_the_row_and_its_contents_in_the_ledger,
    a_purge_erases_entries_of_its_own_commit,
    a_purge_of_a_stale_row_changes_nothing,
    many_rows_are_purged_in_one_commit,
);

/// Returns the entry without `before` and `after`.
fn blank(entry: &Entry) -> Entry {
    Entry { before: None, after: None, ..entry.clone() }
}

async fn a_purge_deletes_the_row_and_its_contents_in_the_ledger(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    let (task, kept) = (fixture.task(owner, "Secret milk").await?, fixture.task(owner, "Bread").await?);
    let theirs = fixture.task(other, "Eggs").await?;
    let patch = TaskPatch { title: Some("Secret oat milk".parse()?).into(), ..TaskPatch::default() };
    let renamed = task.apply(&patch, at(1));
    fixture.write(owner, Write::replace(task, renamed.clone())).await?;
    let deleted = fixture.trash(&renamed, at(2)).await?;
    let before = fixture.entries(owner).await?;
    let entry = fixture.write(owner, Write::purge(deleted.clone())).await?;
    assert_eq!((entry.action, entry.entity), (Action::Purged, EntityId::Task(deleted.id)));
    assert_eq!((&entry.before, &entry.after), (&None, &None));
    let mut expected: Vec<_> = before.iter().map(blank).collect();
    expected[1] = before[1].clone();
    expected.push(entry);
    assert_eq!(fixture.entries(owner).await?, expected);
    assert_eq!(fixture.entries(other).await?[0].after, Some(Row::Task(theirs)));
    assert_eq!(fixture.tasks.get_many(owner, &[deleted.id, kept.id]).await?, [kept]);
    let left = "SELECT COUNT(*) FROM changes \
                WHERE CAST(\"before\" AS text) LIKE '%Secret%' OR CAST(\"after\" AS text) LIKE '%Secret%'";
    assert_eq!(fixture.number(left).await?, 0);
    // It can be purged only once.
    let again = fixture.write(owner, Write::purge(deleted)).await;
    assert!(matches!(again, Err(ChangeRepoError::Stale)), "{again:?}");
    Ok(())
}

async fn a_purge_erases_entries_of_its_own_commit(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (created, other) = (new_task(owner, "Milk")?, new_task(owner, "Bread")?);
    let deleted = created.delete(at(1));
    let writes = [
        Write::create(created.clone()),
        Write::create(other.clone()),
        Write::replace(created, deleted.clone()),
        Write::purge(deleted),
    ];
    let entries = fixture.changes.commit(owner, &writes, &change(owner, at(1))).await?;
    let rows: Vec<_> = entries.iter().map(|entry| (entry.action, entry.after.is_some())).collect();
    let expected =
        [(Action::Created, false), (Action::Created, true), (Action::Deleted, false), (Action::Purged, false)];
    assert_eq!(rows, expected);
    assert_eq!(fixture.entries(owner).await?, entries);
    Ok(())
}

async fn a_purge_of_a_stale_row_changes_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let deleted = fixture.trash(&task, at(1)).await?;
    let restored = deleted.restore(at(2));
    fixture.write(owner, Write::replace(deleted.clone(), restored.clone())).await?;
    let before = fixture.entries(owner).await?;
    let purged = fixture.write(owner, Write::purge(deleted)).await;
    assert!(matches!(purged, Err(ChangeRepoError::Stale)), "{purged:?}");
    assert_eq!(fixture.entries(owner).await?, before);
    assert_eq!(fixture.tasks.get(owner, task.id).await?, restored);
    Ok(())
}

async fn many_rows_are_purged_in_one_commit(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let tasks: Vec<Task> = (0..500).map(|_| new_task(owner, "Milk")).collect::<Result<_, _>>()?;
    let create: Vec<_> = tasks.iter().cloned().map(Write::create).collect();
    fixture.changes.commit(owner, &create, &change(owner, at(1))).await?;
    let purge: Vec<_> = tasks.into_iter().map(Write::purge).collect();
    let purged = fixture.changes.commit(owner, &purge, &change(owner, at(2))).await?;
    assert_eq!(purged.len(), 500);
    let entries = fixture.entries(owner).await?;
    assert!(entries.iter().all(|entry| entry.before.is_none() && entry.after.is_none()));
    assert_eq!(entries.len(), 1_000);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM tasks").await?, 0);
    Ok(())
}

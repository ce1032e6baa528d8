//! Changes of the schema while statements are prepared and in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use domain::change::{ChangeRepo as _, Seq, Write};
use domain::id::UserId;
use domain::task::TaskRepo as _;
use persistence::{Database, SeaChangeRepo, SeaTaskRepo};
use sea_orm::ConnectionTrait as _;
use test_database::{Kind, TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, change, new_task, options};

on_both_databases!(reads_and_batches_go_on_while_the_schema_changes,);

/// Number of concurrent users of the tables.
const USERS: usize = 6;

/// On both databases.
const CHANGES: [&str; 4] = [
    "ALTER TABLE tasks ADD COLUMN colour text",
    "ALTER TABLE changes ADD COLUMN colour text",
    "CREATE INDEX tasks_colour ON tasks (colour)",
    "DROP INDEX tasks_colour",
];

/// They change the type of what prepared statements return, which PostgreSQL refuses ("cached plan must not change result
/// type").
const TYPE_CHANGES: [&str; 2] =
    ["ALTER TABLE tasks ALTER COLUMN title TYPE varchar(1000)", "ALTER TABLE tasks ALTER COLUMN title TYPE text"];

/// Creates, reads, changes and lists tasks until it is told to stop. Returns the number of commits.
async fn use_tasks(database: Database, owner: UserId, is_stopped: Arc<AtomicBool>) -> anyhow::Result<u64> {
    let (tasks, changes) = (SeaTaskRepo::new(database.clone()), SeaChangeRepo::new(database));
    let mut commits = 0;
    while !is_stopped.load(Ordering::Relaxed) {
        let task = new_task(owner, "Milk")?;
        changes.commit(owner, &[Write::create(task.clone())], &change(owner, at(0))).await?;
        let task = tasks.get(owner, task.id).await?;
        changes.commit(owner, &[Write::replace(task.clone(), task.toggle(at(1)))], &change(owner, at(1))).await?;
        tasks.counts(owner).await?;
        changes.list(owner, Seq(0), std::num::NonZeroU16::MIN).await?;
        commits += 2;
    }
    Ok(commits)
}

async fn reads_and_batches_go_on_while_the_schema_changes(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let migrating = Database::connect(&options(&fixture.test)).await?;
    let is_stopped = Arc::new(AtomicBool::new(false));
    let mut users: Vec<_> =
        (0..USERS).map(|_| tokio::spawn(use_tasks(fixture.database.clone(), owner, is_stopped.clone()))).collect();
    let type_changes: &[_] = if fixture.test.kind() == Kind::Postgres { &TYPE_CHANGES } else { &[] };
    for statement in CHANGES.iter().chain(type_changes) {
        // Each user has used every statement since the last change.
        let head = fixture.changes.head(owner).await?.seq.0;
        while fixture.changes.head(owner).await?.seq.0 < head + 50 {
            if let Some(failed) = users.iter_mut().find(|user| user.is_finished()) {
                failed.await?.with_context(|| format!("before {statement}"))?;
            }
            tokio::task::yield_now().await;
        }
        migrating.connection_for_migrations().execute_unprepared(statement).await?;
    }
    is_stopped.store(true, Ordering::Relaxed);
    let mut commits = 0;
    for user in users {
        commits += user.await??;
    }
    assert_eq!(fixture.changes.head(owner).await?.seq, Seq(commits));
    Ok(())
}

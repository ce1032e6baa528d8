//! SQLite only: batches that share a transaction. The failure of the transaction is told to each of them.

use domain::change::{ChangeRepo as _, ChangeRepoError, Entry, Seq, Write};
use domain::id::UserId;
use domain::storage::StorageError;
use domain::task::TaskRepo as _;
use futures_util::future::join_all;
use persistence::{Database, SeaChangeRepo};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use test_database::{Kind, TestDatabase};

use crate::fixture::{Fixture, at, change, new_task, options};

/// Number of batches, which fit into one group.
const BATCHES: usize = 40;

type Outcome = Result<Vec<Entry>, ChangeRepoError>;

async fn fixture() -> anyhow::Result<Fixture> {
    Fixture::new(TestDatabase::create(Kind::Sqlite).await?).await
}

fn create(owner: UserId) -> anyhow::Result<Write> {
    Ok(Write::create(new_task(owner, &"x".repeat(500))?))
}

/// Commits each of `writes` by itself, while another connection holds the lock, so that they form a group behind the
/// first one.
async fn commit_together(
    fixture: &Fixture,
    changes: &SeaChangeRepo,
    owner: UserId,
    writes: &[Write],
) -> anyhow::Result<Vec<Outcome>> {
    let lock = fixture.raw().begin().await?;
    lock.execute_unprepared("UPDATE users SET name = name").await?;
    let commits = writes.iter().map(async |write| {
        let change = change(owner, at(0));
        changes.commit(owner, std::slice::from_ref(write), &change).await
    });
    // The commits are polled, and thereby queued, before the lock is released.
    let (outcomes, released) = tokio::join!(join_all(commits), lock.rollback());
    released?;
    Ok(outcomes)
}

#[tokio::test]
async fn a_disk_that_becomes_full_within_a_group_is_told_to_each_batch_and_the_writer_goes_on() -> anyhow::Result<()> {
    let fixture = fixture().await?;
    let owner = fixture.user().await?;
    let pages = u32::try_from(fixture.number("SELECT page_count FROM pragma_page_count()").await?)?;
    let mut limited = options(&fixture.test);
    limited.sqlite_max_pages = Some(pages + 15);
    let changes = SeaChangeRepo::new(Database::connect(&limited).await?);
    let writes: Vec<_> = (0..BATCHES).map(|_| create(owner)).collect::<anyhow::Result<_>>()?;

    let outcomes = commit_together(&fixture, &changes, owner, &writes).await?;
    let (mut acknowledged, mut failed) = (Vec::new(), 0);
    for outcome in outcomes {
        match outcome {
            Ok(entries) => acknowledged.extend(entries),
            Err(ChangeRepoError::Storage(StorageError::Full(_))) => failed += 1,
            Err(other) => anyhow::bail!("{other:?}"),
        }
    }
    // More fail than the one that finds the disk full.
    assert!(failed > 1, "{failed} of {BATCHES}");
    assert_eq!(fixture.entries(owner).await?, acknowledged);
    assert_eq!(fixture.tasks.counts(owner).await?.pending, acknowledged.len() as u64);

    fixture.raw().execute_unprepared("DELETE FROM tasks; DELETE FROM changes").await?;
    let outcomes = commit_together(&fixture, &changes, owner, &writes[..4]).await?;
    let seqs: Vec<_> =
        outcomes.into_iter().map(|outcome| outcome.map(|entries| entries[0].seq)).collect::<Result<_, _>>()?;
    let head = acknowledged.len() as u64;
    assert_eq!(seqs, (head + 1..=head + 4).map(Seq).collect::<Vec<_>>());
    assert_eq!(fixture.tasks.counts(owner).await?.pending, 4);
    Ok(())
}

/// The constraint of one batch is checked at the commit of all.
#[tokio::test]
async fn a_commit_that_fails_is_told_to_each_batch_of_the_group_and_the_writer_goes_on() -> anyhow::Result<()> {
    let fixture = fixture().await?;
    let owner = fixture.user().await?;
    let pinned = fixture.task(owner, "Milk").await?;
    let db = fixture.raw();
    db.execute_unprepared(
        "CREATE TABLE pins (task_id uuid_text REFERENCES tasks (id) DEFERRABLE INITIALLY DEFERRED); \
         INSERT INTO pins SELECT id FROM tasks",
    )
    .await?;
    let mut writes: Vec<_> = (0..BATCHES).map(|_| create(owner)).collect::<anyhow::Result<_>>()?;
    writes[BATCHES / 2] = Write::purge(pinned.clone());

    for outcome in commit_together(&fixture, &fixture.changes, owner, &writes).await? {
        assert!(matches!(outcome, Err(ChangeRepoError::Storage(StorageError::Other(_)))), "{outcome:?}");
    }
    assert_eq!(fixture.changes.head(owner).await?.seq, Seq(1));
    assert_eq!(fixture.tasks.get(owner, pinned.id).await?, pinned);

    writes.remove(BATCHES / 2);
    for outcome in commit_together(&fixture, &fixture.changes, owner, &writes).await? {
        outcome?;
    }
    assert_eq!(fixture.tasks.counts(owner).await?.pending, BATCHES as u64);
    Ok(())
}

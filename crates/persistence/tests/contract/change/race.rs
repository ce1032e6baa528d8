//! Changes: concurrent commits.

use std::num::NonZeroU16;

use domain::change::{ChangeRepo as _, ChangeRepoError, Entry, Seq, Write};
use domain::id::UserId;
use domain::system::SystemRepo as _;
use domain::task::{Task, TaskRepo as _, Version};
use domain::user::UserRepo as _;
use test_database::{TestDatabase, on_both_databases};
use tokio::task::JoinHandle;

use crate::fixture::{Fixture, at, call, change, effect, new_task};

on_both_databases!(
    concurrent_commits_number_entries_without_gaps_or_duplicates,
    two_hundred_concurrent_writers_of_one_user_all_succeed,
    of_two_concurrent_writes_at_one_version_one_is_stale,
    an_effect_that_is_committed_concurrently_happens_once,
    an_effect_of_several_parts_that_is_committed_concurrently_happens_once,
    a_commit_is_serialized_with_the_deletion_of_its_user,
    a_purge_and_upkeep_of_the_same_entries_do_not_deadlock,
);

const WRITERS: usize = 8;
const ROUNDS: usize = 8;

type Outcome = Result<Vec<Entry>, ChangeRepoError>;

fn commit(fixture: &Fixture, owner: UserId, writes: Vec<Write>) -> JoinHandle<Outcome> {
    let (changes, change) = (fixture.changes.clone(), change(owner, at(1)));
    tokio::spawn(async move { changes.commit(owner, &writes, &change).await })
}

/// Every writer commits one, two or three rows at a time, and sometimes a stale write.
async fn concurrent_commits_number_entries_without_gaps_or_duplicates(test: TestDatabase) -> anyhow::Result<()> {
    const EACH: usize = 12;
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let taken = fixture.task(owner, "Milk").await?;
    let write = |changes: persistence::SeaChangeRepo, taken: Task| async move {
        let mut entries = Vec::new();
        for round in 0..EACH {
            let mut writes: Vec<_> =
                (0..=round % 3).map(|_| Ok(Write::create(new_task(owner, "Milk")?))).collect::<anyhow::Result<_>>()?;
            if round % 4 == 3 {
                writes.push(Write::create(taken.clone()));
                let refused = changes.commit(owner, &writes, &change(owner, at(1))).await;
                anyhow::ensure!(matches!(refused, Err(ChangeRepoError::Stale)), "{refused:?}");
                continue;
            }
            let committed = changes.commit(owner, &writes, &change(owner, at(1))).await?;
            // The sequence numbers of one commit are consecutive.
            for (entry, number) in committed.iter().zip(committed[0].seq.0..) {
                anyhow::ensure!(entry.seq == Seq(number), "{committed:?}");
            }
            entries.extend(committed);
        }
        Ok(entries)
    };
    let writers: Vec<_> = (0..WRITERS).map(|_| tokio::spawn(write(fixture.changes.clone(), taken.clone()))).collect();
    let mut numbers = vec![Seq(1)];
    for writer in writers {
        numbers.extend(writer.await??.into_iter().map(|entry| entry.seq));
    }
    numbers.sort_unstable();
    let expected: Vec<_> = (1..=numbers.len() as u64).map(Seq).collect();
    assert_eq!(numbers, expected);
    let page = fixture.changes.list(owner, Seq(0), NonZeroU16::MAX).await?;
    assert_eq!(page.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), expected);
    assert_eq!(page.head.0, expected.len() as u64);
    assert_eq!(fixture.tasks.counts(owner).await?.pending, page.head.0);
    Ok(())
}

/// More writers than connections, all of which wait for the same row, and read in between.
async fn two_hundred_concurrent_writers_of_one_user_all_succeed(test: TestDatabase) -> anyhow::Result<()> {
    const MANY: usize = 200;
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let writers: Vec<_> = (0..MANY)
        .map(|_| {
            let (changes, tasks) = (fixture.changes.clone(), fixture.tasks.clone());
            tokio::spawn(async move {
                let task = new_task(owner, "Milk")?;
                let created = changes.commit(owner, &[Write::create(task.clone())], &change(owner, at(0))).await?;
                let task = tasks.get(owner, task.id).await?;
                let toggled = Write::replace(task.clone(), task.toggle(at(1)));
                let toggled = changes.commit(owner, &[toggled], &change(owner, at(1))).await?;
                anyhow::Ok([created, toggled].concat().into_iter().map(|entry| entry.seq))
            })
        })
        .collect();
    let mut numbers = Vec::new();
    for writer in writers {
        numbers.extend(writer.await??);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=2 * MANY as u64).map(Seq).collect::<Vec<_>>());
    let counts = fixture.tasks.counts(owner).await?;
    assert_eq!((counts.pending, counts.completed), (0, MANY as u64));
    Ok(())
}

async fn of_two_concurrent_writes_at_one_version_one_is_stale(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut task = fixture.task(owner, "Milk").await?;
    for round in 1..=ROUNDS {
        let write = |when| vec![Write::replace(task.clone(), task.toggle(at(when)))];
        let (one, other) = (commit(&fixture, owner, write(1)), commit(&fixture, owner, write(2)));
        let outcomes = [one.await?, other.await?];
        let stale = outcomes.iter().filter(|outcome| matches!(outcome, Err(ChangeRepoError::Stale))).count();
        let done = outcomes.iter().flatten().count();
        assert_eq!((done, stale), (1, 1), "{outcomes:?}");
        task = fixture.tasks.get(owner, task.id).await?;
        assert_eq!(u64::from(task.version.get()), round as u64 + 1);
    }
    assert_eq!(fixture.changes.head(owner).await?.seq.0, ROUNDS as u64 + 1);
    Ok(())
}

/// Commits one effect concurrently, as repeated calls do. All of them must return the same entries.
async fn assert_same_entries(fixture: &Fixture, owner: UserId, parts: usize) -> anyhow::Result<()> {
    let (_, turn) = fixture.conversation(owner).await?;
    for round in 0..ROUNDS {
        let change = effect(owner, call(&turn, u8::try_from(round)?), at(1));
        let mut together: Vec<JoinHandle<Outcome>> = Vec::new();
        for _ in 0..4 {
            let writes: Vec<_> =
                (0..parts).map(|_| Ok(Write::create(new_task(owner, "Milk")?))).collect::<anyhow::Result<_>>()?;
            let (changes, change) = (fixture.changes.clone(), change.clone());
            together.push(tokio::spawn(async move { changes.commit(owner, &writes, &change).await }));
        }
        let recorded = together.remove(0).await??;
        assert_eq!(recorded.len(), parts);
        for other in together {
            assert_eq!(other.await??, recorded);
        }
        assert_eq!(fixture.tasks.counts(owner).await?.pending, ((round + 1) * parts) as u64);
    }
    assert_eq!(fixture.changes.head(owner).await?.seq.0, (ROUNDS * parts) as u64);
    Ok(())
}

async fn an_effect_that_is_committed_concurrently_happens_once(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    assert_same_entries(&fixture, owner, 1).await
}

async fn an_effect_of_several_parts_that_is_committed_concurrently_happens_once(
    test: TestDatabase,
) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    assert_same_entries(&fixture, owner, 5).await
}

/// A deadlock would fail with a storage error.
async fn a_commit_is_serialized_with_the_deletion_of_its_user(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for round in 0..ROUNDS * 2 {
        let owner = fixture.user().await?;
        let (_, turn) = fixture.conversation(owner).await?;
        let (task, purged) = (fixture.task(owner, "Milk").await?, fixture.task(owner, "Bread").await?);
        let in_turn = {
            let (changes, change) = (fixture.changes.clone(), effect(owner, call(&turn, 0), at(1)));
            let write = Write::create(new_task(owner, "Eggs")?);
            tokio::spawn(async move { changes.commit(owner, &[write], &change).await })
        };
        let users = fixture.users.clone();
        let delete = || tokio::spawn(async move { users.delete(owner, 0).await });
        // The order of the operations varies between rounds.
        let (deleted, written) = if round % 2 == 0 {
            let deleted = delete();
            (
                deleted,
                commit(&fixture, owner, vec![Write::replace(task.clone(), task.toggle(at(1))), Write::purge(purged)]),
            )
        } else {
            let written = vec![Write::replace(task.clone(), task.toggle(at(1))), Write::purge(purged)];
            let written = commit(&fixture, owner, written);
            (delete(), written)
        };
        deleted.await??;
        for outcome in [written.await?, in_turn.await?] {
            assert!(matches!(outcome, Ok(_) | Err(ChangeRepoError::NotFound)), "{outcome:?}");
        }
        for table in ["tasks", "changes", "users"] {
            assert_eq!(fixture.number(&format!("SELECT COUNT(*) FROM {table}")).await?, 0, "{table}");
        }
    }
    Ok(())
}

/// Both change the same entries in an unspecified order; the lock of the user's row prevents a deadlock.
async fn a_purge_and_upkeep_of_the_same_entries_do_not_deadlock(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for _ in 0..ROUNDS {
        let mut tasks: Vec<_> = (0..40).map(|_| new_task(owner, "Milk")).collect::<Result<_, _>>()?;
        let mut writes: Vec<_> = tasks.iter().cloned().map(Write::create).collect();
        writes.extend(tasks.iter().map(|task| Write::replace(task.clone(), task.toggle(at(1)))));
        commit(&fixture, owner, writes).await??;
        tasks.reverse();
        let next = Version::new(2).unwrap_or(Version::FIRST);
        let purge = tasks.into_iter().map(|task| Write::purge(Task { version: next, ..task })).collect();
        let system = fixture.system.clone();
        let upkeep = tokio::spawn(async move { system.delete_changes(at(2)).await });
        commit(&fixture, owner, purge).await??;
        assert!(upkeep.await?? >= 80);
    }
    Ok(())
}

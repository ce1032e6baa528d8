//! Tasks: the same effect at the same time.

use std::future::Future;

use domain::change::{Change, EffectId};
use domain::id::UserId;
use domain::task::{Task, TaskRepo as _, Version};
use persistence::SeaTaskRepo;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, effect, new_task};

on_both_databases!(
    the_same_creation_at_once_creates_one,
    the_same_toggle_at_once_toggles_once,
    the_same_deletion_at_once_tells_all_the_same,
    the_same_deletions_at_once_tell_all_the_same,
    the_same_effect_on_two_tasks_at_once_changes_one,
);

const ROUNDS: u8 = 8;
const TOGETHER: u8 = 4;

struct Race {
    fixture: Fixture,
    owner: UserId,
    call: EffectId,
}

impl Race {
    async fn new(test: TestDatabase) -> anyhow::Result<Self> {
        let fixture = Fixture::new(test).await?;
        let owner = fixture.user().await?;
        let (_, turn) = fixture.conversation(owner).await?;
        Ok(Self { fixture, owner, call: EffectId { turn: turn.id, round: 0, index: 0 } })
    }

    fn change(&self, index: u8) -> Change {
        effect(self.owner, EffectId { index, ..self.call }, at(1))
    }

    /// What several writes return that are sent at once and must all return the same.
    async fn alike<T, F>(&self, write: impl Fn(SeaTaskRepo, u8) -> F) -> anyhow::Result<T>
    where
        T: PartialEq + std::fmt::Debug + Send + 'static,
        F: Future<Output = anyhow::Result<T>> + Send + 'static,
    {
        let together: Vec<_> =
            (0..TOGETHER).map(|number| tokio::spawn(write(self.fixture.tasks.clone(), number))).collect();
        let mut outcomes = Vec::new();
        for one in together {
            outcomes.push(one.await??);
        }
        let first = outcomes.remove(0);
        anyhow::ensure!(outcomes.iter().all(|outcome| *outcome == first), "{first:?}, but {outcomes:?}");
        Ok(first)
    }
}

async fn the_same_creation_at_once_creates_one(test: TestDatabase) -> anyhow::Result<()> {
    let race = Race::new(test).await?;
    for round in 0..ROUNDS {
        let (owner, change) = (race.owner, race.change(round));
        let task = race
            .alike(|tasks, number| {
                let change = change.clone();
                async move { Ok(tasks.create(owner, new_task(&number.to_string())?, &change).await?) }
            })
            .await?;
        assert_eq!(race.fixture.tasks.get(owner, task.id).await?, task);
    }
    assert_eq!(race.fixture.tasks.counts(race.owner).await?.pending, u64::from(ROUNDS));
    Ok(())
}

async fn the_same_toggle_at_once_toggles_once(test: TestDatabase) -> anyhow::Result<()> {
    let race = Race::new(test).await?;
    let task = race.fixture.task(race.owner, "Milk").await?;
    for round in 0..ROUNDS {
        let (owner, change) = (race.owner, race.change(round));
        let done = race
            .alike(|tasks, _| {
                let change = change.clone();
                async move { Ok(tasks.toggle(owner, task.id, None, &change).await?) }
            })
            .await?;
        assert_eq!(done.after.version.get(), u32::from(round) + 2);
        assert_eq!(race.fixture.tasks.get(owner, task.id).await?, done.after);
    }
    Ok(())
}

async fn the_same_deletion_at_once_tells_all_the_same(test: TestDatabase) -> anyhow::Result<()> {
    let race = Race::new(test).await?;
    for round in 0..ROUNDS {
        let (owner, change) = (race.owner, race.change(round));
        let task = race.fixture.task(owner, "Milk").await?;
        // Every other time at a version.
        let expected = (round % 2 == 0).then_some(task.version);
        let gone = race
            .alike(|tasks, _| {
                let change = change.clone();
                async move { Ok(tasks.delete(owner, task.id, expected, &change).await?) }
            })
            .await?;
        assert_eq!(gone, task);
    }
    Ok(())
}

async fn the_same_deletions_at_once_tell_all_the_same(test: TestDatabase) -> anyhow::Result<()> {
    let race = Race::new(test).await?;
    for round in 0..ROUNDS {
        let (owner, change) = (race.owner, race.change(3 * round));
        let mut all: Vec<Task> = Vec::new();
        for title in ["1", "2", "3"] {
            all.push(race.fixture.task(owner, title).await?);
        }
        let these: Vec<_> = all.iter().map(|task| (task.id, task.version)).collect();
        let gone = race
            .alike(|tasks, _| {
                let (change, these) = (change.clone(), these.clone());
                async move {
                    let mut gone = tasks.delete_many(owner, &these, &change).await?;
                    gone.sort_by_key(|task| task.id);
                    Ok(gone)
                }
            })
            .await?;
        assert_eq!(gone, all);
    }
    assert_eq!(race.fixture.number("SELECT COUNT(*) FROM effects").await?, 3 * i64::from(ROUNDS));
    Ok(())
}

async fn the_same_effect_on_two_tasks_at_once_changes_one(test: TestDatabase) -> anyhow::Result<()> {
    let race = Race::new(test).await?;
    for round in 0..ROUNDS {
        let (owner, change) = (race.owner, race.change(round));
        let mut ids = Vec::new();
        for title in ["1", "2", "3", "4"] {
            ids.push(race.fixture.task(owner, title).await?.id);
        }
        let done = race
            .alike(|tasks, number| {
                let (change, id) = (change.clone(), ids[usize::from(number)]);
                async move { Ok(tasks.toggle(owner, id, None, &change).await?) }
            })
            .await?;
        let changed = race.fixture.tasks.get_many(owner, &ids).await?;
        let changed: Vec<_> = changed.into_iter().filter(|task| task.version != Version::FIRST).collect();
        assert_eq!(changed, [done.after]);
    }
    Ok(())
}

//! Upkeep: what happens periodically, whoever uses the service. Turns whose lease has expired are marked as failed; what
//! has expired is deleted; the ledger is pruned and the trash is emptied.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::change::{Origin, RequestId};
use domain::principal::Principal;
use domain::runtime::{Clock, IdGenerator, with_causes};
use domain::system::SystemRepo;
use domain::task::{TaskError, TaskService};
use domain::turn::InstanceId;

use crate::settings::RetentionSettings;

/// Time between two runs.
const INTERVAL: Duration = Duration::from_mins(1);

/// Marks the turns as failed that this instance left running, which only its start can know. A failure is logged and does
/// not stop the start: what is left is found when its lease expires.
pub async fn at_start(system: &dyn SystemRepo, clock: &dyn Clock, instance: &InstanceId) {
    match system.fail_turns_of(instance, clock.now()).await {
        Ok(0) => {}
        Ok(turns) => tracing::warn!(turns, "marked turns as failed that this instance left running"),
        Err(error) => {
            tracing::warn!(error = with_causes(&error), "turns that were left running are not marked yet");
        }
    }
}

/// What upkeep works with.
#[derive(Clone)]
pub struct Upkeep {
    pub system: Arc<dyn SystemRepo>,
    pub tasks: TaskService,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGenerator>,
    pub retention: RetentionSettings,
}

impl Upkeep {
    /// Runs at once and then again and again, for ever.
    pub async fn run_periodically(self) {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            self.run().await;
        }
    }

    /// Does everything once. What fails is logged and tried again the next time; the rest is done all the same.
    async fn run(&self) {
        let now = self.clock.now();
        let turns = logged("marking expired turns", self.system.fail_expired_turns(now).await);
        let expired = logged("deleting what has expired", self.system.delete_expired(now).await);
        let until = now - self.retention.changes;
        let changes = logged("pruning the ledger", self.system.delete_changes(until).await);
        let purged = self.empty_trash(now - self.retention.trash).await;
        tracing::debug!(turns, expired, changes, purged, "upkeep completed");
    }

    /// Removes what was deleted at `until` or before for good. Returns how many tasks that were.
    async fn empty_trash(&self, until: DateTime<Utc>) -> u64 {
        let request_id: RequestId = self.ids.next().into();
        let mut purged = 0;
        while let Some(users) = logged("looking for old trash", self.system.users_with_trash(until).await) {
            let before = purged;
            for user in users {
                let origin = Origin::request(&Principal::system(user), &request_id);
                purged += match self.tasks.empty_trash(&origin, until).await {
                    // An account that was deleted meanwhile has no trash.
                    Err(TaskError::NotFound) => 0,
                    done => logged("emptying a trash", done).unwrap_or(0),
                };
            }
            // Without progress there is nothing left, or nothing that can be removed now.
            if purged == before {
                break;
            }
        }
        purged
    }
}

/// The result of a step, unless it failed, which is logged.
fn logged<T, E: std::error::Error>(step: &'static str, result: Result<T, E>) -> Option<T> {
    match result {
        Ok(done) => Some(done),
        Err(error) => {
            tracing::warn!(error = with_causes(&error), "{step} failed and will be tried again");
            None
        }
    }
}

//! Periodic maintenance: marks turns with an expired lease as failed, deletes expired rows, prunes the ledger and empties
//! the trash.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::change::{Origin, RequestId};
use domain::conversation::turn::InstanceId;
use domain::principal::Principal;
use domain::runtime::{Clock, IdGenerator, with_causes};
use domain::system::SystemRepo;
use domain::task::{TaskError, TaskService};

use crate::settings::RetentionSettings;

/// Time between two runs.
const INTERVAL: Duration = Duration::from_mins(1);

/// Marks the turns as failed that an earlier process with this instance id left running. A failure is logged and does not
/// prevent the start, because these turns are also marked when their leases expire.
pub async fn at_start(system: &dyn SystemRepo, clock: &dyn Clock, instance: &InstanceId) {
    match system.fail_turns_of(instance, clock.now()).await {
        Ok(0) => {}
        Ok(turns) => tracing::warn!(turns, "marked interrupted turns of this instance as failed"),
        Err(error) => {
            tracing::warn!(
                error = with_causes(&error),
                "cannot mark interrupted turns of this instance as failed; they are marked when their leases expire"
            );
        }
    }
}

/// The maintenance job and its ports.
#[derive(Clone)]
pub struct Upkeep {
    pub system: Arc<dyn SystemRepo>,
    pub tasks: TaskService,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGenerator>,
    pub retention: RetentionSettings,
}

impl Upkeep {
    /// Runs now and then once per [`INTERVAL`], until the future is dropped.
    pub async fn run_periodically(self) {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            self.run().await;
        }
    }

    /// Runs all steps once. A step that fails is logged, and the others run nevertheless.
    async fn run(&self) {
        let now = self.clock.now();
        let turns = logged("marking turns with expired leases", self.system.fail_expired_turns(now).await);
        let expired = logged("deleting expired rows", self.system.delete_expired(now).await);
        let until = now - self.retention.change_retention;
        let changes = logged("pruning the ledger", self.system.delete_changes(until).await);
        let purged = self.empty_trash(now - self.retention.trash_retention).await;
        tracing::debug!(turns, expired, changes, purged, "upkeep completed");
    }

    /// Purges the tasks that were deleted at `until` or before. Returns their number.
    async fn empty_trash(&self, until: DateTime<Utc>) -> u64 {
        let request_id: RequestId = self.ids.next().into();
        let mut purged = 0;
        while let Some(users) = logged("listing users with old trash", self.system.users_with_trash(until).await) {
            let before = purged;
            for user in users {
                let origin = Origin::request(&Principal::system(user), &request_id);
                purged += match self.tasks.empty_trash(&origin, until).await {
                    // The account was deleted in the meantime.
                    Err(TaskError::NotFound) => 0,
                    done => logged("emptying the trash of a user", done).unwrap_or(0),
                };
            }
            // Without progress the remaining users failed, and are listed again.
            if purged == before {
                break;
            }
        }
        purged
    }
}

/// Returns the result of a step, or logs its failure.
fn logged<T, E: std::error::Error>(step: &'static str, result: Result<T, E>) -> Option<T> {
    match result {
        Ok(done) => Some(done),
        Err(error) => {
            tracing::warn!(error = with_causes(&error), "{step} failed, retrying at the next run");
            None
        }
    }
}

//! What has to be done now and then, whoever is or is not there: turns whose lease is over are marked failed, sessions
//! that are over are deleted.

use std::sync::Arc;
use std::time::Duration;

use domain::runtime::Clock;
use domain::storage::StorageError;
use domain::system::SystemRepo;
use domain::turn::InstanceId;

/// So often the upkeep runs.
const INTERVAL: Duration = Duration::from_mins(1);

/// Does once what a start needs: marks the turns that this instance left behind, and those that anybody did.
///
/// # Errors
/// If storage fails.
pub async fn at_start(system: &dyn SystemRepo, clock: &dyn Clock, instance: &InstanceId) -> Result<(), StorageError> {
    let own = system.fail_turns_of(instance, clock.now()).await?;
    let others = system.fail_expired_turns(clock.now()).await?;
    if own + others > 0 {
        tracing::warn!(own, others, "marked turns as failed that were left running");
    }
    Ok(())
}

/// Does the upkeep again and again, for ever. A failure is logged and tried again the next time.
pub async fn now_and_then(system: Arc<dyn SystemRepo>, clock: Arc<dyn Clock>) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        let now = clock.now();
        match (system.fail_expired_turns(now).await, system.delete_expired_sessions(now).await) {
            (Ok(turns), Ok(sessions)) => tracing::debug!(turns, sessions, "upkeep is done"),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "upkeep failed and will be tried again");
            }
        }
    }
}

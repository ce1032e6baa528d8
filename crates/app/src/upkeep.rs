//! What has to be done now and then, whoever is or is not there: turns whose lease is over are marked failed, sessions,
//! one-time codes and spent states that are over are deleted.

use std::sync::Arc;
use std::time::Duration;

use domain::runtime::{Clock, with_causes};
use domain::system::SystemRepo;
use domain::turn::InstanceId;

/// So often the upkeep runs.
const INTERVAL: Duration = Duration::from_mins(1);

/// Marks the turns that this instance left behind, which only its start can know. A failure is logged and does not stop
/// the start: what is left is found by its lease.
pub async fn at_start(system: &dyn SystemRepo, clock: &dyn Clock, instance: &InstanceId) {
    match system.fail_turns_of(instance, clock.now()).await {
        Ok(0) => {}
        Ok(turns) => tracing::warn!(turns, "marked turns as failed that this instance left running"),
        Err(error) => {
            tracing::warn!(error = with_causes(&error), "turns that were left running are not marked yet");
        }
    }
}

/// Does the upkeep at once and then again and again, for ever. A failure is logged and tried again the next time.
pub async fn now_and_then(system: Arc<dyn SystemRepo>, clock: Arc<dyn Clock>) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        let now = clock.now();
        match (system.fail_expired_turns(now).await, system.delete_expired(now).await) {
            (Ok(turns), Ok(expired)) => tracing::debug!(turns, expired, "upkeep is done"),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(error = with_causes(&error), "upkeep failed and will be tried again");
            }
        }
    }
}

//! Refreshes the status of the sessions of open streams.

use std::time::Duration;

use domain::account::AccountService;
use domain::runtime::with_causes;
use tokio::time::MissedTickBehavior;

/// Time between two refreshes.
const INTERVAL: Duration = AccountService::REFRESH_INTERVAL;

/// Refreshes until the future is dropped. Of consecutive failures only the first is logged; streams whose session cannot be
/// checked end.
pub async fn refresh_periodically(accounts: AccountService) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_failing = false;
    loop {
        interval.tick().await;
        let refreshed = accounts.refresh_followed().await;
        if let (Err(error), false) = (&refreshed, is_failing) {
            tracing::warn!(error = with_causes(error), "reading the sessions of open streams failed");
        }
        is_failing = refreshed.is_err();
    }
}

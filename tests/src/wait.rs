//! Waits with a deadline.

use std::time::Duration;

use anyhow::Context as _;

/// Maximum time of a wait in a test.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(30);
/// Time between two checks of a condition. The server allows 10 requests a second in the long run.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Checks `condition` until it is true.
///
/// # Errors
/// If it is not within [`WAIT_TIMEOUT`], with `what` in the message, or if a check fails.
pub async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let poll = async {
        while !condition().await? {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    };
    within_timeout(what, poll).await?
}

/// Awaits `future`.
///
/// # Errors
/// If it is not ready within [`WAIT_TIMEOUT`], with `what` in the message.
pub async fn within_timeout<T>(what: &str, future: impl Future<Output = T>) -> anyhow::Result<T> {
    let output = tokio::time::timeout(WAIT_TIMEOUT, future).await;
    output.with_context(|| format!("timed out after {WAIT_TIMEOUT:?} waiting for {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_condition_that_stays_false_fails_with_what_was_waited_for() {
        let error = wait_until("snow", async || Ok(false)).await.unwrap_err();
        assert_eq!(error.to_string(), "timed out after 30s waiting for snow");
    }

    #[tokio::test(start_paused = true)]
    async fn a_condition_is_checked_until_it_is_true_or_fails() {
        let mut checks = 0;
        let third = wait_until("three checks", async || {
            checks += 1;
            Ok(checks == 3)
        });
        third.await.unwrap();
        assert_eq!(checks, 3);
        assert!(wait_until("nothing", async || anyhow::bail!("refused")).await.is_err());
    }
}

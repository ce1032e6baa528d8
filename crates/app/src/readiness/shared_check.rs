//! A check whose result serves every caller for a second, so that a public endpoint does not load what it checks.

use std::error::Error;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

use crate::runtime::lock;

/// Time for which a result is valid.
const VALIDITY: Duration = Duration::from_secs(1);

/// The result: a number, or why there is none.
pub(super) type Checked = Result<usize, Arc<dyn Error + Send + Sync>>;

/// A check, with the time when it finished.
type Check = Shared<BoxFuture<'static, (Checked, Instant)>>;

/// The check, and the latest run of it. Clones share both.
#[derive(Clone)]
pub(super) struct SharedCheck {
    run: Arc<dyn Fn() -> BoxFuture<'static, Checked> + Send + Sync>,
    latest: Arc<Mutex<Option<Check>>>,
}

impl SharedCheck {
    pub(super) fn new<F: Future<Output = Checked> + Send + 'static>(
        run: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self { run: Arc::new(move || run().boxed()), latest: Arc::default() }
    }

    /// Returns the result of the check that is running or has finished less than [`VALIDITY`] ago, or else of a new one.
    pub(super) async fn result(&self) -> Checked {
        self.current().await.0
    }

    fn current(&self) -> Check {
        let mut latest = lock(&self.latest);
        let is_current = |check: &&Check| match (*check).clone().now_or_never() {
            None => true,
            Some((_, finished)) => finished.elapsed() < VALIDITY,
        };
        if let Some(check) = latest.as_ref().filter(is_current) {
            return check.clone();
        }
        let run = (self.run)();
        // A task of its own: it ends even if every caller that waits for it has disconnected.
        let task = tokio::spawn(async move { (run.await, Instant::now()) });
        let check = task.map(|ended| ended.unwrap_or_else(|error| (Err(Arc::new(error)), Instant::now())));
        latest.insert(check.boxed().shared()).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future;
    use tokio::time::{advance, sleep};

    use super::*;

    /// A check that takes `duration` and returns how often it has run.
    fn counting(duration: Duration) -> SharedCheck {
        let runs = Arc::new(AtomicUsize::new(0));
        SharedCheck::new(move || {
            let runs = runs.clone();
            async move {
                let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
                sleep(duration).await;
                Ok(run)
            }
        })
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_callers_share_one_check_however_long_it_takes() {
        let check = counting(VALIDITY * 3);
        let callers = (0..10_000).map(|_| check.result());
        let later = async {
            sleep(VALIDITY * 2).await;
            check.result().await
        };
        let (results, later) = future::join(future::join_all(callers), later).await;
        assert!(results.iter().chain([&later]).all(|result| matches!(result, Ok(1))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_is_valid_for_a_second() {
        let check = counting(Duration::ZERO);
        for (passed, expected) in [(0, 1), (999, 1), (1, 2), (500, 2), (500, 3)] {
            advance(Duration::from_millis(passed)).await;
            assert_eq!(check.result().await.unwrap(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_whose_callers_have_gone_ends_and_is_not_used_later() {
        let check = counting(Duration::from_millis(100));
        assert!(tokio::time::timeout(Duration::from_millis(10), check.result()).await.is_err());
        sleep(VALIDITY * 2).await;
        assert_eq!(check.result().await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_check_that_panics_is_a_failure() {
        fn broken() -> Checked {
            panic!("broken")
        }
        let check = SharedCheck::new(|| async { broken() });
        assert!(check.result().await.unwrap_err().to_string().contains("panicked"));
    }
}

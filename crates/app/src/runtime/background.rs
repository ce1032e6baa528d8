//! Background tasks, which a shutdown waits for.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use domain::runtime::Background;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::time;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// Runs and tracks work on one tokio runtime.
///
/// It is not the runtime of the calling thread: each worker of the web server has its own, which is dropped with its
/// tasks before the process ends.
#[derive(Clone, Debug)]
pub struct BackgroundTasks {
    tracker: TaskTracker,
    runtime: Handle,
}

impl BackgroundTasks {
    /// Runs work on `runtime`, which must outlive it: the runtime of `main`.
    pub fn new(runtime: Handle) -> Self {
        Self { tracker: TaskTracker::new(), runtime }
    }

    /// The number of tasks that have not ended.
    pub fn running(&self) -> usize {
        self.tracker.len()
    }

    /// Waits for all work, including work that is started meanwhile, for at most `timeout`. Returns the number of
    /// unfinished tasks, which end with the runtime.
    pub async fn shutdown(&self, timeout: Duration) -> usize {
        self.tracker.close();
        match time::timeout(timeout, self.tracker.wait()).await {
            Ok(()) => 0,
            Err(_elapsed) => self.tracker.len(),
        }
    }
}

impl Background for BackgroundTasks {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        let guarded = async {
            // The panic hook logs the message and the location.
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                tracing::error!("background task panicked");
            }
        };
        // The caller's span adds the request id to the task's log lines.
        self.tracker.spawn_on(guarded.in_current_span(), &self.runtime);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::sync::oneshot;

    use super::*;
    use crate::telemetry::tests::{Captured, captured};

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn shutdown_waits_for_running_work() {
        let background = BackgroundTasks::new(Handle::current());
        let (finish, finished) = oneshot::channel::<()>();
        let done = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&done);
        background.spawn(Box::pin(async move {
            finished.await.unwrap();
            mark.store(true, Ordering::SeqCst);
        }));

        assert_eq!(background.shutdown(Duration::ZERO).await, 1);
        assert!(!done.load(Ordering::SeqCst));
        finish.send(()).unwrap();
        assert_eq!(background.shutdown(TIMEOUT).await, 0);
        assert!(done.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn work_outlives_the_runtime_of_its_caller() {
        let background = BackgroundTasks::new(Handle::current());
        let (done, is_done) = oneshot::channel();
        let caller = background.clone();
        let (go, gone) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            let worker = tokio::runtime::Builder::new_current_thread().build().unwrap();
            worker.block_on(async {
                caller.spawn(Box::pin(async move {
                    gone.await.unwrap();
                    done.send("done").unwrap();
                }));
            });
        })
        .join()
        .unwrap();
        go.send(()).unwrap();
        assert_eq!(is_done.await, Ok("done"));
        assert_eq!(background.shutdown(TIMEOUT).await, 0);
    }

    #[tokio::test]
    async fn a_panic_is_logged_in_the_callers_span_and_does_not_affect_other_work() {
        let log = Captured::default();
        let _guard = captured(&log);
        let background = BackgroundTasks::new(Handle::current());
        let span = tracing::info_span!("request", request_id = "r-1");
        span.in_scope(|| background.spawn(Box::pin(async { panic!("broken") })));
        let (done, is_done) = oneshot::channel();
        background.spawn(Box::pin(async move { done.send(()).unwrap() }));

        assert_eq!(is_done.await, Ok(()));
        assert_eq!(background.shutdown(TIMEOUT).await, 0);
        let text = log.text();
        assert!(text.contains("background task panicked") && text.contains("r-1"), "{text}");
    }
}

//! Work apart from the caller, waited for when the process ends.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use domain::runtime::Background;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::time;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// Runs work on one tokio runtime and keeps count of it.
///
/// The runtime is given and not taken from the caller's thread: a web server's worker has a runtime of its own, which
/// ends, with all that it runs, before the process does.
#[derive(Clone, Debug)]
pub struct BackgroundTasks {
    tracker: TaskTracker,
    runtime: Handle,
}

impl BackgroundTasks {
    /// Runs work on `runtime`, which must outlive the work: the one of `main`.
    pub fn new(runtime: Handle) -> Self {
        Self { tracker: TaskTracker::new(), runtime }
    }

    /// Waits until all work has ended, at most `patience`. Returns how much has not, which ends with the runtime.
    /// Work may still be begun meanwhile, and is waited for too.
    pub async fn shutdown(&self, patience: Duration) -> usize {
        self.tracker.close();
        match time::timeout(patience, self.tracker.wait()).await {
            Ok(()) => 0,
            Err(_elapsed) => self.tracker.len(),
        }
    }
}

impl Background for BackgroundTasks {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        let guarded = async {
            // What the panic says, and where, is logged by the panic hook.
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                tracing::error!("work in the background ended in a panic");
            }
        };
        // The caller's span names the request, in this work's log lines too.
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

    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_shutdown_waits_for_the_work_that_runs() {
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
        assert_eq!(background.shutdown(LONG).await, 0);
        assert!(done.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn work_goes_on_when_the_runtime_of_its_caller_has_ended() {
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
        assert_eq!(background.shutdown(LONG).await, 0);
    }

    #[tokio::test]
    async fn work_that_panics_is_logged_in_its_callers_span_and_stops_no_other() {
        let log = Captured::default();
        let _guard = captured(&log);
        let background = BackgroundTasks::new(Handle::current());
        let span = tracing::info_span!("request", request_id = "r-1");
        span.in_scope(|| background.spawn(Box::pin(async { panic!("broken") })));
        let (done, is_done) = oneshot::channel();
        background.spawn(Box::pin(async move { done.send(()).unwrap() }));

        assert_eq!(is_done.await, Ok(()));
        assert_eq!(background.shutdown(LONG).await, 0);
        let text = log.text();
        assert!(text.contains("ended in a panic") && text.contains("r-1"), "{text}");
    }
}

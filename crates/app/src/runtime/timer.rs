//! Monotonic time.

use std::time::Duration;

use domain::runtime::Timer;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

/// [`Timer`] on tokio's time, from its creation.
#[derive(Clone, Copy, Debug)]
pub struct TokioTimer(Instant);

impl Default for TokioTimer {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Timer for TokioTimer {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

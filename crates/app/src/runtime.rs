//! The runtime's ports, on the system's clock, on UUIDs, on governor and on tokio.

mod background;
mod change_signals;
mod clock;
mod failure_log;
mod ids;
mod rate_limiter;
mod timer;
mod turn_signals;

pub use background::BackgroundTasks;
pub use change_signals::LocalChangeSignals;
pub use clock::SystemClock;
pub use failure_log::TracedFailures;
pub use ids::UuidGenerator;
pub use rate_limiter::{GovernorRateLimiter, RateLimits};
pub use timer::TokioTimer;
pub use turn_signals::LocalTurnSignals;

//! The runtime's ports, on the system's clock, on UUIDs and on tokio.

mod background;
mod clock;
mod failure_log;
mod ids;
mod turn_signals;

pub use background::BackgroundTasks;
pub use clock::SystemClock;
pub use failure_log::TracedFailures;
pub use ids::UuidGenerator;
pub use turn_signals::LocalTurnSignals;

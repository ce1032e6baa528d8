//! The adapters of the domain's runtime ports, and of the ports whose state is that of this process.

mod background;
mod change_signals;
mod clock;
mod failure_log;
mod ids;
mod lock;
mod timer;
mod turn_signals;
mod wakers;

pub use background::BackgroundTasks;
pub use change_signals::LocalChangeSignals;
pub use clock::SystemClock;
pub use failure_log::TracedFailures;
pub use ids::UuidGenerator;
pub(crate) use lock::lock;
pub use timer::TokioTimer;
pub use turn_signals::LocalTurnSignals;

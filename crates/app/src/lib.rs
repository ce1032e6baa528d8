//! The program: settings, wiring, start and shutdown, command line.

mod application;
mod assistant_command;
pub mod cli;
mod doctor;
mod followed_sessions;
mod healthcheck;
mod metrics;
mod migrate;
mod observed;
mod readiness;
pub mod runtime;
pub mod settings;
mod shutdown;
pub mod telemetry;
mod upkeep;
mod wiring;

pub use application::{Application, Overrides};
pub use assistant_command::assistant;
pub use doctor::doctor;
pub use healthcheck::healthcheck;
pub use migrate::migrate;
pub use persistence::StatementObserver;
pub use shutdown::StopSignal;
pub use wiring::built_in_assistant;

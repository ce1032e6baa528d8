//! Doable's program: settings, wiring, the server's life, the command line.
//!
//! Deliberately not here: what Doable does. That is `domain`; the adapters around it are crates of their own, and
//! `wiring.rs` is the one place where they meet.

mod application;
mod assistant_command;
pub mod cli;
mod migrate;
mod readiness;
pub mod runtime;
pub mod settings;
pub mod telemetry;
mod upkeep;
mod wiring;

pub use application::{Application, Overrides};
pub use assistant_command::assistant;
pub use migrate::migrate;
pub use persistence::StatementObserver;
pub use wiring::built_in_assistant;

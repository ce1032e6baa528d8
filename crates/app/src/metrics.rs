//! The metrics of one application, and their text for Prometheus (text format 0.0.4).
//!
//! Every label has a bounded number of values: none is a text of a client, a user or a model.

mod families;
mod http;
mod model;
mod monitor;
#[cfg(target_os = "linux")]
mod process;
mod reading;
mod registry;
mod sources;

pub(crate) use monitor::HttpMonitor;
#[cfg(target_os = "linux")]
pub(crate) use process::process;
pub(crate) use registry::Metrics;
pub(crate) use sources::{breaker, build, database, runtime, shared_limiter};

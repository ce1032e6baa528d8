//! Properties of all routes.

mod body;
mod cors;
mod document;
mod idempotency;
mod logs;
mod monitor;
mod paths;
mod rate_limit;
mod requests;

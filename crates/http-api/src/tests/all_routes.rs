//! Properties of all routes.

mod body;
mod cors;
mod document;
mod idempotency;
mod logs;
mod paths;
mod rate_limit;
mod requests;

//! Properties of all routes.

mod body;
mod cors;
mod document;
mod logs;
mod rate_limit;
mod requests;

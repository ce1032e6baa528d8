//! Properties of all routes.

mod body;
mod cors;
mod document;
mod front_door;
mod logs;
mod rate_limit;

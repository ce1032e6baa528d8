//! The HTTP API, tested from outside.

mod again;
mod auth;
mod chat;
mod consent;
mod conversations;
mod front_door;
mod google;
mod isolation;
mod limits;
mod matrix;
mod sessions;
mod statements;
mod streaming;
mod tasks;
mod text;

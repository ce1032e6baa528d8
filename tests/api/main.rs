//! The HTTP API, tested from outside.

mod auth;
mod chat;
mod conversations;
mod front_door;
mod isolation;
mod statements;
mod tasks;
mod text;

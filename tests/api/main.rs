//! The HTTP API, tested from outside.

mod again;
mod auth;
mod chat;
mod conversations;
mod events;
mod front_door;
mod google;
mod isolation;
mod ledger;
mod limits;
mod matrix;
mod pending;
mod receipts;
mod sessions;
mod statements;
mod streaming;
mod tasks;
mod text;
mod trash;
mod undo;

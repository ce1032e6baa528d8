//! Tests of the routes, by noun as in `crate::routes`.

mod about;
mod account;
mod api_token;
mod change;
mod chat;
mod confirm;
mod conversation;
mod events;
mod metrics;
mod oauth;
mod session;
mod session_transport;
mod streamed;
mod task;
mod task_list;
mod trash;
mod undo;
mod use_chat;

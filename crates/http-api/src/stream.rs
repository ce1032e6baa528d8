//! Responses that are sent while something happens: server-sent events, and the AI SDK's UI message stream over them.

mod encoder;
pub(crate) mod frame;
pub(crate) mod sse;
pub(crate) mod ui_message;

#[cfg(test)]
mod tests;

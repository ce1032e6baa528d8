//! Middleware: what runs before and after the handlers.

pub(crate) mod authentication;
pub(crate) mod completion;
pub(crate) mod cors;
pub(crate) mod panic;
pub(crate) mod peer;
pub(crate) mod problem;
pub(crate) mod rate_limit;
pub(crate) mod request_id;
pub(crate) mod security_headers;
pub(crate) mod server_span;
pub(crate) mod trailing_slash;

//! Extractors and parsers of requests.

pub(crate) mod accept;
pub(crate) mod client;
mod deserialize_error;
pub(crate) mod etag;
pub(crate) mod idempotency;
pub(crate) mod json;
pub(crate) mod page;
pub(crate) mod path;
pub(crate) mod query;

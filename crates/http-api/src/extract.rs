//! Extractors and parsers of requests.

pub(crate) mod accept;
pub(crate) mod client;
mod deserialize_error;
pub(crate) mod etag;
pub(crate) mod idempotency;
pub(crate) mod json;
pub(crate) mod no_data;
pub(crate) mod page;
pub(crate) mod path;
pub(crate) mod public_path;
pub(crate) mod query;
pub(crate) mod session_transport;
mod unset_fields;

//! The assistants: adapters that fill the port [`domain::llm::LlmClient`].
//!
//! One module for each provider; [`OfflineClient`] is the one that needs no key and no network. Deliberately not
//! here: what a tool does, how a chat turn runs (both in `domain`), and which provider is used (`app` decides).

mod offline;

pub use offline::OfflineClient;

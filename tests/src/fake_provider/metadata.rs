//! What an answer carries besides its reply.

use super::Reply;
use super::reply::{Call, Tokens};

/// Ids, model and usage of an answer.
pub(super) struct Metadata {
    pub id: String,
    pub model: String,
    /// One id per call of the reply.
    pub call_ids: Vec<String>,
    /// Input and output tokens.
    pub tokens: Option<(u64, u64)>,
}

impl Metadata {
    /// The metadata of `reply` to a request of `request_bytes` bytes. Ids are made of the numbers of `next_id`.
    pub fn new(reply: &Reply, model: &str, request_bytes: usize, mut next_id: impl FnMut() -> u64) -> Self {
        let estimated = || {
            let arguments = reply.calls.iter().flat_map(|call| &call.arguments);
            let output: usize = reply.plan.iter().chain(&reply.text).chain(arguments).map(String::len).sum();
            (request_bytes as u64 / 4, output as u64 / 4 + 1)
        };
        let id = format!("answer-{:08x}", next_id());
        let call_id = |call: &Call| call.id.clone().unwrap_or_else(|| format!("{}_{:08x}", call.name, next_id()));
        Self {
            id,
            call_ids: reply.calls.iter().map(call_id).collect(),
            model: model.to_owned(),
            tokens: match reply.usage {
                Tokens::Estimated => Some(estimated()),
                Tokens::Exact { input, output } => Some((input, output)),
                Tokens::Omitted => None,
            },
        }
    }
}

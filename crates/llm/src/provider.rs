//! What a provider of language models is to this crate: pure functions between the domain's words and its wire format.
//!
//! Deliberately not here: sockets, status codes, streams and retries. [`HttpClient`](crate::HttpClient) does the input
//! and output for every provider, so that a new one is one file that implements [`Provider`].

use domain::llm::{LlmError, LlmEvent, LlmRequest};
use serde_json::Value;
use url::Url;

use crate::failure::{ErrorBody, FailureContext};

/// A provider's wire format.
pub trait Provider: Send + Sync + 'static {
    /// Reads one reply.
    type Decoder: ReplyDecoder;

    /// The provider's name, as [`LlmClient::provider`](domain::llm::LlmClient::provider) gives it.
    const NAME: &'static str;

    /// The setting that names the model, for people who have to change it.
    const MODEL_SETTING: &'static str;

    /// The provider with the model to ask. A temperature is sent only where one is given.
    fn new(model: String, temperature: Option<f32>) -> Self;

    /// The model's name, as it is sent.
    fn model(&self) -> &str;

    /// The address to post to, for the base address that people set, with or without a slash or a version at its end.
    fn endpoint(&self, base: &Url) -> Url;

    /// The header that carries the key: its name in lower case, and its value.
    fn key_header(&self, key: &str) -> (&'static str, String) {
        ("authorization", format!("Bearer {key}"))
    }

    /// The request's JSON body. It MUST ask for a stream.
    fn body(&self, request: &LlmRequest, optional: Optional) -> Value;

    /// Whether an answer with this status complains of nothing but a field that [`Optional::LeftOut`] leaves out.
    fn refuses_optional(&self, _status: u16, _said: &ErrorBody) -> bool {
        false
    }

    /// A decoder for one reply. `failure` makes the errors of what the provider says went wrong.
    fn decoder(&self, failure: FailureContext) -> Self::Decoder;
}

/// What happens to fields that some servers refuse and no answer depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optional {
    /// They are sent.
    Sent,
    /// They are left out.
    LeftOut,
}

/// Reads one reply of a provider, step by step. It does not wait and does not read: what came is given to it.
///
/// Events go to `out` as far as they are certain, before an error too. After [`LlmEvent::Finished`] or an error nothing
/// more is given to it.
pub trait ReplyDecoder: Send + 'static {
    /// One server-sent event: its name (`message` if it has none) and its data.
    ///
    /// # Errors
    /// What the provider says went wrong; [`LlmError::BadReply`] if the event makes no sense.
    fn event(&mut self, name: &str, data: &str, out: &mut Vec<LlmEvent>) -> Result<(), LlmError>;

    /// A whole reply as one JSON document, from a server that does not stream.
    ///
    /// # Errors
    /// As [`event`](Self::event).
    fn document(&mut self, body: &str, out: &mut Vec<LlmEvent>) -> Result<(), LlmError>;

    /// The stream of events has ended, and not by an error of the connection. It MUST put out
    /// [`LlmEvent::Finished`] or fail.
    ///
    /// # Errors
    /// [`LlmError::Unavailable`] if the reply was not whole.
    fn end(&mut self, out: &mut Vec<LlmEvent>) -> Result<(), LlmError>;
}

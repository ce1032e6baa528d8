//! The interface of a provider to this crate: pure functions between the domain's types and a wire format.
//!
//! [`HttpClient`](crate::HttpClient) does the I/O for all providers, so that a new one is one file that implements
//! [`Provider`].

use domain::llm::{LlmError, LlmEvent, LlmRequest};
use serde::Serialize;
use url::Url;

use crate::error::{ErrorBody, ErrorMapper};

/// A provider's wire format.
pub trait Provider: Send + Sync + 'static {
    /// Decodes one reply.
    type Decoder: ReplyDecoder;

    /// The name that [`LlmClient::provider`](domain::llm::LlmClient::provider) returns.
    const NAME: &'static str;

    /// The setting that contains the model's name, for error messages.
    const MODEL_SETTING: &'static str;

    /// Creates the provider. Without a temperature, requests leave it to the server.
    fn new(model: String, temperature: Option<f32>) -> Self;

    /// Returns the model's name as it is sent.
    fn model(&self) -> &str;

    /// Returns the URL of requests for a configured base URL, which may end in a slash or a version.
    fn endpoint(&self, base: &Url) -> Url;

    /// Returns the header with the API key: the name in lower case, and the value.
    fn auth_header(&self, key: &str) -> (&'static str, String) {
        ("authorization", format!("Bearer {key}"))
    }

    /// Returns the JSON body of a request. It MUST request a stream.
    fn body<'r>(&'r self, request: &'r LlmRequest, deviations: &[Deviation]) -> impl Serialize + use<'r, Self>;

    /// Returns the deviation because of which the server has rejected a request that it would accept otherwise.
    fn deviation(&self, _status: u16, _body: &ErrorBody) -> Option<Deviation> {
        None
    }

    /// Creates a decoder for one reply. `errors` maps the errors that the reply contains.
    fn decoder(&self, errors: ErrorMapper) -> Self::Decoder;
}

/// How a server deviates from what requests assume. It is learned from a rejected request, which is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deviation {
    /// It rejects the optional fields, on which no reply depends.
    RejectsOptionalFields,
    /// It rejects fields that it has sent itself, or those of this conversation.
    RejectsProviderData,
    /// It requires reasoning in all replies of a model, also in those of others.
    RequiresReasoning,
}

impl Deviation {
    /// Whether it applies to all later requests.
    pub fn is_of_server(self) -> bool {
        match self {
            Self::RejectsOptionalFields | Self::RequiresReasoning => true,
            Self::RejectsProviderData => false,
        }
    }
}

/// Decodes one reply of a provider incrementally, without I/O.
///
/// Events are appended to `out` as soon as they are certain, also before an error. After [`LlmEvent::Finished`] or an
/// error, no method is called again.
pub trait ReplyDecoder: Send + 'static {
    /// Decodes a server-sent event: its name (`message` if it has none) and its data.
    ///
    /// # Errors
    /// The error that the event reports; [`LlmError::BadReply`] if the event is invalid.
    fn event(&mut self, name: &str, data: &str, out: &mut Vec<LlmEvent>) -> Result<(), LlmError>;

    /// Decodes a whole reply from a server that does not stream.
    ///
    /// # Errors
    /// As [`event`](Self::event).
    fn document(&mut self, body: &str, out: &mut Vec<LlmEvent>) -> Result<(), LlmError>;

    /// Handles the end of the stream of events. It MUST append [`LlmEvent::Finished`] or fail.
    ///
    /// # Errors
    /// [`LlmError::Unavailable`] if the reply is truncated.
    fn end(&mut self, out: &mut Vec<LlmEvent>) -> Result<(), LlmError>;
}

//! The two formats of a chat request: this API's own, and that of the AI SDK's `useChat`, which sends the whole
//! conversation. A body with `messages` has the second format.

use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use domain::chat::{ChatInput, MessageTarget, NewMessage, UserText, UserTextError};
use domain::conversation::{ClientKey, Fingerprint, Idempotency, IdempotencyKey, KeyReuse};
use domain::id::ConversationId;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::extract::{accept, idempotency, json};
use crate::problem::{ApiError, RequestError};

/// Maximum size of a body of the AI SDK, in bytes. The SDK sends the whole conversation.
const MAX_UI_BODY_BYTES: usize = 1024 * 1024;

/// The extractor of a chat request in either format.
#[derive(Debug)]
pub(crate) struct ChatSubmission {
    pub message: NewMessage,
    /// Whether to answer with a stream.
    pub streamed: bool,
}

/// This API's own format: a message, or the confirmation of a pending action.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChatBody {
    message: Option<UserText>,
    // Strings, because a malformed id is answered like an id that does not exist.
    confirm: Option<String>,
    conversation_id: Option<String>,
}

/// A message to the assistant.
#[derive(ToSchema)]
#[schema(as = ChatMessage)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes `ChatBody` in the OpenAPI document")]
pub(crate) struct ChatMessage {
    /// The text: 1 to 4000 characters after trimming.
    #[schema(min_length = 1, max_length = 4000, example = "Add a task to buy groceries")]
    message: String,
    /// The conversation; a new one if absent.
    conversation_id: Option<uuid::Uuid>,
}

/// The confirmation of a pending action. It runs exactly that action, once, as one operation, without calling a model.
/// Tasks that have changed since are skipped and listed.
#[derive(ToSchema)]
#[schema(as = ChatConfirmation)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes `ChatBody` in the OpenAPI document")]
pub(crate) struct ChatConfirmation {
    /// The id of the pending action.
    confirm: uuid::Uuid,
    /// The conversation of the pending action.
    conversation_id: uuid::Uuid,
}

/// A message to the assistant, as the AI SDK's `useChat` sends it. It is answered with a stream. The body may have 1 MiB
/// instead of 64 KiB. Unknown fields are ignored, except `confirm`, which is refused: a message does not confirm.
#[derive(Deserialize, ToSchema)]
#[schema(as = UiChat)]
pub(crate) struct UiBody {
    /// The conversation as the page has it. The last message of the user is sent, 1 to 4000 characters. The others are
    /// ignored, because the server stores the conversation itself.
    #[schema(value_type = Vec<UiMessage>, min_items = 1)]
    // Raw JSON: a tree of a whole conversation takes a hundred times the memory of its text.
    messages: Box<RawValue>,
    /// The page's own key for the conversation, 1 to 255 visible ASCII characters or spaces; the first message with a key
    /// starts a conversation. The id of a conversation is a valid key, too. Without a key the conversation is a new one.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    id: Option<ClientKey>,
    /// The conversation, if the page knows its id. It takes precedence over `id`.
    #[schema(value_type = Option<uuid::Uuid>)]
    conversation_id: Option<String>,
    #[schema(ignore)]
    confirm: Option<IgnoredAny>,
}

/// A message of the AI SDK. Unknown fields are ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `LastMessage` reads in the OpenAPI document")]
pub(crate) struct UiMessage {
    /// The page's id of the message. It acts as an `Idempotency-Key`: the same message with the same id is processed only
    /// once.
    #[schema(nullable = false)]
    id: Option<String>,
    /// The author.
    #[schema(example = "user")]
    role: String,
    /// The parts. The text of the message is the `text` of the parts with `type` `text`.
    #[schema(value_type = Vec<Object>, example = json!([{ "type": "text", "text": "Add a task to buy groceries" }]))]
    parts: Vec<Value>,
}

/// A chat request in either format.
#[derive(ToSchema)]
#[schema(as = ChatRequest)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes the body of `ChatSubmission` in the OpenAPI document")]
pub(crate) enum ChatRequest {
    /// A message, in this API's own format.
    Message(ChatMessage),
    /// The confirmation of a pending action.
    Confirmation(ChatConfirmation),
    /// The AI SDK's format.
    Ui(UiBody),
}

impl FromRequest for ChatSubmission {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media_type = json::check_media_type(request);
        let bytes = json::read(request, payload, MAX_UI_BODY_BYTES);
        let key = idempotency::key(request.headers());
        let streamed = accept::prefers_event_stream(request);
        Box::pin(async move {
            media_type?;
            let bytes = bytes.await?;
            Ok(parse(&bytes, key?, streamed)?)
        })
    }
}

fn parse(bytes: &[u8], key: Option<IdempotencyKey>, streamed: bool) -> Result<ChatSubmission, RequestError> {
    let is_from_sdk = json::has_field(bytes, "messages");
    if bytes.len() > json::MAX_BODY_BYTES && !matches!(is_from_sdk, Ok(true)) {
        return Err(RequestError::BodyTooLarge { limit: json::MAX_BODY_BYTES });
    }
    if is_from_sdk? {
        return parse_sdk(json::deserialize(bytes)?, key);
    }
    let ChatBody { message, confirm, conversation_id } = json::deserialize(bytes)?;
    let (target, input) = match (message, confirm) {
        (Some(_), Some(_)) => return Err(message_and_confirm("message")),
        (Some(message), None) => (target(conversation_id)?, ChatInput::Text(message)),
        (None, Some(_)) if conversation_id.is_none() => {
            return Err(RequestError::invalid("conversation_id", "conversation_id is required with confirm"));
        }
        (None, Some(action)) => {
            let (target, action) = (target(conversation_id)?, action.parse());
            (target, ChatInput::Confirm(action.map_err(|_no_id| RequestError::NotPending)?))
        }
        (None, None) => return Err(RequestError::invalid("message", UserTextError::Empty.to_string())),
    };
    let idempotency = key.map(|key| explicit(key, &target, &input));
    Ok(ChatSubmission { message: NewMessage { target, input, idempotency }, streamed })
}

fn parse_sdk(body: UiBody, key: Option<IdempotencyKey>) -> Result<ChatSubmission, RequestError> {
    if body.confirm.is_some() {
        return Err(message_and_confirm("messages"));
    }
    let LastMessage { id, text } = LastMessage::of(&body.messages)?;
    let target = match (body.conversation_id, body.id) {
        (None, Some(key)) => MessageTarget::Keyed(key),
        (conversation, _) => target(conversation)?,
    };
    let input = ChatInput::Text(text);
    let idempotency = match (key, id) {
        (Some(key), _) => Some(explicit(key, &target, &input)),
        (None, Some(id)) => inferred(&id, &target, &input),
        (None, None) => None,
    };
    Ok(ChatSubmission { message: NewMessage { target, input, idempotency }, streamed: true })
}

fn message_and_confirm(message: &str) -> RequestError {
    RequestError::invalid("confirm", format!("confirm cannot be given with {message}"))
}

fn target(conversation: Option<String>) -> Result<MessageTarget, RequestError> {
    match conversation {
        Some(id) => id.parse().map(MessageTarget::Existing).map_err(|_no_id| RequestError::ConversationNotFound),
        None => Ok(MessageTarget::New),
    }
}

/// The idempotency of a request with an `Idempotency-Key`.
fn explicit(key: IdempotencyKey, target: &MessageTarget, input: &ChatInput) -> Idempotency {
    Idempotency { key, fingerprint: fingerprint(target, input), reuse: KeyReuse::Refuse }
}

/// The idempotency derived from the message's id and its target: the SDK repeats a message with the same id when the user
/// retries it. `None` for a new conversation, in which a repetition cannot be recognized.
fn inferred(id: &str, target: &MessageTarget, input: &ChatInput) -> Option<Idempotency> {
    let (kind, name) = target_name(target);
    if name.is_empty() {
        return None;
    }
    let Fingerprint(digest) = idempotency::fingerprint(&["a message of a page", kind, &name, id]);
    let mut key = "page:".to_owned();
    for byte in digest {
        // Writing to a `String` cannot fail.
        let _written = write!(key, "{byte:02x}");
    }
    let key = key.parse().ok()?;
    Some(Idempotency { key, fingerprint: fingerprint(target, input), reuse: KeyReuse::StartNew })
}

/// The fingerprint of a request: its text or confirmation and its target, regardless of the format of the answer.
fn fingerprint(target: &MessageTarget, input: &ChatInput) -> Fingerprint {
    let (kind, name) = target_name(target);
    match input {
        ChatInput::Text(text) => idempotency::fingerprint(&["chat", kind, &name, text.as_str()]),
        ChatInput::Confirm(action) => idempotency::fingerprint(&["confirm", kind, &name, &action.to_string()]),
    }
}

/// The kind and the name of a target; a new conversation has no name. The id of a conversation is the same name in either
/// field. A key of the page differs from the id of its conversation, because only storage can resolve it.
fn target_name(target: &MessageTarget) -> (&'static str, String) {
    match target {
        MessageTarget::New => ("new", String::new()),
        MessageTarget::Existing(conversation) => ("existing", conversation.to_string()),
        MessageTarget::Keyed(key) => match key.as_str().parse::<ConversationId>() {
            Ok(conversation) => ("existing", conversation.to_string()),
            Err(_no_id) => ("keyed", key.to_string()),
        },
    }
}

/// The user's last message in the SDK's conversation.
struct LastMessage {
    id: Option<String>,
    text: UserText,
}

/// The relevant fields of a message, or of a part of one, as raw JSON of any type.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    parts: Option<&'a RawValue>,
    #[serde(borrow)]
    r#type: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

impl LastMessage {
    fn of(messages: &RawValue) -> Result<Self, RequestError> {
        let invalid = |message: &str| RequestError::invalid("messages", message);
        let Some(messages) = list(messages) else { return Err(invalid("messages must be a list")) };
        let Some(last) = messages.into_iter().rev().filter_map(fields).find(|message| is_string(message.role, "user"))
        else {
            return Err(invalid("messages must contain one of the role user"));
        };
        let Some(parts) = last.parts.and_then(list) else {
            return Err(invalid("messages must have their parts in a list"));
        };
        let texts = parts.into_iter().filter_map(fields).filter(|part| is_string(part.r#type, "text"));
        let Some(text) = texts.map(|part| string(part.text)).collect::<Option<String>>() else {
            return Err(invalid("messages must have a string as the text of a text part"));
        };
        let text = text.parse().map_err(|error: UserTextError| invalid(&error.to_string()))?;
        Ok(Self { id: string(last.id).filter(|id| !id.is_empty()), text })
    }
}

/// The items of an array; `None` if it is not one.
fn list(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

/// The fields of an object; `None` if it is not one, or if it has duplicate fields.
fn fields(value: &RawValue) -> Option<Raw<'_>> {
    // Serde would accept an array with the fields in order.
    if value.get().starts_with('{') { serde_json::from_str(value.get()).ok() } else { None }
}

fn string(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

fn is_string(value: Option<&RawValue>, text: &str) -> bool {
    string(value).is_some_and(|value| value == text)
}

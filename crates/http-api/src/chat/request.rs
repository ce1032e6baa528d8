//! What is said to the assistant, in either of the two forms that the route takes: this API's own, and that of the AI
//! SDK's `useChat`, which sends the whole conversation as it has it. A body with `messages` is of the second form.

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

use crate::accept;
use crate::body;
use crate::error::{ApiError, RequestError};
use crate::idempotency;

/// The largest body of the AI SDK's form, in bytes. It grows with the conversation, because the SDK sends all of it.
const HISTORY_LIMIT: usize = 1024 * 1024;

/// What is said to the assistant, and how the answer is wanted.
#[derive(Debug)]
pub(crate) struct ParsedChatRequest {
    pub message: NewMessage,
    /// As a stream of what happens; else whole, once it is over.
    pub streamed: bool,
}

/// This API's own form: something said, or the confirmation of what was put off.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChatBody {
    message: Option<UserText>,
    // Texts, because an id that is none is answered as the id of nothing.
    confirm: Option<String>,
    conversation_id: Option<String>,
}

/// Something said to the assistant.
#[derive(ToSchema)]
#[schema(as = ChatMessage)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes to readers of the document what `ChatBody` takes")]
pub(crate) struct ChatMessage {
    /// What is said: 1 to 4000 characters after trimming.
    #[schema(min_length = 1, max_length = 4000, example = "Add a task to buy groceries")]
    message: String,
    /// The conversation it is said in; a new one if absent.
    conversation_id: Option<uuid::Uuid>,
}

/// The confirmation of what the assistant put off. It runs exactly that, once, as one operation, and asks no model. What
/// has changed meanwhile is left alone and named.
#[derive(ToSchema)]
#[schema(as = ChatConfirmation)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes to readers of the document what `ChatBody` takes")]
pub(crate) struct ChatConfirmation {
    /// The id of the pending action.
    confirm: uuid::Uuid,
    /// The conversation in which it waits.
    conversation_id: uuid::Uuid,
}

/// Something said to the assistant, as the AI SDK's `useChat` sends it; it is answered with a stream. Such a body may
/// have 1 MiB, where others may have 64 KiB. Fields that are not described are ignored, save for `confirm`, which is
/// refused: who says something does not confirm.
#[derive(Deserialize, ToSchema)]
#[schema(as = UiChat)]
pub(crate) struct UiBody {
    /// The conversation as the page has it. What is said is the user's last message in it, 1 to 4000 characters. The rest
    /// is not looked at: the server keeps the conversation itself.
    #[schema(value_type = Vec<UiMessage>, min_items = 1)]
    // As it was written: a tree of all that a page sends would take a hundred times the room.
    messages: Box<RawValue>,
    /// The page's own key for the conversation, 1 to 255 visible ASCII characters or spaces: the first message with it begins one.
    /// The id of a conversation is a key of it too. Absent, the conversation is a new one.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    id: Option<ClientKey>,
    /// The conversation, for a page that knows it. It goes before `id`.
    #[schema(value_type = Option<uuid::Uuid>)]
    conversation_id: Option<String>,
    #[schema(ignore)]
    confirm: Option<IgnoredAny>,
}

/// A message as the AI SDK has it. Fields that are not described are ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes to readers of the document what `LastMessage` looks for")]
pub(crate) struct UiMessage {
    /// The page's id of it. The user's last message under the same id and with the same words is taken for the same
    /// request, as if the id was an `Idempotency-Key`: sent again, it is not done again.
    #[schema(nullable = false)]
    id: Option<String>,
    /// Who speaks.
    #[schema(example = "user")]
    role: String,
    /// What it is made of. The `text`s of the parts of `type` `text` are what is said.
    #[schema(value_type = Vec<Object>, example = json!([{ "type": "text", "text": "Add a task to buy groceries" }]))]
    parts: Vec<Value>,
}

/// What the route takes, in one form or the other.
#[derive(ToSchema)]
#[schema(as = ChatRequest)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes to readers of the document what `ParsedChatRequest` is read from")]
pub(crate) enum ChatRequest {
    /// Something said, in this API's own form.
    Message(ChatMessage),
    /// A confirmation.
    Confirmation(ChatConfirmation),
    /// The AI SDK's form.
    Ui(UiBody),
}

impl FromRequest for ParsedChatRequest {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let fits = body::check_type(request);
        let bytes = body::read(request, payload, HISTORY_LIMIT);
        let key = idempotency::key(request.headers());
        let streamed = accept::asks_for_a_stream(request);
        Box::pin(async move {
            fits?;
            let bytes = bytes.await?;
            Ok(parse(&bytes, key?, streamed)?)
        })
    }
}

fn parse(bytes: &[u8], key: Option<IdempotencyKey>, streamed: bool) -> Result<ParsedChatRequest, RequestError> {
    let fields = body::object(bytes);
    let of_the_sdk = fields.as_ref().is_ok_and(|fields| fields.names().any(|name| name == "messages"));
    if bytes.len() > body::LIMIT && !of_the_sdk {
        return Err(RequestError::TooLarge { limit: body::LIMIT });
    }
    let fields = fields?;
    if of_the_sdk {
        return from_the_sdk(body::fit(bytes, &fields)?, key);
    }
    let ChatBody { message, confirm, conversation_id } = body::fit(bytes, &fields)?;
    let (target, input) = match (message, confirm) {
        (Some(_), Some(_)) => return Err(says_and_confirms("message")),
        (Some(message), None) => (target(conversation_id)?, ChatInput::Text(message)),
        (None, Some(_)) if conversation_id.is_none() => {
            return Err(RequestError::invalid("conversation_id", "conversation_id is required with confirm"));
        }
        (None, Some(action)) => {
            let (target, action) = (target(conversation_id)?, action.parse());
            (target, ChatInput::Confirm(action.map_err(|_no_id| RequestError::NoPendingAction)?))
        }
        (None, None) => return Err(RequestError::invalid("message", UserTextError::Empty.to_string())),
    };
    let idempotency = key.map(|key| chosen(key, &target, &input));
    Ok(ParsedChatRequest { message: NewMessage { target, input, idempotency }, streamed })
}

fn from_the_sdk(body: UiBody, key: Option<IdempotencyKey>) -> Result<ParsedChatRequest, RequestError> {
    if body.confirm.is_some() {
        return Err(says_and_confirms("messages"));
    }
    let LastMessage { id, text } = LastMessage::of(&body.messages)?;
    let target = match (body.conversation_id, body.id) {
        (None, Some(key)) => MessageTarget::Keyed(key),
        (conversation, _) => target(conversation)?,
    };
    let input = ChatInput::Text(text);
    let idempotency = match (key, id) {
        (Some(key), _) => Some(chosen(key, &target, &input)),
        (None, Some(id)) => inferred(&id, &target, &input),
        (None, None) => None,
    };
    Ok(ParsedChatRequest { message: NewMessage { target, input, idempotency }, streamed: true })
}

fn says_and_confirms(message: &str) -> RequestError {
    RequestError::invalid("confirm", format!("confirm cannot be given with {message}"))
}

fn target(conversation: Option<String>) -> Result<MessageTarget, RequestError> {
    match conversation {
        Some(id) => id.parse().map(MessageTarget::Existing).map_err(|_no_id| RequestError::NoConversation),
        None => Ok(MessageTarget::New),
    }
}

/// A key that the client chose for this request.
fn chosen(key: IdempotencyKey, target: &MessageTarget, input: &ChatInput) -> Idempotency {
    Idempotency { key, fingerprint: fingerprint(target, input), reuse: KeyReuse::Refuse }
}

/// A key made of the message's id and its target: the SDK sends a message again under its id when the user asks for
/// another try. Where there is no telling which conversation it was for, there is none.
fn inferred(id: &str, target: &MessageTarget, input: &ChatInput) -> Option<Idempotency> {
    let (kind, name) = named(target);
    if name.is_empty() {
        return None;
    }
    let Fingerprint(digest) = idempotency::fingerprint(&["a message of a page", kind, &name, id]);
    let mut key = "page:".to_owned();
    for byte in digest {
        // Writing to a text does not fail.
        let _written = write!(key, "{byte:02x}");
    }
    let key = key.parse().ok()?;
    Some(Idempotency { key, fingerprint: fingerprint(target, input), reuse: KeyReuse::StartNew })
}

/// What is asked for: the same words or the same confirmation in the same target, however the answer is wanted.
fn fingerprint(target: &MessageTarget, input: &ChatInput) -> Fingerprint {
    let (kind, name) = named(target);
    match input {
        ChatInput::Text(text) => idempotency::fingerprint(&["chat", kind, &name, text.as_str()]),
        ChatInput::Confirm(action) => idempotency::fingerprint(&["confirm", kind, &name, &action.to_string()]),
    }
}

/// A place by its kind and its name, which a new conversation has none of. A conversation's id is one and the same name
/// in whichever field it stands. A key of the page's own is another one than the id of the conversation that it stands
/// for, because only storage knows which that is.
fn named(target: &MessageTarget) -> (&'static str, String) {
    match target {
        MessageTarget::New => ("new", String::new()),
        MessageTarget::Existing(conversation) => ("existing", conversation.to_string()),
        MessageTarget::Keyed(key) => match key.as_str().parse::<ConversationId>() {
            Ok(conversation) => ("existing", conversation.to_string()),
            Err(_no_id) => ("keyed", key.to_string()),
        },
    }
}

/// The user's last message in a conversation as the SDK has it.
struct LastMessage {
    id: Option<String>,
    text: UserText,
}

/// A message, or a part of one: what is looked for, and as it was written. It may be of any type.
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
        let misfit = |message: &str| RequestError::invalid("messages", message);
        let Some(messages) = list(messages) else { return Err(misfit("messages must be a list")) };
        let Some(last) = messages.into_iter().rev().filter_map(fields).find(|message| says(message.role, "user"))
        else {
            return Err(misfit("messages must contain one of the role user"));
        };
        let Some(parts) = last.parts.and_then(list) else {
            return Err(misfit("messages must have their parts in a list"));
        };
        let texts = parts.into_iter().filter_map(fields).filter(|part| says(part.r#type, "text"));
        let Some(text) = texts.map(|part| string(part.text)).collect::<Option<String>>() else {
            return Err(misfit("messages must have a string as the text of a text part"));
        };
        let text = text.parse().map_err(|error: UserTextError| misfit(&error.to_string()))?;
        Ok(Self { id: string(last.id).filter(|id| !id.is_empty()), text })
    }
}

/// The items of a list.
fn list(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

/// The fields of an object. One that has a field twice is none: there is no telling which is meant.
fn fields(value: &RawValue) -> Option<Raw<'_>> {
    // A list would be taken for the fields in their order.
    if value.get().starts_with('{') { serde_json::from_str(value.get()).ok() } else { None }
}

fn string(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

fn says(value: Option<&RawValue>, text: &str) -> bool {
    string(value).is_some_and(|value| value == text)
}

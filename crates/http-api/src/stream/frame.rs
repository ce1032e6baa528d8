//! The frames of a stream: the chunks of the AI SDK's UI message stream protocol that this server sends, as npm's `ai` 7
//! reads them (`uiMessageChunkSchema`). Its reader ends in error at a `type` that it does not know and at a null where a
//! field may be absent, so there are no types of our own here, and what is not there is left out.

use actix_web::web::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::chat::{ToolResultBody, UsageBody};
use crate::receipt::{PendingBody, ReceiptBody};
use crate::sse;

/// The last frame's data.
const DONE: &str = "[DONE]";

/// What the `data:` of an event is: a chunk of the AI SDK's UI message stream. New types and fields may come.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = StreamPart)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Frame {
    /// The assistant's message begins. A stream that is taken up again begins with this too.
    #[serde(rename_all = "camelCase")]
    Start {
        /// Its id.
        message_id: Uuid,
        /// What is known of it.
        message_metadata: Metadata,
    },
    /// A round begins.
    StartStep,
    /// A text begins.
    #[serde(rename_all = "camelCase")]
    TextStart {
        /// The text's id, unique in the message.
        id: String,
        /// Absent if the assistant speaks.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        provider_metadata: Option<ProviderMetadata>,
    },
    /// More of a text.
    TextDelta {
        /// The text's id.
        id: String,
        /// What comes next.
        delta: String,
    },
    /// A text is complete.
    TextEnd {
        /// The text's id.
        id: String,
    },
    /// The assistant calls a tool.
    #[serde(rename_all = "camelCase")]
    ToolInputAvailable {
        /// The call's id, unique in the message.
        tool_call_id: String,
        /// The tool.
        tool_name: String,
        /// The parameters; a text if they were no JSON.
        #[schema(value_type = Value)]
        input: Value,
        /// Always `true`: the server runs its tools itself.
        provider_executed: bool,
    },
    /// The tool answered, be it with a refusal.
    #[serde(rename_all = "camelCase")]
    ToolOutputAvailable {
        /// The call's id.
        tool_call_id: String,
        /// What came of it.
        output: ToolResultBody,
        /// Always `true`.
        provider_executed: bool,
    },
    /// The call came to nothing: it made no sense, or the turn ended before it was done.
    #[serde(rename_all = "camelCase")]
    ToolOutputError {
        /// The call's id.
        tool_call_id: String,
        /// Why, in words.
        error_text: String,
        /// Always `true`.
        provider_executed: bool,
    },
    /// A round is over.
    FinishStep,
    /// More is known of the message. It is merged into what was known.
    #[serde(rename_all = "camelCase")]
    MessageMetadata {
        /// What is known now.
        message_metadata: Metadata,
    },
    /// The message is complete.
    #[serde(rename_all = "camelCase")]
    Finish {
        /// `stop`
        #[schema(value_type = String)]
        finish_reason: &'static str,
        /// What is known at the end.
        message_metadata: Metadata,
    },
    /// The user stopped the turn. What was written until then stays.
    Abort {
        /// `stopped`
        #[schema(value_type = String)]
        reason: &'static str,
    },
    /// The turn failed. Its `code` goes ahead in a `message-metadata`.
    #[serde(rename_all = "camelCase")]
    Error {
        /// What went wrong, for people.
        error_text: String,
    },
}

impl Frame {
    /// The frame as an event.
    pub(crate) fn event(&self) -> Result<Bytes, serde_json::Error> {
        sse::event("", self)
    }
}

/// The event that ends a stream.
pub(crate) fn done() -> Bytes {
    format!("data: {DONE}\n\n").into()
}

/// What is known of a message beyond its parts.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[schema(as = MessageMetadata)]
pub(crate) struct Metadata {
    /// The conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub conversation_id: Option<Uuid>,
    /// The message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message_id: Option<Uuid>,
    /// At the end: when it was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub created_at: Option<DateTime<Utc>>,
    /// How it stands: `running`, `complete`, `stopped` or `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, example = "complete")]
    pub status: Option<&'static str>,
    /// At the end: what the turn changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub changes: Option<Vec<ReceiptBody>>,
    /// At the end: whether any of the changes can be undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub undoable: Option<bool>,
    /// At the end: what waits for the user's confirmation, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pending: Option<PendingBody>,
    /// At the end: what it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub usage: Option<UsageBody>,
    /// If it failed: the code that an ordinary answer would have as its error's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, example = "AI_TIMEOUT")]
    pub code: Option<&'static str>,
    /// If it failed and another try makes sense later: in how many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_after: Option<u64>,
}

/// What the protocol leaves to servers to say about a part.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct ProviderMetadata {
    /// This server's.
    doable: OwnMetadata,
}

/// What this server says about a part.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
struct OwnMetadata {
    /// `notice`: the server speaks in its own name, not the assistant.
    #[schema(value_type = String)]
    kind: &'static str,
}

impl ProviderMetadata {
    /// Says that the server speaks.
    pub(crate) const NOTICE: Self = Self { doable: OwnMetadata { kind: "notice" } };
}

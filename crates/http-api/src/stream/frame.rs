//! The frames of a stream: chunks of the AI SDK's UI message stream protocol, as npm's `ai` 7 reads them
//! (`uiMessageChunkSchema`). It fails at unknown types and at null in place of absent fields, so there are no own types, and
//! absent fields are omitted.

use actix_web::web::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::sse;
use crate::schema::receipt::{PendingBody, ReceiptBody};
use crate::schema::tool_call::{ToolResultBody, UsageBody};

/// The data of the last event.
const DONE: &str = "[DONE]";

/// The data of an event: a chunk of the AI SDK's UI message stream. New types and fields may be added.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = StreamPart)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Frame {
    /// The assistant's message starts. A stream that is followed again starts with it, too.
    #[serde(rename_all = "camelCase")]
    Start {
        /// The message's id.
        message_id: Uuid,
        /// The initial metadata.
        message_metadata: Metadata,
    },
    /// A round starts.
    StartStep,
    /// A text starts.
    #[serde(rename_all = "camelCase")]
    TextStart {
        /// The text's id, unique in the message.
        id: String,
        /// The metadata of a text of the server; absent for texts of the assistant.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        provider_metadata: Option<ProviderMetadata>,
    },
    /// A piece of a text.
    TextDelta {
        /// The text's id.
        id: String,
        /// The piece.
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
        /// The id of the call, unique in the message.
        tool_call_id: String,
        /// The name of the tool.
        tool_name: String,
        /// The parameters; a string if they were not valid JSON.
        #[schema(value_type = Value)]
        input: Value,
        /// Always `true`: the server runs the tools.
        provider_executed: bool,
    },
    /// A tool call has a result, which may be a failure with data.
    #[serde(rename_all = "camelCase")]
    ToolOutputAvailable {
        /// The id of the call.
        tool_call_id: String,
        /// The result.
        output: ToolResultBody,
        /// Always `true`.
        provider_executed: bool,
    },
    /// A tool call failed, or the turn ended before it completed.
    #[serde(rename_all = "camelCase")]
    ToolOutputError {
        /// The id of the call.
        tool_call_id: String,
        /// The error message.
        error_text: String,
        /// Always `true`.
        provider_executed: bool,
    },
    /// A round has ended.
    FinishStep,
    /// Metadata that is merged into the metadata of the message.
    #[serde(rename_all = "camelCase")]
    MessageMetadata {
        /// The new metadata.
        message_metadata: Metadata,
    },
    /// The message is complete.
    #[serde(rename_all = "camelCase")]
    Finish {
        /// Always `stop`.
        #[schema(value_type = String)]
        finish_reason: &'static str,
        /// The final metadata.
        message_metadata: Metadata,
    },
    /// The user stopped the turn. The text written so far is stored.
    Abort {
        /// Always `stopped`.
        #[schema(value_type = String)]
        reason: &'static str,
    },
    /// The turn failed. Its `code` is in the preceding `message-metadata`.
    #[serde(rename_all = "camelCase")]
    Error {
        /// The error message for people.
        error_text: String,
    },
}

impl Frame {
    /// Serializes the frame as an event.
    pub(crate) fn event(&self) -> Result<Bytes, serde_json::Error> {
        sse::event("", self)
    }
}

/// The event that ends a stream.
pub(crate) fn done() -> Bytes {
    format!("data: {DONE}\n\n").into()
}

/// The metadata of a message.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[schema(as = MessageMetadata)]
pub(crate) struct Metadata {
    /// The conversation's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub conversation_id: Option<Uuid>,
    /// The message's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message_id: Option<Uuid>,
    /// At the end: the time at which the message was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub created_at: Option<DateTime<Utc>>,
    /// The status: `running`, `complete`, `stopped` or `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, example = "complete")]
    pub status: Option<&'static str>,
    /// At the end: the receipts of what the turn changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub changes: Option<Vec<ReceiptBody>>,
    /// At the end: whether any of the changes can be undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub undoable: Option<bool>,
    /// At the end: the pending action, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pending: Option<PendingBody>,
    /// At the end: the token usage.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub usage: Option<UsageBody>,
    /// After a failure: the error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, example = "AI_TIMEOUT")]
    pub code: Option<&'static str>,
    /// After a failure that can be retried: when, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_after: Option<u64>,
}

/// Server-specific metadata of a part.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct ProviderMetadata {
    /// The metadata of this server.
    doable: OwnMetadata,
}

/// The metadata of this server about a part.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
struct OwnMetadata {
    /// Always `notice`: a text of the server, not of the assistant.
    #[schema(value_type = String)]
    kind: &'static str,
}

impl ProviderMetadata {
    /// Marks a text of the server.
    pub(crate) const NOTICE: Self = Self { doable: OwnMetadata { kind: "notice" } };
}

//! `/api/{user_id}/chat`: a message in, the assistant's answer out, whole or while it comes.

mod request;

use actix_web::HttpResponse;
use actix_web::web::{Data, ReqData};
use chrono::{DateTime, Utc};
use domain::change::RequestId;
use domain::chat::{ChatService, TurnAnswer};
use domain::message::{ToolCall, ToolResult};
use domain::principal::Principal;
use domain::runtime::Timer;
use domain::turn::Usage;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::ApiError;
use crate::receipt::{self, PendingBody, ReceiptBody};
use crate::stream;
use crate::stream_limit::StreamLimit;

pub(crate) use request::ChatRequest;
use request::ParsedChatRequest;

/// The assistant's answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Turn)]
pub(crate) struct TurnBody {
    /// What it says.
    #[schema(example = "Task 'Buy groceries' created successfully")]
    response: String,
    /// The conversation it is said in.
    conversation_id: Uuid,
    /// The assistant's message.
    message_id: Uuid,
    /// The tools that were called, in order.
    tool_calls: Vec<ToolCallBody>,
    /// What it took.
    usage: UsageBody,
    /// How it stands: `complete`, or `stopped` if the user stopped it.
    #[schema(value_type = String, example = "complete")]
    status: &'static str,
    /// What the turn changed: what was committed, whatever the assistant says.
    changes: Vec<ReceiptBody>,
    /// Whether any of the changes can be undone.
    undoable: bool,
    /// What the turn put off and what waits for the user's confirmation; null if nothing does.
    #[schema(required)]
    pending: Option<PendingBody>,
    /// When the answer was begun.
    created_at: DateTime<Utc>,
}

/// A tool that the assistant called.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToolCall)]
pub(crate) struct ToolCallBody {
    /// The call's id.
    id: String,
    /// The tool.
    #[schema(example = "add_task")]
    tool: String,
    /// The parameters; a text if they were no JSON.
    #[schema(value_type = Value)]
    parameters: Value,
    /// What came of it; null if the turn ended before.
    #[schema(required)]
    result: Option<ToolResultBody>,
}

/// What came of a tool call.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ToolResult)]
pub(crate) struct ToolResultBody {
    /// Whether the tool did what it was asked.
    success: bool,
    /// What happened, in words.
    #[schema(example = "Task 'Buy groceries' created successfully")]
    message: String,
    /// What happened, as data; every tool has its own.
    #[schema(value_type = Value)]
    data: Value,
}

/// How many tokens of a language model something took.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
pub(crate) struct UsageBody {
    /// Tokens read by the model.
    tokens_in: u64,
    /// Tokens written by the model.
    tokens_out: u64,
}

impl From<TurnAnswer> for TurnBody {
    fn from(answer: TurnAnswer) -> Self {
        Self {
            response: answer.response,
            conversation_id: answer.conversation.as_uuid(),
            message_id: answer.message.as_uuid(),
            tool_calls: answer.tool_calls.into_iter().map(ToolCallBody::from).collect(),
            usage: answer.usage.into(),
            status: answer.state.as_str(),
            undoable: answer.receipts.undoable,
            changes: receipt::bodies(answer.receipts),
            pending: answer.pending.map(PendingBody::from),
            created_at: answer.created_at,
        }
    }
}

impl From<Usage> for UsageBody {
    fn from(Usage { tokens_in, tokens_out }: Usage) -> Self {
        Self { tokens_in, tokens_out }
    }
}

impl From<ToolCall> for ToolCallBody {
    fn from(call: ToolCall) -> Self {
        let result = call.result.map(ToolResultBody::from);
        Self { id: call.id, tool: call.tool, parameters: call.parameters, result }
    }
}

impl From<ToolResult> for ToolResultBody {
    fn from(ToolResult { success, message, data }: ToolResult) -> Self {
        Self { success, message, data }
    }
}

/// Say something to the assistant, or confirm what it put off.
///
/// The answer comes when the turn is over, or as a stream while it runs, in the AI SDK's UI message stream protocol. The
/// turn runs on its own: it is finished and stored even if the client goes away. A conversation has one turn at a time.
/// A message that brings an `Idempotency-Key` is done once, however often it is sent within 24 hours: sent again, it gets
/// the answer that it had, in the form that is asked for then, and a turn that failed goes on where it was.
///
/// What a turn changed is in `changes`, and can be undone. What would delete or overwrite more tasks than a turn may
/// without asking is put off and answered as `pending`: `confirm` with its id runs exactly that, without asking a model.
#[utoipa::path(
    post, path = "/api/{user_id}/chat", tag = "Chat", operation_id = "chat", request_body = ChatRequest,
    params(
        ("Accept" = Option<String>, Header, description = "`text/event-stream` for a stream. A body with `messages` always gets one."),
        ("Idempotency-Key" = Option<String>, Header, max_length = 255, description = "The client's name for this request, 1 to 255 visible ASCII characters or spaces."),
    ),
    responses((status = 200, description = "The assistant's answer: whole, or as events whose data is a `StreamPart` each, and at the end `[DONE]`.",
        content((TurnBody = "application/json"), (String = "text/event-stream")),
        headers(
            ("x-vercel-ai-ui-message-stream" = String, description = "Of a stream: `v1`"),
            ("x-accel-buffering" = String, description = "Of a stream: `no`"),
        ))),
)]
pub(crate) async fn send(
    chat: Data<ChatService>,
    timer: Data<dyn Timer>,
    limit: Data<StreamLimit>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    ParsedChatRequest { message, streamed }: ParsedChatRequest,
) -> Result<HttpResponse, ApiError> {
    if streamed {
        let permit = limit.acquire(principal.user)?;
        let turn = chat.stream(&principal, &id, message).await?;
        return Ok(stream::answer(turn, timer.into_inner(), permit));
    }
    let answer = chat.send(&principal, &id, message).await?;
    Ok(HttpResponse::Ok().json(TurnBody::from(answer)))
}

//! `/api/{user_id}/chat`: sends a message to the assistant and returns its answer, as JSON or as a stream.

mod request;

use actix_web::HttpResponse;
use actix_web::web::{Data, ReqData};
use chrono::{DateTime, Utc};
use domain::change::RequestId;
use domain::chat::{ChatService, TurnAnswer};
use domain::principal::Principal;
use domain::runtime::Timer;
use serde::Serialize;
use tracing::Instrument as _;
use tracing::field::Empty;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::extract::path::UserPath;
use crate::problem::{ApiError, Code};
use crate::schema::receipt::{self, PendingBody, ReceiptBody};
use crate::schema::tool_call::{ToolCallBody, UsageBody};
use crate::stream::ui_message;
use crate::stream_limit::StreamLimit;

pub(crate) use request::ChatRequest;
use request::ChatSubmission;

/// The error codes of a turn.
pub(crate) const CODES: &[Code] = &[
    Code::ConversationNotFound,
    Code::TurnInProgress,
    Code::NoTurn,
    Code::NotPending,
    Code::AiError,
    Code::AiUnavailable,
    Code::AiTimeout,
];

/// The assistant's answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Turn)]
pub(crate) struct TurnBody {
    /// The text of the answer.
    #[schema(example = "Task 'Buy groceries' created successfully")]
    response: String,
    /// The conversation of the turn.
    conversation_id: Uuid,
    /// The id of the assistant's message.
    message_id: Uuid,
    /// The tool calls, in order.
    tool_calls: Vec<ToolCallBody>,
    /// The token usage of the turn.
    usage: UsageBody,
    /// The status: `complete`, or `stopped` if the user stopped it.
    #[schema(value_type = String, example = "complete")]
    status: &'static str,
    /// The receipts of what the turn changed, made from what was committed and not from what the assistant says.
    changes: Vec<ReceiptBody>,
    /// Whether any of the changes can be undone.
    undoable: bool,
    /// The pending action of the turn, which waits for the user's confirmation; null if there is none.
    #[schema(required)]
    pending: Option<PendingBody>,
    /// The time at which the answer was started.
    created_at: DateTime<Utc>,
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

/// Send a message to the assistant, or confirm a pending action.
///
/// The answer is returned when the turn has ended, or streamed while it runs, in the AI SDK's UI message stream protocol.
/// A turn does not depend on the client: it is finished and stored even if the client disconnects. A conversation has one
/// turn at a time. A message with an `Idempotency-Key` is processed once within 24 hours: a repetition gets the same answer
/// in the format that it requests, and resumes a turn that failed.
///
/// The changes of a turn are in `changes` and can be undone. Deletions and edits of more tasks than a turn may make without
/// confirmation become a `pending` action: `confirm` with its id runs exactly that action, without calling a model.
#[utoipa::path(
    post, path = "/api/{user_id}/chat", tag = "Chat", operation_id = "chat", request_body = ChatRequest,
    params(
        UserPath,
        ("Accept" = Option<String>, Header, description = "`text/event-stream` for a stream. A body with `messages` is always answered with one."),
    ),
    responses((status = 200, description = "The assistant's answer, as JSON or as events. The data of each event is a `StreamPart`, that of the last `[DONE]`.",
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
    ChatSubmission { message, streamed }: ChatSubmission,
) -> Result<HttpResponse, ApiError> {
    // In traces and in the log, at every level: the turn continues in it if the client disconnects, and a log line finds the
    // request's span only through a span of its own.
    let span = tracing::error_span!(target: "otel::turn", "turn", "error.type" = Empty, otel.status_code = Empty);
    if streamed {
        let permit = limit.acquire(principal.user)?;
        let turn = chat.stream(&principal, &id, message).instrument(span).await?;
        return Ok(ui_message::respond(turn, timer.into_inner(), permit));
    }
    let answer = chat.send(&principal, &id, message).instrument(span).await?;
    Ok(HttpResponse::Ok().json(TurnBody::from(answer)))
}

//! `/api/{user_id}/chat`: a message in, the assistant's answer out.

use actix_web::HttpResponse;
use actix_web::web::{Data, ReqData};
use chrono::{DateTime, Utc};
use domain::change::RequestId;
use domain::chat::{ChatService, TurnAnswer, UserText, UserTextError};
use domain::message::ToolCall;
use domain::principal::Principal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::body::Json;
use crate::error::{ApiError, RequestError};

/// Something said to the assistant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChatMessage)]
pub(crate) struct ChatBody {
    /// What is said: 1 to 4000 characters after trimming.
    // Not required for serde, so that a missing message is answered as an empty one.
    #[schema(value_type = String, required, min_length = 1, max_length = 4000, example = "Add a task to buy groceries")]
    message: Option<UserText>,
    /// The conversation it is said in; a new one if absent.
    // A text, because an id that is none is answered as a conversation that does not exist.
    #[schema(value_type = Option<Uuid>)]
    conversation_id: Option<String>,
}

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
#[derive(Debug, Serialize, ToSchema)]
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
#[derive(Debug, Serialize, ToSchema)]
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
            usage: UsageBody { tokens_in: answer.usage.tokens_in, tokens_out: answer.usage.tokens_out },
            created_at: answer.created_at,
        }
    }
}

impl From<ToolCall> for ToolCallBody {
    fn from(call: ToolCall) -> Self {
        let result = call.result.map(|result| ToolResultBody {
            success: result.success,
            message: result.message,
            data: result.data,
        });
        Self { id: call.id, tool: call.tool, parameters: call.parameters, result }
    }
}

/// Say something to the assistant.
///
/// The answer comes when the turn is over. The turn runs on its own: it is finished and stored even if the client goes
/// away. A conversation has one turn at a time.
#[utoipa::path(
    post, path = "/api/{user_id}/chat", tag = "Chat", operation_id = "chat", request_body = ChatBody,
    responses((status = 200, description = "The assistant's answer.", body = TurnBody)),
)]
pub(crate) async fn send(
    chat: Data<ChatService>,
    who: ReqData<Principal>,
    id: ReqData<RequestId>,
    Json(body): Json<ChatBody>,
) -> Result<HttpResponse, ApiError> {
    let text = body.message.ok_or_else(|| RequestError::invalid("message", UserTextError::Empty.to_string()))?;
    let conversation = match body.conversation_id {
        Some(conversation) => Some(conversation.parse().map_err(|_no_id| RequestError::NoConversation)?),
        None => None,
    };
    let answer = chat.send(&who, &id, conversation, text).await?;
    Ok(HttpResponse::Ok().json(TurnBody::from(answer)))
}

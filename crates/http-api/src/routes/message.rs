//! `/api/{user_id}/conversations/{id}/messages`.

use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use domain::chat::{ChatService, MessageRecord};
use domain::conversation::message::{self, Part};
use domain::conversation::{MessageCursor, MessageOrder};
use domain::principal::Principal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::extract::page::{self, Cursor, Key};
use crate::extract::path::{ConversationPath, conversation_id};
use crate::extract::query::{self, DEFAULT_PAGE, Limit, MAX_PAGE, Query};
use crate::problem::ApiError;
use crate::schema::receipt::{self, PendingBody, ReceiptBody};
use crate::schema::tool_call::{ToolCallBody, ToolResultBody};

impl Key for MessageCursor {
    /// Databases store positions as signed integers.
    fn is_valid(&self) -> bool {
        i32::try_from(self.0).is_ok()
    }
}

/// A message of a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(crate) struct MessageBody {
    /// The message's id.
    id: Uuid,
    /// The author: `user` or `assistant`.
    #[schema(value_type = String, example = "assistant")]
    role: &'static str,
    /// The text. It is plain text and must not be rendered as markup.
    #[schema(example = "Task 'Buy groceries' created successfully")]
    content: String,
    /// The tool calls, in order.
    tool_calls: Vec<ToolCallBody>,
    /// All parts of the message but those for the provider, in order.
    #[schema(value_type = Vec<MessagePart>)]
    parts: Vec<Part>,
    /// The status: `complete`, `running`, `stopped` or `failed`. A user's message is always complete.
    #[schema(value_type = String, example = "complete")]
    status: &'static str,
    /// The receipts of what the message's turn changed.
    changes: Vec<ReceiptBody>,
    /// Whether any of the changes can be undone: it is still stored and not undone, and its task was not purged.
    undoable: bool,
    /// The pending action of the message's turn, while it waits for the user's confirmation; null otherwise.
    #[schema(required)]
    pending: Option<PendingBody>,
    /// The time at which the message was started.
    created_at: DateTime<Utc>,
}

/// A part of a message. New types with other fields may be added.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes `domain::conversation::message::Part` in the OpenAPI document")]
pub(crate) struct MessagePart {
    /// The type: `text` (written by the author), `notice` (added by the server), `plan` (what the assistant intends to do)
    /// or `tool_call`.
    #[schema(example = "text")]
    r#type: String,
    /// `text`, `plan` and `tool_call`: the round of the turn, from 0.
    #[schema(nullable = false)]
    round: Option<u8>,
    /// `text`, `notice` and `plan`: the text.
    #[schema(nullable = false)]
    text: Option<String>,
    /// `tool_call`: the id of the call.
    #[schema(nullable = false)]
    id: Option<String>,
    /// `tool_call`: the name of the tool.
    #[schema(nullable = false)]
    tool: Option<String>,
    /// `tool_call`: the parameters.
    #[schema(value_type = Option<Value>)]
    parameters: Option<Value>,
    /// `tool_call`: the result; null if the turn ended first.
    result: Option<ToolResultBody>,
    /// `tool_call`: the receipts of what it changed; absent if it changed nothing.
    #[schema(nullable = false)]
    changes: Option<Vec<ReceiptBody>>,
}

impl From<MessageRecord> for MessageBody {
    fn from(MessageRecord { message, receipts, pending }: MessageRecord) -> Self {
        Self {
            id: message.id.as_uuid(),
            role: message.role.as_str(),
            content: message::content(&message.parts),
            tool_calls: message::tool_calls(&message.parts).cloned().map(ToolCallBody::from).collect(),
            status: message.status.as_str(),
            undoable: receipts.undoable,
            changes: receipt::bodies(receipts),
            pending: pending.map(PendingBody::from),
            created_at: message.created_at,
            parts: message.parts.into_iter().filter(|part| !matches!(part, Part::ProviderData { .. })).collect(),
        }
    }
}

/// The order and the page of a list of messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MessageQuery {
    /// `asc`: oldest first. `desc`: newest first.
    #[param(value_type = Option<String>, inline)]
    order: Option<OrderParameter>,
    /// Maximum number of rows.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100, default = 50)]
    limit: Option<Limit<MAX_PAGE>>,
    /// The start of the page, taken from the `Link` of the previous page.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<MessageCursor>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OrderParameter {
    Asc,
    Desc,
}

/// List the messages of a conversation.
#[utoipa::path(
    get, path = "/api/{user_id}/conversations/{id}/messages", tag = "Chat", operation_id = "list_messages",
    params(ConversationPath, MessageQuery),
    responses((status = 200, description = "A page of the messages.", body = [MessageBody],
        headers(("Link" = String, description = "The next page (`rel=\"next\"`), path-absolute. Absent on the last page.")))),
)]
pub(crate) async fn list(
    chat: Data<ChatService>,
    principal: ReqData<Principal>,
    request: HttpRequest,
    Query(query): Query<MessageQuery>,
) -> Result<HttpResponse, ApiError> {
    let order = match query.order {
        Some(OrderParameter::Asc) | None => MessageOrder::Ascending,
        Some(OrderParameter::Desc) => MessageOrder::Descending,
    };
    let page = query::page(query.limit, query.cursor, DEFAULT_PAGE);
    let page = chat.messages(&principal, conversation_id(&request)?, order, page).await?;
    Ok(page::respond(&request, page, MessageBody::from))
}

//! `/api/{user_id}/conversations/{id}/messages`.
#![expect(unused_qualifications, reason = "`utoipa::path` qualifies the parameters' types")]

use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use domain::chat::{ChatService, MessageRecord};
use domain::conversation::{MessageCursor, MessageOrder};
use domain::message::{self, Part};
use domain::principal::Principal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::chat::{ToolCallBody, ToolResultBody};
use crate::conversation::{DEFAULT_PAGE, PAGE, id_in};
use crate::error::ApiError;
use crate::page::{self, Cursor, Key};
use crate::query::{self, Limit, Query};
use crate::receipt::{self, PendingBody, ReceiptBody};

impl Key for MessageCursor {
    /// Databases count positions with a sign.
    fn plausible(&self) -> bool {
        i32::try_from(self.0).is_ok()
    }
}

/// Something said in a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(crate) struct MessageBody {
    /// Its id.
    id: Uuid,
    /// Who speaks: `user` or `assistant`.
    #[schema(value_type = String, example = "assistant")]
    role: &'static str,
    /// What is said. Plain text, whatever it looks like.
    #[schema(example = "Task 'Buy groceries' created successfully")]
    content: String,
    /// The tools that were called, in order.
    tool_calls: Vec<ToolCallBody>,
    /// Everything that the message is made of, in order.
    #[schema(value_type = Vec<MessagePart>)]
    parts: Vec<Part>,
    /// How it stands: `complete`, `running`, `stopped` or `failed`. A user's message is always complete.
    #[schema(value_type = String, example = "complete")]
    status: &'static str,
    /// What the message's turn changed.
    changes: Vec<ReceiptBody>,
    /// Whether any of the changes can be undone: it is kept, its task was not removed for good, and it is not undone.
    undoable: bool,
    /// What the message's turn put off and what still waits for the user's confirmation; null if nothing does.
    #[schema(required)]
    pending: Option<PendingBody>,
    /// When it was begun.
    created_at: DateTime<Utc>,
}

/// A part of a message. New kinds may come, with fields of their own.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes `domain::message::Part` to readers of the document")]
pub(crate) struct MessagePart {
    /// The kind: `text` (something said), `notice` (something that the server adds in its own name), `plan` (what the
    /// assistant means to do), `tool_call`.
    #[schema(example = "text")]
    r#type: String,
    /// `text`, `plan` and `tool_call`: the round of the turn, from 0.
    #[schema(nullable = false)]
    round: Option<u8>,
    /// `text`, `notice` and `plan`: the words.
    #[schema(nullable = false)]
    text: Option<String>,
    /// `tool_call`: the call's id.
    #[schema(nullable = false)]
    id: Option<String>,
    /// `tool_call`: the tool.
    #[schema(nullable = false)]
    tool: Option<String>,
    /// `tool_call`: the parameters.
    #[schema(value_type = Option<Value>)]
    parameters: Option<Value>,
    /// `tool_call`: what came of it; null if the turn ended before.
    result: Option<ToolResultBody>,
    /// `tool_call`: what it changed, as it was committed; absent if it changed nothing.
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
            parts: message.parts,
        }
    }
}

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MessageQuery {
    /// `asc`: oldest first. `desc`: newest first.
    #[param(value_type = Option<String>, inline)]
    order: Option<OrderParameter>,
    /// At most this many.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100, default = 50)]
    limit: Option<Limit<PAGE>>,
    /// Where to go on, taken from the `Link` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<MessageCursor>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OrderParameter {
    Asc,
    Desc,
}

/// List a conversation's messages.
#[utoipa::path(
    get, path = "/api/{user_id}/conversations/{id}/messages", tag = "Chat", operation_id = "list_messages",
    params(MessageQuery),
    responses((status = 200, description = "A page of the messages.", body = [MessageBody],
        headers(("Link" = String, description = "The next page (`rel=\"next\"`), path-absolute. Absent on the last page.")))),
)]
pub(crate) async fn list(
    chat: Data<ChatService>,
    who: ReqData<Principal>,
    request: HttpRequest,
    Query(query): Query<MessageQuery>,
) -> Result<HttpResponse, ApiError> {
    let order = match query.order {
        Some(OrderParameter::Asc) | None => MessageOrder::Ascending,
        Some(OrderParameter::Desc) => MessageOrder::Descending,
    };
    let page = query::page(query.limit, query.cursor, DEFAULT_PAGE);
    let page = chat.messages(&who, id_in(&request)?, order, page).await?;
    Ok(page::answer(&request, page, MessageBody::from))
}

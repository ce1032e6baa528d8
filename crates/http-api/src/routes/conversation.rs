//! `/api/{user_id}/conversations`. Messages are in [`super::message`].

use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Datelike as _, Utc};
use domain::chat::ChatService;
use domain::conversation::{Conversation, ConversationCursor, ConversationTitle};
use domain::principal::Principal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::extract::json::Json;
use crate::extract::page::{self, Cursor, Key};
use crate::extract::path::{ConversationPath, UserPath, conversation_id};
use crate::extract::query::{self, DEFAULT_PAGE, Limit, MAX_PAGE, Query};
use crate::problem::ApiError;

impl Key for ConversationCursor {
    /// Databases support fewer years than `chrono` does.
    fn is_valid(&self) -> bool {
        (1970..=9999).contains(&self.updated_at.year())
    }
}

/// A conversation with the assistant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conversation)]
pub(crate) struct ConversationBody {
    /// The conversation's id.
    id: Uuid,
    /// The title; initially made from the first message.
    #[schema(example = "Add a task to buy groceries")]
    title: String,
    /// The id of the running turn; null if no turn is running.
    #[schema(required)]
    active_turn: Option<Uuid>,
    /// The number of messages.
    message_count: u32,
    /// The time of the first message.
    created_at: DateTime<Utc>,
    /// The time of the last message.
    updated_at: DateTime<Utc>,
}

impl From<Conversation> for ConversationBody {
    fn from(conversation: Conversation) -> Self {
        Self {
            id: conversation.id.as_uuid(),
            title: conversation.title.into(),
            active_turn: conversation.active_turn.map(domain::id::TurnId::as_uuid),
            message_count: conversation.message_count,
            created_at: conversation.created_at,
            updated_at: conversation.updated_at,
        }
    }
}

/// A change of a conversation. Absent and null fields keep their values.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConversationPatch)]
pub(crate) struct ConversationPatchBody {
    /// The title: 1 to 200 characters after trimming, no control characters, not only invisible ones.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, example = "Groceries")]
    title: Option<ConversationTitle>,
}

/// The page of a list of conversations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConversationQuery {
    /// Maximum number of rows.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100, default = 50)]
    limit: Option<Limit<MAX_PAGE>>,
    /// The start of the page, taken from the `Link` of the previous page.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<ConversationCursor>>,
}

/// List conversations, last active first.
#[utoipa::path(
    get, path = "/api/{user_id}/conversations", tag = "Chat", operation_id = "list_conversations",
    params(UserPath, ConversationQuery),
    responses((status = 200, description = "A page of the conversations.", body = [ConversationBody],
        headers(("Link" = String, description = "The next page (`rel=\"next\"`), path-absolute. Absent on the last page.")))),
)]
pub(crate) async fn list(
    chat: Data<ChatService>,
    principal: ReqData<Principal>,
    request: HttpRequest,
    Query(query): Query<ConversationQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = chat.conversations(&principal, query::page(query.limit, query.cursor, DEFAULT_PAGE)).await?;
    Ok(page::respond(&request, page, ConversationBody::from))
}

/// Get a conversation.
#[utoipa::path(
    get, path = "/api/{user_id}/conversations/{id}", tag = "Chat", operation_id = "get_conversation", params(ConversationPath),
    responses((status = 200, description = "The conversation.", body = ConversationBody)),
)]
pub(crate) async fn get(
    chat: Data<ChatService>,
    principal: ReqData<Principal>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let conversation = chat.conversation(&principal, conversation_id(&request)?).await?;
    Ok(HttpResponse::Ok().json(ConversationBody::from(conversation)))
}

/// Rename a conversation.
#[utoipa::path(
    patch, path = "/api/{user_id}/conversations/{id}", tag = "Chat", operation_id = "update_conversation",
    request_body = ConversationPatchBody, params(ConversationPath),
    responses((status = 200, description = "The renamed conversation.", body = ConversationBody)),
)]
pub(crate) async fn update(
    chat: Data<ChatService>,
    principal: ReqData<Principal>,
    request: HttpRequest,
    Json(body): Json<ConversationPatchBody>,
) -> Result<HttpResponse, ApiError> {
    let id = conversation_id(&request)?;
    let conversation = match body.title {
        Some(title) => chat.rename(&principal, id, title).await?,
        None => chat.conversation(&principal, id).await?,
    };
    Ok(HttpResponse::Ok().json(ConversationBody::from(conversation)))
}

/// Delete a conversation with its messages.
#[utoipa::path(
    delete, path = "/api/{user_id}/conversations/{id}", tag = "Chat", operation_id = "delete_conversation", params(ConversationPath),
    responses((status = 204, description = "The conversation and its messages are deleted.")),
)]
pub(crate) async fn delete(
    chat: Data<ChatService>,
    principal: ReqData<Principal>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    chat.delete(&principal, conversation_id(&request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

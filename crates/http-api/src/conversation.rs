//! `/api/{user_id}/conversations`. Their messages are [`crate::message`].
#![expect(unused_qualifications, reason = "`utoipa::path` qualifies the parameters' types")]

use std::num::NonZeroU16;

use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Datelike as _, Utc};
use domain::chat::ChatService;
use domain::conversation::{Conversation, ConversationCursor, ConversationTitle};
use domain::id::ConversationId;
use domain::principal::Principal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::body::Json;
use crate::error::{ApiError, RequestError};
use crate::page::{self, Cursor, Key};
use crate::query::{self, Limit, Query};

/// The longest page of everything but tasks.
pub(crate) const PAGE: u16 = 100;
/// The page that is given unless the request says otherwise.
pub(crate) const DEFAULT_PAGE: NonZeroU16 = NonZeroU16::new(50).expect("50 is not zero");

impl Key for ConversationCursor {
    /// Databases know fewer years than `chrono` does.
    fn plausible(&self) -> bool {
        (1970..=9999).contains(&self.updated_at.year())
    }
}

/// A chat with the assistant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conversation)]
pub(crate) struct ConversationBody {
    /// Its id.
    id: Uuid,
    /// What it is called; made from the first message at first.
    #[schema(example = "Add a task to buy groceries")]
    title: String,
    /// The turn that runs in it, if one does.
    #[schema(required)]
    active_turn: Option<Uuid>,
    /// How many messages it has.
    message_count: u32,
    /// When it was begun.
    created_at: DateTime<Utc>,
    /// When something was last said in it.
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

/// A change of a conversation. What is absent or null stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConversationPatch)]
pub(crate) struct ConversationPatchBody {
    /// What it is called: 1 to 200 characters after trimming, no control characters, not only invisible ones.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, example = "Groceries")]
    title: Option<ConversationTitle>,
}

/// Which conversations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConversationQuery {
    /// At most this many.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100, default = 50)]
    limit: Option<Limit<PAGE>>,
    /// Where to go on, taken from the `Link` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<ConversationCursor>>,
}

/// List conversations, last active first.
#[utoipa::path(
    get, path = "/api/{user_id}/conversations", tag = "Chat", operation_id = "list_conversations",
    params(ConversationQuery),
    responses((status = 200, description = "A page of the conversations.", body = [ConversationBody],
        headers(("Link" = String, description = "The next page (`rel=\"next\"`), path-absolute. Absent on the last page.")))),
)]
pub(crate) async fn list(
    chat: Data<ChatService>,
    who: ReqData<Principal>,
    request: HttpRequest,
    Query(query): Query<ConversationQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = chat.conversations(&who, query::page(query.limit, query.cursor, DEFAULT_PAGE)).await?;
    Ok(page::answer(&request, page, ConversationBody::from))
}

/// Get a conversation.
#[utoipa::path(
    get, path = "/api/{user_id}/conversations/{id}", tag = "Chat", operation_id = "get_conversation",
    responses((status = 200, description = "The conversation.", body = ConversationBody)),
)]
pub(crate) async fn get(
    chat: Data<ChatService>,
    who: ReqData<Principal>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let conversation = chat.conversation(&who, id_in(&request)?).await?;
    Ok(HttpResponse::Ok().json(ConversationBody::from(conversation)))
}

/// Give a conversation another title.
#[utoipa::path(
    patch, path = "/api/{user_id}/conversations/{id}", tag = "Chat", operation_id = "update_conversation",
    request_body = ConversationPatchBody,
    responses((status = 200, description = "The conversation as it is now.", body = ConversationBody)),
)]
pub(crate) async fn update(
    chat: Data<ChatService>,
    who: ReqData<Principal>,
    request: HttpRequest,
    Json(body): Json<ConversationPatchBody>,
) -> Result<HttpResponse, ApiError> {
    let id = id_in(&request)?;
    let conversation = match body.title {
        Some(title) => chat.rename(&who, id, title).await?,
        None => chat.conversation(&who, id).await?,
    };
    Ok(HttpResponse::Ok().json(ConversationBody::from(conversation)))
}

/// Delete a conversation with its messages.
#[utoipa::path(
    delete, path = "/api/{user_id}/conversations/{id}", tag = "Chat", operation_id = "delete_conversation",
    responses((status = 204, description = "The conversation is deleted, with its messages.")),
)]
pub(crate) async fn delete(
    chat: Data<ChatService>,
    who: ReqData<Principal>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    chat.delete(&who, id_in(&request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The conversation in the path.
pub(crate) fn id_in(request: &HttpRequest) -> Result<ConversationId, RequestError> {
    request.match_info().get("id").and_then(|id| id.parse().ok()).ok_or(RequestError::NoConversation)
}

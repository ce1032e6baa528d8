//! The running turn of a conversation: following and stopping it. It is started by a message ([`super::chat`]).

use actix_web::http::Method;
use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use domain::chat::{ChatService, TurnEvents};
use domain::conversation::ClientKey;
use domain::principal::Principal;
use domain::runtime::Timer;

use crate::extract::idempotency;
use crate::extract::path::{ChatPath, ConversationPath, conversation_id};
use crate::problem::ApiError;
use crate::stream::ui_message;
use crate::stream_limit::StreamLimit;

/// Follow the running turn from its start.
///
/// The response is the stream with which the message would have been answered. The stream of a turn that runs in another
/// instance of the server has larger pieces.
#[utoipa::path(
    get, path = "/api/{user_id}/conversations/{id}/stream", tag = "Chat", operation_id = "follow_turn", params(ConversationPath),
    responses(
        (status = 200, description = "The events of the turn from its start to its end. The data of each is a `StreamPart`, that of the last `[DONE]`.",
            content_type = "text/event-stream", body = String,
            headers(
                ("x-vercel-ai-ui-message-stream" = String, description = "`v1`"),
                ("x-accel-buffering" = String, description = "`no`"),
            )),
        (status = 204, description = "No turn is running."),
    ),
)]
pub(crate) async fn follow(
    chat: Data<ChatService>,
    timer: Data<dyn Timer>,
    limit: Data<StreamLimit>,
    principal: ReqData<Principal>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let turn = chat.follow(&principal, conversation_id(&request)?).await?;
    respond(turn, timer, &limit, &principal, &request)
}

/// Follow the running turn of a chat, as the AI SDK does by default when it resumes one.
///
/// The same as `GET /api/{user_id}/conversations/{id}/stream`, also by the page's own key for the conversation. A chat
/// without a conversation has no running turn.
#[utoipa::path(
    get, path = "/api/{user_id}/chat/{conversation_id}/stream", tag = "Chat", operation_id = "resume_turn", params(ChatPath),
    responses(
        (status = 200, description = "The events of the turn from its start to its end. The data of each is a `StreamPart`, that of the last `[DONE]`.",
            content_type = "text/event-stream", body = String,
            headers(
                ("x-vercel-ai-ui-message-stream" = String, description = "`v1`"),
                ("x-accel-buffering" = String, description = "`no`"),
            )),
        (status = 204, description = "No turn is running, or there is no such conversation."),
    ),
)]
pub(crate) async fn resume(
    chat: Data<ChatService>,
    timer: Data<dyn Timer>,
    limit: Data<StreamLimit>,
    principal: ReqData<Principal>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    // `load` decodes the key completely, in contrast to `get`.
    let key = request.match_info().load().ok().and_then(|(_user, key): (String, String)| key.parse::<ClientKey>().ok());
    let turn = match key {
        Some(key) => chat.resume(&principal, &key).await?,
        None => None,
    };
    respond(turn, timer, &limit, &principal, &request)
}

fn respond(
    turn: Option<TurnEvents>,
    timer: Data<dyn Timer>,
    limit: &StreamLimit,
    principal: &Principal,
    request: &HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Some(turn) = turn else { return Ok(HttpResponse::NoContent().finish()) };
    let permit = limit.acquire(principal.user)?;
    Ok(match *request.method() {
        Method::HEAD => ui_message::headers_only(),
        _ => ui_message::respond(turn, timer.into_inner(), permit),
    })
}

/// Stop the running turn.
///
/// It ends within a second. The text written so far is stored, and the message is marked as stopped. Changes that tools
/// have made are not undone.
#[utoipa::path(
    post, path = "/api/{user_id}/conversations/{id}/stop", tag = "Chat", operation_id = "stop_turn", params(ConversationPath),
    responses((status = 202, description = "The turn is being stopped.")),
)]
pub(crate) async fn stop(
    chat: Data<ChatService>,
    principal: ReqData<Principal>,
    key: idempotency::Key,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let conversation = conversation_id(&request)?;
    chat.stop(&principal, conversation, key.of(&["stop", &conversation.to_string()])).await?;
    Ok(HttpResponse::Accepted().finish())
}

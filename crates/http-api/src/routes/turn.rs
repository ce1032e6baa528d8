//! The running turn of a conversation: following and stopping it. It is started by a message ([`super::chat`]).

use actix_web::http::Method;
use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use domain::chat::ChatService;
use domain::principal::Principal;
use domain::runtime::Timer;

use crate::extract::path::{ConversationPath, conversation_id};
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
    let Some(turn) = chat.follow(&principal, conversation_id(&request)?).await? else {
        return Ok(HttpResponse::NoContent().finish());
    };
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
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    chat.stop(&principal, conversation_id(&request)?).await?;
    Ok(HttpResponse::Accepted().finish())
}

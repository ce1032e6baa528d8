//! The turn that runs in a conversation: taken up again, or stopped. It is begun by saying something ([`crate::chat`]).

use actix_web::http::Method;
use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use domain::chat::ChatService;
use domain::principal::Principal;
use domain::runtime::Timer;

use crate::conversation::id_in;
use crate::error::ApiError;
use crate::stream;
use crate::stream_limit::StreamLimit;

/// Follow the turn that runs, from its beginning.
///
/// It is the stream that the message was answered with, or would have been. A turn that runs on another instance of the
/// server is told in larger pieces.
#[utoipa::path(
    get, path = "/api/{user_id}/conversations/{id}/stream", tag = "Chat", operation_id = "follow_turn",
    responses(
        (status = 200, description = "What has happened, and what happens, until the turn is over: events whose data is a `StreamPart` each, and at the end `[DONE]`.",
            content_type = "text/event-stream", body = String,
            headers(
                ("x-vercel-ai-ui-message-stream" = String, description = "`v1`"),
                ("x-accel-buffering" = String, description = "`no`"),
            )),
        (status = 204, description = "No turn runs."),
    ),
)]
pub(crate) async fn follow(
    chat: Data<ChatService>,
    timer: Data<dyn Timer>,
    limit: Data<StreamLimit>,
    principal: ReqData<Principal>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Some(turn) = chat.follow(&principal, id_in(&request)?).await? else {
        return Ok(HttpResponse::NoContent().finish());
    };
    let permit = limit.acquire(principal.user)?;
    Ok(match *request.method() {
        Method::HEAD => stream::headers_only(),
        _ => stream::answer(turn, timer.into_inner(), permit),
    })
}

/// Stop the turn that runs.
///
/// It ends within a second. What was written until then is kept, and the message is marked as stopped; what tools did
/// stays done.
#[utoipa::path(
    post, path = "/api/{user_id}/conversations/{id}/stop", tag = "Chat", operation_id = "stop_turn",
    responses((status = 202, description = "The turn is told to end.")),
)]
pub(crate) async fn stop(
    chat: Data<ChatService>,
    who: ReqData<Principal>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    chat.stop(&who, id_in(&request)?).await?;
    Ok(HttpResponse::Accepted().finish())
}

//! Path parameters: their descriptions in the OpenAPI document, and their parsing.
//!
//! Handlers parse them after the body, so that a wrong body is answered alike whether or not the row exists.
#![expect(dead_code, reason = "the structs describe path parameters in the OpenAPI document")]

use std::str::FromStr;

use actix_web::HttpRequest;
use domain::id::{ConversationId, TaskId};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::problem::RequestError;

/// Path parameters of a user's collections.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UserPath {
    /// The user's id, exactly as in the token's `sub`.
    user_id: Uuid,
}

/// Path parameters of a task.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TaskPath {
    /// The user's id, exactly as in the token's `sub`.
    user_id: Uuid,
    /// The task's id.
    task_id: Uuid,
}

/// Path parameters of a change.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ChangePath {
    /// The user's id, exactly as in the token's `sub`.
    user_id: Uuid,
    /// The number of the change.
    #[param(minimum = 1)]
    seq: i64,
}

/// Path parameters of an operation.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OperationPath {
    /// The user's id, exactly as in the token's `sub`.
    user_id: Uuid,
    /// The operation's id.
    operation_id: Uuid,
}

/// Path parameters of a conversation.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ConversationPath {
    /// The user's id, exactly as in the token's `sub`.
    user_id: Uuid,
    /// The conversation's id.
    id: Uuid,
}

/// Path parameters of a chat of the AI SDK.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ChatPath {
    /// The user's id, exactly as in the token's `sub`.
    user_id: Uuid,
    /// The conversation's id, or the page's own key for it: `id` of the AI SDK's body.
    conversation_id: String,
}

/// Path parameters of a message.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(clippy::struct_field_names, reason = "the fields have the names of the parameters")]
pub(crate) struct MessagePath {
    /// The user's id, exactly as in the token's `sub`.
    user_id: Uuid,
    /// The conversation's id.
    conversation_id: Uuid,
    /// The id of the assistant's message.
    message_id: Uuid,
}

/// Path parameters of a session.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SessionPath {
    /// The session's id.
    id: Uuid,
}

/// Path parameters of an API token.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ApiTokenPath {
    /// The token's id.
    id: Uuid,
}

/// Parses the path parameter `name`. `None` if it is malformed, which is answered like an id that does not exist.
pub(crate) fn parse<T: FromStr>(request: &HttpRequest, name: &str) -> Option<T> {
    request.match_info().get(name)?.parse().ok()
}

/// The id of the task in the path.
pub(crate) fn task_id(request: &HttpRequest) -> Result<TaskId, RequestError> {
    parse(request, "task_id").ok_or(RequestError::TaskNotFound)
}

/// The id of the conversation in the path.
pub(crate) fn conversation_id(request: &HttpRequest) -> Result<ConversationId, RequestError> {
    parse(request, "id").ok_or(RequestError::ConversationNotFound)
}

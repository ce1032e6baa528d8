//! Undo of a change, of an operation, and of a turn of the assistant.

use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use domain::change::{ChangeService, OnConflict, Origin, RequestId, Seq, UndoTarget, Undone};
use domain::principal::Principal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::extract::idempotency;
use crate::extract::json::OptionalJson;
use crate::extract::path::{self, ChangePath, MessagePath, OperationPath};
use crate::problem::{ApiError, RequestError};
use crate::schema::change::ChangeBody;
use crate::schema::conflict::ConflictBody;

/// The options of an undo.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Undo)]
pub(crate) struct UndoBody {
    /// `fail` (the default): nothing is undone if there is a conflict. `skip`: everything else is undone.
    #[schema(value_type = Option<String>, example = "skip")]
    on_conflict: Option<OnConflictName>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnConflictName {
    Fail,
    Skip,
}

impl From<UndoBody> for OnConflict {
    fn from(body: UndoBody) -> Self {
        match body.on_conflict {
            Some(OnConflictName::Fail) | None => Self::Fail,
            Some(OnConflictName::Skip) => Self::Skip,
        }
    }
}

/// The result of an undo.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Undone)]
pub(crate) struct UndoneBody {
    /// The operation of the undo, which can be undone itself; null if nothing was undone.
    #[schema(required)]
    operation_id: Option<Uuid>,
    /// The changes that the undo made.
    changes: Vec<ChangeBody>,
    /// The skipped conflicts.
    conflicts: Vec<ConflictBody>,
}

impl From<Undone> for UndoneBody {
    fn from(Undone { entries, conflicts }: Undone) -> Self {
        Self {
            operation_id: entries.first().map(|entry| entry.operation.as_uuid()),
            changes: entries.into_iter().map(ChangeBody::from).collect(),
            conflicts: conflicts.iter().map(ConflictBody::from).collect(),
        }
    }
}

/// Undo a change.
///
/// Each field that the change set is reset to its previous value if it still has the value that the change gave it;
/// otherwise the field is a conflict. The undo of a creation moves the task to the trash. An undo is an operation itself
/// and can be undone.
#[utoipa::path(
    post, path = "/api/{user_id}/changes/{seq}/undo", tag = "Changes", operation_id = "undo_change", params(ChangePath),
    request_body(content = Option<UndoBody>, description = "Optional."),
    responses((status = 200, description = "The changes of the undo, and the skipped conflicts.", body = UndoneBody)),
)]
pub(crate) async fn change(
    changes: Data<ChangeService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    key: idempotency::Key,
    request: HttpRequest,
    OptionalJson(body): OptionalJson<UndoBody>,
) -> Result<HttpResponse, ApiError> {
    let target = UndoTarget::Change(parse_seq(&request)?);
    undo(&changes, Origin::request(&principal, &id), key, target, body).await
}

/// Undo an operation: everything that one request or one tool call changed.
///
/// Undoes all of it or nothing, unless `on_conflict` is `skip`. Changes of the same operation do not conflict with each
/// other.
#[utoipa::path(
    post, path = "/api/{user_id}/operations/{operation_id}/undo", tag = "Changes", operation_id = "undo_operation", params(OperationPath),
    request_body(content = Option<UndoBody>, description = "Optional."),
    responses((status = 200, description = "The changes of the undo, and the skipped conflicts.", body = UndoneBody)),
)]
pub(crate) async fn operation(
    changes: Data<ChangeService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    key: idempotency::Key,
    request: HttpRequest,
    OptionalJson(body): OptionalJson<UndoBody>,
) -> Result<HttpResponse, ApiError> {
    let target = UndoTarget::Operation(parse_id(&request, "operation_id")?);
    undo(&changes, Origin::request(&principal, &id), key, target, body).await
}

/// Undo a turn of the assistant: the changes of all its tool calls.
///
/// The turn is identified by the assistant's message. As with an operation, all of it is undone or nothing, unless
/// `on_conflict` is `skip`.
#[utoipa::path(
    post, path = "/api/{user_id}/conversations/{conversation_id}/messages/{message_id}/undo", tag = "Changes",
    operation_id = "undo_turn", params(MessagePath),
    request_body(content = Option<UndoBody>, description = "Optional."),
    responses((status = 200, description = "The changes of the undo, and the skipped conflicts.", body = UndoneBody)),
)]
pub(crate) async fn turn(
    changes: Data<ChangeService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    key: idempotency::Key,
    request: HttpRequest,
    OptionalJson(body): OptionalJson<UndoBody>,
) -> Result<HttpResponse, ApiError> {
    let target = UndoTarget::Message(parse_id(&request, "conversation_id")?, parse_id(&request, "message_id")?);
    undo(&changes, Origin::request(&principal, &id), key, target, body).await
}

async fn undo(
    changes: &ChangeService,
    origin: Origin,
    key: idempotency::Key,
    target: UndoTarget,
    body: Option<UndoBody>,
) -> Result<HttpResponse, ApiError> {
    let on_conflict = OnConflict::from(body.unwrap_or_default());
    let mode = match on_conflict {
        OnConflict::Fail => "fail",
        OnConflict::Skip => "skip",
    };
    let request = match target {
        UndoTarget::Change(seq) => key.of(&["undo_change", &seq.to_string(), mode]),
        UndoTarget::Operation(id) => key.of(&["undo_operation", &id.to_string(), mode]),
        UndoTarget::Message(conversation, message) => {
            key.of(&["undo_turn", &conversation.to_string(), &message.to_string(), mode])
        }
    };
    let undone = changes.undo(&origin.with_key(request), target, on_conflict).await?;
    Ok(HttpResponse::Ok().json(UndoneBody::from(undone)))
}

fn parse_id<T: std::str::FromStr>(request: &HttpRequest, name: &str) -> Result<T, RequestError> {
    path::parse(request, name).ok_or(RequestError::ChangeNotFound)
}

/// Parses the number in the path, which must be in its canonical form. Databases store it as a signed integer.
fn parse_seq(request: &HttpRequest) -> Result<Seq, RequestError> {
    let raw = request.match_info().get("seq").unwrap_or_default();
    let seq = raw.parse().ok().and_then(|number: i64| u64::try_from(number).ok()).map(Seq);
    seq.filter(|seq| seq.to_string() == raw).ok_or(RequestError::ChangeNotFound)
}

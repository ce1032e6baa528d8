//! Taking back changes: one, those of an operation, and those of a turn of the assistant.

use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use domain::change::{ChangeService, OnConflict, Origin, RequestId, Seq, UndoTarget, Undone};
use domain::principal::Principal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::body::OptionalJson;
use crate::change::ChangeBody;
use crate::conflict::ConflictBody;
use crate::error::{ApiError, RequestError};

/// How to undo.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Undo)]
pub(crate) struct UndoBody {
    /// `fail` (the default): if a part cannot be undone, nothing is. `skip`: the rest is undone.
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

/// What an undo did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Undone)]
pub(crate) struct UndoneBody {
    /// The operation of the undo, which can be undone in turn; null if nothing was undone.
    #[schema(required)]
    operation_id: Option<Uuid>,
    /// The changes that the undo made.
    changes: Vec<ChangeBody>,
    /// What was skipped.
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
/// Each field that the change set gets its value from before, if it still has the value that the change gave it; a field
/// that has another value by now is a conflict. The undo of a creation moves the task to the trash. An undo is an
/// operation itself and can be undone.
#[utoipa::path(
    post, path = "/api/{user_id}/changes/{seq}/undo", tag = "Changes", operation_id = "undo_change",
    request_body(content = Option<UndoBody>, description = "May be left out."),
    responses((status = 200, description = "What was undone, and what was skipped.", body = UndoneBody)),
)]
pub(crate) async fn change(
    changes: Data<ChangeService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    request: HttpRequest,
    OptionalJson(body): OptionalJson<UndoBody>,
) -> Result<HttpResponse, ApiError> {
    let target = UndoTarget::Change(seq_in(&request)?);
    undo(&changes, &Origin::request(&principal, &id), target, body).await
}

/// Undo an operation: everything that one request or one tool call changed.
///
/// All of it or nothing, unless `on_conflict` is `skip`. Several changes of the operation to one task are no conflict
/// with each other.
#[utoipa::path(
    post, path = "/api/{user_id}/operations/{operation_id}/undo", tag = "Changes", operation_id = "undo_operation",
    request_body(content = Option<UndoBody>, description = "May be left out."),
    responses((status = 200, description = "What was undone, and what was skipped.", body = UndoneBody)),
)]
pub(crate) async fn operation(
    changes: Data<ChangeService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    request: HttpRequest,
    OptionalJson(body): OptionalJson<UndoBody>,
) -> Result<HttpResponse, ApiError> {
    let target = UndoTarget::Operation(id_in(&request, "operation_id")?);
    undo(&changes, &Origin::request(&principal, &id), target, body).await
}

/// Undo a turn of the assistant: everything that it changed, over all of its tool calls.
///
/// The turn is named by the assistant's message. As with an operation, all of it is undone or nothing, unless
/// `on_conflict` is `skip`.
#[utoipa::path(
    post, path = "/api/{user_id}/conversations/{conversation_id}/messages/{message_id}/undo", tag = "Changes",
    operation_id = "undo_turn",
    request_body(content = Option<UndoBody>, description = "May be left out."),
    responses((status = 200, description = "What was undone, and what was skipped.", body = UndoneBody)),
)]
pub(crate) async fn turn(
    changes: Data<ChangeService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    request: HttpRequest,
    OptionalJson(body): OptionalJson<UndoBody>,
) -> Result<HttpResponse, ApiError> {
    let target = UndoTarget::Message(id_in(&request, "conversation_id")?, id_in(&request, "message_id")?);
    undo(&changes, &Origin::request(&principal, &id), target, body).await
}

async fn undo(
    changes: &ChangeService,
    origin: &Origin,
    target: UndoTarget,
    body: Option<UndoBody>,
) -> Result<HttpResponse, ApiError> {
    let undone = changes.undo(origin, target, body.unwrap_or_default().into()).await?;
    Ok(HttpResponse::Ok().json(UndoneBody::from(undone)))
}

/// The id in the path. What is none is answered as the id of nothing.
fn id_in<T: std::str::FromStr>(request: &HttpRequest, name: &str) -> Result<T, RequestError> {
    request.match_info().get(name).and_then(|id| id.parse().ok()).ok_or(RequestError::NoChange)
}

/// The number in the path, which has one spelling. Databases count with a sign.
fn seq_in(request: &HttpRequest) -> Result<Seq, RequestError> {
    let raw = request.match_info().get("seq").unwrap_or_default();
    let seq = raw.parse().ok().and_then(|number: i64| u64::try_from(number).ok()).map(Seq);
    seq.filter(|seq| seq.to_string() == raw).ok_or(RequestError::NoChange)
}

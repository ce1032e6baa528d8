//! `/api/{user_id}/trash`: deleted tasks, until they are restored or removed for good.
#![expect(unused_qualifications, reason = "`utoipa::path` qualifies the parameters' types")]

use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use chrono::Datelike as _;
use domain::change::{Origin, RequestId};
use domain::principal::Principal;
use domain::runtime::Clock;
use domain::task::{TaskService, TrashCursor};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::conversation::{DEFAULT_PAGE, PAGE};
use crate::error::ApiError;
use crate::etag;
use crate::page::{self, Cursor, Key};
use crate::query::{self, Limit, Query};
use crate::task::{StoredTaskBody, TaskBody, id_in};

impl Key for TrashCursor {
    /// Databases know fewer years than `chrono` does.
    fn plausible(&self) -> bool {
        (1970..=9999).contains(&self.deleted_at.year())
    }
}

/// Which tasks of the trash.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TrashQuery {
    /// At most this many.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100, default = 50)]
    limit: Option<Limit<PAGE>>,
    /// Where to go on, taken from the `Link` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<TrashCursor>>,
}

/// List the trash, last deleted first.
#[utoipa::path(
    get, path = "/api/{user_id}/trash", tag = "Trash", operation_id = "list_trash", params(TrashQuery),
    responses((status = 200, description = "A page of the deleted tasks.", body = [StoredTaskBody],
        headers(("Link" = String, description = "The next page (`rel=\"next\"`), path-absolute. Absent on the last page.")))),
)]
pub(crate) async fn list(
    tasks: Data<TaskService>,
    principal: ReqData<Principal>,
    request: HttpRequest,
    Query(query): Query<TrashQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = tasks.list_trash(&principal, query::page(query.limit, query.cursor, DEFAULT_PAGE)).await?;
    Ok(page::answer(&request, page, StoredTaskBody::from))
}

/// Empty the trash: remove every task in it for good. That cannot be undone.
#[utoipa::path(
    delete, path = "/api/{user_id}/trash", tag = "Trash", operation_id = "empty_trash",
    responses((status = 204, description = "What was in the trash is gone.")),
)]
pub(crate) async fn empty(
    tasks: Data<TaskService>,
    clock: Data<dyn Clock>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
) -> Result<HttpResponse, ApiError> {
    let origin = Origin::request(&principal, &id);
    tasks.empty_trash(&origin, clock.now()).await.map_err(ApiError::of_account)?;
    Ok(HttpResponse::NoContent().finish())
}

/// Remove a task that is in the trash for good. That cannot be undone.
#[utoipa::path(
    delete, path = "/api/{user_id}/trash/{task_id}", tag = "Trash", operation_id = "purge_task",
    responses((status = 204, description = "The task is gone.")),
)]
pub(crate) async fn purge(
    tasks: Data<TaskService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    tasks.purge(&Origin::request(&principal, &id), id_in(&request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Take a task out of the trash. One that is not in it stays as it is.
#[utoipa::path(
    post, path = "/api/{user_id}/tasks/{task_id}/restore", tag = "Trash", operation_id = "restore_task",
    responses((status = 200, description = "The task as it is now.", body = TaskBody,
        headers(("ETag" = String, description = "The task's version.")))),
)]
pub(crate) async fn restore(
    tasks: Data<TaskService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let task = tasks.restore(&Origin::request(&principal, &id), id_in(&request)?).await?.after;
    Ok(HttpResponse::Ok().insert_header(etag::of_task(&task)).json(TaskBody::from(task)))
}

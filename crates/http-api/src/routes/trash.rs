//! `/api/{user_id}/trash`: deleted tasks, until they are restored or purged.

use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use chrono::Datelike as _;
use domain::change::{Origin, RequestId};
use domain::principal::Principal;
use domain::runtime::Clock;
use domain::task::{TaskService, TrashCursor};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::etag;
use crate::extract::idempotency;
use crate::extract::page::{self, Cursor, Key};
use crate::extract::path::{TaskPath, UserPath, task_id};
use crate::extract::query::{self, DEFAULT_PAGE, Limit, MAX_PAGE, Query};
use crate::problem::ApiError;
use crate::schema::task::{StoredTaskBody, TaskBody};

impl Key for TrashCursor {
    /// Databases support fewer years than `chrono` does.
    fn is_valid(&self) -> bool {
        (1970..=9999).contains(&self.deleted_at.year())
    }
}

/// The page of a list of deleted tasks.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TrashQuery {
    /// Maximum number of rows.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100, default = 50)]
    limit: Option<Limit<MAX_PAGE>>,
    /// The start of the page, taken from the `Link` of the previous page.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<TrashCursor>>,
}

/// List the trash, last deleted first.
#[utoipa::path(
    get, path = "/api/{user_id}/trash", tag = "Trash", operation_id = "list_trash", params(UserPath, TrashQuery),
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
    Ok(page::respond(&request, page, StoredTaskBody::from))
}

/// Empty the trash: purge every task in it. This cannot be undone.
#[utoipa::path(
    delete, path = "/api/{user_id}/trash", tag = "Trash", operation_id = "empty_trash", params(UserPath),
    responses((status = 204, description = "The trash is empty.")),
)]
pub(crate) async fn empty(
    tasks: Data<TaskService>,
    clock: Data<dyn Clock>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
) -> Result<HttpResponse, ApiError> {
    let origin = Origin::request(&principal, &id);
    tasks.empty_trash(&origin, clock.now()).await.map_err(ApiError::account_deleted_if_not_found)?;
    Ok(HttpResponse::NoContent().finish())
}

/// Purge a task that is in the trash. This cannot be undone.
#[utoipa::path(
    delete, path = "/api/{user_id}/trash/{task_id}", tag = "Trash", operation_id = "purge_task", params(TaskPath),
    responses((status = 204, description = "The task is purged.")),
)]
pub(crate) async fn purge(
    tasks: Data<TaskService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    tasks.purge(&Origin::request(&principal, &id), task_id(&request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Restore a task from the trash. A task that is not in the trash is not changed.
#[utoipa::path(
    post, path = "/api/{user_id}/tasks/{task_id}/restore", tag = "Trash", operation_id = "restore_task", params(TaskPath),
    responses((status = 200, description = "The restored task.", body = TaskBody,
        headers(("ETag" = String, description = "The task's version.")))),
)]
pub(crate) async fn restore(
    tasks: Data<TaskService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    key: idempotency::Key,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let task = task_id(&request)?;
    let origin = Origin::request(&principal, &id).with_key(key.of(&["restore_task", &task.to_string()]));
    let task = tasks.restore(&origin, task).await?.after;
    Ok(HttpResponse::Ok().insert_header(etag::of_task(&task)).json(TaskBody::from(task)))
}

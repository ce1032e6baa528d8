//! `/api/{user_id}/tasks`.

use std::num::NonZeroU16;

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use domain::change::{ChangeService, Origin, RequestId};
use domain::id::TaskId;
use domain::principal::Principal;
use domain::task::{
    Task, TaskCursor, TaskError, TaskFilter, TaskPatch, TaskService, TaskStatus, Title, TitleError, TitleMatch, Version,
};
use domain::text::NormalizedText;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};

use super::change::X_CHANGE_SEQ;
use crate::extract::etag::{self, Precondition};
use crate::extract::idempotency;
use crate::extract::json::{Json, OptionalJson};
use crate::extract::no_data::NoData;
use crate::extract::page::{self, Cursor, Key};
use crate::extract::path::{self, TaskPath, UserPath};
use crate::extract::public_path::PublicPath;
use crate::extract::query::{self, Limit, Query};
use crate::problem::{ApiError, RequestError};
use crate::schema::task::TaskBody;

/// Maximum and default number of tasks of a page: clients of the Python API expect the whole list.
const MAX_PAGE: u16 = 1000;
const DEFAULT_PAGE: NonZeroU16 = NonZeroU16::new(MAX_PAGE).expect("1000 is not zero");
/// Maximum length of a search text, in characters. No title is longer.
const MAX_SEARCH_LENGTH: usize = Title::MAX;

impl Key for TaskCursor {}

/// A new task.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTask)]
#[expect(dead_code, reason = "fields that are not supported yet are only checked")]
pub(crate) struct NewTaskBody {
    /// The title: 1 to 500 characters after trimming, no control characters, not only invisible ones. A tab becomes a
    /// space.
    // Optional for serde, so that a missing title has the same message as an empty one.
    #[schema(value_type = String, required, min_length = 1, max_length = 500, example = "Buy groceries")]
    title: Option<Title>,
    /// Whether the task is already completed; `false` by default.
    completed: Option<bool>,
    #[serde(default)]
    description: NoData,
    #[serde(default)]
    priority: NoData,
    #[serde(default)]
    due_date: NoData,
    #[serde(default)]
    tags: NoData,
}

/// A change of a task. Absent and null fields keep their values.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TaskPatch)]
#[expect(dead_code, reason = "fields that are not supported yet are only checked")]
pub(crate) struct TaskPatchBody {
    /// The title: 1 to 500 characters after trimming, no control characters, not only invisible ones. A tab becomes a
    /// space.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 500, example = "Buy groceries")]
    title: Option<Title>,
    /// Whether the task is completed.
    completed: Option<bool>,
    #[serde(default)]
    description: NoData,
    #[serde(default)]
    priority: NoData,
    #[serde(default)]
    due_date: NoData,
    #[serde(default)]
    tags: NoData,
}

/// The completion of a task.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Completion)]
pub(crate) struct CompletionBody {
    /// Whether the task is completed. Absent or null: toggles it.
    completed: Option<bool>,
}

/// The filter and the page of a list of tasks.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "parameters that are not supported yet are only checked")]
pub(crate) struct TaskQuery {
    /// Filters by completion.
    #[param(value_type = Option<String>, inline)]
    status: Option<StatusParameter>,
    /// Filters by a text that the title contains, case-insensitively. There are no wildcards.
    #[param(value_type = Option<String>, max_length = 500)]
    search: Option<Search>,
    /// Maximum number of rows.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<Limit<MAX_PAGE>>,
    /// The start of the page, taken from the `Link` of the previous page.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<TaskCursor>>,
    /// Not supported yet: empty, or `none`.
    #[serde(default)]
    #[param(value_type = Option<String>, pattern = "^([nN][oO][nN][eE])?$")]
    sort: NoData,
    /// Not supported yet: empty, or `none`.
    #[serde(default)]
    #[param(value_type = Option<String>, pattern = "^([nN][oO][nN][eE])?$")]
    order: NoData,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StatusParameter {
    All,
    Pending,
    Completed,
}

#[derive(Debug)]
struct Search(NormalizedText);

impl<'de> Deserialize<'de> for Search {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        if text.contains('\0') {
            Err(D::Error::custom("must not contain a NUL character"))
        } else if text.chars().count() > MAX_SEARCH_LENGTH {
            Err(D::Error::custom(format_args!("must be at most {MAX_SEARCH_LENGTH} characters")))
        } else {
            Ok(Self(NormalizedText::new(&text)))
        }
    }
}

impl From<TaskQuery> for (TaskFilter, domain::page::PageRequest<TaskCursor>) {
    fn from(query: TaskQuery) -> Self {
        let status = match query.status {
            Some(StatusParameter::All) | None => TaskStatus::All,
            Some(StatusParameter::Pending) => TaskStatus::Pending,
            Some(StatusParameter::Completed) => TaskStatus::Completed,
        };
        let title = query.search.filter(|search| !search.0.as_str().is_empty());
        let filter = TaskFilter { status, title: title.map(|Search(text)| TitleMatch::Containing(text)) };
        (filter, query::page(query.limit, query.cursor, DEFAULT_PAGE))
    }
}

/// List tasks, newest first.
///
/// The `ETag` changes with every change of the user's rows and with the user's time zone. `X-Change-Seq` is the value of
/// `after` for `GET …/changes` and `GET …/events`.
#[utoipa::path(
    get, path = "/api/{user_id}/tasks", tag = "Tasks", operation_id = "list_tasks",
    params(UserPath, TaskQuery, ("If-None-Match" = Option<String>, Header, description = "Entity tags of cached responses, or `*`.")),
    responses(
        (status = 200, description = "A page of the tasks.", body = [TaskBody], headers(
            ("ETag" = String, description = "The version of the list, a weak tag."),
            ("X-Change-Seq" = u64, description = "The number of the newest change, read no later than the tasks. 0 if there is none."),
            ("Link" = String, description = "The next page (`rel=\"next\"`), path-absolute. Absent on the last page."))),
        (status = 304, description = "The cached response is current.", headers(
            ("ETag" = String, description = "The version of the list, a weak tag."),
            ("X-Change-Seq" = u64, description = "The number of the newest change."))),
    ),
)]
pub(crate) async fn list(
    tasks: Data<TaskService>,
    changes: Data<ChangeService>,
    principal: ReqData<Principal>,
    request: HttpRequest,
    Query(query): Query<TaskQuery>,
) -> Result<HttpResponse, ApiError> {
    // Read before the tasks, so that these are at least as new.
    let head = changes.head(&principal).await.map_err(ApiError::account_deleted_if_not_found)?;
    let (tag, seq) = (etag::of_list(&head), (X_CHANGE_SEQ, head.seq.0));
    if etag::is_not_modified(&request, &tag) {
        return Ok(HttpResponse::NotModified().insert_header(tag).insert_header(seq).finish());
    }
    let (filter, page) = query.into();
    let page = tasks.list(&principal, &filter, page).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header(tag).insert_header(seq);
    Ok(page::respond_with(response, &request, page, TaskBody::from))
}

/// Create a task.
#[utoipa::path(
    post, path = "/api/{user_id}/tasks", tag = "Tasks", operation_id = "create_task", request_body = NewTaskBody,
    params(UserPath),
    responses((status = 201, description = "The created task.", body = TaskBody, headers(
        ("Location" = String, description = "The path of the task, with the path of the public URL."),
        ("ETag" = String, description = "The task's version.")))),
)]
pub(crate) async fn create(
    tasks: Data<TaskService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    request: HttpRequest,
    key: idempotency::Key,
    Json(body): Json<NewTaskBody>,
) -> Result<HttpResponse, ApiError> {
    // Every field that has data is part of the request that the key identifies.
    let NewTaskBody { title, completed, description: _, priority: _, due_date: _, tags: _ } = body;
    let title = title.ok_or_else(|| RequestError::invalid("title", TitleError::Empty.to_string()))?;
    let completed = completed.unwrap_or_default();
    let keyed = key.of(&["create_task", title.as_str(), &completed.to_string()]);
    let created = tasks.create(&Origin::request(&principal, &id).with_key(keyed), title, completed).await;
    let task = created.map_err(ApiError::account_deleted_if_not_found)?.after;
    let location = format!("{}/api/{}/tasks/{}", PublicPath::prefix(&request), task.user_id, task.id);
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, location))
        .insert_header(etag::of_task(&task))
        .json(TaskBody::from(task)))
}

/// Get a task.
#[utoipa::path(
    get, path = "/api/{user_id}/tasks/{task_id}", tag = "Tasks", operation_id = "get_task",
    params(TaskPath, ("If-None-Match" = Option<String>, Header, description = "Entity tags of cached responses, or `*`.")),
    responses(
        (status = 200, description = "The task.", body = TaskBody, headers(("ETag" = String, description = "The task's version."))),
        (status = 304, description = "The cached response is current.", headers(("ETag" = String, description = "The task's version."))),
    ),
)]
pub(crate) async fn get(
    tasks: Data<TaskService>,
    principal: ReqData<Principal>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let task = tasks.get(&principal, path::task_id(&request)?).await?;
    let tag = etag::of_task(&task);
    if etag::is_not_modified(&request, &tag) {
        return Ok(HttpResponse::NotModified().insert_header(tag).finish());
    }
    Ok(respond(task))
}

/// Change a task. Absent fields keep their values, exactly as with PATCH.
#[utoipa::path(
    put, path = "/api/{user_id}/tasks/{task_id}", tag = "Tasks", operation_id = "replace_task",
    request_body = TaskPatchBody,
    params(TaskPath, ("If-Match" = Option<String>, Header, description = "The versions at which the task may be changed, or `*`.")),
    responses((status = 200, description = "The changed task.", body = TaskBody, headers(("ETag" = String, description = "The task's version.")))),
)]
pub(crate) async fn replace(
    tasks: Data<TaskService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    request: HttpRequest,
    body: Json<TaskPatchBody>,
) -> Result<HttpResponse, ApiError> {
    update(tasks, principal, id, request, body).await
}

/// Change a task. Absent fields keep their values.
#[utoipa::path(
    patch, path = "/api/{user_id}/tasks/{task_id}", tag = "Tasks", operation_id = "update_task",
    request_body = TaskPatchBody,
    params(TaskPath, ("If-Match" = Option<String>, Header, description = "The versions at which the task may be changed, or `*`.")),
    responses((status = 200, description = "The changed task.", body = TaskBody, headers(("ETag" = String, description = "The task's version.")))),
)]
pub(crate) async fn update(
    tasks: Data<TaskService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    request: HttpRequest,
    Json(body): Json<TaskPatchBody>,
) -> Result<HttpResponse, ApiError> {
    let (task, expected) = target(&tasks, &principal, &request).await?;
    let patch = TaskPatch { title: body.title.into(), completed: body.completed.into() };
    let origin = Origin::request(&principal, &id);
    Ok(respond(tasks.update(&origin, task, &patch, expected).await?.after))
}

/// Complete or reopen a task.
///
/// Without a body, or without `completed` in it, the completion is toggled.
#[utoipa::path(
    patch, path = "/api/{user_id}/tasks/{task_id}/complete", tag = "Tasks", operation_id = "complete_task",
    request_body(content = Option<CompletionBody>, description = "Optional."),
    params(TaskPath, ("If-Match" = Option<String>, Header, description = "The versions at which the task may be changed, or `*`.")),
    responses((status = 200, description = "The changed task.", body = TaskBody, headers(("ETag" = String, description = "The task's version.")))),
)]
pub(crate) async fn complete(
    tasks: Data<TaskService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    request: HttpRequest,
    OptionalJson(body): OptionalJson<CompletionBody>,
) -> Result<HttpResponse, ApiError> {
    let (task, expected) = target(&tasks, &principal, &request).await?;
    let origin = Origin::request(&principal, &id);
    let change = match body.and_then(|body| body.completed) {
        Some(completed) => {
            let patch = TaskPatch { completed: Some(completed).into(), ..TaskPatch::default() };
            tasks.update(&origin, task, &patch, expected).await?
        }
        None => tasks.toggle(&origin, task, expected).await?,
    };
    Ok(respond(change.after))
}

/// Delete a task: move it to the trash, from which it can be restored for 30 days by default.
#[utoipa::path(
    delete, path = "/api/{user_id}/tasks/{task_id}", tag = "Tasks", operation_id = "delete_task",
    params(TaskPath, ("If-Match" = Option<String>, Header, description = "The versions at which the task may be deleted, or `*`.")),
    responses((status = 204, description = "The task is in the trash.")),
)]
pub(crate) async fn delete(
    tasks: Data<TaskService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (task, expected) = target(&tasks, &principal, &request).await?;
    tasks.delete(&Origin::request(&principal, &id), task, expected).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn respond(task: Task) -> HttpResponse {
    HttpResponse::Ok().insert_header(etag::of_task(&task)).json(TaskBody::from(task))
}

/// The id of the task in the path, and the version that the change must replace. Storage compares with one version: of
/// several in `If-Match` it is the current one.
async fn target(
    tasks: &TaskService,
    principal: &Principal,
    request: &HttpRequest,
) -> Result<(TaskId, Option<Version>), ApiError> {
    let precondition = Precondition::of(request)?;
    let id = path::task_id(request)?;
    let expected = match precondition {
        Precondition::None => None,
        Precondition::Exactly(version) => Some(version),
        Precondition::OneOf(versions) => {
            let current = tasks.get(principal, id).await?.version;
            if !versions.contains(&current) {
                return Err(TaskError::Stale.into());
            }
            Some(current)
        }
    };
    Ok((id, expected))
}

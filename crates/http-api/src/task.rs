//! `/api/{user_id}/tasks`.
#![expect(unused_qualifications, reason = "`utoipa::path` qualifies the parameters' types")]

use std::num::NonZeroU16;

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use domain::change::{ChangeService, Origin, RequestId};
use domain::id::TaskId;
use domain::principal::Principal;
use domain::task::{
    Task, TaskCursor, TaskError, TaskFilter, TaskPatch, TaskService, TaskStatus, Title, TitleError, TitleMatch, Version,
};
use domain::text::NormalizedText;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::body::{Json, OptionalJson};
use crate::change::X_CHANGE_SEQ;
use crate::error::{ApiError, RequestError};
use crate::etag::{self, Precondition};
use crate::page::{self, Cursor, Key};
use crate::query::{self, Limit, Query};

/// Clients of the Python API expect the whole list, so a page is as long as it may be unless they ask.
const PAGE: u16 = 1000;
const DEFAULT_PAGE: NonZeroU16 = NonZeroU16::new(PAGE).expect("1000 is not zero");
/// The longest search, in characters: no title is longer.
const SEARCH: usize = Title::MAX;

impl Key for TaskCursor {}

/// Something to do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Task)]
pub(crate) struct TaskBody {
    /// Its id.
    id: Uuid,
    /// Whose it is.
    user_id: Uuid,
    /// What is to be done.
    #[schema(example = "Buy groceries")]
    title: String,
    /// Whether it is done.
    completed: bool,
    /// When it was done.
    #[schema(required)]
    completed_at: Option<DateTime<Utc>>,
    /// Counts the changes, from 1. The `ETag` is this number in quotes.
    #[schema(minimum = 1, example = 1)]
    version: u32,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// When it last changed.
    updated_at: DateTime<Utc>,
}

impl From<Task> for TaskBody {
    fn from(task: Task) -> Self {
        Self {
            id: task.id.as_uuid(),
            user_id: task.user_id.as_uuid(),
            completed: task.completed(),
            title: task.title.into(),
            completed_at: task.completed_at,
            version: task.version.get(),
            created_at: task.created_at,
            updated_at: task.updated_at,
        }
    }
}

/// A task as it is or was stored, in the trash or not.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StoredTask)]
pub(crate) struct StoredTaskBody {
    #[serde(flatten)]
    task: TaskBody,
    /// When it was moved to the trash; null if it is not there.
    #[schema(required)]
    deleted_at: Option<DateTime<Utc>>,
}

impl From<Task> for StoredTaskBody {
    fn from(task: Task) -> Self {
        Self { deleted_at: task.deleted_at, task: task.into() }
    }
}

/// A task to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTask)]
pub(crate) struct NewTaskBody {
    /// What is to be done: 1 to 500 characters after trimming, no control characters, not only invisible ones.
    // Not required for serde, so that a missing title is answered in the words that clients know.
    #[schema(value_type = String, required, min_length = 1, max_length = 500, example = "Buy groceries")]
    title: Option<Title>,
    /// Whether it is already done; `false` by default.
    completed: Option<bool>,
}

/// A change of a task. What is absent or null stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TaskPatch)]
pub(crate) struct TaskPatchBody {
    /// What is to be done: 1 to 500 characters after trimming, no control characters, not only invisible ones.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 500, example = "Buy groceries")]
    title: Option<Title>,
    /// Whether it is done.
    completed: Option<bool>,
}

/// Whether a task is to be done or pending.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Completion)]
pub(crate) struct CompletionBody {
    /// Whether it is done. Absent or null: the other way round than it is.
    completed: Option<bool>,
}

/// Which tasks.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TaskQuery {
    /// By whether they are done.
    #[param(value_type = Option<String>, inline)]
    status: Option<StatusParameter>,
    /// Those whose title contains this text, without regard to case. There are no wildcards.
    #[param(value_type = Option<String>, max_length = 500)]
    search: Option<Search>,
    /// At most this many.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<Limit<PAGE>>,
    /// Where to go on, taken from the `Link` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<TaskCursor>>,
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
        } else if text.chars().count() > SEARCH {
            Err(D::Error::custom(format_args!("must be at most {SEARCH} characters")))
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
/// The `ETag` changes with every change of the user's rows and with the user's time zone. `X-Change-Seq` is where to go on
/// with `GET …/changes` or `GET …/events`.
#[utoipa::path(
    get, path = "/api/{user_id}/tasks", tag = "Tasks", operation_id = "list_tasks",
    params(TaskQuery, ("If-None-Match" = Option<String>, Header, description = "Entity tags that the client has already, or `*`.")),
    responses(
        (status = 200, description = "A page of the tasks.", body = [TaskBody], headers(
            ("ETag" = String, description = "The list's version, a weak tag."),
            ("X-Change-Seq" = u64, description = "The number of the newest change, read no later than the tasks. 0 if there is none."),
            ("Link" = String, description = "The next page (`rel=\"next\"`), path-absolute. Absent on the last page."))),
        (status = 304, description = "The client has it already.", headers(
            ("ETag" = String, description = "The list's version, a weak tag."),
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
    // Before the tasks, so that they are at least as new as it says.
    let head = changes.head(&principal).await.map_err(ApiError::of_account)?;
    let (tag, seq) = (etag::of_list(&head), (X_CHANGE_SEQ, head.seq.0));
    if etag::is_known(&request, &tag) {
        return Ok(HttpResponse::NotModified().insert_header(tag).insert_header(seq).finish());
    }
    let (filter, page) = query.into();
    let page = tasks.list(&principal, &filter, page).await?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header(tag).insert_header(seq);
    Ok(page::answer_with(answer, &request, page, TaskBody::from))
}

/// Create a task.
#[utoipa::path(
    post, path = "/api/{user_id}/tasks", tag = "Tasks", operation_id = "create_task", request_body = NewTaskBody,
    responses((status = 201, description = "The task is created.", body = TaskBody, headers(
        ("Location" = String, description = "The task's address, path-absolute."),
        ("ETag" = String, description = "The task's version.")))),
)]
pub(crate) async fn create(
    tasks: Data<TaskService>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    Json(body): Json<NewTaskBody>,
) -> Result<HttpResponse, ApiError> {
    let title = body.title.ok_or_else(|| RequestError::invalid("title", TitleError::Empty.to_string()))?;
    let created = tasks.create(&Origin::request(&principal, &id), title, body.completed.unwrap_or_default()).await;
    let task = created.map_err(ApiError::of_account)?.after;
    let location = format!("/api/{}/tasks/{}", task.user_id, task.id);
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, location))
        .insert_header(etag::of_task(&task))
        .json(TaskBody::from(task)))
}

/// Get a task.
#[utoipa::path(
    get, path = "/api/{user_id}/tasks/{task_id}", tag = "Tasks", operation_id = "get_task",
    params(("If-None-Match" = Option<String>, Header, description = "Entity tags that the client has already, or `*`.")),
    responses(
        (status = 200, description = "The task.", body = TaskBody, headers(("ETag" = String, description = "The task's version."))),
        (status = 304, description = "The client has it already.", headers(("ETag" = String, description = "The task's version."))),
    ),
)]
pub(crate) async fn get(
    tasks: Data<TaskService>,
    principal: ReqData<Principal>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let task = tasks.get(&principal, id_in(&request)?).await?;
    let tag = etag::of_task(&task);
    if etag::is_known(&request, &tag) {
        return Ok(HttpResponse::NotModified().insert_header(tag).finish());
    }
    Ok(answer(task))
}

/// Change a task. Absent fields stay, exactly as with PATCH.
#[utoipa::path(
    put, path = "/api/{user_id}/tasks/{task_id}", tag = "Tasks", operation_id = "replace_task",
    request_body = TaskPatchBody,
    params(("If-Match" = Option<String>, Header, description = "Change the task only at one of these versions, or `*`.")),
    responses((status = 200, description = "The task as it is now.", body = TaskBody, headers(("ETag" = String, description = "The task's version.")))),
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

/// Change a task. Absent fields stay.
#[utoipa::path(
    patch, path = "/api/{user_id}/tasks/{task_id}", tag = "Tasks", operation_id = "update_task",
    request_body = TaskPatchBody,
    params(("If-Match" = Option<String>, Header, description = "Change the task only at one of these versions, or `*`.")),
    responses((status = 200, description = "The task as it is now.", body = TaskBody, headers(("ETag" = String, description = "The task's version.")))),
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
    Ok(answer(tasks.update(&origin, task, &patch, expected).await?.after))
}

/// Complete a task, or make it pending again.
///
/// Without a body, or without a value in it, a pending task becomes done and a done one pending.
#[utoipa::path(
    patch, path = "/api/{user_id}/tasks/{task_id}/complete", tag = "Tasks", operation_id = "complete_task",
    request_body(content = Option<CompletionBody>, description = "May be left out."),
    params(("If-Match" = Option<String>, Header, description = "Change the task only at one of these versions, or `*`.")),
    responses((status = 200, description = "The task as it is now.", body = TaskBody, headers(("ETag" = String, description = "The task's version.")))),
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
    Ok(answer(change.after))
}

/// Delete a task: move it to the trash, from where it can be restored for 30 days unless the server is set otherwise.
#[utoipa::path(
    delete, path = "/api/{user_id}/tasks/{task_id}", tag = "Tasks", operation_id = "delete_task",
    params(("If-Match" = Option<String>, Header, description = "Delete the task only at one of these versions, or `*`.")),
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

fn answer(task: Task) -> HttpResponse {
    HttpResponse::Ok().insert_header(etag::of_task(&task)).json(TaskBody::from(task))
}

/// The task in the path. Read last, so that a wrong body is answered alike whether or not there is such a task.
pub(crate) fn id_in(request: &HttpRequest) -> Result<TaskId, RequestError> {
    request.match_info().get("task_id").and_then(|id| id.parse().ok()).ok_or(RequestError::NoTask)
}

/// The task in the path, and the version that a change of it may meet. Storage compares with one version, so of
/// several the one that the task is at is found out first; the change is then guarded by that one.
async fn target(
    tasks: &TaskService,
    principal: &Principal,
    request: &HttpRequest,
) -> Result<(TaskId, Option<Version>), ApiError> {
    let precondition = Precondition::of(request)?;
    let id = id_in(request)?;
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

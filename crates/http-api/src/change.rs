//! `/api/{user_id}/changes`: every change of the user's rows, in its order. They are undone in [`crate::undo`] and
//! followed in [`crate::events`].
#![expect(unused_qualifications, reason = "`utoipa::path` qualifies the parameters' types")]

use actix_web::http::header::{HeaderName, LINK};
use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use domain::change::{ChangeService, Entry, Row, Seq};
use domain::principal::Principal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::conversation::{DEFAULT_PAGE, PAGE};
use crate::error::ApiError;
use crate::page;
use crate::query::{Limit, Query};
use crate::task::StoredTaskBody;

/// The header that tells the number of the newest change.
pub(crate) const X_CHANGE_SEQ: HeaderName = HeaderName::from_static("x-change-seq");

/// A change of a row.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Change)]
pub(crate) struct ChangeBody {
    /// The number of the change: a user's changes are numbered from 1 without a gap.
    #[schema(minimum = 1, example = 41)]
    seq: u64,
    /// The time of the change.
    at: DateTime<Utc>,
    /// The operation that the change is part of: everything that one request or one tool call changed.
    operation_id: Uuid,
    /// The kind of the row: `task`.
    #[schema(value_type = String, example = "task")]
    entity: &'static str,
    /// The row's id.
    entity_id: Uuid,
    /// What happened to the row: `created`, `updated`, `completed`, `reopened`, `deleted` (into the trash), `restored`
    /// or `purged` (removed for good).
    #[schema(value_type = String, example = "updated")]
    action: &'static str,
    /// The row before; null if it was created, or was removed for good since.
    #[schema(required)]
    before: Option<StoredTaskBody>,
    /// The row after; null if it was removed for good, then or since.
    #[schema(required)]
    after: Option<StoredTaskBody>,
    /// The way in by which the change came: `http`, `chat`, `mcp`, `cli`, or `system` for the server's own upkeep.
    #[schema(value_type = String, example = "http")]
    via: &'static str,
    /// The conversation in which the assistant made the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    conversation_id: Option<Uuid>,
    /// The assistant's message whose turn made the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message_id: Option<Uuid>,
    /// The number of the change that this one undoes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    undoes: Option<u64>,
}

impl From<Entry> for ChangeBody {
    fn from(entry: Entry) -> Self {
        Self {
            seq: entry.seq.0,
            at: entry.at,
            operation_id: entry.operation.as_uuid(),
            entity: entry.entity.kind(),
            entity_id: entry.entity.as_uuid(),
            action: entry.action.as_str(),
            before: entry.before.map(|Row::Task(task)| task.into()),
            after: entry.after.map(|Row::Task(task)| task.into()),
            via: entry.via.as_str(),
            conversation_id: entry.conversation.map(domain::id::ConversationId::as_uuid),
            message_id: entry.message.map(domain::id::MessageId::as_uuid),
            undoes: entry.undoes.map(|seq| seq.0),
        }
    }
}

/// A place among a user's changes: behind the change with this number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct After(pub(crate) Seq);

impl After {
    /// The largest number that databases count to. No ledger reaches it, so what is larger means the same.
    const MAX: u64 = i64::MAX as u64;
    /// What `after` has to be.
    pub(crate) const EXPECTED: &'static str = "must be a whole number from 0";

    /// Reads the number of a change, or 0.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Self(Seq(text.parse().unwrap_or(Self::MAX).min(Self::MAX))))
    }
}

impl<'de> Deserialize<'de> for After {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(input)?).ok_or_else(|| D::Error::custom(Self::EXPECTED))
    }
}

/// Which changes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangeQuery {
    /// Those behind the change with this number.
    #[param(value_type = Option<u64>, minimum = 0, default = 0)]
    after: Option<After>,
    /// At most this many.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100, default = 50)]
    limit: Option<Limit<PAGE>>,
}

/// List changes, oldest first.
///
/// A client that has the list of tasks and its `X-Change-Seq` keeps it current by asking for the changes after that
/// number. Where changes that follow the number are not kept any more, or the number is beyond the newest change, the
/// answer is 410 `CURSOR_EXPIRED`: the client reads its lists anew.
#[utoipa::path(
    get, path = "/api/{user_id}/changes", tag = "Changes", operation_id = "list_changes", params(ChangeQuery),
    responses((status = 200, description = "A page of the changes; none if `after` is the newest one.", body = [ChangeBody], headers(
        ("X-Change-Seq" = u64, description = "The number of the newest change, read no later than the changes. 0 if there is none."),
        ("Link" = String, description = "The next page (`rel=\"next\"`), path-absolute. Absent on the last page.")))),
)]
pub(crate) async fn list(
    changes: Data<ChangeService>,
    principal: ReqData<Principal>,
    request: HttpRequest,
    Query(query): Query<ChangeQuery>,
) -> Result<HttpResponse, ApiError> {
    let After(after) = query.after.unwrap_or(After(Seq::default()));
    let limit = query.limit.map_or(DEFAULT_PAGE, Limit::into);
    let page = changes.list(&principal, after, limit).await.map_err(ApiError::of_account)?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((X_CHANGE_SEQ, page.head.0));
    if let Some(last) = page.entries.last().filter(|last| last.seq < page.head) {
        answer.insert_header((LINK, page::next(&request, "after", &last.seq.to_string())));
    }
    Ok(answer.json(page.entries.into_iter().map(ChangeBody::from).collect::<Vec<_>>()))
}

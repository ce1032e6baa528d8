//! `/api/{user_id}/changes`: the changes of the user's rows. Undoing them is in [`super::undo`], following them in
//! [`super::events`].

use actix_web::http::header::{HeaderName, LINK};
use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use domain::change::{ChangeService, Seq};
use domain::principal::Principal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use utoipa::IntoParams;

use crate::extract::page;
use crate::extract::path::UserPath;
use crate::extract::query::{DEFAULT_PAGE, Limit, MAX_PAGE, Query};
use crate::problem::ApiError;
use crate::schema::change::ChangeBody;

/// The header with the number of the newest change.
pub(crate) const X_CHANGE_SEQ: HeaderName = HeaderName::from_static("x-change-seq");

/// A position in the ledger: after the change with this number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct After(pub(crate) Seq);

impl After {
    /// The largest number that databases store. No ledger reaches it, so larger ones are equivalent.
    const MAX: u64 = i64::MAX as u64;
    /// The error message for other texts.
    pub(crate) const EXPECTED: &'static str = "must be a whole number from 0";

    /// Parses the number of a change, or 0.
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

/// The start and the size of a page of changes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangeQuery {
    /// The number of the change that precedes the page.
    #[param(value_type = Option<u64>, minimum = 0, default = 0)]
    after: Option<After>,
    /// Maximum number of rows.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100, default = 50)]
    limit: Option<Limit<MAX_PAGE>>,
}

/// List changes, oldest first.
///
/// A client that has the list of tasks and its `X-Change-Seq` updates it with the changes after that number. If changes
/// after the number are no longer stored, or the number is beyond the newest change, the response is 410
/// `CURSOR_EXPIRED`, and the client must read its lists again.
#[utoipa::path(
    get, path = "/api/{user_id}/changes", tag = "Changes", operation_id = "list_changes", params(UserPath, ChangeQuery),
    responses((status = 200, description = "A page of the changes; empty if `after` is the newest one.", body = [ChangeBody], headers(
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
    let page = changes.list(&principal, after, limit).await.map_err(ApiError::account_deleted_if_not_found)?;
    let mut response = HttpResponse::Ok();
    response.insert_header((X_CHANGE_SEQ, page.head.0));
    if let Some(last) = page.entries.last().filter(|last| last.seq < page.head) {
        response.insert_header((LINK, page::next_link(&request, "after", &last.seq.to_string())));
    }
    Ok(response.json(page.entries.into_iter().map(ChangeBody::from).collect::<Vec<_>>()))
}

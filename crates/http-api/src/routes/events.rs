//! `/api/{user_id}/events`: the user's changes as server-sent events.
//!
//! A stream pulls entries from the ledger as the client reads them, so memory does not depend on how far it is behind.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::web::{Bytes, Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use domain::change::{ChangeError, ChangeService, Entry, EntryStream, RequestId};
use domain::principal::Principal;
use domain::runtime::{Timer, with_causes};
use futures_util::future::{self, BoxFuture, Either};
use futures_util::stream::{self, Stream, StreamExt as _};
use serde::Deserialize;
use utoipa::IntoParams;

use super::change::After;
use crate::extract::path::UserPath;
use crate::extract::query::Query;
use crate::middleware::authentication::BearerToken;
use crate::problem::{ApiError, RequestError};
use crate::schema::change::ChangeBody;
use crate::stream::sse;
use crate::stream_limit::StreamLimit;

/// The header with the id of the last received event.
const LAST_EVENT_ID: &str = "Last-Event-ID";
/// Interval between keep-alive comments.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Interval between checks of the token. A check may use a status that was read up to 8 s before, so a revoked token ends
/// its streams within 13 s.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// The start of the events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// The number of the change that precedes the first event. Absent: the newest change.
    #[param(value_type = Option<u64>, minimum = 0)]
    after: Option<After>,
}

/// Follow changes.
///
/// Each event is a change: its `id` is the number of the change, its `event` is `change`, its data a `Change`. Events are
/// sent in order, each once. A client that lost its connection resumes with `Last-Event-ID`, which takes precedence over
/// `after`. A comment is sent every 15 s. The stream ends when the token expires or is revoked, and when the server shuts
/// down. A user may have 8 open streams at once.
#[utoipa::path(
    get, path = "/api/{user_id}/events", tag = "Changes", operation_id = "follow_changes",
    params(UserPath, EventQuery, ("Last-Event-ID" = Option<u64>, Header, description = "The number of the last received change.")),
    responses((status = 200, description = "The changes after the given number, followed by new ones.",
        content_type = "text/event-stream", body = String,
        headers(("x-accel-buffering" = String, description = "`no`")))),
)]
pub(crate) async fn follow(
    changes: Data<ChangeService>,
    timer: Data<dyn Timer>,
    limit: Data<StreamLimit>,
    principal: ReqData<Principal>,
    id: ReqData<RequestId>,
    request: HttpRequest,
    Query(query): Query<EventQuery>,
) -> Result<HttpResponse, ApiError> {
    let after = last_event_id(request.headers())?.or(query.after).map(|After(seq)| seq);
    let permit = limit.acquire(principal.user)?;
    let entries = changes.follow(&principal, after).await.map_err(ApiError::account_deleted_if_not_found)?;
    if request.method() == Method::HEAD {
        return Ok(sse::headers_only(sse::head()));
    }
    let token = BearerToken::of(&request, &principal)?;
    let events = events(entries, token, timer.into_inner(), id.into_inner());
    Ok(sse::head().streaming(permit.hold(events)))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<After>, RequestError> {
    let mut lines = headers.get_all(LAST_EVENT_ID);
    let after = match (lines.next(), lines.next()) {
        (None, _) => return Ok(None),
        (Some(line), None) => line.to_str().ok().and_then(After::parse),
        (Some(_), Some(_)) => None,
    };
    let invalid = || RequestError::invalid(LAST_EVENT_ID, format!("{LAST_EVENT_ID} {}", After::EXPECTED));
    after.map(Some).ok_or_else(invalid)
}

/// Serializes the entries as events, while the token is valid.
fn events(
    entries: EntryStream,
    token: BearerToken,
    timer: Arc<dyn Timer>,
    request: RequestId,
) -> impl Stream<Item = Result<Bytes, serde_json::Error>> {
    let (check, keep_alive) = (timer.sleep(CHECK_INTERVAL), timer.sleep(KEEP_ALIVE_INTERVAL));
    let follower = Follower { entries, token, timer, request, check, keep_alive };
    stream::unfold(follower, Follower::next)
}

/// The state of an event stream.
struct Follower {
    entries: EntryStream,
    token: BearerToken,
    timer: Arc<dyn Timer>,
    /// The id of the request, for log events.
    request: RequestId,
    /// The time until the next check of the token.
    check: BoxFuture<'static, ()>,
    /// The time until the next comment.
    keep_alive: BoxFuture<'static, ()>,
}

impl Follower {
    /// The next bytes to send.
    async fn next(mut self) -> Option<(Result<Bytes, serde_json::Error>, Self)> {
        loop {
            let Self { entries, check, keep_alive, .. } = &mut self;
            // In this order: a due check of the token precedes everything that is sent.
            match future::select(check, future::select(entries.next(), keep_alive)).await {
                Either::Left(((), _)) => {
                    if !self.token.is_valid().await {
                        return None;
                    }
                    self.check = self.timer.sleep(CHECK_INTERVAL);
                }
                Either::Right((Either::Left((entry, _)), _)) => return Some((self.event(entry?)?, self)),
                Either::Right((Either::Right(((), _)), _)) => {
                    self.keep_alive = self.timer.sleep(KEEP_ALIVE_INTERVAL);
                    return Some((Ok(sse::KEEP_ALIVE), self));
                }
            }
        }
    }

    /// Serializes the event of a change. An error ends the stream; the client reconnects and gets the error response.
    fn event(&self, entry: Result<Entry, ChangeError>) -> Option<Result<Bytes, serde_json::Error>> {
        match entry {
            Ok(entry) => {
                let fields = format!("id: {}\nevent: change\n", entry.seq);
                Some(sse::event(&fields, &ChangeBody::from(entry)))
            }
            Err(error) => {
                if let ChangeError::Storage(_) = error {
                    let (request_id, cause) = (self.request.as_str(), with_causes(&error));
                    tracing::error!(request_id, cause, "event stream failed");
                }
                None
            }
        }
    }
}

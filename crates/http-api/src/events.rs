//! `/api/{user_id}/events`: the user's changes as they come, as server-sent events.
//!
//! A stream pulls from the ledger what its reader takes, so memory does not depend on how far a reader is behind.
#![expect(unused_qualifications, reason = "`utoipa::path` qualifies the parameters' types")]

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

use crate::change::{After, ChangeBody};
use crate::error::{ApiError, RequestError};
use crate::principal::BearerToken;
use crate::query::Query;
use crate::sse;
use crate::stream_limit::StreamLimit;

/// The header by which a reader tells the last event that it has.
const LAST_EVENT_ID: &str = "Last-Event-ID";
/// How often a comment is sent.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How often the reader's token is checked again. A check may rely on what was found up to 5 s before, so a token that
/// is revoked ends its stream within 10 s.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Where the events begin.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// Behind the change with this number. Absent: behind the newest one.
    #[param(value_type = Option<u64>, minimum = 0)]
    after: Option<After>,
}

/// Follow the changes as they come.
///
/// Each event is a change: its `id` is the number of the change, its `event` is `change`, its data a `Change`. They come
/// in their order, each once. A reader that lost its connection goes on where it was by `Last-Event-ID`, which goes before
/// `after`. A comment comes every 15 s. The stream ends when the token expires or is revoked, and when the server shuts
/// down. A user may have 8 streams open at once.
#[utoipa::path(
    get, path = "/api/{user_id}/events", tag = "Changes", operation_id = "follow_changes",
    params(EventQuery, ("Last-Event-ID" = Option<u64>, Header, description = "The number of the last change that the reader has.")),
    responses((status = 200, description = "The changes after the given number, and those that come later.",
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
    let entries = changes.follow(&principal, after).await.map_err(ApiError::of_account)?;
    if request.method() == Method::HEAD {
        return Ok(sse::without_body(sse::head()));
    }
    let token = BearerToken::of(&request)?;
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
    let refused = || RequestError::invalid(LAST_EVENT_ID, format!("{LAST_EVENT_ID} {}", After::EXPECTED));
    after.map(Some).ok_or_else(refused)
}

/// The entries as events, as long as the token is good.
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

/// A reader of the events.
struct Follower {
    entries: EntryStream,
    token: BearerToken,
    timer: Arc<dyn Timer>,
    /// The request, for the log.
    request: RequestId,
    /// The wait for the next check of the token.
    check: BoxFuture<'static, ()>,
    /// The wait for the next comment.
    keep_alive: BoxFuture<'static, ()>,
}

impl Follower {
    /// What is sent next.
    async fn next(mut self) -> Option<(Result<Bytes, serde_json::Error>, Self)> {
        loop {
            let Self { entries, check, keep_alive, .. } = &mut self;
            // In this order: nothing is sent while the token is to be checked, however long the reader was not here.
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

    /// The event of a change. An error ends the stream: the reader comes again and is told, before the first byte.
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

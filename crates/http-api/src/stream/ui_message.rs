//! The response that streams a turn: server-sent events in the AI SDK's UI message stream protocol.
//!
//! A turn does not wait for its streams: a slow or disconnected client delays only its own response.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actix_web::http::header::HeaderName;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder};
use domain::chat::TurnEvents;
use domain::runtime::Timer;
use futures_util::future;
use futures_util::stream::{self, Stream, StreamExt as _};

use super::encoder::Encoder;
use super::frame::{self, Frame};
use super::sse::{self, KEEP_ALIVE};
use crate::stream_limit::StreamPermit;

/// The header with the version of the protocol.
const PROTOCOL: (HeaderName, &str) = (HeaderName::from_static("x-vercel-ai-ui-message-stream"), "v1");

/// Interval between keep-alive comments while there are no events.
pub(super) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Maximum number of turn events that are sent in one chunk.
const MAX_CHUNK: usize = 64;

/// Responds with the stream of a turn.
pub(crate) fn respond(turn: TurnEvents, timer: Arc<dyn Timer>, permit: StreamPermit) -> HttpResponse {
    head().streaming(permit.hold(events(frames(turn), timer)))
}

/// The response to `HEAD`.
pub(crate) fn headers_only() -> HttpResponse {
    sse::headers_only(head())
}

fn head() -> HttpResponseBuilder {
    let mut response = sse::head();
    response.insert_header(PROTOCOL);
    response
}

/// Encodes the events of a turn, as chunks of the events that are available at the same time.
fn frames(turn: TurnEvents) -> impl Stream<Item = Vec<Frame>> {
    let chunks = turn.ready_chunks(MAX_CHUNK).map(Some).chain(stream::iter([None]));
    chunks.scan(Encoder::default(), |encoder, events| {
        match events {
            Some(events) => events.into_iter().for_each(|event| encoder.encode(event)),
            None => encoder.finish(),
        }
        future::ready(Some(encoder.take()))
    })
}

/// Serializes the frames as events, with keep-alive comments, and the final event.
pub(super) fn events(
    frames: impl Stream<Item = Vec<Frame>> + 'static,
    timer: Arc<dyn Timer>,
) -> impl Stream<Item = Result<Bytes, serde_json::Error>> {
    let frames = frames.filter(|frames| future::ready(!frames.is_empty()));
    let events = frames.map(|frames| frames.iter().map(Frame::event).collect::<Result<Vec<_>, _>>());
    let events = events.map(|events| events.map(|events| Bytes::from(events.concat())));
    let mut events = Box::pin(events.chain(stream::iter([Ok(frame::done())])));
    let mut keep_alives = Box::pin(stream::unfold(timer, |timer| async {
        timer.sleep(KEEP_ALIVE_INTERVAL).await;
        Some(((), timer))
    }));
    stream::poll_fn(move |context| match events.poll_next_unpin(context) {
        Poll::Pending => keep_alives.poll_next_unpin(context).map(|tick| tick.map(|()| Ok(KEEP_ALIVE))),
        ready @ Poll::Ready(_) => ready,
    })
}

//! Answers that come while a turn runs: server-sent events ([`crate::sse`]) in the AI SDK's UI message stream protocol. The frames are [`frame`], what happens in a turn becomes frames in [`encoder`], and here is how they travel.
//!
//! A stream belongs to a connection and a turn does not: a reader that is slow or gone is waited for here and nowhere
//! else.

mod encoder;
pub(crate) mod frame;
#[cfg(test)]
mod tests;

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

use crate::sse::{self, KEEP_ALIVE};
use crate::stream_limit::StreamPermit;
use encoder::Encoder;
use frame::Frame;

/// The header by which readers know the protocol, and its version.
pub(crate) const PROTOCOL: (HeaderName, &str) = (HeaderName::from_static("x-vercel-ai-ui-message-stream"), "v1");

/// How often something is sent while nothing happens, so that nobody on the way takes the connection for dead.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(5);
/// At most so many events of a turn are sent in one piece.
const AT_A_TIME: usize = 64;

/// The answer that streams a turn.
pub(crate) fn answer(turn: TurnEvents, timer: Arc<dyn Timer>, permit: StreamPermit) -> HttpResponse {
    head().streaming(permit.hold(events(frames(turn), timer)))
}

/// The answer to `HEAD`.
pub(crate) fn headers_only() -> HttpResponse {
    sse::without_body(head())
}

fn head() -> HttpResponseBuilder {
    let mut answer = sse::head();
    answer.insert_header(PROTOCOL);
    answer
}

/// What happens in a turn, as frames: those of everything that has happened at a time.
fn frames(turn: TurnEvents) -> impl Stream<Item = Vec<Frame>> {
    let happened = turn.ready_chunks(AT_A_TIME).map(Some).chain(stream::iter([None]));
    happened.scan(Encoder::default(), |encoder, events| {
        match events {
            Some(events) => events.into_iter().for_each(|event| encoder.tell(event)),
            None => encoder.no_more(),
        }
        future::ready(Some(encoder.take()))
    })
}

/// The frames as events, with a comment every so often, and the mark that they are all there.
fn events(
    frames: impl Stream<Item = Vec<Frame>> + 'static,
    timer: Arc<dyn Timer>,
) -> impl Stream<Item = Result<Bytes, serde_json::Error>> {
    let frames = frames.filter(|frames| future::ready(!frames.is_empty()));
    let events = frames.map(|frames| frames.iter().map(Frame::event).collect::<Result<Vec<_>, _>>());
    let events = events.map(|events| events.map(|events| Bytes::from(events.concat())));
    let mut events = Box::pin(events.chain(stream::iter([Ok(frame::done())])));
    let mut beats = Box::pin(stream::unfold(timer, |timer| async {
        timer.sleep(KEEP_ALIVE_EVERY).await;
        Some(((), timer))
    }));
    stream::poll_fn(move |context| match events.poll_next_unpin(context) {
        Poll::Pending => beats.poll_next_unpin(context).map(|beat| beat.map(|()| Ok(KEEP_ALIVE))),
        ready @ Poll::Ready(_) => ready,
    })
}

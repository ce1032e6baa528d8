//! Server-sent events (HTML Living Standard, 9.2): how one is written, and what the answers that carry them share.

use std::convert::Infallible;

use actix_web::http::header::{self, HeaderName};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder};
use futures_util::stream;
use serde::Serialize;

use crate::accept::EVENT_STREAM;

/// Asks a proxy (nginx) to pass on what comes when it comes.
pub(crate) const UNBUFFERED: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");
/// A comment, which readers skip. It keeps a connection alive on which nothing happens.
pub(crate) const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// The head of an answer that is a stream of events.
pub(crate) fn head() -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CONTENT_TYPE, EVENT_STREAM));
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    answer.insert_header(UNBUFFERED);
    answer
}

/// The answer to `HEAD`: a stream like the other's, so that no length is announced.
pub(crate) fn without_body(mut head: HttpResponseBuilder) -> HttpResponse {
    head.streaming(stream::empty::<Result<Bytes, Infallible>>())
}

/// An event whose data is JSON. `fields` are those before the data, lines such as `id: 1\n`.
///
/// The JSON is one line, whatever is in it: line breaks and control characters are escaped there (RFC 8259, 7), so
/// nothing in a text can end an event or begin another.
pub(crate) fn event(fields: &str, data: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    let mut event = fields.as_bytes().to_vec();
    event.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut event, data)?;
    event.extend_from_slice(b"\n\n");
    Ok(event.into())
}

//! Server-sent events (HTML Living Standard, 9.2): serialization, and the headers of their responses.

use std::convert::Infallible;

use actix_web::http::header::{self, HeaderName};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder};
use futures_util::stream;
use serde::Serialize;

use crate::extract::accept::EVENT_STREAM;

/// Disables the buffering of nginx.
pub(crate) const UNBUFFERED: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");
/// A comment, which clients ignore. It keeps an idle connection open.
pub(crate) const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// The response head of an event stream.
pub(crate) fn head() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, EVENT_STREAM));
    // A proxy that transforms the stream, for example compresses it, delays it.
    response.insert_header((header::CACHE_CONTROL, "no-store, no-transform"));
    response.insert_header(UNBUFFERED);
    response
}

/// The response to `HEAD`. Its body is an empty stream, so that it has no `Content-Length`.
pub(crate) fn headers_only(mut head: HttpResponseBuilder) -> HttpResponse {
    head.streaming(stream::empty::<Result<Bytes, Infallible>>())
}

/// Serializes an event with JSON data. `fields` are the lines before the data, such as `id: 1\n`.
///
/// The JSON is a single line, because it escapes control characters (RFC 8259, 7), so no text can end an event.
pub(crate) fn event(fields: &str, data: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    let mut event = fields.as_bytes().to_vec();
    event.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut event, data)?;
    event.extend_from_slice(b"\n\n");
    Ok(event.into())
}

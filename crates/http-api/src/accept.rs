//! What a client wants to read (`Accept`, RFC 9110, 12.5.1), where a route has more than one form of its answer.

use actix_web::HttpRequest;
use actix_web::http::header::{Accept, Header as _, Quality};

/// The media type of an event stream (HTML Living Standard, 9.2).
pub(crate) const EVENT_STREAM: &str = "text/event-stream";

/// Whether the client asks for an event stream rather than for JSON. The stream has to be preferred, or be named and
/// liked as much: JSON is what everybody gets who accepts anything, or nothing that there is.
pub(crate) fn asks_for_a_stream(request: &HttpRequest) -> bool {
    // A line that cannot be read is as none.
    let Ok(Accept(ranges)) = Accept::parse(request) else { return false };
    // The most specific range that fits says how much a type is liked (RFC 9110, 12.5.1).
    let liking = |kind: &str, subtype: &str| {
        let fitting = ranges.iter().filter_map(|range| {
            let specificity = match (range.item.type_().as_str(), range.item.subtype().as_str()) {
                ("*", "*") => 0,
                (other, "*") if other == kind => 1,
                (other, one) if other == kind && one == subtype => 2,
                _ => return None,
            };
            Some((specificity, range.quality))
        });
        fitting.max().unwrap_or((0, Quality::ZERO))
    };
    let (named, stream) = liking("text", "event-stream");
    let (_, json) = liking("application", "json");
    stream > json || (stream == json && stream > Quality::ZERO && named == 2)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header;
    use actix_web::test::TestRequest;

    use super::*;

    fn asks(lines: &[&str]) -> bool {
        let request = lines
            .iter()
            .fold(TestRequest::default(), |request, line| request.append_header((header::ACCEPT, *line)))
            .to_http_request();
        asks_for_a_stream(&request)
    }

    #[test]
    fn a_stream_is_given_to_those_who_name_or_prefer_it() {
        for lines in [
            &["text/event-stream"] as &[&str],
            &["TEXT/Event-Stream"],
            &["text/event-stream, */*"],
            &["application/json, text/event-stream"],
            &["application/json;q=0.5,text/event-stream;q=0.6"],
            &["text/*"],
            &["text/*;q=0.9, */*;q=0.8"],
            &["text/event-stream;charset=utf-8"],
            &["application/json;q=0.1", "text/event-stream"],
        ] {
            assert!(asks(lines), "{lines:?}");
        }
    }

    #[test]
    fn everybody_else_gets_json() {
        for lines in [
            &[] as &[&str],
            &[""],
            &["*/*"],
            &["application/json"],
            &["application/json, text/event-stream;q=0.9"],
            &["text/event-stream;q=0"],
            &["text/event-stream;q=0, */*"],
            &["text/*, */*"],
            &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
            &["image/png"],
            &["text/event-streams"],
            &["nonsense"],
        ] {
            assert!(!asks(lines), "{lines:?}");
        }
    }
}

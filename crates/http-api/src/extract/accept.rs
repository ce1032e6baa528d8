//! Content negotiation (`Accept`, RFC 9110, 12.5.1) between JSON and event streams, and between the media types of errors.

use actix_web::HttpRequest;
use actix_web::http::header::{Accept, Header as _, Quality};

/// The media type of an event stream (HTML Living Standard, 9.2).
pub(crate) const EVENT_STREAM: &str = "text/event-stream";

/// Whether the client prefers an event stream to JSON: the stream has a higher quality, or the same one and is named
/// explicitly. JSON is the default.
pub(crate) fn prefers_event_stream(request: &HttpRequest) -> bool {
    // A malformed header is ignored.
    let Ok(Accept(ranges)) = Accept::parse(request) else { return false };
    // The most specific matching range determines the quality (RFC 9110, 12.5.1).
    let quality = |kind: &str, subtype: &str| {
        let matching = ranges.iter().filter_map(|range| {
            let specificity = match (range.item.type_().as_str(), range.item.subtype().as_str()) {
                ("*", "*") => 0,
                (other, "*") if other == kind => 1,
                (other, one) if other == kind && one == subtype => 2,
                _ => return None,
            };
            Some((specificity, range.quality))
        });
        matching.max().unwrap_or((0, Quality::ZERO))
    };
    let (specificity, stream) = quality("text", "event-stream");
    let (_, json) = quality("application", "json");
    stream > json || (stream == json && stream > Quality::ZERO && specificity == 2)
}

/// Whether the client names JSON and not problems (RFC 9457): some clients read no other media type.
pub(crate) fn names_only_plain_json(request: &HttpRequest) -> bool {
    // A malformed header is ignored.
    let Ok(Accept(ranges)) = Accept::parse(request) else { return false };
    let names =
        |name: &str| ranges.iter().any(|range| range.item.essence_str() == name && range.quality > Quality::ZERO);
    names("application/json") && !names("application/problem+json")
}

#[cfg(test)]
mod tests {
    use actix_web::http::header;
    use actix_web::test::TestRequest;

    use super::*;

    fn request(lines: &[&str]) -> HttpRequest {
        lines
            .iter()
            .fold(TestRequest::default(), |request, line| request.append_header((header::ACCEPT, *line)))
            .to_http_request()
    }

    fn prefers_stream(lines: &[&str]) -> bool {
        prefers_event_stream(&request(lines))
    }

    #[test]
    fn only_clients_that_name_json_and_no_problems_get_plain_json() {
        for lines in [
            &["application/json, text/plain, */*"] as &[&str],
            &["Application/JSON"],
            &["application/json;charset=utf-8"],
            &["application/json;q=0.1, text/html"],
            &["text/html", "application/json"],
            &["application/json, application/problem+json;q=0"],
            &["application/json, text/event-stream"],
        ] {
            assert!(names_only_plain_json(&request(lines)), "{lines:?}");
        }
        for lines in [
            &[] as &[&str],
            &["*/*"],
            &["application/*"],
            &["text/html,application/xhtml+xml,*/*;q=0.8"],
            &["application/problem+json"],
            &["application/json, application/problem+json"],
            &["application/problem+json;q=0.1", "application/json"],
            &["application/json;q=0, */*"],
            &["application/jsonp"],
            &["nonsense"],
        ] {
            assert!(!names_only_plain_json(&request(lines)), "{lines:?}");
        }
    }

    #[test]
    fn a_stream_is_sent_if_it_is_named_or_preferred() {
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
            assert!(prefers_stream(lines), "{lines:?}");
        }
    }

    #[test]
    fn json_is_sent_otherwise() {
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
            assert!(!prefers_stream(lines), "{lines:?}");
        }
    }
}

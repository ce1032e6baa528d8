//! Reads the body of one reply incrementally: server-sent events, or one JSON document from a server that does not
//! stream. The provider's [`ReplyDecoder`] decodes the events; the I/O is in `transport.rs`.

use std::num::NonZeroUsize;

use domain::llm::{LlmError, LlmEvent};
use sse_core::{SseDecoder, SseEvent};

use crate::provider::ReplyDecoder;
use crate::wire::{bad_reply, truncated_reply};

/// Maximum size of a server-sent event, in bytes: a reply of [`domain::llm::MAX_REPLY_BYTES`], escaped, fits in.
const MAX_EVENT_BYTES: NonZeroUsize = NonZeroUsize::new(512 * 1024).unwrap();
/// Maximum size of a reply in one JSON document, in bytes.
const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;
/// Maximum size of a body of server-sent events, in bytes. An event of a few characters takes a few hundred bytes.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// Reads one reply in bounded memory.
pub struct ReplyReader<D> {
    decoder: D,
    format: Format,
    size: usize,
    finished: bool,
}

/// The format of a body, detected by its first byte because some servers send a wrong `content-type`: no line of an
/// event stream starts like a JSON value. The decoder rejects values that are not objects.
enum Format {
    Unknown,
    Events(Box<SseDecoder>),
    Document(Vec<u8>),
}

impl<D: ReplyDecoder> ReplyReader<D> {
    /// Creates a reader at the start of a body.
    pub fn new(decoder: D) -> Self {
        Self { decoder, format: Format::Unknown, size: 0, finished: false }
    }

    /// Whether the reply is complete; the rest of the body can be skipped.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Reads the next piece of the body. Events are appended to `out`, also before an error.
    ///
    /// # Errors
    /// The decoder's; [`LlmError::BadReply`] if the body is neither events nor JSON, or too large.
    pub fn push(&mut self, mut piece: &[u8], out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        self.size = self.size.saturating_add(piece.len());
        if self.size > MAX_BODY_BYTES {
            return Err(bad_reply("the reply is too large"));
        }
        if matches!(self.format, Format::Unknown) {
            piece = piece.trim_ascii_start();
            self.format = match piece.first() {
                None => return Ok(()),
                Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => Format::Document(Vec::new()),
                Some(b'<') => return Err(bad_reply("the reply is a web page: the base URL may be wrong")),
                Some(_) => Format::Events(Box::new(SseDecoder::with_limit(MAX_EVENT_BYTES))),
            };
        }
        match &mut self.format {
            Format::Document(body) if body.len() + piece.len() > MAX_DOCUMENT_BYTES => {
                Err(bad_reply("the reply is too large"))
            }
            Format::Document(body) => {
                body.extend_from_slice(piece);
                Ok(())
            }
            Format::Unknown | Format::Events(_) => self.read_events(piece, out),
        }
    }

    fn read_events(&mut self, mut piece: &[u8], out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        let Format::Events(events) = &mut self.format else { return Ok(()) };
        while !self.finished
            && let Some(event) = events.next(&mut piece)
        {
            match event {
                Ok(SseEvent::Message(message)) if message.data.trim().is_empty() => {}
                Ok(SseEvent::Message(message)) => {
                    self.decoder.event(&message.event, &message.data, out)?;
                    self.finished = matches!(out.last(), Some(LlmEvent::Finished { .. }));
                }
                Ok(SseEvent::Retry(_)) => {}
                Err(too_large) => return Err(LlmError::BadReply(Box::new(too_large))),
            }
        }
        Ok(())
    }

    /// Handles the end of the body.
    ///
    /// # Errors
    /// The decoder's; [`LlmError::Unavailable`] if the reply is truncated.
    pub fn end(&mut self, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        match &mut self.format {
            _ if self.finished => return Ok(()),
            Format::Unknown => return Err(truncated_reply()),
            Format::Document(body) => {
                let body = str::from_utf8(body).map_err(|error| LlmError::BadReply(Box::new(error)))?;
                self.decoder.document(body, out)?;
            }
            // Some servers omit the blank line after the last event. If that event is invalid, it was truncated.
            Format::Events(_) => match self.read_events(b"\n\n", out) {
                Err(LlmError::BadReply(_)) => return Err(truncated_reply()),
                result => result?,
            },
        }
        if !self.finished && matches!(self.format, Format::Events(_)) {
            self.decoder.end(out)?;
        }
        self.finished = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns each event's name and data as text; finishes at `end` and fails at `bad`.
    struct Echo;

    impl ReplyDecoder for Echo {
        fn event(&mut self, name: &str, data: &str, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
            match data {
                "bad" => return Err(bad_reply("bad")),
                "end" => self.end(out)?,
                _ => out.push(LlmEvent::TextDelta(format!("{name}={data}"))),
            }
            Ok(())
        }

        fn document(&mut self, body: &str, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
            out.push(LlmEvent::TextDelta(body.to_owned()));
            self.end(out)
        }

        fn end(&mut self, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
            out.push(LlmEvent::Finished { reason: domain::llm::FinishReason::Stop, usage: None });
            Ok(())
        }
    }

    fn read(pieces: &[&[u8]]) -> (Vec<String>, Result<(), LlmError>) {
        let (mut reader, mut out) = (ReplyReader::new(Echo), Vec::new());
        let result =
            pieces.iter().try_for_each(|piece| reader.push(piece, &mut out)).and_then(|()| reader.end(&mut out));
        let texts = out.into_iter().map(|event| match event {
            LlmEvent::TextDelta(text) => text,
            LlmEvent::Finished { .. } => "end".into(),
            other => format!("{other:?}"),
        });
        (texts.collect(), result)
    }

    #[test]
    fn line_ends_comments_and_piece_boundaries_do_not_change_the_events() {
        let body = "\u{feff}: hello\r\n\r\nevent: a\r\ndata: sm\u{f8}r\r\nid: 1\r\nretry: 5\r\n\r\n\
            data:x\ndata: y\n\ndata\n\ndata: end\n\n";
        let expected = read(&[body.as_bytes()]);
        assert_eq!(expected.0, ["a=sm\u{f8}r", "message=x\ny", "end"]);
        let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
        assert_eq!(read(&bytes).0, expected.0);
    }

    #[test]
    fn events_after_the_end_are_ignored() {
        assert_eq!(read(&[b"data: end\n\ndata: more\n\n", b"data: bad\n\n"]).0, ["end"]);
    }

    #[test]
    fn events_before_an_error_are_returned() {
        let (texts, result) = read(&[b"data: a\n\ndata: bad\n\ndata: b\n\n"]);
        assert_eq!(texts, ["message=a"]);
        assert!(matches!(result, Err(LlmError::BadReply(_))), "{result:?}");
    }

    #[test]
    fn a_last_event_without_its_blank_line_counts_unless_it_is_truncated() {
        assert_eq!(read(&[b"data: a\n\ndata: end"]).0, ["message=a", "end"]);
        let (_, result) = read(&[b"data: a\n\ndata: bad"]);
        assert!(matches!(result, Err(LlmError::Unavailable(_))), "{result:?}");
    }

    #[test]
    fn a_json_document_is_decoded_at_its_end() {
        assert_eq!(read(&[b" \n{\"a\":", b"1}"]).0, ["{\"a\":1}", "end"]);
        let (_, result) = read(&[b"{\"a\":\"\xff\"}"]);
        assert!(matches!(result, Err(LlmError::BadReply(_))), "{result:?}");
    }

    #[test]
    fn an_empty_body_is_truncated_and_a_web_page_is_rejected() {
        assert!(matches!(read(&[b"", b" \r\n"]).1, Err(LlmError::Unavailable(_))));
        assert!(matches!(read(&[b"<!doctype html>"]).1, Err(LlmError::BadReply(_))));
    }

    #[test]
    fn oversized_events_documents_and_bodies_are_rejected() {
        let piece = vec![b'x'; 64 * 1024];
        for (start, limit) in [
            (&b"data: "[..], MAX_EVENT_BYTES.get()),
            (b"{", MAX_DOCUMENT_BYTES),
            (b": ", MAX_BODY_BYTES),
            (b"unknown: ", MAX_BODY_BYTES),
        ] {
            let mut reader = ReplyReader::new(Echo);
            let mut out = Vec::new();
            reader.push(start, &mut out).unwrap();
            let pushes = limit / piece.len() + 1;
            let mut results = std::iter::repeat_with(|| reader.push(&piece, &mut out)).take(pushes);
            assert!(results.any(|result| matches!(result, Err(LlmError::BadReply(_)))), "{start:?}");
        }
    }
}

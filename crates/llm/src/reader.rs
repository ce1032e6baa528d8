//! Reads the body of one reply as it comes in, whatever its pieces: server-sent events, or one JSON document from a
//! server that does not stream. What a piece holds is told by the provider's decoder.
//!
//! Deliberately not here: where the bytes come from, and how long one waits for them.

use std::num::NonZeroUsize;

use domain::llm::{LlmError, LlmEvent};
use sse_core::{SseDecoder, SseEvent};

use crate::content::bad;
use crate::provider::ReplyDecoder;

/// The longest server-sent event that is taken, in bytes. [`domain::llm::MAX_REPLY_BYTES`] fit in, escaped.
const MAX_EVENT: NonZeroUsize = NonZeroUsize::new(512 * 1024).unwrap();
/// The longest reply in one JSON document, in bytes.
const MAX_DOCUMENT: usize = 1024 * 1024;
/// The longest body of server-sent events, in bytes. Each event of a few characters comes in a few hundred bytes.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// Reads one reply. Memory is bounded, whatever comes.
pub struct ReplyReader<D> {
    decoder: D,
    form: Form,
    size: usize,
    finished: bool,
}

/// The form of a body. Servers say it wrongly in `content-type`, and its first byte never does: no line of an event
/// stream begins as a JSON value does. A value that is no object is no reply, and the decoder says so.
enum Form {
    Unknown,
    Events(Box<SseDecoder>),
    Document(Vec<u8>),
}

impl<D: ReplyDecoder> ReplyReader<D> {
    /// A reader at the beginning of a body.
    pub fn new(decoder: D) -> Self {
        Self { decoder, form: Form::Unknown, size: 0, finished: false }
    }

    /// Whether the reply is whole, and nothing more has to be read.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Takes the next piece of the body. Events that were read go to `out`, before an error too.
    ///
    /// # Errors
    /// The decoder's; [`LlmError::BadReply`] if the body is neither events nor JSON, or too long.
    pub fn push(&mut self, mut piece: &[u8], out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        self.size = self.size.saturating_add(piece.len());
        if self.size > MAX_BODY {
            return Err(bad("the reply is too long"));
        }
        if matches!(self.form, Form::Unknown) {
            piece = piece.trim_ascii_start();
            self.form = match piece.first() {
                None => return Ok(()),
                Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => Form::Document(Vec::new()),
                Some(b'<') => return Err(bad("the reply is a web page: the base URL may be wrong")),
                Some(_) => Form::Events(Box::new(SseDecoder::with_limit(MAX_EVENT))),
            };
        }
        match &mut self.form {
            Form::Document(body) if body.len() + piece.len() > MAX_DOCUMENT => Err(bad("the reply is too long")),
            Form::Document(body) => {
                body.extend_from_slice(piece);
                Ok(())
            }
            Form::Unknown | Form::Events(_) => self.events(piece, out),
        }
    }

    fn events(&mut self, mut piece: &[u8], out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        let Form::Events(events) = &mut self.form else { return Ok(()) };
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

    /// The body has ended as HTTP says that it should.
    ///
    /// # Errors
    /// The decoder's; [`LlmError::Unavailable`] if the reply was not whole by then.
    pub fn end(&mut self, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        match &mut self.form {
            _ if self.finished => return Ok(()),
            Form::Unknown => return Err(cut()),
            Form::Document(body) => {
                let body = str::from_utf8(body).map_err(|error| LlmError::BadReply(Box::new(error)))?;
                self.decoder.document(body, out)?;
            }
            // Some servers leave out the blank line after the last event. If that was cut short, the reply was.
            Form::Events(_) => match self.events(b"\n\n", out) {
                Err(LlmError::BadReply(_)) => return Err(cut()),
                result => result?,
            },
        }
        if !self.finished && matches!(self.form, Form::Events(_)) {
            self.decoder.end(out)?;
        }
        self.finished = true;
        Ok(())
    }
}

/// The reply ended too early.
pub(crate) fn cut() -> LlmError {
    LlmError::Unavailable("the reply was cut".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tells every event's data as text, and finishes at `end`.
    struct Echo;

    impl ReplyDecoder for Echo {
        fn event(&mut self, name: &str, data: &str, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
            match data {
                "bad" => return Err(bad("bad")),
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
        let told = out.into_iter().map(|event| match event {
            LlmEvent::TextDelta(text) => text,
            LlmEvent::Finished { .. } => "end".into(),
            other => format!("{other:?}"),
        });
        (told.collect(), result)
    }

    #[test]
    fn events_are_read_whatever_the_line_ends_comments_and_pieces() {
        let body = "\u{feff}: hello\r\n\r\nevent: a\r\ndata: sm\u{f8}r\r\nid: 1\r\nretry: 5\r\n\r\ndata:x\ndata: y\n\ndata\n\ndata: end\n\n";
        let whole = read(&[body.as_bytes()]);
        assert_eq!(whole.0, ["a=sm\u{f8}r", "message=x\ny", "end"]);
        let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
        assert_eq!(read(&bytes).0, whole.0);
    }

    #[test]
    fn what_follows_the_end_is_not_read() {
        assert_eq!(read(&[b"data: end\n\ndata: more\n\n", b"data: bad\n\n"]).0, ["end"]);
    }

    #[test]
    fn events_before_an_error_are_told() {
        let (told, result) = read(&[b"data: a\n\ndata: bad\n\ndata: b\n\n"]);
        assert_eq!(told, ["message=a"]);
        assert!(matches!(result, Err(LlmError::BadReply(_))), "{result:?}");
    }

    #[test]
    fn a_last_event_without_its_blank_line_counts_unless_it_was_cut() {
        assert_eq!(read(&[b"data: a\n\ndata: end"]).0, ["message=a", "end"]);
        let (_, result) = read(&[b"data: a\n\ndata: bad"]);
        assert!(matches!(result, Err(LlmError::Unavailable(_))), "{result:?}");
    }

    #[test]
    fn a_json_document_is_read_whole() {
        assert_eq!(read(&[b" \n{\"a\":", b"1}"]).0, ["{\"a\":1}", "end"]);
        let (_, result) = read(&[b"{\"a\":\"\xff\"}"]);
        assert!(matches!(result, Err(LlmError::BadReply(_))), "{result:?}");
    }

    #[test]
    fn nothing_at_all_is_a_cut_and_a_web_page_is_no_reply() {
        assert!(matches!(read(&[b"", b" \r\n"]).1, Err(LlmError::Unavailable(_))));
        assert!(matches!(read(&[b"<!doctype html>"]).1, Err(LlmError::BadReply(_))));
    }

    #[test]
    fn endless_lines_documents_and_bodies_are_cut_off() {
        let piece = vec![b'x'; 64 * 1024];
        for (beginning, limit) in
            [(&b"data: "[..], MAX_EVENT.get()), (b"{", MAX_DOCUMENT), (b": ", MAX_BODY), (b"unknown: ", MAX_BODY)]
        {
            let mut reader = ReplyReader::new(Echo);
            let mut out = Vec::new();
            reader.push(beginning, &mut out).unwrap();
            let most = limit / piece.len() + 1;
            let mut results = std::iter::repeat_with(|| reader.push(&piece, &mut out)).take(most);
            assert!(results.any(|result| matches!(result, Err(LlmError::BadReply(_)))), "{beginning:?}");
        }
    }
}

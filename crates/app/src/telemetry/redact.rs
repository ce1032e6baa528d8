//! The second line of defence against secrets in the log: removes tokens, passwords in URLs and the values of secret headers
//! from every line. The first line of defence are types that do not print their secrets.

mod shapes;

use std::borrow::Cow;
use std::io;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use shapes::redact;

/// Redacts a text that is printed without the log.
pub fn redacted(text: &str) -> Cow<'_, str> {
    redact(text)
}

/// Makes writers that redact what they write. The subscriber writes each line with one call, so no secret is split.
pub(super) struct Redacting<M>(pub M);

/// See [`Redacting`].
pub(super) struct RedactingWriter<W>(W);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Redacting<M> {
    type Writer = RedactingWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        RedactingWriter(self.0.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        RedactingWriter(self.0.make_writer_for(metadata))
    }
}

impl<W: io::Write> io::Write for RedactingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text: Cow<'_, str> = String::from_utf8_lossy(bytes);
        self.0.write_all(redact(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

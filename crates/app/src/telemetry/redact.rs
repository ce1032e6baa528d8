//! The last filter of the log: every line, whatever made it, loses its secrets here before it is written.
//!
//! This is the second line of defence. The first are types that do not print themselves; what gets as far as this is what
//! a library, a panic or a mistake of ours has put into words. So it goes by looks: by names that secrets have
//! ([`names`]) and by what the secrets themselves begin with ([`shapes`]). A password in plain prose has neither.

mod edits;
mod json;
mod names;
mod rules;
mod shapes;
#[cfg(test)]
mod tests;
mod value;

use std::borrow::Cow;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{SecondsFormat, Utc};
use serde_json::json;
use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::Format;
pub(super) use rules::Rules;

/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";

/// The longest line that is looked through, in bytes: more than a body of 64 KiB takes with every character escaped. What
/// is longer is no line of ours, and looking through this much takes 3 ms, or 0.1 s where somebody has made it up for that.
const LONGEST: usize = 512 * 1024;

/// Makes writers that write to what `inner` makes, line by line and without secrets.
pub(super) struct Redacting<M> {
    inner: M,
    filter: LineFilter,
}

/// Takes the secrets out of lines of one format.
struct LineFilter {
    format: Format,
    rules: Rules,
    /// Does it for a line without a line break at its end.
    redact: for<'a> fn(&Rules, &'a str) -> Cow<'a, str>,
}

impl<M> Redacting<M> {
    /// For lines of this format.
    pub(super) fn new(inner: M, format: Format, rules: Rules) -> Self {
        let redact = match format {
            Format::Human => Rules::text,
            Format::Json => json::line,
        };
        Self { inner, filter: LineFilter { format, rules, redact } }
    }

    fn writer<W: io::Write>(&self, inner: W) -> Lines<'_, W> {
        Lines { inner, filter: &self.filter, unfinished: Vec::new() }
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Redacting<M> {
    type Writer = Lines<'a, M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        self.writer(self.inner.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        self.writer(self.inner.make_writer_for(metadata))
    }
}

/// Writes whole lines, each in one go, so that no secret is cut in two by how it comes in. An unfinished line is written
/// when this is dropped.
pub(super) struct Lines<'a, W: io::Write> {
    inner: W,
    filter: &'a LineFilter,
    unfinished: Vec<u8>,
}

impl LineFilter {
    /// The line as it may be written. If it cannot be told what that is, a line that says so.
    fn apply<'a>(&self, line: &'a str) -> Cow<'a, str> {
        if line.len() > LONGEST {
            return withheld(self.format, line.len(), "it is too long to look for secrets in it").into();
        }
        // Whoever logs must not fail for a mistake that is made here.
        catch_unwind(AssertUnwindSafe(|| (self.redact)(&self.rules, line)))
            .unwrap_or_else(|_panic| withheld(self.format, line.len(), "looking for secrets in it failed").into())
    }
}

impl<W: io::Write> Lines<'_, W> {
    fn pass(&mut self, line: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(line);
        let bare = text.strip_suffix('\n').unwrap_or(&text);
        let mut safe = self.filter.apply(bare).into_owned();
        safe.push_str(&text[bare.len()..]);
        self.inner.write_all(safe.as_bytes())
    }
}

impl<W: io::Write> io::Write for Lines<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.unfinished.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.unfinished);
                self.pass(&line)?;
            }
        }
        Ok(bytes.len())
    }

    /// What is not a whole line yet stays.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: io::Write> Drop for Lines<'_, W> {
    fn drop(&mut self) {
        if !self.unfinished.is_empty() {
            let line = std::mem::take(&mut self.unfinished);
            // Whoever drops a writer has nobody to tell.
            drop(self.pass(&line));
        }
    }
}

/// A line in the place of one that is not written.
fn withheld(format: Format, length: usize, why: &str) -> String {
    let (now, target) = (Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true), module_path!());
    let message = format!("a line of {length} bytes is withheld: {why}");
    match format {
        Format::Human => format!("{now} ERROR {target}: {message}"),
        Format::Json => {
            let fields = json!({ "message": message });
            json!({ "timestamp": now, "level": "ERROR", "fields": fields, "target": target }).to_string()
        }
    }
}

//! Escapes control characters in an event's fields.
//!
//! tracing-subscriber (0.3.23) escapes terminal control sequences (ESC, the C1 codes), but not line breaks, so a message could
//! forge a line. JSON escapes control characters anyway.

use std::fmt;

use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};

/// Formats fields as `DefaultFields` does, without colours and with control characters escaped.
#[derive(Debug, Default)]
pub(super) struct OneLine(DefaultFields);

impl<'writer> FormatFields<'writer> for OneLine {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut text = String::new();
        self.0.format_fields(Writer::new(&mut text), fields)?;
        for character in text.chars() {
            if is_control(character) {
                write!(writer, "{}", character.escape_default())?;
            } else {
                writer.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Whether a character ends a line or affects the position of others: control characters, line and paragraph separators, and
/// bidirectional formatting characters (Unicode Standard Annex 9, 2).
fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

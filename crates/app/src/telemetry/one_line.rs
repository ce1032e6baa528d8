//! Keeps an event on its line.
//!
//! tracing-subscriber (0.3.23) escapes what could drive a terminal (ESC, the C1 codes), but lets a line break in a
//! message pass, and with it a second line of anybody's making. In JSON there is nothing to do: a string has no bare
//! control characters there.

use std::fmt;

use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};

/// Writes fields as `DefaultFields` does, uncoloured, with every control character escaped.
#[derive(Debug, Default)]
pub(super) struct OneLine(DefaultFields);

impl<'writer> FormatFields<'writer> for OneLine {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut text = String::new();
        self.0.format_fields(Writer::new(&mut text), fields)?;
        for character in text.chars() {
            if moves(character) {
                write!(writer, "{}", character.escape_default())?;
            } else {
                writer.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Whether a character ends a line, or changes where the next ones appear: the controls, the line and paragraph
/// separators, and those that reverse the direction of writing (Unicode Standard Annex 9, 2).
fn moves(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

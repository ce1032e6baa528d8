//! An explanation as text.

use std::fmt::{self, Display, Formatter};

use assistant::{ExplainedPart, Explanation};

/// An explanation, to be printed.
pub(super) struct Printed<'e>(pub &'e Explanation);

impl Display for Printed<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Explanation { words, parts, calls, text, skipped, steps } = self.0;
        let words: Vec<&str> = words.iter().map(|word| if word.is_empty() { "\"\"" } else { word }).collect();
        writeln!(f, "words: {} ({steps} steps)", words.join(" "))?;
        for part in parts {
            write_part(f, part)?;
        }
        writeln!(f)?;
        calls.iter().try_for_each(|(tool, arguments)| writeln!(f, "calls {tool} {arguments}"))?;
        if !text.is_empty() {
            writeln!(f, "says: {text}")?;
        }
        skipped.iter().try_for_each(|part| writeln!(f, "does nothing about: {part}"))
    }
}

fn write_part(f: &mut Formatter<'_>, part: &ExplainedPart) -> fmt::Result {
    writeln!(f, "\n“{}”", part.text)?;
    if part.readings.is_empty() {
        writeln!(f, "      No line of the grammar covers it.")?;
    }
    for reading in &part.readings {
        let unsure = if reading.sure { "" } else { " (unsure)" };
        write!(f, "{:>4}  {}{unsure}", reading.score, reading.intent)?;
        for (name, value) in &reading.arguments {
            write!(f, "  {name}: {value}")?;
        }
        writeln!(f, "\n      {}", reading.line)?;
    }
    Ok(())
}

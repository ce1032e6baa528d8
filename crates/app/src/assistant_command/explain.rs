//! An explanation as text.

use std::fmt::{self, Display, Formatter};

use assistant::{ExplainedOutcome, Explanation};

/// An explanation, to be printed.
pub(super) struct Printed<'e>(pub &'e Explanation);

impl Display for Printed<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Explanation { words, readings, outcome } = self.0;
        let words: Vec<&str> = words.iter().map(|word| if word.is_empty() { "\"\"" } else { word }).collect();
        writeln!(f, "words: {}\n", words.join(" "))?;
        if readings.is_empty() {
            writeln!(f, "No line of the grammar covers the whole of it.")?;
        }
        for reading in readings {
            let unsure = if reading.sure { "" } else { " (unsure)" };
            write!(f, "{:>4}  {}{unsure}", reading.score, reading.intent)?;
            for (name, value) in &reading.arguments {
                write!(f, "  {name}: {value}")?;
            }
            writeln!(f, "\n      {}", reading.line)?;
        }
        match outcome {
            ExplainedOutcome::Calls(calls) => {
                calls.iter().try_for_each(|(tool, arguments)| writeln!(f, "\ncalls {tool} {arguments}"))
            }
            ExplainedOutcome::Sweeps((tool, arguments), action) => {
                writeln!(f, "\ncalls {tool} {arguments}, then wants to {action} each of them")
            }
            ExplainedOutcome::Asks(question) => writeln!(f, "\nasks: {question}"),
            ExplainedOutcome::Says(words) => writeln!(f, "\nsays: {words}"),
        }
    }
}

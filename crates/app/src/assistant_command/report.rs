//! An evaluation as text.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

use super::evaluation::{Evaluation, Tally};
use super::row::{Argument, NONE};

impl Display for Evaluation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<30} {:>5} {:>8} {:>8}", "", "rows", "tool", "+ args")?;
        for ((_, group), Tally { rows, tool, all }) in &self.tallies {
            let share = |right: &u32| 100.0 * f64::from(*right) / f64::from(*rows);
            writeln!(f, "{group:<30} {rows:>5} {:>7.1}% {:>7.1}%", share(tool), share(all))?;
        }
        self.write_confusion(f)?;
        self.write_wrong(f)?;
        let harmful = self.wrong.iter().filter(|wrong| wrong.harmful).count();
        writeln!(f, "\nharmful: {harmful} (a task completed, deleted or renamed that was not to be)")
    }
}

impl Evaluation {
    fn write_confusion(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let tools: BTreeSet<&str> =
            self.confusion.keys().flat_map(|(expected, called)| [expected.as_str(), called.as_str()]).collect();
        write!(f, "\n{:<22}", "expected \\ called")?;
        for called in &tools {
            write!(f, " {called:>13}")?;
        }
        for expected in &tools {
            write!(f, "\n{expected:<22}")?;
            for called in &tools {
                let count = self.confusion.get(&((*expected).to_owned(), (*called).to_owned())).copied().unwrap_or(0);
                write!(f, " {count:>13}")?;
            }
        }
        writeln!(f)
    }

    fn write_wrong(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for wrong in &self.wrong {
            let expect = &wrong.row.expect;
            let argument = |Argument { parameter, value, .. }: Argument<'_>| {
                format!(" {parameter}={}", value.map_or_else(|| "null".to_owned(), |value| format!("{value:?}")))
            };
            let arguments: String = expect.arguments().map(argument).collect();
            let kind = expect.kind.as_ref().map(|kind| format!(" ({kind})")).unwrap_or_default();
            let mark = if wrong.harmful { "HARMFUL " } else { "" };
            writeln!(f, "\n{mark}{}: {}", wrong.row.id, wrong.row.text)?;
            writeln!(f, "  expected {}{kind}{arguments}", expect.tool)?;
            let calls: Vec<_> =
                wrong.prediction.calls.iter().map(|(tool, arguments)| format!("{tool} {arguments}")).collect();
            if calls.is_empty() {
                let words = wrong.prediction.words.lines().next().unwrap_or_default();
                writeln!(f, "  found    {NONE}: {words}")?;
            } else {
                writeln!(f, "  found    {}", calls.join("; "))?;
            }
        }
        Ok(())
    }
}

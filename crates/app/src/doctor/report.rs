//! The findings of the doctor.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Good,
    Warning,
    Problem,
}

/// What was found about a topic.
struct Finding {
    level: Level,
    topic: &'static str,
    text: String,
    /// What to do.
    advice: Option<String>,
}

/// The findings, in the order of the checks.
#[derive(Default)]
pub(super) struct Report(Vec<Finding>);

impl Report {
    /// Adds that something is as it should be.
    pub(super) fn good(&mut self, topic: &'static str, text: impl Into<String>) {
        self.add(Level::Good, topic, text.into(), None);
    }

    /// Adds something that works and is probably not intended.
    pub(super) fn warning(&mut self, topic: &'static str, text: impl Into<String>, advice: impl Into<String>) {
        self.add(Level::Warning, topic, text.into(), Some(advice.into()));
    }

    /// Adds something that does not work.
    pub(super) fn problem(&mut self, topic: &'static str, text: impl Into<String>, advice: impl Into<String>) {
        self.add(Level::Problem, topic, text.into(), Some(advice.into()));
    }

    fn add(&mut self, level: Level, topic: &'static str, text: String, advice: Option<String>) {
        self.0.push(Finding { level, topic, text, advice });
    }

    /// The number of findings.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no problem.
    pub(super) fn is_good(&self) -> bool {
        self.count(Level::Problem) == 0
    }

    fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { level, topic, text, advice } in &self.0 {
            let level = match level {
                Level::Good => "ok",
                Level::Warning => "warning",
                Level::Problem => "PROBLEM",
            };
            // Texts of other programs are on one line.
            writeln!(f, "{level:<8} {topic:<11} {}", OneLine(text))?;
            if let Some(advice) = advice {
                writeln!(f, "{:<20} To do: {}", "", OneLine(advice))?;
            }
        }
        let counted = |count: usize, name: &str| format!("{count} {name}{}", if count == 1 { "" } else { "s" });
        let (problems, warnings) = (self.count(Level::Problem), self.count(Level::Warning));
        writeln!(f, "{}, {}", counted(problems, "problem"), counted(warnings, "warning"))
    }
}

/// A text whose control characters are written as spaces.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(char::is_control) {
            write!(f, "{} ", &rest[..at])?;
            rest = rest[at..].trim_start_matches(char::is_control);
        }
        f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_its_advice_another() {
        let mut report = Report::default();
        report.good("port", "free");
        report.warning("urls", "odd", "Look.");
        assert!(report.is_good());
        report.problem("database", "gone\r\n\u{1b}[2Jok       port", "Start it.");
        assert!(!report.is_good());
        let expected = "\
ok       port        free
warning  urls        odd
                     To do: Look.
PROBLEM  database    gone [2Jok       port
                     To do: Start it.
1 problem, 1 warning
";
        assert_eq!(report.to_string(), expected);
    }
}

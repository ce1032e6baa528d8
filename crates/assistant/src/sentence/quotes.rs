//! Quoted passages, found in a time that is linear in the text, whatever marks are in it.

/// Opening marks and what closes them.
const QUOTES: &[(char, char)] = &[('"', '"'), ('“', '”'), ('„', '“'), ('«', '»'), ('‘', '’'), ('\'', '\''), ('`', '`')];

/// Finds the quoted passages of one text, from its start to its end. Together the searches read it about once for each
/// kind of quote: what is not closed behind one place is not closed behind a later one.
#[derive(Debug, Default)]
pub(super) struct Quotes {
    unclosed: [bool; QUOTES.len()],
    /// Number of characters that were looked at.
    steps: usize,
}

impl Quotes {
    /// The end of the passage whose opening quote is at `start`. A passage is closed, not empty, and stands by itself.
    pub fn passage(&mut self, text: &str, start: usize) -> Option<usize> {
        let opening = text[start..].chars().next()?;
        let kind = QUOTES.iter().position(|(open, _)| *open == opening)?;
        let stands_alone = !text[..start].chars().next_back().is_some_and(char::is_alphanumeric);
        if self.unclosed[kind] || !stands_alone {
            return None;
        }
        let (_, closing) = QUOTES[kind];
        let inner = start + opening.len_utf8();
        for (at, c) in text[inner..].char_indices() {
            self.steps += 1;
            let end = inner + at + c.len_utf8();
            if c == closing && !text[end..].chars().next().is_some_and(char::is_alphanumeric) {
                return (!text[inner..inner + at].trim().is_empty()).then_some(end);
            }
        }
        self.unclosed[kind] = true;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_that_are_not_closed_are_searched_once() {
        for (_, closing) in QUOTES {
            for (opening, _) in QUOTES {
                for text in [
                    format!(" {opening}a").repeat(1000),
                    format!(" {opening}{closing}a").repeat(1000),
                    format!(" {opening} {closing}").repeat(1000),
                    String::from(*opening).repeat(4000),
                ] {
                    let mut quotes = Quotes::default();
                    for (start, _) in text.char_indices() {
                        quotes.passage(&text, start);
                    }
                    assert!(quotes.steps <= 2 * QUOTES.len() * 4000, "{}: {}", &text[..12], quotes.steps);
                }
            }
        }
    }
}

//! Pasted lists: lines with bullets, numbers or check boxes, or one item a line behind a command that adds.

use crate::grammar::{GRAMMAR, Intent};
use crate::lexicon;
use crate::matching::Budget;
use crate::sentence::{MAX_WORDS, Sentence};

/// Maximum number of words of a headline such as "shopping list".
const MAX_HEADLINE_WORDS: usize = 4;

/// Maximum number of lines without a bullet that are checked for commands.
const MAX_CHECKED: usize = 30;

/// A pasted list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PastedList<'t> {
    /// The items to add, as they were written.
    pub items: Vec<&'t str>,
    /// The items that are checked already.
    pub checked: Vec<&'t str>,
}

/// A line without its bullet.
struct Line<'t> {
    text: &'t str,
    is_marked: bool,
    is_checked: bool,
}

impl<'t> PastedList<'t> {
    /// Reads a message of several lines; `None` if it is no list of things to add.
    pub fn read(text: &'t str, budget: &Budget) -> Option<Self> {
        let mut lines = text.lines().map(Line::read).filter(|line| !line.text.is_empty());
        let first = lines.next()?;
        let rest: Vec<_> = lines.collect();
        let is_marked = |lines: &[Line<'_>]| lines.iter().all(|line| line.is_marked);
        if rest.is_empty() {
            return None;
        }
        let are_items =
            |lines: &[Line<'_>]| lines.iter().take(MAX_CHECKED).all(|line| line.is_marked || line.is_item(budget));
        let mut items = Vec::new();
        if first.is_marked && is_marked(&rest) {
            items.push(first);
        } else {
            match Headline::read(first.text, budget) {
                Headline::Add(Some(title)) if are_items(&rest) => {
                    items.push(Line { text: title, ..first });
                }
                Headline::Add(None) | Headline::Name if are_items(&rest) => {}
                Headline::Other if is_marked(&rest) && first.text.ends_with(':') => {}
                Headline::Add(_) | Headline::Name | Headline::Other => return None,
            }
        }
        items.extend(rest);
        let texts =
            |checked: bool| items.iter().filter(|line| line.is_checked == checked).map(|line| line.text).collect();
        Some(Self { items: texts(false), checked: texts(true) })
    }
}

/// The first line of a list without a bullet.
enum Headline<'t> {
    /// A command that adds, with its title if it has one.
    Add(Option<&'t str>),
    /// A name of the list.
    Name,
    /// Anything else.
    Other,
}

impl<'t> Headline<'t> {
    fn read(line: &'t str, budget: &Budget) -> Self {
        let name = line.trim_end_matches([':', ' ']);
        let message = GRAMMAR.message(Sentence::read(name), budget);
        let all = message.sentence.all();
        if all.len() > MAX_WORDS {
            return Self::Other;
        }
        // "Add a task to" goes on in the next line.
        if message.tokens().last().is_some_and(|last| lexicon::NEVER_LISTED.contains(&last.word)) {
            return Self::Other;
        }
        let readings = GRAMMAR.readings(&message, all.clone());
        match readings.first() {
            Some(reading) if reading.intent() == Intent::Add && reading.is_sure() => {
                let title = reading.title.clone().filter(|title| !GRAMMAR.is_no_title(&message, title));
                let title = title.map(|title| message.sentence.written(title)).filter(|title| !title.is_empty());
                let announces = line.ends_with(':')
                    && title.is_none_or(|_| {
                        message.tokens().last().is_some_and(|last| lexicon::ANNOUNCEMENTS.contains(&last.word))
                    });
                Self::Add(title.filter(|_| !announces))
            }
            Some(reading)
                if all.len() <= MAX_HEADLINE_WORDS
                    && matches!(reading.intent(), Intent::List(_))
                    && !line.ends_with('?') =>
            {
                Self::Name
            }
            _ if all.len() <= MAX_HEADLINE_WORDS && line.ends_with(':') => Self::Name,
            _ => Self::Other,
        }
    }
}

impl<'t> Line<'t> {
    fn read(line: &'t str) -> Self {
        let trimmed = line.trim();
        let unbulleted = trimmed.trim_start_matches(['-', '*', '•', '+', '–', '—', '◦', '▪', '·']);
        // A bullet is followed by a space: "-5 degrees" and "*important*" have none.
        let has_bullet = unbulleted.len() < trimmed.len() && unbulleted.starts_with(char::is_whitespace)
            || trimmed.starts_with(['•', '◦', '▪']);
        let behind_bullet = if has_bullet { unbulleted.trim_start() } else { trimmed };
        let digits = behind_bullet.trim_start_matches('(').trim_start_matches(|c: char| c.is_ascii_digit());
        let has_number = digits.len() < behind_bullet.trim_start_matches('(').len()
            && digits.strip_prefix([')', '.', ':']).is_some_and(|rest| rest.starts_with(char::is_whitespace));
        let behind_number = if has_number { digits[1..].trim_start() } else { behind_bullet };
        let boxes =
            [("[ ]", false), ("[]", false), ("[x]", true), ("[X]", true), ("☐", false), ("☑", true), ("☒", true)];
        let checkbox = boxes.iter().find_map(|(sign, checked)| Some((behind_number.strip_prefix(sign)?, *checked)));
        let text = checkbox.map_or(behind_number, |(rest, _)| rest).trim();
        Self {
            text: text.trim_end_matches([',', ';']),
            is_marked: has_bullet || has_number || checkbox.is_some(),
            is_checked: checkbox.is_some_and(|(_, checked)| checked),
        }
    }

    /// Whether it may be an item without a bullet: it is no plain command of its own.
    fn is_item(&self, budget: &Budget) -> bool {
        let message = GRAMMAR.message(Sentence::read(self.text), budget);
        let all = message.sentence.all();
        if all.len() > MAX_WORDS {
            return false;
        }
        !GRAMMAR.readings(&message, all).first().is_some_and(|reading| reading.is_sure() && reading.score > 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Vec<&str> {
        PastedList::read(text, &Budget::default()).map(|list| list.items).unwrap_or_default()
    }

    #[test]
    fn lists_in_every_form_are_read() {
        for text in [
            "add milk\neggs\nbread",
            "- milk\n- eggs\n- bread",
            "* milk\r\n* eggs\r\n* bread\r\n",
            "1. milk\n2. eggs\n3. bread",
            "add these:\n1) milk\n2) eggs\n3) bread",
            "TODO\nmilk\neggs\nbread",
            "shopping list:\n\tmilk\n\teggs\n\n\tbread",
            "please add these to my list\n- [ ] milk\n- [ ] eggs\n[ ] bread",
            "Things for the party:\n• milk\n• eggs\n• bread",
        ] {
            assert_eq!(items(text), ["milk", "eggs", "bread"], "{text:?}");
        }
    }

    #[test]
    fn checked_items_are_told_apart() {
        let list = PastedList::read("- [x] milk\n- [ ] eggs", &Budget::default()).unwrap();
        assert_eq!((list.items, list.checked), (vec!["eggs"], vec!["milk"]));
    }

    #[test]
    fn several_commands_are_no_list() {
        for text in [
            "add milk\ndelete the second task",
            "hello\nhow are you",
            "milk",
            "what's left?\n- tea",
            "Add a task to\nbuy tea",
            "",
        ] {
            assert_eq!(PastedList::read(text, &Budget::default()), None, "{text:?}");
        }
    }
}

//! Several things named one by one: "milk, eggs and bread", "the first and the third".

use std::ops::Range;

use super::Sentence;
use crate::lexicon::{self, WordClass};
use crate::numbers;

/// The most places that "the first ..." names.
const MAX_PLACES: u32 = 20;

/// Maximum number of words of a part between commas: longer ones are rather clauses of one title.
const MAX_PART_WORDS: usize = 5;

/// Maximum number of words of a part beside a single "and" that is clearly a thing of its own.
const MAX_THING_WORDS: usize = 2;

/// What words name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Enumeration {
    /// One thing.
    One,
    /// Several things, one by one.
    Several(Vec<Range<usize>>),
    /// One thing or several.
    Open(Vec<Range<usize>>),
}

/// How the parts of an enumeration are separated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Separator {
    And,
    Comma,
    /// A semicolon or a line break, which stand in no title.
    Strong,
}

impl Sentence<'_> {
    /// Returns what the words in `span` name: "milk, eggs and bread" are several things, "mac and cheese" is one.
    pub fn enumeration(&self, span: Range<usize>) -> Enumeration {
        let span = self.behind_announcement(span);
        let has_quotes = |at: usize| self.tokens[at].word.is_empty();
        if span.len() < 2 || span.clone().any(has_quotes) && !span.clone().all(|at| has_quotes(at) || self.joins(at)) {
            return Enumeration::One;
        }
        let (parts, separators) = self.separated(span);
        let is_part = |part: &Range<usize>| {
            !lexicon::NEVER_LISTED.contains(&self.tokens[part.start].word)
                && !self.is_date(part)
                && !self.written(part.clone()).is_empty()
        };
        // "The plumber is coming between ten and noon" is a statement.
        let is_statement =
            |part: &Range<usize>| self.has_any(part, lexicon::COPULAS) || self.has_any(part, lexicon::RANGE_WORDS);
        if parts.len() < 2 || !parts.iter().all(is_part) || parts.iter().any(is_statement) {
            return Enumeration::One;
        }
        let strongest = separators.iter().max().copied();
        if strongest == Some(Separator::Strong) {
            return Enumeration::Several(parts);
        }
        let deeds = parts.iter().filter(|part| self.is_errand(part)).count();
        // "Call mom, dad and Bob" is one errand, "call mom, wash the car and pay rent" are three.
        if deeds > 0 && deeds < parts.len() {
            return Enumeration::One;
        }
        if strongest == Some(Separator::Comma) {
            let is_short = |part: &Range<usize>| {
                part.len() <= if parts.len() > 2 || deeds > 0 { MAX_PART_WORDS } else { MAX_THING_WORDS }
            };
            return if parts.iter().all(is_short) { Enumeration::Several(parts) } else { Enumeration::One };
        }
        let [left, right] = &parts[..] else { return Enumeration::Several(parts) };
        self.pair(left, right).map_or(Enumeration::One, |is_clear| {
            if is_clear { Enumeration::Several(parts.clone()) } else { Enumeration::Open(parts.clone()) }
        })
    }

    /// Whether two phrases that "and" joins are two things; `None` if they are one, false if both is possible.
    fn pair(&self, left: &Range<usize>, right: &Range<usize>) -> Option<bool> {
        let word = |at: usize| self.tokens[at].word.as_str();
        let begins_with_determiner = |part: &Range<usize>| lexicon::DETERMINERS.contains(word(part.start));
        let is_compound =
            |pair: &(&str, &str)| word(left.end - 1) == pair.0 && right.clone().any(|at| word(at) == pair.1);
        if lexicon::COMPOUNDS.iter().any(is_compound) {
            return None;
        }
        if self.is_errand(left) {
            // "Wash and fold the laundry" is one deed.
            return (left.len() > 1 && right.len() > 1).then_some(true);
        }
        if lexicon::ERRANDS.contains(word(left.start)) || lexicon::ERRANDS.contains(word(right.start)) {
            return None;
        }
        if begins_with_determiner(left) && begins_with_determiner(right) {
            return Some(true);
        }
        let links = |part: &Range<usize>| part.clone().any(|at| lexicon::NEVER_LISTED.contains(word(at)));
        if links(left) || links(right) {
            return None;
        }
        let is_thing = |part: &Range<usize>| part.len() <= MAX_THING_WORDS;
        if is_thing(left) && is_thing(right) { Some(true) } else { Some(false) }
    }

    /// Whether the words in `part` are a deed rather than a thing: "walk the dog".
    pub fn is_errand(&self, part: &Range<usize>) -> bool {
        part.len() > 1 && lexicon::ERRANDS.contains(&self.tokens[part.start].word)
    }

    /// Whether the word at `at` joins two things.
    fn joins(&self, at: usize) -> bool {
        lexicon::LIST_CONJUNCTIONS.contains(&self.tokens[at].word)
    }

    /// The words behind "3 things:".
    fn behind_announcement(&self, span: Range<usize>) -> Range<usize> {
        let colon = span.clone().skip(1).take(3).find(|&at| self.gap_before(at).contains(':'));
        let counts = |at: usize| numbers::value(&self.tokens[at].word).is_some();
        match colon {
            Some(at) if counts(span.start) || lexicon::ANNOUNCEMENTS.contains(&self.tokens[at - 1].word) => {
                at..span.end
            }
            Some(_) | None => span,
        }
    }

    /// The parts between separators, and what separates them.
    fn separated(&self, span: Range<usize>) -> (Vec<Range<usize>>, Vec<Separator>) {
        let (mut parts, mut separators) = (Vec::new(), Vec::new());
        let mut start = span.start;
        let mut at = span.start + 1;
        while at < span.end {
            let gap = self.gap_before(at);
            let mut separator = match gap {
                _ if gap.contains([';', '\n']) => Some(Separator::Strong),
                _ if gap.contains(',') => Some(Separator::Comma),
                _ if gap.contains(" & ") || gap.contains(" + ") => Some(Separator::And),
                _ => None,
            };
            let mut next = at;
            if self.joins(at) && at + 1 < span.end {
                separator = separator.or(Some(Separator::And));
                next += 1;
            }
            if let Some(separator) = separator {
                // "... and also bread"
                next += self.tokens[next..span.end - 1]
                    .iter()
                    .take_while(|token| lexicon::ADDITIVES.contains(&token.word))
                    .count();
                parts.push(start..at);
                separators.push(separator);
                start = next;
            }
            at = next.max(at) + 1;
        }
        parts.push(start..span.end);
        (parts, separators)
    }

    /// Whether the word at `at` belongs to a date or a time, prepositions aside.
    pub fn is_date_word(&self, at: usize) -> bool {
        let word = &self.tokens[at].word;
        lexicon::DAYS_AND_MONTHS.contains(word)
            || lexicon::UNITS_OF_TIME.contains(word)
            || word.starts_with(|c: char| c.is_ascii_digit())
    }

    /// Whether the words in `span` are a day or a time and nothing else.
    pub fn is_time(&self, span: &Range<usize>) -> bool {
        let words = self.tokens.get(span.clone()).unwrap_or_default();
        let is_clock = |word: &str| {
            let figures = word.trim_end_matches("am").trim_end_matches("pm");
            !figures.is_empty() && figures.chars().all(|c| c.is_ascii_digit() || c == ':' || c == '.')
        };
        let is_part =
            |word: &str| is_clock(word) || lexicon::TIMES.contains(word) || lexicon::DAYS_AND_MONTHS.contains(word);
        !words.is_empty() && words.iter().all(|token| is_part(&token.word))
    }

    /// Whether the words in `span` are numbers to be added up.
    pub fn is_sum(&self, span: &Range<usize>) -> bool {
        let words = self.tokens.get(span.clone()).unwrap_or_default();
        let is_number = |word: &str| word.bytes().all(|b| b.is_ascii_digit()) || numbers::value(word).is_some();
        words.len() > 2
            && words.iter().all(|token| {
                !token.word.is_empty()
                    && (is_number(&token.word) || ["and", "plus", "to"].contains(&token.word.as_str()))
            })
    }

    /// Whether the word in `span` stands for what was just named.
    pub fn is_pronoun(&self, span: &Range<usize>) -> bool {
        span.len() == 1 && self.has_any(span, lexicon::PRONOUNS)
    }

    /// Whether one of the words in `span` is one of `words`.
    pub fn has_any(&self, span: &Range<usize>, class: WordClass) -> bool {
        self.tokens.get(span.clone()).unwrap_or_default().iter().any(|token| class.contains(&token.word))
    }

    /// Whether the words in `span` go on with a condition or a question: "milk if I wanted to".
    pub fn wonders(&self, span: &Range<usize>) -> bool {
        self.has_any(&(span.start + 1..span.end), lexicon::WONDERS)
    }

    /// Whether the words in `span` begin with somebody, who is no task: "drop me a line".
    pub fn is_person(&self, span: &Range<usize>) -> bool {
        let first = span.start..span.end.min(span.start + 1);
        self.has_any(&first, lexicon::PERSONS)
    }

    fn is_date(&self, span: &Range<usize>) -> bool {
        let words = &self.tokens[span.clone()];
        lexicon::DAYS_AND_MONTHS.contains(&words[0].word)
            || words.iter().all(|token| !token.word.starts_with(char::is_alphabetic))
    }

    /// What stands between the word at `at` and the one before it.
    pub(super) fn gap_before(&self, at: usize) -> &str {
        let pair = at.checked_sub(1).and_then(|before| self.tokens.get(before)).zip(self.tokens.get(at));
        pair.and_then(|(before, word)| self.text.get(before.range.end..word.range.start)).unwrap_or("")
    }

    /// The positions that the words in `span` name, as in "the first and the third one" or "3 to 5"; nothing if there is
    /// any other word among them.
    pub fn places(&self, span: Range<usize>) -> Vec<u32> {
        let mut places: Vec<u32> = Vec::new();
        let mut after_number = false;
        let mut begins_range = false;
        for at in span.clone() {
            let Some(word) = self.tokens.get(at).map(|token| token.word.as_str()) else { return Vec::new() };
            if after_number && at > span.start {
                after_number &= !self.gap_before(at).contains(',');
                begins_range |= self.gap_before(at).contains(['-', '–']);
            }
            match (numbers::value(word), places.last().copied()) {
                (Some(end), Some(start)) if begins_range => {
                    if end <= start || end - start > MAX_PLACES {
                        return Vec::new();
                    }
                    places.extend(start + 1..=end);
                    (after_number, begins_range) = (true, false);
                }
                // "The third one" names one position.
                (Some(_), _) if after_number && word == "one" => after_number = false,
                // "The first three" are three.
                (Some(count), _) if after_number && places == [1] && count <= MAX_PLACES => {
                    places = (1..=count).collect();
                }
                (Some(_), _) if after_number => return Vec::new(),
                (Some(place), _) => {
                    places.push(place);
                    after_number = true;
                }
                (None, Some(_)) if lexicon::RANGES.contains(word) => begins_range = true,
                (None, _) if lexicon::POSITION_WORDS.contains(word) => after_number = false,
                (None, _) => return Vec::new(),
            }
        }
        if begins_range { Vec::new() } else { places }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (&'static str, Vec<&str>) {
        let sentence = Sentence::read(text);
        let (kind, spans) = match sentence.enumeration(sentence.all()) {
            Enumeration::One => ("one", Vec::new()),
            Enumeration::Several(spans) => ("several", spans),
            Enumeration::Open(spans) => ("open", spans),
        };
        (kind, spans.into_iter().map(|part| sentence.written(part)).collect())
    }

    #[test]
    fn several_things_are_separated() {
        for (text, expected) in [
            ("Milk, eggs and oat bread", &["Milk", "eggs", "oat bread"][..]),
            ("milk, eggs, and bread!", &["milk", "eggs", "bread"]),
            ("milk; 2 eggs; bread", &["milk", "2 eggs", "bread"]),
            ("eggs, milk; bread", &["eggs", "milk", "bread"]),
            ("milk\neggs\nbread", &["milk", "eggs", "bread"]),
            ("milk, eggs & bread", &["milk", "eggs", "bread"]),
            ("milk and eggs", &["milk", "eggs"]),
            ("milk and eggs and also bread", &["milk", "eggs", "bread"]),
            ("the oil change and the cake", &["the oil change", "the cake"]),
            ("book flights and pay rent", &["book flights", "pay rent"]),
            ("3 things: soap, shampoo and towels", &["soap", "shampoo", "towels"]),
            ("bread, butter", &["bread", "butter"]),
        ] {
            assert_eq!(parts(text), ("several", expected.to_vec()), "{text}");
        }
    }

    #[test]
    fn one_thing_is_not_separated() {
        for text in [
            "wash and fold",
            "wash and fold the laundry",
            "mac and cheese",
            "call mom, dad and Bob",
            "buy milk and eggs",
            "talk to Ann and Bob",
            "dinner with Ann, Friday, May 5",
            "call Bob, who is back, and the bank",
            "“milk, eggs and bread” from the shop",
            "mow the lawn at the cabin, feed the neighbour's two cats, and call",
            "R&D",
            "",
        ] {
            assert_eq!(parts(text).0, "one", "{text}: {:?}", parts(text));
        }
    }

    #[test]
    fn where_both_is_possible_it_is_open() {
        assert_eq!(parts("winter coat repair and new shoes").0, "open");
    }

    #[test]
    fn places_are_named_one_by_one_or_counted() {
        let places = |text: &str| Sentence::read(text).places(Sentence::read(text).all());
        for (text, expected) in [
            ("1 and 3", &[1, 3][..]),
            ("the first one and the third one", &[1, 3]),
            ("numbers 2, 4 and 5", &[2, 4, 5]),
            ("the first three", &[1, 2, 3]),
            ("1 to 3", &[1, 2, 3]),
            ("3-5", &[3, 4, 5]),
            ("tasks 2 through 4", &[2, 3, 4]),
            ("5-3", &[]),
            ("3 to", &[]),
            ("the last two", &[]),
            ("the first milk", &[]),
        ] {
            assert_eq!(places(text), expected, "{text}");
        }
    }
}

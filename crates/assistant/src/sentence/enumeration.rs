//! Several things named one by one: "milk, eggs and bread", "the first and the third". And words that name no thing.

use std::ops::Range;

use super::super::numbers;
use super::{PRONOUNS, Sentence};

const DAYS_AND_MONTHS: &[&str] = &[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "today",
    "tomorrow",
    "tonight",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// What an errand begins with.
const ERRANDS: &[&str] = &[
    "ask", "book", "bring", "buy", "call", "clean", "email", "feed", "fix", "get", "invite", "meet", "order", "pack",
    "pay", "pick", "read", "tell", "text", "thank", "visit", "wash", "water", "write",
];

/// What stands between places that are named one by one.
const PLACE_WORDS: &[&str] = &["and", "entry", "item", "items", "number", "numbers", "ones", "task", "tasks", "the"];

/// The most places that "the first ..." names.
const MAX_PLACES: u32 = 20;

/// The longest part of a list, in words: longer ones are rather clauses of one title.
const MAX_LISTED_WORDS: usize = 4;

/// What no part of a list begins with: it hangs on the part before.
const NEVER_LISTED: &[&str] = &[
    "about", "actually", "no", "oops", "sorry", "wait", "after", "as", "at", "because", "before", "but", "by", "for",
    "from", "if", "in", "on", "or", "please", "so", "then", "to", "when", "which", "who", "with",
];

impl Sentence<'_> {
    /// The things that the words in `span` list one by one, as in "milk, eggs and bread"; if they list none. "Wash and fold" might be one thing and is left alone: a list has a comma.
    pub fn listed(&self, span: Range<usize>) -> Vec<Range<usize>> {
        let Some(tokens) = self.tokens.get(span.clone()) else { return Vec::new() };
        if tokens.iter().any(|token| token.word.is_empty()) && tokens.iter().any(|token| !token.word.is_empty()) {
            return Vec::new();
        }
        let gap = |at: usize| self.gap_before(at);
        let mut parts = Vec::new();
        let mut start = span.start;
        for at in span.start + 1..span.end {
            let is_and = ["and", "&", "plus"].contains(&self.tokens[at].word.as_str());
            if is_and && (at == start || gap(at).contains(',') || !parts.is_empty()) && at + 1 < span.end {
                parts.push(start..at);
                start = at + 1;
            } else if gap(at).contains([',', ';']) && at > start {
                parts.push(start..at);
                start = at;
            }
        }
        parts.push(start..span.end);
        parts.retain(|part| !part.is_empty());
        let is_short = |part: &Range<usize>| part.len() <= MAX_LISTED_WORDS;
        let is_thing = |part: &Range<usize>| {
            !NEVER_LISTED.contains(&self.tokens[part.start].word.as_str()) && !self.written(part.clone()).is_empty()
        };
        // "Lunch on Friday, May 5" has a comma and is no list.
        let is_list = parts.len() > 2 && parts.iter().all(|part| !self.is_date(part));
        // "Call mom, dad and Bob" is one errand.
        let is_errand =
            |part: &Range<usize>| part.len() > 1 && ERRANDS.contains(&self.tokens[part.start].word.as_str());
        let is_list = is_list && (!is_errand(&parts[0]) || parts.iter().all(is_errand));
        if is_list && parts.iter().all(|part| is_short(part) && is_thing(part)) { parts } else { Vec::new() }
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
        span.len() == 1 && self.has_any(span, PRONOUNS)
    }

    /// Whether one of the words in `span` is one of `words`.
    pub fn has_any(&self, span: &Range<usize>, words: &[&str]) -> bool {
        self.tokens.get(span.clone()).unwrap_or_default().iter().any(|token| words.contains(&token.word.as_str()))
    }

    /// Whether the words in `span` go on with a condition or a question: "milk if I wanted to".
    pub fn wonders(&self, span: &Range<usize>) -> bool {
        self.has_any(&(span.start + 1..span.end), &["how", "if", "should", "unless", "what", "why"])
    }

    /// Whether the words in `span` begin with somebody, who is no task: "drop me a line".
    pub fn is_person(&self, span: &Range<usize>) -> bool {
        let first = span.start..span.end.min(span.start + 1);
        self.has_any(&first, &["me", "us", "you", "him", "her", "myself", "everyone", "everybody"])
    }

    fn is_date(&self, span: &Range<usize>) -> bool {
        let words = &self.tokens[span.clone()];
        DAYS_AND_MONTHS.contains(&words[0].word.as_str())
            || words.iter().all(|token| !token.word.starts_with(char::is_alphabetic))
    }

    /// What stands between the word at `at` and the one before it.
    pub(super) fn gap_before(&self, at: usize) -> &str {
        let pair = at.checked_sub(1).and_then(|before| self.tokens.get(before)).zip(self.tokens.get(at));
        pair.and_then(|(before, word)| self.text.get(before.range.end..word.range.start)).unwrap_or("")
    }

    /// The places that the words in `span` name one by one, as in "the first and the third one"; nothing if there is
    /// any other word among them.
    pub fn places(&self, span: Range<usize>) -> Vec<u32> {
        let mut places: Vec<u32> = Vec::new();
        let mut after_number = false;
        for at in span {
            let Some(word) = self.tokens.get(at).map(|token| token.word.as_str()) else { return Vec::new() };
            after_number &= !self.gap_before(at).contains(',');
            match numbers::value(word) {
                // "The third one" names one place.
                Some(_) if after_number && word == "one" => after_number = false,
                // "The first three" are three.
                Some(count) if after_number && places == [1] && count <= MAX_PLACES => places = (1..=count).collect(),
                Some(_) if after_number => return Vec::new(),
                Some(place) => {
                    places.push(place);
                    after_number = true;
                }
                None if PLACE_WORDS.contains(&word) => after_number = false,
                None => return Vec::new(),
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Vec<&str> {
        let sentence = Sentence::read(text);
        sentence.listed(sentence.all()).into_iter().map(|part| sentence.written(part)).collect()
    }

    #[test]
    fn things_with_commas_between_them_are_several() {
        assert_eq!(listed("Milk, eggs and oat bread"), ["Milk", "eggs", "oat bread"]);
        assert_eq!(listed("milk, eggs, and bread!"), ["milk", "eggs", "bread"]);
        assert_eq!(listed("milk; 2 eggs; bread"), ["milk", "2 eggs", "bread"]);
    }

    #[test]
    fn what_might_be_one_thing_is_left_alone() {
        for text in [
            "wash and fold",
            "bread, butter",
            "call mom, dad and Bob",
            "dinner with Ann, Friday, May 5",
            "call Bob, who is back, and the bank",
            "“milk, eggs and bread” from the shop",
            "mow the lawn at the cabin, feed the neighbour's two cats, and call",
            "",
        ] {
            assert!(listed(text).is_empty(), "{text}: {:?}", listed(text));
        }
    }

    #[test]
    fn places_are_named_one_by_one_or_counted() {
        let places = |text: &str| Sentence::read(text).places(Sentence::read(text).all());
        for (text, expected) in [
            ("1 and 3", &[1, 3][..]),
            ("the first one and the third one", &[1, 3]),
            ("numbers 2, 4 and 5", &[2, 4, 5]),
            ("the first three", &[1, 2, 3]),
            ("1 to 3", &[]),
            ("the last two", &[]),
            ("the first milk", &[]),
        ] {
            assert_eq!(places(text), expected, "{text}");
        }
    }
}

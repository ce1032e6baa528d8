//! What the user wrote, cut into words that remember where they stand.
//!
//! Words are for recognising commands: folded, with contractions written out. Titles and names never come from them
//! but from the original text between two words ([`Sentence::written`]), so they stay as they were written.
//! Deliberately not here: what the words mean.

use std::ops::Range;

use domain::text::Folded;
use unicode_segmentation::UnicodeSegmentation as _;

use super::numbers;

/// One word, or one quoted passage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// The word as the grammar knows words: folded, with `'` as its only apostrophe. Empty for a quoted passage,
    /// which is never a word of a command.
    pub word: String,
    /// Where it stands, in bytes of the original text.
    pub range: Range<usize>,
    /// It hangs on the word before, as in `check-in`: no phrase begins or ends between the two.
    pub glued: bool,
    /// A new sentence begins with it.
    pub begins_sentence: bool,
}

impl Token {
    /// Whether it may be a name: letters, and nothing else.
    pub fn is_name(&self) -> bool {
        !self.word.is_empty() && self.word.chars().all(char::is_alphabetic)
    }

    /// Whether it is an emoji or another sign, and no word.
    pub fn is_sign(&self) -> bool {
        !self.word.is_empty() && !self.word.chars().any(char::is_alphanumeric)
    }
}

/// What the user wrote.
#[derive(Clone, Debug)]
pub(super) struct Sentence<'t> {
    text: &'t str,
    tokens: Vec<Token>,
}

/// Ways to write two words as one without an apostrophe.
const RUN_TOGETHER: &[(&str, &[&str])] = &[
    ("arent", &["are", "not"]),
    ("cannot", &["can", "not"]),
    ("cant", &["can", "not"]),
    ("didnt", &["did", "not"]),
    ("doesnt", &["does", "not"]),
    ("dont", &["do", "not"]),
    ("gimme", &["give", "me"]),
    ("gonna", &["going", "to"]),
    ("gotta", &["got", "to"]),
    ("havent", &["have", "not"]),
    ("hows", &["how", "is"]),
    ("im", &["i", "am"]),
    ("isnt", &["is", "not"]),
    ("ive", &["i", "have"]),
    ("lemme", &["let", "me"]),
    ("lets", &["let", "us"]),
    ("thats", &["that", "is"]),
    ("todo", &["to", "do"]),
    ("todos", &["to", "dos"]),
    ("wanna", &["want", "to"]),
    ("whats", &["what", "is"]),
    ("wheres", &["where", "is"]),
    ("wont", &["will", "not"]),
];

/// What an apostrophe and the letters behind it stand for. `'s` is not among them: see [`IS_HOSTS`].
const ENDINGS: &[(&str, &str)] =
    &[("n't", "not"), ("'m", "am"), ("'re", "are"), ("'ve", "have"), ("'ll", "will"), ("'d", "would")];

/// The words behind which `'s` is "is" and not a possessive.
const IS_HOSTS: &[&str] =
    &["everything", "he", "here", "how", "it", "one", "she", "that", "there", "what", "where", "who"];

/// Verbs that, with one of [`PRONOUNS`] behind them, speak of what was named before.
const POINTING_VERBS: &[&str] = &[
    "add", "check", "cross", "delete", "include", "mark", "place", "put", "remove", "scratch", "take", "tick", "write",
];

const PRONOUNS: &[&str] = &["it", "that", "them", "these", "this", "those"];

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

/// What stands between places that are named one by one.
const PLACE_WORDS: &[&str] = &["and", "entry", "item", "items", "number", "numbers", "ones", "task", "tasks", "the"];

/// The most places that "the first ..." names.
const MAX_PLACES: u32 = 20;

/// The longest part of a list, in words: longer ones are rather clauses of one title.
const MAX_LISTED_WORDS: usize = 4;

/// What no part of a list begins with: it hangs on the part before.
const NEVER_LISTED: &[&str] = &[
    "about", "after", "as", "at", "because", "before", "but", "by", "for", "from", "if", "in", "on", "or", "please",
    "so", "then", "to", "when", "which", "who", "with",
];

/// Opening marks and what closes them.
const QUOTES: &[(char, char)] = &[('"', '"'), ('“', '”'), ('„', '“'), ('«', '»'), ('‘', '’'), ('\'', '\''), ('`', '`')];

impl<'t> Sentence<'t> {
    /// Cuts `text` into words.
    pub fn read(text: &'t str) -> Self {
        let mut tokens: Vec<Token> = Vec::new();
        let mut quoted_until = 0;
        for (start, piece) in text.split_word_bound_indices() {
            if start < quoted_until {
                continue;
            }
            let before = tokens.last().map_or(0, |token| token.range.end);
            if let Some(end) = quoted_passage(text, start) {
                push(&mut tokens, text, before, start..end, vec![String::new()]);
                quoted_until = end;
            } else if piece.chars().any(is_word_character) {
                push(&mut tokens, text, before, start..start + piece.len(), words_of(piece));
            }
        }
        part_before_pronouns(&mut tokens, text);
        Self { text, tokens }
    }

    /// The words.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// All of it.
    pub fn all(&self) -> Range<usize> {
        0..self.tokens.len()
    }

    /// The text of the words in `span`, as it was written: without the white space, the punctuation and the quotes
    /// around it, everything else untouched.
    pub fn written(&self, span: Range<usize>) -> &'t str {
        let Some(first) = self.tokens.get(span.start) else { return "" };
        if span.len() == 1 && first.word.is_empty() {
            return inside_quotes(&self.text[first.range.clone()]);
        }
        let from = span.start.checked_sub(1).map_or(0, |i| self.tokens[i].range.end);
        let to = self.tokens.get(span.end).map_or(self.text.len(), |next| next.range.start);
        // Contracted words share a range, and a span never begins between them; the slice is sound all the same.
        without_frame_punctuation(self.text.get(from..to).unwrap_or_default())
    }

    /// The sentences in it, as spans of words.
    pub fn sentences(&self) -> Vec<Range<usize>> {
        let mut spans = Vec::new();
        let mut start = 0;
        for (i, token) in self.tokens.iter().enumerate() {
            if token.begins_sentence && i > start {
                spans.push(start..i);
                start = i;
            }
        }
        if start < self.tokens.len() {
            spans.push(start..self.tokens.len());
        }
        spans
    }

    /// The only quoted passage among the words in `span`, without its quotes.
    pub fn quoted(&self, span: Range<usize>) -> Option<&'t str> {
        let mut quoted = self.tokens.get(span)?.iter().filter(|token| token.word.is_empty());
        let only = quoted.next().filter(|_| quoted.next().is_none())?;
        Some(inside_quotes(&self.text[only.range.clone()]))
    }

    /// Whether it begins by calling somebody, as in "Max, add milk".
    pub fn begins_with_name(&self, span: Range<usize>) -> bool {
        let (first, second) = (self.tokens.get(span.start), self.tokens.get(span.start + 1));
        first.zip(second).is_some_and(|(name, next)| {
            span.len() > 1 && self.text.get(name.range.end..next.range.start).is_some_and(|gap| gap.starts_with(','))
        })
    }

    /// Whether a colon stands before the word at `at`, as in "task: buy milk".
    pub fn is_behind_colon(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|i| self.tokens.get(i)).zip(self.tokens.get(at));
        before.is_some_and(|(label, word)| {
            self.text.get(label.range.end..word.range.start).is_some_and(|gap| gap.contains(':'))
        })
    }

    /// The things that the words in `span` list one by one, as in "milk, eggs and bread" or on lines of their own;
    /// nothing if they list none. "Wash and fold" might be one thing and is left alone: a list has a comma.
    pub fn listed(&self, span: Range<usize>) -> Vec<Range<usize>> {
        let Some(tokens) = self.tokens.get(span.clone()) else { return Vec::new() };
        if tokens.iter().any(|token| token.word.is_empty()) && tokens.iter().any(|token| !token.word.is_empty()) {
            return Vec::new();
        }
        let gap = |at: usize| self.text.get(self.tokens[at - 1].range.end..self.tokens[at].range.start).unwrap_or("");
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
        if is_list && parts.iter().all(|part| is_short(part) && is_thing(part)) { parts } else { Vec::new() }
    }

    fn is_date(&self, span: &Range<usize>) -> bool {
        let words = &self.tokens[span.clone()];
        DAYS_AND_MONTHS.contains(&words[0].word.as_str())
            || words.iter().all(|token| !token.word.starts_with(char::is_alphabetic))
    }

    /// The places that the words in `span` name one by one, as in "the first and the third one"; nothing if there is
    /// any other word among them.
    pub fn places(&self, span: Range<usize>) -> Vec<u32> {
        let mut places: Vec<u32> = Vec::new();
        let mut after_number = false;
        for token in self.tokens.get(span).unwrap_or_default() {
            let word = token.word.as_str();
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

    /// Whether it ends with a question mark.
    pub fn is_question(&self) -> bool {
        self.text.trim_end().ends_with('?')
    }
}

/// A comma before a command about what was just named parts two sentences: "I'm out of milk, add it to the list".
fn part_before_pronouns(tokens: &mut [Token], text: &str) {
    for at in 1..tokens.len().saturating_sub(1) {
        let begins =
            POINTING_VERBS.contains(&tokens[at].word.as_str()) && PRONOUNS.contains(&tokens[at + 1].word.as_str());
        let gap = text.get(tokens[at - 1].range.end..tokens[at].range.start).unwrap_or("");
        tokens[at].begins_sentence |= begins && gap.contains(',');
    }
}

fn push(tokens: &mut Vec<Token>, text: &str, before: usize, range: Range<usize>, words: Vec<String>) {
    let gap = &text[before..range.start];
    let previous = tokens.last().map_or("", |token| token.word.as_str());
    let begins_sentence = tokens.is_empty() || ends_sentence(gap, previous, words.first().map_or("", String::as_str));
    // "10:30" is one thing, "task:buy" is two.
    let is_time = gap == ":" && text[range.start..].starts_with(|c: char| c.is_ascii_digit());
    let mut glued = !tokens.is_empty() && (is_time || !gap.contains(separates));
    let mut begins_sentence = begins_sentence;
    for word in words {
        tokens.push(Token { word, range: range.clone(), glued, begins_sentence });
        // In "that's done" and "the last one's done" a phrase ends before the "is".
        glued = !IS_HOSTS.contains(&tokens[tokens.len() - 1].word.as_str());
        begins_sentence = false;
    }
}

fn is_word_character(c: char) -> bool {
    c.is_alphanumeric() || !(c.is_ascii() || c.is_whitespace() || c.is_control() || is_punctuation(c))
}

/// The marks outside ASCII that people put between words.
fn is_punctuation(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{206F}' | '«' | '»' | '·' | '¿' | '¡' | '、' | '。' | '\u{FEFF}')
}

/// Whether two words with `c` between them are two.
fn separates(c: char) -> bool {
    c.is_whitespace() || matches!(c, ':' | ';' | ',' | '!' | '?' | '"' | '“' | '”' | '(' | ')' | '—' | '–' | '…')
}

/// Whether the gap behind the word `previous` ends a sentence. A full stop behind up to three letters is taken for
/// an abbreviation, as in "Dr. Smith". A comma ends one where the next word leads to something new.
fn ends_sentence(gap: &str, previous: &str, next: &str) -> bool {
    gap.contains('\n')
        || (gap.starts_with(',') && ["so", "but", "please", "can", "could"].contains(&next))
        || (gap.ends_with(char::is_whitespace)
            && (gap.contains(['!', '?', ';', '…']) || (gap.contains('.') && previous.chars().count() > 3)))
}

/// The end of the passage whose opening quote is at `start`. A passage is closed, not empty, and stands by itself.
fn quoted_passage(text: &str, start: usize) -> Option<usize> {
    let opening = text[start..].chars().next()?;
    let (_, closing) = *QUOTES.iter().find(|(open, _)| *open == opening)?;
    if text[..start].chars().next_back().is_some_and(char::is_alphanumeric) {
        return None;
    }
    let inner = start + opening.len_utf8();
    let ends_here = |(i, c): &(usize, char)| {
        *c == closing && !text[inner + i + c.len_utf8()..].chars().next().is_some_and(char::is_alphanumeric)
    };
    let (length, _) = text[inner..].char_indices().find(ends_here)?;
    let passage = &text[inner..inner + length];
    (!passage.trim().is_empty()).then_some(inner + length + closing.len_utf8())
}

fn inside_quotes(passage: &str) -> &str {
    let mut inner = passage.chars();
    inner.next();
    inner.next_back();
    inner.as_str().trim()
}

fn without_frame_punctuation(written: &str) -> &str {
    let start =
        written.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '.' | '!' | '?'));
    let start = start.strip_prefix(['-', '–', '—']).filter(|rest| rest.starts_with(' ')).unwrap_or(start).trim_start();
    let mut end = start;
    loop {
        let shorter =
            end.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '!' | '?' | '…'));
        // The full stop of "5 p.m." and "etc." belongs to the word.
        let shorter = match shorter.strip_suffix('.') {
            Some(rest) if !rest.rsplit(char::is_whitespace).next().unwrap_or("").contains('.') => rest,
            Some(_) | None => shorter,
        };
        if shorter.len() == end.len() {
            return whole_if_quoted(end);
        }
        end = shorter;
    }
}

/// Phrases such as `“buy milk”!` where the passage is not the only token.
fn whole_if_quoted(written: &str) -> &str {
    match quoted_passage(written, 0) {
        Some(end) if end == written.len() => inside_quotes(written),
        Some(_) | None => written,
    }
}

fn words_of(piece: &str) -> Vec<String> {
    let word = Folded::new(piece).as_str().replace(['’', 'ʼ', '‘', '´'], "'");
    if let Some((_, words)) = RUN_TOGETHER.iter().find(|(written, _)| *written == word) {
        return words.iter().map(|&w| w.to_owned()).collect();
    }
    match word.as_str() {
        "can't" => return vec!["can".to_owned(), "not".to_owned()],
        "won't" => return vec!["will".to_owned(), "not".to_owned()],
        "let's" => return vec!["let".to_owned(), "us".to_owned()],
        _ => {}
    }
    if let Some(host) = word.strip_suffix("'s").filter(|host| IS_HOSTS.contains(host)) {
        return vec![host.to_owned(), "is".to_owned()];
    }
    for (ending, meaning) in ENDINGS {
        if let Some(host) = word.strip_suffix(ending).filter(|host| !host.is_empty()) {
            return vec![host.to_owned(), (*meaning).to_owned()];
        }
    }
    vec![word]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Sentence::read(text).tokens.into_iter().map(|token| token.word).collect()
    }

    #[test]
    fn contractions_are_written_out_whatever_the_apostrophe() {
        for text in ["What's left?", "what’s LEFT", "whats left", "what is left"] {
            assert_eq!(words(text), ["what", "is", "left"], "{text}");
        }
        assert_eq!(words("I don’t, can't and won't"), ["i", "do", "not", "can", "not", "and", "will", "not"]);
        assert_eq!(words("Mom's to-do"), ["mom's", "to", "do"]);
    }

    #[test]
    fn what_was_written_comes_back_without_the_marks_around_it() {
        for (text, written) in [
            ("add: Call Mom!", "Call Mom"),
            ("add  - C++ & C#.", "C++ & C#"),
            ("add $5 lunch (with Bob)", "$5 lunch (with Bob)"),
            ("add meet at 5 p.m.", "meet at 5 p.m."),
            ("add 🥛 and 🧑\u{200D}🚀", "🥛 and 🧑\u{200D}🚀"),
            ("add “What now?”", "What now?"),
            ("add 'the kids' toys", "'the kids' toys"),
        ] {
            let sentence = Sentence::read(text);
            assert_eq!(sentence.written(1..sentence.tokens.len()), written, "{text}");
        }
    }

    #[test]
    fn a_quoted_passage_is_one_token_that_is_no_word() {
        assert_eq!(words("add \"milk to my list\" now"), ["add", "", "now"]);
        assert_eq!(words("the dog's and the cats' food"), ["the", "dog's", "and", "the", "cats", "food"]);
    }

    #[test]
    fn hyphenated_words_hang_together() {
        let sentence = Sentence::read("check-in at 10:30, check in");
        let glued: Vec<_> = sentence.tokens.iter().map(|token| token.glued).collect();
        assert_eq!(glued, [false, true, false, false, true, false, false]);
    }

    #[test]
    fn sentences_end_at_marks_and_line_ends_but_not_at_abbreviations() {
        let sentence = Sentence::read("Done! Call Dr. Smith; then rest.\nthanks");
        let parts: Vec<_> = sentence.sentences().into_iter().map(|span| sentence.written(span)).collect();
        assert_eq!(parts, ["Done", "Call Dr. Smith", "then rest", "thanks"]);
    }
}

//! The text of a message as words with their positions.
//!
//! Words are for recognizing commands: case-folded, with contractions written out. Titles and names never come from them
//! but from the original text between two words ([`Sentence::written`]), so they stay as they were written.

mod contractions;
mod enumeration;
mod punctuation;
mod quotes;

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;

use self::contractions::{IS_HOSTS, words_of};
pub(super) use self::enumeration::Enumeration;
use self::punctuation::{ends_sentence, inside_quotes, is_word_character, separates, without_frame_punctuation};
use self::quotes::Quotes;
use super::lexicon;

/// Maximum number of words of a message that is not a pasted list. A title has at most 500 characters.
pub(super) const MAX_WORDS: usize = 250;

/// One word, or one quoted passage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// The word as the grammar knows words: folded, with `'` as its only apostrophe. Empty for a quoted passage,
    /// which is never a word of a command.
    pub word: String,
    /// Where it stands, in bytes of the original text.
    pub range: Range<usize>,
    /// What belongs to it: the range, and the marks around it up to the words or fillers on both sides.
    reach: Range<usize>,
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

/// Signs that stand for "becomes".
const ARROWS: &[&str] = &["->", "=>", "→", "= "];

impl<'t> Sentence<'t> {
    /// Cuts `text` into words.
    pub fn read(text: &'t str) -> Self {
        let mut tokens: Vec<Token> = Vec::new();
        let mut quotes = Quotes::default();
        let mut quoted_until = 0;
        let mut filler = None;
        for (start, piece) in text.split_word_bound_indices() {
            if start < quoted_until {
                continue;
            }
            let before = tokens.last().map_or(0, |token| token.range.end);
            if let Some(end) = quotes.passage(text, start) {
                push(&mut tokens, text, before, start..end, vec![String::new()]);
                reach_from(&mut tokens, &mut filler);
                quoted_until = end;
            } else if let Some(arrow) = ARROWS.iter().find(|arrow| text[start..].starts_with(**arrow)) {
                push(&mut tokens, text, before, start..start + arrow.len(), vec!["→".to_owned()]);
                reach_from(&mut tokens, &mut filler);
                quoted_until = start + arrow.len();
            } else if lexicon::FILLERS.contains(&piece.to_lowercase()) {
                let end = start + piece.len();
                filler = Some(filler.map_or(start..end, |begun: Range<usize>| begun.start..end));
            } else if piece.chars().any(is_word_character) {
                push(&mut tokens, text, before, start..start + piece.len(), words_of(piece));
                reach_from(&mut tokens, &mut filler);
            }
        }
        if let (Some(last), Some(filler)) = (tokens.last_mut(), filler) {
            last.reach.end = filler.start;
        }
        split_is(&mut tokens, text);
        part_before_pronouns(&mut tokens, text);
        Self { text, tokens }
    }

    /// The words.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The text.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// The span of all words.
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
        let Some(last) = span.end.checked_sub(1).and_then(|i| self.tokens.get(i)) else { return "" };
        let (from, to) = (first.reach.start, last.reach.end.max(first.reach.start));
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
        span.len() > 1 && self.gap_before(span.start + 1).starts_with(',')
    }

    /// Whether a comma or another mark separates the word at `at` from the one before.
    pub fn is_behind_comma(&self, at: usize) -> bool {
        self.gap_before(at).contains([',', ';', '.', '!', '?', '—', '–']) || self.gap_before(at).contains(" - ")
    }

    /// Whether a semicolon or a line break separates the word at `at` from the one before.
    pub fn is_behind_semicolon(&self, at: usize) -> bool {
        self.gap_before(at).contains([';', '\n'])
    }

    /// Whether a colon stands before the word at `at`, as in "task: buy milk".
    pub fn is_behind_colon(&self, at: usize) -> bool {
        let gap = self.gap_before(at);
        gap.contains(':') || gap.contains(" - ")
    }

    /// Whether the words before the one at `at` are a label: a colon and white space stand between.
    pub fn is_behind_label(&self, at: usize) -> bool {
        !self.tokens[at].glued && self.gap_before(at).contains(':')
    }

    /// Whether the words in `span` are a label: a colon and white space stand behind them.
    pub fn is_label(&self, span: &Range<usize>) -> bool {
        span.end < self.tokens.len() && self.is_behind_label(span.end)
    }

    /// Where a part of the message may begin besides its first word: behind a sentence, a comma, or before a word such as
    /// "and". With each goes whether a sentence begins there.
    pub fn joints(&self) -> Vec<(usize, bool)> {
        let mut joints = Vec::new();
        for at in 1..self.tokens.len() {
            let token = &self.tokens[at];
            let gap = self.gap_before(at);
            let is_joined = gap.contains([',', ';', '—', '–'])
                || gap.contains(" - ")
                || lexicon::CONJUNCTIONS.contains(&token.word);
            if token.begins_sentence || (is_joined && !token.glued) {
                joints.push((at, token.begins_sentence));
            }
        }
        joints
    }

    /// Whether it ends with a question mark.
    pub fn is_question(&self) -> bool {
        self.text.trim_end().ends_with('?')
    }
}

/// Writes out the "is" in "the laundry's done" and "the dog's been fed", which is no possessive there.
fn split_is(tokens: &mut Vec<Token>, text: &str) {
    let mut at = 0;
    while at + 1 < tokens.len() {
        let next = &tokens[at + 1].word;
        let is_state = lexicon::STATES.contains(next) || (next.len() > 4 && next.ends_with("ed"));
        if is_state && let Some(host) = tokens[at].word.strip_suffix("'s").map(str::to_owned) {
            let range = tokens[at].range.clone();
            let written = &text[range.clone()];
            let apostrophe = range.start + written.rfind(|c: char| !c.is_alphanumeric()).unwrap_or(written.len());
            let mut is = Token { word: "is".to_owned(), glued: false, begins_sentence: false, ..tokens[at].clone() };
            (is.range.start, is.reach.start) = (apostrophe, apostrophe);
            (tokens[at].range.end, tokens[at].reach.end) = (apostrophe, apostrophe);
            tokens[at].word = host;
            tokens.insert(at + 1, is);
            at += 1;
        }
        at += 1;
    }
}

/// A comma before a command about what was just named separates two sentences: "I'm out of milk, add it to the list".
fn part_before_pronouns(tokens: &mut [Token], text: &str) {
    for at in 1..tokens.len().saturating_sub(1) {
        let points = |at: usize| {
            matches!(tokens.get(at..at + 2), Some([verb, object])
                if lexicon::POINTING_VERBS.contains(&verb.word) && lexicon::PRONOUNS.contains(&object.word))
        };
        let gap = text.get(tokens[at - 1].range.end..tokens[at].range.start).unwrap_or("");
        let mut begins = gap.contains(',') && points(at);
        // "... so mark it as done" does without the comma.
        if tokens[at].word == "so" {
            let polite = tokens[at + 1..].iter().take_while(|token| lexicon::POLITE.contains(&token.word)).count();
            begins |= points(at + 1 + polite);
        }
        tokens[at].begins_sentence |= begins;
    }
}

/// Where the word that was just pushed begins to reach, and the one before it ends: at the fillers between the two.
fn reach_from(tokens: &mut [Token], filler: &mut Option<Range<usize>>) {
    let Some(range) = tokens.last().map(|token| token.range.clone()) else { return };
    // A contraction is several words at one place.
    let first = tokens.iter().rposition(|token| token.range != range).map_or(0, |previous| previous + 1);
    let gap = filler.take();
    if let Some(gap) = &gap {
        for token in &mut tokens[first..] {
            token.reach.start = gap.end;
        }
    }
    if let Some(previous) = first.checked_sub(1) {
        tokens[previous].reach.end = gap.map_or(range.start, |gap| gap.start);
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
        let reach = before..text.len();
        tokens.push(Token { word, range: range.clone(), reach, glued, begins_sentence });
        // In "that's done" and "the last one's done" a phrase ends before the "is".
        glued = !IS_HOSTS.contains(&tokens[tokens.len() - 1].word.as_str());
        begins_sentence = false;
    }
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
    fn fillers_belong_to_no_word_and_to_no_title() {
        let sentence = Sentence::read("um, add uh batteries, hmm to my list er");
        assert_eq!(
            sentence.tokens.iter().map(|token| token.word.as_str()).collect::<Vec<_>>(),
            ["add", "batteries", "to", "my", "list"]
        );
        assert_eq!(sentence.written(1..2), "batteries");
        assert_eq!(sentence.written(sentence.all()), "add uh batteries, hmm to my list");
        assert!(Sentence::read("uh um hmm").tokens.is_empty());
    }

    #[test]
    fn a_command_about_what_was_just_named_is_a_sentence() {
        let parts = |text| {
            let sentence = Sentence::read(text);
            sentence.sentences().into_iter().map(|span| sentence.written(span)).collect::<Vec<_>>()
        };
        assert_eq!(parts("I'm out of milk, add it to the list"), ["I'm out of milk", "add it to the list"]);
        assert_eq!(parts("did the dishes so mark that as done"), ["did the dishes", "so mark that as done"]);
        assert_eq!(parts("add buy milk and put it in the fridge"), ["add buy milk and put it in the fridge"]);
    }

    #[test]
    fn a_label_ends_with_a_colon_or_a_dash() {
        for (text, is_label) in [("task: tea", true), ("task - tea", true), ("task tea", false), ("task-tea", false)] {
            assert_eq!(Sentence::read(text).is_behind_colon(1), is_label, "{text}");
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

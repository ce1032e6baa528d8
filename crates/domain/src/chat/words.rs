//! Texts as words, and phrases that are looked for among them. What `grounding` and `consent` have in common.
//!
//! Deliberately not here: any word of any language. Those are in the tables of the two.

use std::collections::HashSet;
use std::iter;

use unicode_general_category::{GeneralCategory, get_general_category};

use crate::text::is_invisible;

/// Stands for a title or a quotation: data, whose words say nothing.
pub(super) const BLANK: char = '\u{FFFC}';

/// How many words `..` and `...` in a phrase may stand for.
const SHORT_GAP: usize = 3;
const LONG_GAP: usize = 14;

/// The keycap, which turns a digit into an emoji.
const KEYCAP: char = '\u{20E3}';

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A word. Scripts that are written without spaces (Han, kana, Hangul) have one in every character.
    Word(String),
    /// What parts words: punctuation, a symbol, a line break. Spaces, apostrophes and quotation marks are left out,
    /// and so are full stops and hyphens inside words.
    Mark(char),
}

/// Splits a folded text.
pub(super) fn tokens(folded: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut word = String::new();
    let mut characters = folded.chars().peekable();
    let mut before = ' ';
    while let Some(c) = characters.next() {
        let next = characters.peek().copied().unwrap_or(' ');
        if is_in_word(c) && !is_word_of_its_own(c) {
            word.push(c);
        } else if !is_invisible(c) || c.is_whitespace() {
            if !word.is_empty() {
                found.push(Token::Word(std::mem::take(&mut word)));
            }
            if is_word_of_its_own(c) {
                found.push(Token::Word(c.to_string()));
            } else if is_mark(c, before, next) {
                found.push(Token::Mark(c));
            }
        }
        before = c;
    }
    if !word.is_empty() {
        found.push(Token::Word(word));
    }
    found
}

fn is_in_word(c: char) -> bool {
    let is_accent = || {
        use GeneralCategory::{EnclosingMark, NonspacingMark, SpacingMark};
        matches!(get_general_category(c), NonspacingMark | SpacingMark | EnclosingMark)
    };
    c.is_alphanumeric() || c == BLANK || (!is_invisible(c) && c != KEYCAP && is_accent())
}

fn is_word_of_its_own(c: char) -> bool {
    matches!(c,
        BLANK
            | '\u{3005}'..='\u{3007}'   // 々 〆 〇
            | '\u{3040}'..='\u{30FF}'   // hiragana, katakana
            | '\u{3400}'..='\u{4DBF}'
            | '\u{4E00}'..='\u{9FFF}'   // Han
            | '\u{AC00}'..='\u{D7AF}'   // Hangul
            | '\u{F900}'..='\u{FAFF}'
            | '\u{20000}'..='\u{3FFFF}'
    ) && c != '\u{30FB}'
}

fn is_mark(c: char, before: char, next: char) -> bool {
    match c {
        '\n' => true,
        '\'' | '’' | '‘' | '"' | '“' | '”' | '„' | '«' | '»' | '`' | '*' | '_' | '「' | '」' | '『' | '』' => {
            false
        }
        '.' => !next.is_alphanumeric(),
        // "1-3" is a range, "to-do" is a word.
        '-' => {
            !(before.is_alphanumeric() && next.is_alphanumeric()) || before.is_ascii_digit() && next.is_ascii_digit()
        }
        _ => !c.is_whitespace() && !is_invisible(c) && !is_in_word(c) && !is_skin_tone(c) && c != KEYCAP,
    }
}

fn is_skin_tone(c: char) -> bool {
    ('\u{1F3FB}'..='\u{1F3FF}').contains(&c)
}

/// A phrase to look for. It is written as words with spaces between them, where
///
/// | writing | stands for |
/// |---|---|
/// | `add` | the word; all text is folded first, as the text is that it is compared with |
/// | `add*` | a word that begins so |
/// | `add\|put\|write-down` | any of these; `-` and `'` part the words of one of them |
/// | `[please\|kindly]` | any of these or nothing |
/// | `{just\|now}` | any number of these, also none |
/// | `<name>` | the alternatives of that name (see [`Phrase::read`]); may stand inside the others |
/// | `□` | a title or quotation |
/// | `..`, `...` | up to 3, up to 14 words of any kind |
/// | `^`, `$` | the beginning and the end of the words |
/// | `!` | their end, if they are said there and head nothing |
#[derive(Clone, Debug)]
pub(super) struct Phrase {
    items: Vec<Item>,
    /// The words with which the phrase can begin, if they can be told. It saves most of the looking.
    begins_with: Option<HashSet<String>>,
}

#[derive(Clone, Debug)]
enum Item {
    Start,
    End,
    SaidEnd,
    Gap(usize),
    AnyOf { alternatives: Vec<Vec<Word>>, least: usize, most: usize },
}

#[derive(Clone, Debug)]
enum Word {
    Is(String),
    Begins(String),
}

impl Word {
    fn fits(&self, word: &str) -> bool {
        match self {
            Self::Is(own) => own == word,
            Self::Begins(own) => word.starts_with(own.as_str()),
        }
    }
}

/// Words to look into.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    pub words: &'a [&'a str],
    /// Whether they are said, and are not a heading or a cell of a table.
    pub is_said: bool,
}

impl Phrase {
    /// Reads the writing of a phrase. `classes` are the alternatives that have a name, `fold` is what was done to the
    /// text. A name that is in no class stands for itself and is never found.
    pub(super) fn read(writing: &str, classes: &[(&str, &str)], fold: fn(&str) -> String) -> Self {
        let written = classes
            .iter()
            .fold(writing.to_owned(), |so_far, (name, words)| so_far.replace(&format!("<{name}>"), words));
        let items: Vec<Item> = written.split_whitespace().map(|item| Item::read(item, fold)).collect();
        Self { begins_with: begins_with(&items), items }
    }

    /// Reads several.
    pub(super) fn read_all(writings: &[&str], classes: &[(&str, &str)], fold: fn(&str) -> String) -> Vec<Self> {
        writings.iter().map(|writing| Self::read(writing, classes, fold)).collect()
    }

    /// Where the phrase ends if it begins with the word at `at`. Of several ends it is the one with the most words for
    /// the optional items and the fewest for the gaps.
    pub(super) fn end(&self, span: Span<'_>, at: usize) -> Option<usize> {
        let may_begin = |words: &HashSet<String>| span.words.get(at).is_some_and(|word| words.contains(*word));
        if self.begins_with.as_ref().is_some_and(|words| !may_begin(words)) {
            return None;
        }
        end(&self.items, span, at)
    }

    /// The first place of the phrase: where it begins and where it ends.
    pub(super) fn find(&self, span: Span<'_>) -> Option<(usize, usize)> {
        self.places(span).next()
    }

    /// Every place where the phrase begins, with its end.
    pub(super) fn places<'p>(&'p self, span: Span<'p>) -> impl Iterator<Item = (usize, usize)> + 'p {
        let last = if matches!(self.items.first(), Some(Item::Start)) { 0 } else { span.words.len() };
        (0..=last).filter_map(move |at| self.end(span, at).map(|end| (at, end)))
    }
}

impl Item {
    fn read(item: &str, fold: fn(&str) -> String) -> Self {
        let inside = |open, close| item.strip_prefix(open).and_then(|rest: &str| rest.strip_suffix(close));
        let (words, least, most) = match item {
            "^" => return Self::Start,
            "$" => return Self::End,
            "!" => return Self::SaidEnd,
            ".." => return Self::Gap(SHORT_GAP),
            "..." => return Self::Gap(LONG_GAP),
            _ => match (inside('[', ']'), inside('{', '}')) {
                (Some(words), _) => (words, 0, 1),
                (_, Some(words)) => (words, 0, usize::MAX),
                _ => (item, 1, 1),
            },
        };
        let mut alternatives: Vec<Vec<Word>> = words.split('|').map(|words| alternative(words, fold)).collect();
        // The longest first: what follows "get" must not be looked for behind the "get" of "get rid of".
        alternatives.sort_by_key(|words| std::cmp::Reverse(words.len()));
        Self::AnyOf { alternatives, least, most }
    }
}

fn alternative(words: &str, fold: fn(&str) -> String) -> Vec<Word> {
    let one = |word: &str| -> Vec<Word> {
        let (stem, begins) = word.strip_suffix('*').map_or((word, false), |stem| (stem, true));
        let stem = fold(&stem.replace('□', &BLANK.to_string()));
        let mut words: Vec<Word> = tokens(&stem)
            .into_iter()
            .map(|token| match token {
                Token::Word(word) => Word::Is(word),
                Token::Mark(mark) => Word::Is(mark.to_string()),
            })
            .collect();
        if begins && let Some(Word::Is(last)) = words.pop() {
            words.push(Word::Begins(last));
        }
        words
    };
    match words {
        "-" => vec![Word::Is("-".to_owned())],
        _ => words.split('-').flat_map(one).collect(),
    }
}

fn begins_with(items: &[Item]) -> Option<HashSet<String>> {
    let first = items.iter().find(|item| !matches!(item, Item::Start))?;
    let Item::AnyOf { alternatives, least: 1.., .. } = first else { return None };
    let word = |words: &Vec<Word>| match words.first() {
        Some(Word::Is(word)) => Some(word.clone()),
        Some(Word::Begins(_)) | None => None,
    };
    alternatives.iter().map(word).collect()
}

fn end(items: &[Item], span: Span<'_>, at: usize) -> Option<usize> {
    let Some((item, rest)) = items.split_first() else { return Some(at) };
    let at_end = at == span.words.len();
    match item {
        Item::Start => (at == 0).then(|| end(rest, span, at))?,
        Item::End => at_end.then(|| end(rest, span, at))?,
        Item::SaidEnd => (at_end && span.is_said).then(|| end(rest, span, at))?,
        Item::Gap(most) => (at..=span.words.len().min(at + most)).find_map(|at| end(rest, span, at)),
        Item::AnyOf { alternatives, least, most } => any_of(alternatives, (*least, *most), rest, span, at),
    }
}

fn any_of(
    alternatives: &[Vec<Word>],
    (least, most): (usize, usize),
    rest: &[Item],
    span: Span<'_>,
    at: usize,
) -> Option<usize> {
    let fits = |words: &[Word]| {
        let there = span.words.get(at..at + words.len())?;
        iter::zip(words, there).all(|(word, there)| word.fits(there)).then_some(at + words.len())
    };
    let further = alternatives.iter().filter(|_| most > 0).filter_map(|words| fits(words)).find_map(|next| {
        // An alternative without a word would go on forever.
        if next == at { None } else { any_of(alternatives, (least.saturating_sub(1), most - 1), rest, span, next) }
    });
    further.or_else(|| (least == 0).then(|| end(rest, span, at))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Folded;

    fn fold(text: &str) -> String {
        Folded::new(text).as_str().to_owned()
    }

    fn in_short(text: &str) -> String {
        let short = |token: &Token| match token {
            Token::Word(word) => word.clone(),
            Token::Mark('\n') => "⏎".to_owned(),
            Token::Mark(mark) => format!("<{mark}>"),
        };
        tokens(&fold(text)).iter().map(short).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn texts_are_split_into_words_and_what_parts_them() {
        for (text, expected) in [
            ("I've added it.", "i ve added it <.>"),
            ("a to-do, 1-3 - 5.30!", "a to do <,> 1 <-> 3 <-> 5 30 <!>"),
            ("a\nb", "a ⏎ b"),
            ("删除了。OK", "删 除 了 <。> ok"),
            ("जोड़ दिया", "जोड\u{93C} दिया"),
            ("2️⃣ 👍🏽 zero\u{200B}width", "2 <👍> zerowidth"),
            ("“x” (done)", "x <(> done <)>"),
        ] {
            assert_eq!(in_short(text), expected, "{text}");
        }
    }

    #[test]
    fn phrases_are_found_as_they_are_written() {
        for (phrase, text, found) in [
            ("get-rid-of|get it", "get rid of it", Some((0, 4))),
            ("get-rid-of|get it", "so get it", Some((1, 3))),
            ("i [have] {just|now} add*", "i have now just added milk", Some((0, 5))),
            ("i [have] {just|now} add*", "i add milk", Some((0, 2))),
            ("i [have] {just|now} add*", "i must add milk", None),
            ("a .. z", "a b c d z", Some((0, 5))),
            ("a .. z", "a b c d e z", None),
            ("^ b", "a b", None),
            ("a $", "a b", None),
            ("b $", "a b", Some((1, 2))),
            ("<verb> 了", "我删除了", Some((1, 4))),
            ("d'accord", "d’accord", Some((0, 2))),
            ("1 - 3", "1-3", Some((0, 3))),
        ] {
            let phrase_read = Phrase::read(phrase, &[("verb", "添加|删除")], fold);
            let tokens = tokens(&fold(text));
            let words: Vec<String> = tokens
                .into_iter()
                .map(|token| match token {
                    Token::Word(word) => word,
                    Token::Mark(mark) => mark.to_string(),
                })
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            assert_eq!(phrase_read.find(Span { words: &words, is_said: false }), found, "{phrase} in {text}");
        }
    }

    #[test]
    fn a_heading_does_not_end_like_what_is_said() {
        let phrase = Phrase::read("done !", &[], fold);
        assert_eq!(phrase.find(Span { words: &["done"], is_said: true }), Some((0, 1)));
        assert_eq!(phrase.find(Span { words: &["done"], is_said: false }), None);
    }
}

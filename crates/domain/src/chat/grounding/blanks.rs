//! What in an assistant's text is data and not its own words: titles and quotations. They are replaced by a blank.
//!
//! Deliberately not here: what the remaining words claim.

use crate::text::Folded;

use super::super::words::BLANK;

/// The longest quotation, in characters: a title has at most 500. A lone quotation mark must not swallow the text.
const MOST_QUOTED: usize = 520;

/// Where quotations begin and how they may end.
const QUOTES: &[(char, &[char])] = &[
    ('“', &['”', '“', '"']),
    ('”', &['”']),
    ('„', &['“', '”', '"', '„']),
    ('«', &['»']),
    ('»', &['«', '»']),
    ('"', &['"', '”']),
    ('`', &['`']),
    ('「', &['」']),
    ('『', &['』']),
    ('《', &['》']),
    ('\'', &['\'', '’']),
    ('‘', &['’', '\'', '‘']),
    ('‚', &['‘', '’']),
];

/// Folds `text` and blanks the quotations and the `titles` in it.
///
/// A title of one word is blanked only where it is all that an item of a list says: "Done" is also a word of the
/// assistant's own.
pub(super) fn blank(text: &str, titles: &[&str]) -> String {
    let folded = Folded::new(text);
    let mut titles: Vec<Folded> = titles.iter().map(|title| Folded::new(title.trim())).collect();
    titles.sort_by_key(|title| std::cmp::Reverse(title.as_str().len()));
    titles.dedup();
    let unwrapped = unwrapped(folded.as_str());
    let lines = unwrapped.lines().map(|line| {
        let (bullet, rest) = line.split_at(bullet(line));
        let is_title = |said: &str| titles.iter().any(|title| title.as_str() == said);
        // "(done)" and its like may follow.
        let said =
            rest.split(" (").next().unwrap_or(rest).trim_matches(|c: char| c.is_whitespace() || "*_`".contains(c));
        if !bullet.is_empty() && is_title(said) {
            return format!("{bullet}{}", rest.replacen(said, &BLANK.to_string(), 1));
        }
        let of_words = titles.iter().filter(|title| title.as_str().contains(char::is_whitespace));
        // Titles first: one may have a quotation mark in it.
        format!(
            "{bullet}{}",
            without_quotes(&of_words.fold(rest.to_owned(), |line, title| without(&line, title.as_str())))
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The length of what makes a line an item of a list, in bytes: `- `, `* `, `• `, `1. `, `2) `, `[x] `; 0 if nothing does.
pub(super) fn bullet(line: &str) -> usize {
    let mut rest = line.trim_start();
    loop {
        let before = rest.len();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let mark = ["- ", "* ", "+ ", "• ", "· ", "– ", "— ", "▪ ", "◦ ", "[x] ", "[ ] ", "☑ ", "☐ "];
        if let Some(after) = mark.iter().find_map(|mark| rest.strip_prefix(mark)) {
            rest = after.trim_start();
        } else if digits > 0
            && let Some(after) = rest[digits..].strip_prefix([')', '.'])
            && (after.is_empty() || after.starts_with(char::is_whitespace))
        {
            rest = after.trim_start();
        }
        if rest.len() == before {
            break;
        }
    }
    // Indentation alone is no bullet.
    if rest.len() == line.trim_start().len() { 0 } else { line.len() - rest.len() }
}

/// `text` without the quotation marks around all of it.
fn unwrapped(text: &str) -> &str {
    let trimmed = text.trim();
    let mut inside = trimmed.chars();
    let (first, last) = (inside.next(), inside.next_back());
    let pair = QUOTES.iter().find(|(open, _)| Some(*open) == first);
    let closes = pair.is_some_and(|(_, close)| last.is_some_and(|last| close.contains(&last)));
    let said = inside.as_str();
    // Of a short text, its end tells a sentence from a title.
    let is_sentence = said.ends_with(['.', '!', '。', '।']);
    if closes && is_sentence && !said.contains(|c| Some(c) == first || Some(c) == last) { said } else { text }
}

/// `line` with every `title` in it blanked, where it stands as words of its own.
fn without(line: &str, title: &str) -> String {
    if title.is_empty() {
        return line.to_owned();
    }
    let mut kept = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(title) {
        let (before, from) = rest.split_at(at);
        let after = &from[title.len()..];
        let joins = |inner: Option<char>, outer: Option<char>| {
            inner.is_some_and(char::is_alphanumeric) && outer.is_some_and(char::is_alphanumeric)
        };
        let inside_word = joins(title.chars().next(), before.chars().next_back().or(kept.chars().next_back()))
            || joins(title.chars().next_back(), after.chars().next());
        kept.push_str(before);
        if inside_word {
            kept.push_str(title);
        } else {
            kept.push(BLANK);
        }
        rest = after;
    }
    kept + rest
}

fn without_quotes(line: &str) -> String {
    let mut kept = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let before = kept.chars().next_back();
        if let Some(length) = quotation(rest, before).or_else(|| bold(rest)) {
            kept.push(BLANK);
            rest = &rest[length..];
        } else {
            kept.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    kept
}

/// The length in bytes of the quotation that begins `rest`, its marks included.
pub(in crate::chat) fn quotation(rest: &str, before: Option<char>) -> Option<usize> {
    let mut characters = rest.char_indices();
    let (_, open) = characters.next()?;
    let (_, closes) = QUOTES.iter().find(|(mark, _)| *mark == open)?;
    // A single mark is an apostrophe more often than not.
    let is_single = matches!(open, '\'' | '‘' | '‚');
    if is_single && before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let mut last = open;
    for (at, c) in characters.take(MOST_QUOTED) {
        let end = at + c.len_utf8();
        let is_apostrophe =
            is_single && (last.is_whitespace() || rest[end..].chars().next().is_some_and(char::is_alphanumeric));
        if closes.contains(&c) && !is_apostrophe {
            // Nothing between the marks is no quotation.
            return (last != open || at > open.len_utf8()).then_some(end);
        }
        last = c;
    }
    None
}

/// The length in bytes of the words in bold that begin `rest`, if they look like a title: several words without a
/// full stop. "**Done!**" and "**Added:** milk" are the assistant's own words.
fn bold(rest: &str) -> Option<usize> {
    let mark = ["**", "__"].into_iter().find(|mark| rest.starts_with(mark))?;
    let inside = &rest[mark.len()..];
    let length = inside.find(mark)?;
    let words = inside[..length].trim();
    let is_title = words.contains(char::is_whitespace) && !words.ends_with(['.', '!', '?', ':', '✅']);
    is_title.then_some(length + 2 * mark.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, titles: &[&str]) -> String {
        blank(text, titles).replace(BLANK, "□")
    }

    #[test]
    fn quotations_are_blanked() {
        for (text, expected) in [
            ("Added “buy milk” now", "added □ now"),
            ("Task 'Ann's party' deleted", "task □ deleted"),
            ("I've said that it's “x”", "i've said that it's □"),
            ("„Milch“ «lait» \"a\" `b` 「牛乳」 ‘c’", "□ □ □ □ □ □"),
            ("the tasks' titles, the users' list", "the tasks' titles, the users' list"),
            ("**Buy oat milk** is open. **Done!** **Milk**", "□ is open. **done!** **milk**"),
            ("5\" pipe\n6\" pipe", "5\" pipe\n6\" pipe"),
            ("\"I have deleted it.\"", "i have deleted it."),
            ("“Deleted emails”", "□"),
        ] {
            assert_eq!(shown(text, &[]), expected, "{text}");
        }
    }

    #[test]
    fn titles_are_blanked_as_whole_words_however_they_are_written() {
        let titles = ["Deleted emails cleanup", "emails cleanup", "Done", ""];
        for (text, expected) in [
            ("- DELETED  emails", "- deleted  emails"),
            ("- Deleted Emails Cleanup (done)", "- □ (done)"),
            ("see deleted emails cleanup.", "see □."),
            ("seven emails cleanups", "seven emails cleanups"),
            ("1. Done\n2. **Done**\nDone.", "1. □\n2. **□**\ndone."),
        ] {
            assert_eq!(shown(text, &titles), expected, "{text}");
        }
    }

    #[test]
    fn bullets_of_every_kind_are_seen() {
        for (line, length) in [
            ("- a", 2),
            ("  * a", 4),
            ("12. a", 4),
            ("1) a", 3),
            ("- [x] a", 6),
            ("a", 0),
            ("  a", 0),
            ("2 a", 0),
            ("1.5", 0),
        ] {
            assert_eq!(bullet(line), length, "{line:?}");
        }
    }
}

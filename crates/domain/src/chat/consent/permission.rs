//! Whether a message itself asks, in so many words, for the deletion of each of several tasks.
//!
//! Deliberately not here: the words (`vocabulary.rs`), and the tasks that are not to be deleted: whether "milk" is clear
//! among all tasks is for the tools to say.

use super::super::words::{BLANK, Token, tokens};
use super::vocabulary::{Role, VOCABULARY};
use super::wish::{Wish, is_same};
use super::{NamedTask, plain};
use crate::text::Folded;

/// The most places that a range may name.
const MOST_PLACES: usize = 1000;

/// Something of the message that was blanked.
#[derive(Debug)]
enum Mention {
    /// The title of these tasks.
    Title(Vec<usize>),
    /// Quoted words that are no whole title.
    Quoted(Vec<String>),
}

/// Whether `user_text` explicitly asks to delete every one of `tasks`, which are all that the turn would delete: it has
/// a word of deletion and names each of them, by its title, by words that fit it alone, or by its place, or it says all
/// or both. "All" may be limited to what is done, what is open, or what has a certain word in its title; "both" is two.
/// A message that has a word which is not understood, denies, limits or excepts something is no consent.
pub(crate) fn permits_deletion(user_text: &str, tasks: &[NamedTask<'_>]) -> bool {
    let (text, mentions) = blanked(user_text, tasks);
    let titles: Vec<Vec<String>> = tasks.iter().map(|task| words_of(&plain(task.title))).collect();
    let words = tokens(&text).into_iter().map(|token| match token {
        Token::Word(word) => word,
        Token::Mark(mark) => mark.to_string(),
    });
    let words: Vec<String> = words.collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if tasks.is_empty() || VOCABULARY.limits(&words) || is_dictated(&words) {
        return false;
    }
    let mut wish = Wish::default();
    let mut mentions = mentions.iter();
    for sentence in words.split_inclusive(|word| is_end(word)) {
        let of_sentence = sentence.iter().filter(|word| is_blank(word)).count();
        let mentions: Vec<&Mention> = mentions.by_ref().take(of_sentence).collect();
        let mut reading =
            Reading { words: sentence, mentions, titles: &titles, wish: &mut wish, name: Vec::new(), at: 0 };
        if !reading.understands() {
            return false;
        }
    }
    wish.covers(tasks, &titles)
}

/// Whether the message dictates a title: "todo: delete all tasks" is something to be done later.
fn is_dictated(words: &[&str]) -> bool {
    const KINDS: &[&str] = &[
        "todo",
        "do",
        "task",
        "tasks",
        "item",
        "reminder",
        "note",
        "title",
        "aufgabe",
        "tâche",
        "tarea",
        "tarefa",
        "задача",
    ];
    words.windows(2).any(|pair| pair[1] == ":" && KINDS.contains(&pair[0]))
}

fn is_end(word: &str) -> bool {
    matches!(word, "." | "!" | "?" | ";" | "\n" | "。" | "؟" | "।" | "۔" | "…")
}

fn is_blank(word: &str) -> bool {
    word.starts_with(BLANK)
}

fn words_of(text: &str) -> Vec<String> {
    let word = |token| match token {
        Token::Word(word) => Some(word),
        Token::Mark(_) => None,
    };
    tokens(text).into_iter().filter_map(word).collect()
}

/// The message with whole titles and quotations blanked, and what stood there, in order.
fn blanked(user_text: &str, tasks: &[NamedTask<'_>]) -> (String, Vec<Mention>) {
    let folded = Folded::new(&user_text.replace(BLANK, " "));
    let titles: Vec<Folded> = tasks.iter().map(|task| Folded::new(task.title.trim())).collect();
    let with = |title: &str| titles_that_are(&titles, title);
    let (mut text, mut mentions) = (String::new(), Vec::new());
    let mut longest_first: Vec<Folded> = titles.clone();
    longest_first.sort_by_key(|title| std::cmp::Reverse(title.as_str().len()));
    longest_first.retain(|title| !title.as_str().is_empty() && !is_limit(title));
    let mut rest = folded.as_str();
    while let Some(c) = rest.chars().next() {
        let before = text.chars().next_back();
        let title = longest_first.iter().map(Folded::as_str).find(|title| stands_alone(rest, title, before));
        if let Some(title) = title {
            mentions.push(Mention::Title(with(title)));
            text.push(BLANK);
            rest = &rest[title.len()..];
        } else if let Some(length) = super::super::grounding::quotation(rest, before) {
            let quoted = rest[..length].trim_matches(|c: char| !c.is_alphanumeric());
            let of = with(quoted);
            let mention = if of.is_empty() { Mention::Quoted(words_of(&plain(quoted))) } else { Mention::Title(of) };
            mentions.push(mention);
            text.push(BLANK);
            rest = &rest[length..];
        } else {
            text.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    (plain(&text), mentions)
}

/// Whether a title is a word like "not": it must not be taken out of a message that denies something.
fn is_limit(title: &Folded) -> bool {
    let words = words_of(&plain(title.as_str()));
    matches!(&words[..], [word] if VOCABULARY.limits(&[word.as_str()]))
}

fn titles_that_are(titles: &[Folded], title: &str) -> Vec<usize> {
    titles.iter().enumerate().filter(|(_, own)| own.as_str() == title).map(|(index, _)| index).collect()
}

/// Whether `rest` begins with `title` and no word goes on before or behind it.
fn stands_alone(rest: &str, title: &str, before: Option<char>) -> bool {
    let Some(after) = rest.strip_prefix(title) else { return false };
    let goes_on = |inner: Option<char>, outer: Option<char>| {
        let spaced = |c: char| c.is_alphanumeric() && c < '\u{2E80}';
        inner.is_some_and(spaced) && outer.is_some_and(spaced)
    };
    !goes_on(title.chars().next(), before) && !goes_on(title.chars().next_back(), after.chars().next())
}

/// A sentence that is being read.
struct Reading<'r> {
    words: &'r [&'r str],
    mentions: Vec<&'r Mention>,
    titles: &'r [Vec<String>],
    wish: &'r mut Wish,
    name: Vec<String>,
    at: usize,
}

impl Reading<'_> {
    /// Reads the sentence into the wish. Whether every word of it was understood, or belongs to another command.
    fn understands(&mut self) -> bool {
        let mut begins = true;
        let mut counts = false;
        let mut requests = false;
        while self.at < self.words.len() {
            let word = self.words[self.at];
            if is_end(word) {
                self.end_name();
                return word != "?" && word != "؟" || requests;
            }
            if is_blank(word) {
                self.take_mention();
                (begins, counts) = (false, false);
                continue;
            }
            if let Some(number) = digits(word) {
                self.at += 1;
                self.take_number(number, counts);
                (begins, counts) = (false, false);
                continue;
            }
            let (end, roles) = VOCABULARY.roles(self.words, self.at);
            let is_name = self.is_title_word(word);
            let fits = |role: &&Role| match role {
                Role::Other | Role::Titled => begins,
                Role::First => self.words.get(end).is_some_and(|word| number_of(word).is_some()),
                Role::Through => false,
                // "The open letter" is rather a title than what is open.
                Role::Completed | Role::Open | Role::Number(_) | Role::Last => !is_name || self.name.is_empty(),
                _ => true,
            };
            let role =
                roles.iter().find(|role| **role == Role::First && fits(role)).or_else(|| roles.iter().find(fits));
            let Some(role) = role.copied() else {
                if !is_name {
                    return false;
                }
                self.name.push(word.to_owned());
                self.at += 1;
                (begins, counts) = (false, false);
                continue;
            };
            self.at = end;
            match role {
                Role::Filler | Role::Request => {
                    requests |= role == Role::Request;
                    continue;
                }
                Role::Titled => {
                    self.end_name();
                    return true;
                }
                Role::Other => {
                    self.end_name();
                    self.skip_to_deletion();
                    begins = true;
                    continue;
                }
                Role::Joint => {
                    self.end_name();
                    begins = true;
                    continue;
                }
                Role::Number(number) => self.take_number(number, counts),
                Role::First => self.take_first(),
                Role::Last => self.take_last(),
                Role::DeleteAll => self.wish.said.extend([Role::Delete, Role::All]),
                role => self.wish.said.push(role),
            }
            (begins, counts) = (false, matches!(role, Role::All));
        }
        self.end_name();
        true
    }

    /// Another command goes on until a joint with a deletion behind it.
    fn skip_to_deletion(&mut self) {
        while self.at < self.words.len() && !is_end(self.words[self.at]) {
            let (end, roles) = VOCABULARY.roles(self.words, self.at);
            if roles.contains(&Role::Joint) {
                let mut next = end;
                loop {
                    let (end, roles) = VOCABULARY.roles(self.words, next);
                    if roles.contains(&Role::Delete) || roles.contains(&Role::Clear) {
                        self.at = next;
                        return;
                    }
                    if !roles.contains(&Role::Filler) && !roles.contains(&Role::Joint) {
                        break;
                    }
                    next = end;
                }
            }
            if is_blank(self.words[self.at]) {
                self.mentions.remove(0);
            }
            self.at += 1;
        }
    }

    fn take_mention(&mut self) {
        self.end_name();
        self.at += 1;
        if self.mentions.is_empty() {
            return;
        }
        match self.mentions.remove(0) {
            Mention::Title(of) => self.wish.titles.push(of.clone()),
            Mention::Quoted(words) => self.wish.names.push(words.clone()),
        }
    }

    /// A number is a place, the first of a range of places, or how many "all" are.
    fn take_number(&mut self, number: usize, counts: bool) {
        self.end_name();
        if counts {
            self.wish.count = Some(number);
            return;
        }
        let (end, roles) = VOCABULARY.roles(self.words, self.at);
        let until = self.words.get(end).and_then(|word| number_of(word)).filter(|_| roles.contains(&Role::Through));
        match until {
            Some(until) if until >= number && until - number < MOST_PLACES => {
                self.wish.places.extend(number..=until);
                self.at = end + 1;
            }
            _ => {
                self.wish.places.insert(number);
            }
        }
    }

    fn take_first(&mut self) {
        self.end_name();
        if let Some(number) = self.words.get(self.at).and_then(|word| number_of(word)) {
            self.wish.places.extend(1..=number.min(MOST_PLACES));
            self.at += 1;
        }
    }

    fn take_last(&mut self) {
        self.end_name();
        let number = self.words.get(self.at).and_then(|word| number_of(word));
        if number.is_some() {
            self.at += 1;
        }
        self.wish.last = self.wish.last.max(number.unwrap_or(1));
    }

    fn end_name(&mut self) {
        if !self.name.is_empty() {
            self.wish.names.push(std::mem::take(&mut self.name));
        }
    }

    fn is_title_word(&self, word: &str) -> bool {
        self.titles.iter().flatten().any(|own| is_same(own, word))
    }
}

/// A number in digits, "2nd" and its likes included.
fn digits(word: &str) -> Option<usize> {
    let number = word.trim_end_matches(|c: char| !c.is_ascii_digit());
    let is_ordinal =
        matches!(&word[number.len()..], "" | "st" | "nd" | "rd" | "th" | "a" | "o" | "e" | "er" | "eme" | "ª" | "º");
    number.parse().ok().filter(|_| is_ordinal)
}

fn number_word(word: &str) -> Option<usize> {
    let (_, roles) = VOCABULARY.roles(&[word], 0);
    roles.iter().find_map(|role| if let Role::Number(number) = role { Some(*number) } else { None })
}

fn number_of(word: &str) -> Option<usize> {
    digits(word).or_else(|| number_word(word))
}

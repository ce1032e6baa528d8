//! English sentences taken apart: the steps that a message asks for, and the choice that it makes.

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Add(String),
    /// All tasks, or those of this status.
    List(Option<&'static str>),
    Complete(String),
    Delete(String),
    DeleteAll,
    Undo,
    Rename {
        task: String,
        title: String,
    },
}

/// Which of the tasks that were asked about are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Positions: numbers from 1, or `last`.
    Some(Vec<String>),
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Add,
    List,
    Complete,
    Delete,
    Rename,
    Undo,
}

/// How a step begins.
const VERBS: &[(&str, Verb)] = &[
    ("add", Verb::Add),
    ("create", Verb::Add),
    ("remember to", Verb::Add),
    ("remind me to", Verb::Add),
    ("list", Verb::List),
    ("show", Verb::List),
    ("what's on", Verb::List),
    ("what is on", Verb::List),
    ("what's left", Verb::List),
    ("what are my", Verb::List),
    ("complete", Verb::Complete),
    ("finish", Verb::Complete),
    ("mark", Verb::Complete),
    ("tick off", Verb::Complete),
    ("delete", Verb::Delete),
    ("remove", Verb::Delete),
    ("rename", Verb::Rename),
    ("change", Verb::Rename),
    ("undo", Verb::Undo),
    ("take it back", Verb::Undo),
    ("take that back", Verb::Undo),
];

/// Maximum number of polite words before a verb.
const MAX_POLITE: usize = 8;
const POLITE: &[&str] = &["please", "can you", "could you", "first", "then", "and", "also", "finally", "now"];
/// What stands between two steps, if the next one begins behind it. The longest first.
const BETWEEN: &[&str] = &[", and then ", ", then ", " and then ", ", and ", " and ", " then ", ", ", "; ", ". ", "\n"];
const ARTICLES: &[&str] = &["the", "my", "a", "an", "new", "task", "todo", "called", "named", "number", "no."];
/// Where a new task's title begins.
const BEFORE_TITLE: &[&str] = &[
    "a new task to",
    "a new task called",
    "a new task",
    "a task to",
    "a task called",
    "a task",
    "task to",
    "task called",
    "task",
    "a todo to",
    "a todo",
];
const ORDINALS: &[(&str, &str)] = &[
    ("first", "1"),
    ("second", "2"),
    ("third", "3"),
    ("fourth", "4"),
    ("fifth", "5"),
    ("sixth", "6"),
    ("seventh", "7"),
    ("eighth", "8"),
    ("ninth", "9"),
    ("tenth", "10"),
    ("last", "last"),
];
const EVERYTHING: &[&str] =
    &["all", "everything", "all tasks", "all my tasks", "all the tasks", "all of my tasks", "all of them", "them all"];

/// The steps that a message asks for, in order; none if it asks for nothing that is understood.
pub(super) fn steps(message: &str) -> Vec<Step> {
    clauses(message).into_iter().flat_map(step).collect()
}

/// What a message says to the question "which one?", with the titles to choose from.
pub(super) fn choice(message: &str, titles: &[&str]) -> Option<Choice> {
    let words = bare(message);
    if ["both", "all", "all of them", "both of them", "every one", "all three"].contains(&lower(words).as_str()) {
        return Some(Choice::All);
    }
    if let Some(positions) = positions(words) {
        return Some(Choice::Some(positions));
    }
    let described = ["the one with", "the one about", "the one to"].iter().find_map(|before| word(words, before));
    let wanted = identifier(described.unwrap_or(words)).to_lowercase();
    let mut meant =
        titles.iter().enumerate().filter(|(_, title)| !wanted.is_empty() && title.to_lowercase().contains(&wanted));
    match (meant.next(), meant.next()) {
        (Some((at, _)), None) => Some(Choice::Some(vec![(at + 1).to_string()])),
        _ => None,
    }
}

/// Whether a message agrees, and says no more.
pub(super) fn is_yes(message: &str) -> bool {
    let words = lower(bare(message));
    ["yes", "yes do it", "yes, do it", "ok", "okay", "sure", "go ahead", "do it", "confirmed"].contains(&words.as_str())
}

/// Cuts a message where a new step begins.
fn clauses(message: &str) -> Vec<&str> {
    let (mut clauses, mut start, mut at) = (Vec::new(), 0, 0);
    while let Some(character) = message[at..].chars().next() {
        let here = &message[at..];
        let between = BETWEEN.iter().find(|between| strip(here, between).is_some_and(|rest| verb(rest).is_some()));
        if let Some(between) = between {
            clauses.push(&message[start..at]);
            at += between.len();
            start = at;
        } else {
            at += character.len_utf8();
        }
    }
    clauses.push(&message[start..]);
    clauses
}

fn step(clause: &str) -> Vec<Step> {
    let Some((verb, rest)) = verb(clause) else { return Vec::new() };
    let rest = bare(rest);
    match verb {
        Verb::List => vec![Step::List(status(rest))],
        Verb::Undo if ["", "it", "that", "this", "the last change"].contains(&lower(rest).as_str()) => vec![Step::Undo],
        Verb::Undo => Vec::new(),
        _ if rest.is_empty() => Vec::new(),
        Verb::Add => vec![Step::Add(title(rest))],
        Verb::Complete => several(without_done(rest), Step::Complete),
        Verb::Delete if EVERYTHING.contains(&lower(rest).as_str()) => vec![Step::DeleteAll],
        Verb::Delete => several(rest, Step::Delete),
        Verb::Rename => match find(rest, " to ").map(|at| (&rest[..at], &rest[at + 4..])) {
            Some((task, title)) => {
                vec![Step::Rename { task: identifier(task), title: unquoted(title).to_owned() }]
            }
            None => Vec::new(),
        },
    }
}

/// One step for each position that is named, or one for the task that is.
fn several(named: &str, step: impl Fn(String) -> Step) -> Vec<Step> {
    match positions(named) {
        Some(positions) => positions.into_iter().map(step).collect(),
        None => vec![step(identifier(named))],
    }
}

fn verb(clause: &str) -> Option<(Verb, &str)> {
    let mut rest = clause.trim_start();
    for _ in 0..MAX_POLITE {
        let Some(after) = POLITE.iter().find_map(|polite| word(rest, polite)) else { break };
        rest = after;
    }
    VERBS.iter().find_map(|(text, verb)| Some((*verb, word(rest, text)?)))
}

fn status(words: &str) -> Option<&'static str> {
    let has = |wanted: &[&str]| lower(words).split(' ').any(|word| wanted.contains(&word));
    if has(&["pending", "open", "left", "remaining"]) {
        Some("pending")
    } else if has(&["completed", "done", "finished"]) {
        Some("completed")
    } else {
        None
    }
}

fn title(words: &str) -> String {
    let begun = BEFORE_TITLE.iter().find_map(|before| word(words, before));
    let title = begun.filter(|rest| !rest.is_empty()).unwrap_or(words).trim_start_matches(':').trim();
    unquoted(without_list(title)).to_owned()
}

/// A task as it is named, without the words around its name; a position as `2` or `last`.
fn identifier(words: &str) -> String {
    if let Some(position) = position(words) {
        return position;
    }
    let mut name = without_list(bare(words));
    while let Some(rest) = ARTICLES.iter().find_map(|article| word(name, article)).filter(|rest| !rest.is_empty()) {
        name = rest;
    }
    let name = ends(name, &[" task", " todo", " one"]).unwrap_or(name);
    unquoted(name).to_owned()
}

fn positions(words: &str) -> Option<Vec<String>> {
    words.split(" and ").flat_map(|part| part.split(", ")).map(position).collect()
}

fn position(words: &str) -> Option<String> {
    let mut name = bare(words);
    while let Some(rest) = ARTICLES.iter().find_map(|article| word(name, article)) {
        name = rest;
    }
    let name = lower(ends(name, &[" task", " one"]).unwrap_or(name));
    if let Some((_, number)) = ORDINALS.iter().find(|(ordinal, _)| *ordinal == name) {
        return Some((*number).to_owned());
    }
    let name = name.strip_prefix('#').unwrap_or(&name);
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    (1..=3).contains(&digits.len()).then_some(())?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.to_owned())
}

fn without_done(words: &str) -> &str {
    let endings = [" as done", " as completed", " as complete", " as finished", " done", " completed", " off"];
    ends(words, &endings).unwrap_or(words)
}

fn without_list(words: &str) -> &str {
    let endings = [" to my list", " to the list", " to my tasks", " from my list", " from the list", " on my list"];
    ends(words, &endings).unwrap_or(words)
}

/// Without the space and the marks around it.
fn bare(words: &str) -> &str {
    let words = words.trim().trim_end_matches(['.', '!', '?']).trim_end();
    ends(words, &[", please", " please"]).unwrap_or(words)
}

fn unquoted(words: &str) -> &str {
    let words = words.trim();
    let pairs = [('"', '"'), ('\'', '\''), ('“', '”')];
    pairs.iter().find_map(|(open, close)| words.strip_prefix(*open)?.strip_suffix(*close)).unwrap_or(words)
}

fn lower(words: &str) -> String {
    words.to_ascii_lowercase()
}

/// What follows the beginning, in any case of ASCII letters.
fn strip<'a>(text: &'a str, beginning: &str) -> Option<&'a str> {
    let head = text.get(..beginning.len())?;
    head.eq_ignore_ascii_case(beginning).then(|| &text[beginning.len()..])
}

/// What follows the word, or the words.
fn word<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    let rest = strip(text, wanted)?;
    let ended = rest.chars().next().is_none_or(|next| !next.is_alphanumeric());
    ended.then(|| rest.trim_start_matches([',', ' ']))
}

/// What comes before one of these endings.
fn ends<'a>(text: &'a str, endings: &[&str]) -> Option<&'a str> {
    endings.iter().find_map(|ending| {
        let at = text.len().checked_sub(ending.len())?;
        text.get(at..)?.eq_ignore_ascii_case(ending).then(|| &text[..at])
    })
}

fn find(text: &str, wanted: &str) -> Option<usize> {
    text.to_ascii_lowercase().find(wanted)
}

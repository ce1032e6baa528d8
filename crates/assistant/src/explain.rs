//! How the assistant understands a sentence, for whoever works on the grammar.
//!
//! Deliberately not here: how that is printed.

use super::command::{Command, Decision};
use super::conversation::Memory;
use super::dialogue;
use super::grammar::{GRAMMAR, Intent, Item, Reading};
use super::matching::Words;
use super::sentence::Sentence;
use super::wording;

/// How many readings are told: the others explain even less.
const MAX_READINGS: usize = 8;

/// How the built-in assistant understands a sentence that opens a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The words as the grammar sees them: folded, contractions written out. A quoted passage is one word, `""`. None if
    /// the sentence is too long to be read.
    pub words: Vec<String>,
    /// The ways to read them as a whole, the best first.
    pub readings: Vec<ExplainedReading>,
    /// What comes of it.
    pub outcome: ExplainedOutcome,
}

/// One way to read a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedReading {
    /// How much of the sentence is explained: about 4 for each word. More is better.
    pub score: i32,
    /// What is asked for, such as `Add` or `List(Pending)`.
    pub intent: String,
    /// Whether the line says so plainly. A line that does not acts only on tasks that the conversation has shown.
    pub sure: bool,
    /// The arguments, each with the name of its slot, as they were written.
    pub arguments: Vec<(&'static str, String)>,
    /// The line of the grammar.
    pub line: &'static str,
}

/// What comes of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExplainedOutcome {
    /// Calls of tools, as name and JSON arguments.
    Calls(Vec<(&'static str, String)>),
    /// A call that looks which tasks there are, and then this for each of them.
    Sweeps((&'static str, String), String),
    /// A question back.
    Asks(String),
    /// Something is said, and nothing is done.
    Says(String),
}

pub(super) fn explain(text: &str) -> Explanation {
    let (words, readings) = dialogue::hear(text).map(|(sentence, words)| read(&sentence, &words)).unwrap_or_default();
    let outcome = match dialogue::decide(text, &Memory::default()) {
        Decision::Act(commands) => ExplainedOutcome::Calls(
            commands.iter().map(|command| (command.tool(), command.arguments().to_string())).collect(),
        ),
        Decision::Sweep(action, status) => {
            let list = Command::List { status, about: None };
            let call = (list.tool(), list.arguments().to_string());
            ExplainedOutcome::Sweeps(call, format!("{action:?}").to_lowercase())
        }
        Decision::Ask(question) => ExplainedOutcome::Asks(wording::question(&question)),
        Decision::Say(remark) => ExplainedOutcome::Says(wording::remark(remark, 0).to_owned()),
    };
    Explanation { words, readings, outcome }
}

/// The words of a sentence, and the ways to read them.
fn read(sentence: &Sentence<'_>, words: &Words) -> (Vec<String>, Vec<ExplainedReading>) {
    let mut readings: Vec<ExplainedReading> = Vec::new();
    for reading in GRAMMAR.readings(sentence, words, sentence.all()) {
        let explained = one(sentence, &reading);
        if !readings.contains(&explained) {
            readings.push(explained);
        }
        if readings.len() == MAX_READINGS {
            break;
        }
    }
    (sentence.tokens().iter().map(|token| token.word.clone()).collect(), readings)
}

fn one(sentence: &Sentence<'_>, reading: &Reading) -> ExplainedReading {
    let written = |span: &std::ops::Range<usize>| sentence.written(span.clone()).to_owned();
    let points = |item: &Item| match (item.number, item.name.is_empty()) {
        (Some(number), _) => format!("{:?} {number}", item.phrase),
        (None, true) => format!("{:?}", item.phrase),
        (None, false) => format!("{:?} “{}”", item.phrase, written(&item.name)),
    };
    let is_errand = reading.intent == Intent::Errand;
    let arguments = [
        ("title", (if is_errand { Some(&reading.span) } else { reading.title.as_ref() }).map(written)),
        ("item", reading.item.as_ref().map(points)),
        ("new", reading.new_title.as_ref().map(written)),
    ];
    ExplainedReading {
        score: reading.score,
        intent: format!("{:?}", reading.intent),
        sure: reading.sure,
        arguments: arguments.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        line: reading.line,
    }
}

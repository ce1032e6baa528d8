//! Explains how the assistant understands a sentence, for developers of the grammar.

use super::command::{Decision, Question};
use super::conversation::Memory;
use super::dialogue;
use super::grammar::{Intent, Item, Reading};
use super::matching::{Budget, Message};
use super::wording;

/// Maximum number of readings of a part: the others explain even less.
const MAX_READINGS: usize = 8;

/// How the built-in assistant understands a sentence that opens a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The words as the grammar sees them: case-folded, contractions written out. A quoted passage is one word, `""`. Empty
    /// if the sentence is too long.
    pub words: Vec<String>,
    /// The parts that ask for one thing each.
    pub parts: Vec<ExplainedPart>,
    /// The calls of the first round, as name and JSON arguments.
    pub calls: Vec<(&'static str, String)>,
    /// The question or remark; empty if there is none.
    pub text: String,
    /// The parts about which nothing is done.
    pub skipped: Vec<String>,
    /// The number of steps that the matcher took.
    pub steps: usize,
}

/// A part of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedPart {
    /// The part as it was written.
    pub text: String,
    /// The ways to understand it, the best first.
    pub readings: Vec<ExplainedReading>,
}

/// One way to understand a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedReading {
    /// How much of the part is explained: about 4 for each word. More is better.
    pub score: i32,
    /// What is asked for, such as `Add` or `List(Pending)`.
    pub intent: String,
    /// Whether the line says so plainly. A line that does not changes only tasks that the conversation has shown.
    pub sure: bool,
    /// The arguments, each with the name of its slot, as they were written.
    pub arguments: Vec<(&'static str, String)>,
    /// The line of the grammar.
    pub line: &'static str,
}

pub(super) fn explain(text: &str) -> Explanation {
    let budget = Budget::default();
    let message = dialogue::read(text, &budget);
    let found = message.as_ref().and_then(dialogue::parts_of).unwrap_or_default();
    let explained = |message: &Message<'_>| {
        let part = |part: &dialogue::MessagePart| ExplainedPart {
            text: message.sentence.written(part.span.clone()).to_owned(),
            readings: readings(message, &part.readings),
        };
        found.iter().map(part).collect()
    };
    let (mut calls, mut skipped) = (Vec::new(), Vec::new());
    let ask = |question: &Question| wording::question(question);
    let text_of = match dialogue::decide(text, &Memory::default()) {
        Decision::Act(plan) => {
            calls = plan.commands.iter().map(|command| (command.tool(), command.arguments().to_string())).collect();
            skipped = plan.skipped;
            plan.question.as_ref().map(ask).unwrap_or_default()
        }
        Decision::Ask(question) => ask(&question),
        Decision::Say(remark) => wording::remark(&remark, 0),
    };
    Explanation {
        words: message.iter().flat_map(Message::tokens).map(|token| token.word.clone()).collect(),
        parts: message.as_ref().map(explained).unwrap_or_default(),
        calls,
        text: text_of,
        skipped,
        steps: budget.steps(),
    }
}

/// The readings of a part, each once.
fn readings(message: &Message<'_>, readings: &[Reading]) -> Vec<ExplainedReading> {
    let mut explained: Vec<ExplainedReading> = Vec::new();
    for reading in readings {
        let reading = one(message, reading);
        if !explained.contains(&reading) {
            explained.push(reading);
        }
        if explained.len() == MAX_READINGS {
            break;
        }
    }
    explained
}

fn one(message: &Message<'_>, reading: &Reading) -> ExplainedReading {
    let written = |span: &std::ops::Range<usize>| message.sentence.written(span.clone()).to_owned();
    let points = |item: &Item| match (item.number, item.name.is_empty()) {
        (Some(number), _) => format!("{:?} {number}", item.phrase),
        (None, true) => format!("{:?}", item.phrase),
        (None, false) => format!("{:?} “{}”", item.phrase, written(&item.name)),
    };
    let is_errand = reading.intent() == Intent::Errand;
    let arguments = [
        ("title", (if is_errand { Some(&reading.span) } else { reading.title.as_ref() }).map(written)),
        ("item", reading.item.as_ref().map(points)),
        ("new", reading.new_title.as_ref().map(written)),
    ];
    ExplainedReading {
        score: reading.score,
        intent: format!("{:?}", reading.intent()),
        sure: reading.is_sure(),
        arguments: arguments.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        line: reading.frame.line,
    }
}

//! What the grammar makes of a sentence: one way to understand it, with its arguments and its score.
//!
//! Deliberately not here: which way is meant (`dialogue.rs`).

use std::ops::Range;

use super::super::command::Status;
use super::super::matching::Cover;
use super::Frame;

/// What a sentence asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// A new task.
    Add,
    /// What sounds like a task, with no word about adding it.
    Errand,
    /// The list.
    List(Status),
    /// Whether something is on the list.
    Find,
    /// A task to be marked as done.
    Complete,
    /// A task to be deleted.
    Delete,
    /// A task that is not wanted any more, with no word about deleting it.
    Unwanted,
    /// A task to be given another title.
    Rename,
    /// Something not to be done.
    Leave,
    /// Yes.
    Yes,
    /// No.
    No,
    /// To delete several tasks or all.
    Everything,
    /// To mark several tasks or all as done.
    CompleteAll,
    /// To take something back.
    Undo,
    /// To mark a task as not done.
    Reopen,
    /// Lists of their own.
    OtherLists,
    /// What another program looks after.
    Elsewhere,
    /// A greeting.
    Greet,
    /// Thanks or praise.
    Thanks,
    /// A farewell.
    Bye,
    /// What can be said.
    Help,
}

/// A property of a frame that its intent does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// A task is called done.
    Done,
    /// A verb that only adds: "add", "write down".
    Add,
    /// A verb that may add: "put", "including".
    Put,
    /// The speaker asks for a reminder.
    Reminder,
}

/// A set of features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features(u8);

impl Features {
    fn contains(self, feature: Feature) -> bool {
        self.0 & (1 << feature as u8) != 0
    }
}

impl FromIterator<Feature> for Features {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        Self(features.into_iter().fold(0, |set, feature| set | 1 << feature as u8))
    }
}

/// How a phrase points at a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phrase {
    /// By its place.
    Position,
    /// The first of the list.
    First,
    /// The last of the list.
    Last,
    /// By a pronoun.
    It,
    /// Not at all.
    Unsaid,
    /// At several.
    Several,
    /// By its title, or a part of it.
    Name,
    /// By its title, or a part of it, and by saying that it is a task.
    NamedTask,
}

/// One way to understand a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// What it asks for.
    pub intent: Intent,
    /// Whether it says so plainly.
    pub sure: bool,
    /// The words of the frame, without what may stand around every one.
    pub span: Range<usize>,
    /// How much of the sentence is explained; more is better.
    pub score: i32,
    /// Whether it speaks of the list by a name that the grammar knows.
    pub speaks_of_list: bool,
    /// The words of a new task's title.
    pub title: Option<Range<usize>>,
    /// The words of a task's new title.
    pub new_title: Option<Range<usize>>,
    /// The words that point at a task.
    pub item_span: Option<Range<usize>>,
    /// How they do.
    pub item: Option<Item>,
    /// Features of the frame.
    pub features: Features,
    /// The line of the grammar.
    pub line: &'static str,
}

/// How words point at a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// In which way.
    pub phrase: Phrase,
    /// The words of the name, if it is one.
    pub name: Range<usize>,
    /// The number, if it is one.
    pub number: Option<u32>,
}

impl Reading {
    /// Unexplained words cost most, then words that do not matter and slips. A frame that is not sure has to explain
    /// one word more than one that is.
    pub fn new(frame: &Frame, start: usize, words: usize, cover: Cover, item: Option<Item>) -> Self {
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX / 16);
        // The words of "the milk task" but one are explained.
        let said = match (&item, &cover.item) {
            (Some(item), Some(span)) if item.phrase != Phrase::Name => span.len() - item.name.len(),
            (Some(_) | None, _) => 0,
        };
        let score = 4 * (count(words) - count(cover.open_words) + count(said))
            - count(cover.wild_words)
            - 2 * count(cover.slips)
            - if frame.sure { 0 } else { 4 };
        Self {
            intent: frame.intent,
            sure: frame.sure,
            score,
            span: start..cover.end,
            speaks_of_list: cover.speaks_of_list && cover.wild_words == 0,
            title: cover.title,
            new_title: cover.new,
            item_span: cover.item,
            item,
            features: frame.features,
            line: frame.line,
        }
    }

    /// Whether the frame has `feature`.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(feature)
    }

    /// Whether it leaves no word open.
    pub fn is_complete(&self) -> bool {
        self.title.is_none() && self.new_title.is_none() && self.item.is_none()
    }
}

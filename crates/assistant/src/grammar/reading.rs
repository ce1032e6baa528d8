//! A reading: one way to understand a part of a message, with its arguments and its score.

use std::ops::Range;

use crate::matching::Cover;
use crate::tasks::Status;

/// Lines of a table that ask for the same.
pub(crate) struct Frames {
    /// What they ask for.
    pub intent: Intent,
    /// Lines that say so plainly.
    pub sure: &'static [&'static str],
    /// Lines that may also mean something else.
    pub unsure: &'static [&'static str],
}

/// What a line of a table says besides its pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameInfo {
    /// What it asks for.
    pub intent: Intent,
    /// Whether it says so plainly.
    pub sure: bool,
    /// The line as it stands in the table.
    pub line: &'static str,
    /// Its features.
    pub features: Features,
}

/// What a sentence asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// A new task.
    Add,
    /// What sounds like a task, without a word about adding it.
    Errand,
    /// The list.
    List(Status),
    /// The number of tasks.
    Count(Status),
    /// Whether something is on the list.
    Find,
    /// Whether something is done.
    IsDone,
    /// What was done at some time.
    DoneSometime,
    /// What the assistant did.
    LastChanges,
    /// A task to mark as done.
    Complete,
    /// A task to delete.
    Delete,
    /// A task that is not needed any more, without a word about deleting it.
    Unwanted,
    /// Another title for a task.
    Rename,
    /// Another title for the task that was just added.
    Correct,
    /// Something not to do.
    Leave,
    /// Time to think.
    Wait,
    /// Yes.
    Yes,
    /// No.
    No,
    /// All tasks to delete.
    DeleteAll,
    /// All tasks to mark as done.
    CompleteAll,
    /// A change to undo.
    Undo,
    /// A task to mark as not done.
    Reopen,
    /// Another list.
    OtherLists,
    /// Dates, times, repetitions or alarms.
    Dates,
    /// Priorities, tags or notes.
    Fields,
    /// What another program looks after.
    Elsewhere,
    /// Danger to the speaker's life.
    Crisis,
    /// A greeting.
    Greet,
    /// Thanks or praise.
    Thanks,
    /// A farewell.
    Bye,
    /// What can be said.
    Help,
    /// Something that asks for nothing.
    Comment,
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
    /// A verb of housework and the like, which nobody asks of a program.
    Chore,
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

/// What may stand behind a frame.
#[derive(Clone, Copy)]
pub(crate) enum TailKind {
    /// Words that may follow a title.
    Strict,
    /// Words that may follow a name.
    Loose,
    /// Words that follow neither.
    Clause,
}

/// A way to go on behind a frame.
pub(crate) struct Close {
    /// The part of the message, as an index of its end.
    pub index: usize,
    /// What stands there.
    pub kind: TailKind,
    /// The number of words of a comment in it.
    pub comment: usize,
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

/// One way to understand a part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The line of the table.
    pub frame: FrameInfo,
    /// The words of the line, without leads and tails.
    pub span: Range<usize>,
    /// How much of the part is explained, about 4 for each word.
    pub score: i32,
    /// Whether it names the list.
    pub names_list: bool,
    /// Whether no word is misspelt.
    pub is_exact: bool,
    /// The words of a new task's title.
    pub title: Option<Range<usize>>,
    /// The words of a task's new title.
    pub new_title: Option<Range<usize>>,
    /// The words that point at a task.
    pub item_span: Option<Range<usize>>,
    /// How they point at it.
    pub item: Option<Item>,
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
    /// Scores `cover`, which begins at `start`, among `words` words, of which `comment` are a comment behind it. Unexplained words cost most, then words that do not
    /// matter and misspelt ones. A line that is not sure has to explain one word more than one that is.
    pub fn new(frame: FrameInfo, start: usize, words: usize, comment: usize, cover: Cover, item: Option<Item>) -> Self {
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX / 16);
        // Of "the milk task", all words but "milk" are explained.
        let explained = match (&item, &cover.item) {
            (Some(item), Some(span)) if item.phrase != Phrase::Name => span.len() - item.name.len(),
            (Some(_) | None, _) => 0,
        };
        let score = 4 * (count(words) - count(cover.open_words) + count(explained))
            - 3 * count(comment)
            - count(cover.wild_words)
            - 2 * count(cover.misspelt)
            - if frame.sure { 0 } else { 4 };
        Self {
            frame,
            score,
            span: start..cover.end,
            names_list: cover.names_list && cover.wild_words == 0,
            title: cover.title,
            new_title: cover.new,
            is_exact: cover.misspelt == 0,
            item_span: cover.item,
            item,
        }
    }

    /// What it asks for.
    pub fn intent(&self) -> Intent {
        self.frame.intent
    }

    /// Whether it asks so plainly.
    pub fn is_sure(&self) -> bool {
        self.frame.sure
    }

    /// Whether the line has `feature`.
    pub fn has(&self, feature: Feature) -> bool {
        self.frame.features.contains(feature)
    }

    /// Whether it has no arguments.
    pub fn is_complete(&self) -> bool {
        self.title.is_none() && self.new_title.is_none() && self.item.is_none()
    }
}

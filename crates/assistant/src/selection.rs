//! Sets of tasks in a list: "the first two", "all but the last", "everything except tea".

use domain::text::NormalizedText;
use serde::{Deserialize, Serialize};

use super::tasks::{Known, Status};

/// A set of tasks in a list that is read first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Selection {
    /// The list.
    pub status: Status,
    /// Which of its tasks.
    pub part: Part,
    /// Words in the titles of tasks that are left out.
    pub except: Vec<String>,
}

/// Which tasks of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    /// All of them.
    All,
    /// All, which have to be two.
    Both,
    /// The first ones.
    First(u32),
    /// The last ones.
    Last(u32),
    /// All but the first ones.
    AllButFirst(u32),
    /// All but the last ones.
    AllButLast(u32),
}

impl Selection {
    /// All tasks of a list.
    pub fn all(status: Status) -> Self {
        Self { status, part: Part::All, except: Vec::new() }
    }

    /// Returns the selected ones of `tasks`. `None` if an exception names no task, because the user means one.
    pub fn of<'t>(&self, tasks: &'t [Known]) -> Option<Vec<&'t Known>> {
        let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX).min(tasks.len());
        let part = match self.part {
            Part::All => tasks,
            Part::Both if tasks.len() == 2 => tasks,
            Part::Both => return None,
            Part::First(n) => &tasks[..count(n)],
            Part::Last(n) => &tasks[tasks.len() - count(n)..],
            Part::AllButFirst(n) => &tasks[count(n)..],
            Part::AllButLast(n) => &tasks[..tasks.len() - count(n)],
        };
        let except: Vec<_> = self.except.iter().map(|words| NormalizedText::new(words)).collect();
        let titles: Vec<_> = part.iter().map(|task| NormalizedText::new(&task.title)).collect();
        let names = |words: &NormalizedText, title: &NormalizedText| title.as_str().contains(words.as_str());
        if !except.iter().all(|words| titles.iter().any(|title| names(words, title))) {
            return None;
        }
        let is_left_out = |title: &NormalizedText| except.iter().any(|words| names(words, title));
        Some(part.iter().zip(&titles).filter(|(_, title)| !is_left_out(title)).map(|(task, _)| task).collect())
    }
}

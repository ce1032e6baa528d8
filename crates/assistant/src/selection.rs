//! Sets of tasks in a list: "the first two", "all but the last", "everything except tea".

use domain::text::SearchText;
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

    /// Returns the selected ones of `tasks`, of which the list has `total`. `None` if it is not clear which they are: an
    /// exception names no task, or the end of the list is on another page.
    pub fn of<'t>(&self, tasks: &'t [Known], total: usize) -> Option<Vec<&'t Known>> {
        let counts_from_end = matches!(self.part, Part::Both | Part::Last(_) | Part::AllButLast(_));
        if counts_from_end && total > tasks.len() {
            return None;
        }
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
        let except: Vec<_> = self.except.iter().map(|words| SearchText::new(words)).collect();
        let titles: Vec<_> = part.iter().map(|task| SearchText::new(&task.title)).collect();
        if !except.iter().all(|words| titles.iter().any(|title| title.contains(words))) {
            return None;
        }
        let is_left_out = |title: &SearchText| except.iter().any(|words| title.contains(words));
        Some(part.iter().zip(&titles).filter(|(_, title)| !is_left_out(title)).map(|(task, _)| task).collect())
    }
}

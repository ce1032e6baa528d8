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

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(part: Part, except: &[&str], total: usize) -> Option<Vec<u64>> {
        let task = |(position, title): (u64, &str)| Known {
            id: position.to_string(),
            title: title.to_owned(),
            completed: false,
            position,
        };
        let tasks: Vec<Known> = (1..).zip(["steak", "tea", "eggs"]).map(task).collect();
        let except = except.iter().map(|words| (*words).to_owned()).collect();
        let selection = Selection { status: Status::All, part, except };
        Some(selection.of(&tasks, total)?.into_iter().map(|task| task.position).collect())
    }

    #[test]
    fn parts_of_a_list_are_selected() {
        for (part, positions) in [
            (Part::All, Some(vec![1, 2, 3])),
            (Part::First(2), Some(vec![1, 2])),
            (Part::Last(2), Some(vec![2, 3])),
            (Part::AllButFirst(1), Some(vec![2, 3])),
            (Part::AllButLast(1), Some(vec![1, 2])),
            (Part::First(9), Some(vec![1, 2, 3])),
            (Part::Both, None),
        ] {
            assert_eq!(selected(part, &[], 3), positions, "{part:?}");
        }
    }

    #[test]
    fn the_end_of_a_list_with_more_pages_is_not_known() {
        for part in [Part::Last(1), Part::AllButLast(1), Part::Both] {
            assert_eq!(selected(part, &[], 103), None, "{part:?}");
        }
        assert_eq!(selected(Part::First(1), &[], 103), Some(vec![1]));
    }

    #[test]
    fn an_exception_is_a_word_of_a_title() {
        assert_eq!(selected(Part::All, &["tea"], 3), Some(vec![1, 3]));
        assert_eq!(selected(Part::All, &["egg"], 3), Some(vec![1, 2]));
        assert_eq!(selected(Part::All, &["coffee"], 3), None);
    }
}

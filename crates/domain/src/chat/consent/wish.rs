//! What a message asks to delete, and whether that is all of certain tasks.
//!
//! Deliberately not here: how the message is read (`permission.rs`).

use std::collections::BTreeSet;

use super::NamedTask;
use super::vocabulary::Role;

/// What a message asks for, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Wish {
    /// The verbs, "all" and its likes, and the nouns.
    pub said: Vec<Role>,
    /// How many "all" are.
    pub count: Option<usize>,
    /// Places in the list, from 1.
    pub places: BTreeSet<usize>,
    /// So many from the end of the list.
    pub last: usize,
    /// Words that may name a task, each a name.
    pub names: Vec<Vec<String>>,
    /// For each title that was said, the tasks that have it.
    pub titles: Vec<Vec<usize>>,
}

impl Wish {
    fn says(&self, role: Role) -> bool {
        self.said.contains(&role)
    }

    /// Whether it names every one of `tasks`, whose titles have the words `titles`.
    pub fn covers(&self, tasks: &[NamedTask<'_>], titles: &[Vec<String>]) -> bool {
        let (clears, tasks_are_said) = (self.says(Role::Clear), self.says(Role::Tasks));
        let fits = |name: &[String], title: &[String]| {
            !name.is_empty() && name.iter().all(|word| title.iter().any(|own| is_same(own, word)))
        };
        let is_allowed = |task: &NamedTask<'_>| match (self.says(Role::Completed), self.says(Role::Open)) {
            (true, false) => task.completed,
            (false, true) => !task.completed,
            _ => true,
        };
        let number_is_right =
            !(self.says(Role::Both) && tasks.len() != 2) && self.count.is_none_or(|count| count == tasks.len());
        if !(self.says(Role::Delete) || clears) || !number_is_right || !tasks.iter().all(is_allowed) {
            return false;
        }
        let is_named = |(index, task): (usize, &NamedTask<'_>)| {
            let alone = |name: &&Vec<String>| {
                fits(name, &titles[index]) && titles.iter().filter(|title| fits(name, title)).count() == 1
            };
            self.titles.iter().any(|of| of[..] == [index])
                || task.position.is_some_and(|place| self.places.contains(&place))
                || self.is_among_the_last(task, tasks)
                || self.names.iter().any(|name| alone(&name))
        };
        let is_specific = !self.titles.is_empty() || !self.names.is_empty() || !self.places.is_empty() || self.last > 0;
        let all = self.says(Role::All) || self.says(Role::Both);
        if !is_specific {
            let has_state = self.says(Role::Completed) || self.says(Role::Open);
            let is_implied =
                clears && (self.says(Role::List) || tasks_are_said) || has_state && (tasks_are_said || clears);
            return all || is_implied;
        }
        let has_some_name = |title: &Vec<String>| self.names.iter().any(|name| fits(name, title));
        let only_names = self.titles.is_empty() && self.places.is_empty() && self.last == 0;
        tasks.iter().enumerate().all(is_named) || all && only_names && titles.iter().all(has_some_name)
    }

    fn is_among_the_last(&self, task: &NamedTask<'_>, tasks: &[NamedTask<'_>]) -> bool {
        let end = tasks.iter().find(|task| task.is_last).and_then(|task| task.position);
        let from_end = |place: usize| end.is_some_and(|end| place <= end && end - place < self.last);
        self.last > 0 && (task.is_last || task.position.is_some_and(from_end))
    }
}

/// Whether two words are the same but for a plural's ending.
pub(super) fn is_same(a: &str, b: &str) -> bool {
    let stem = |word: &str| match word.strip_suffix('s') {
        Some(stem) if stem.chars().count() > 2 => stem.to_owned(),
        _ => word.to_owned(),
    };
    a == b || stem(a) == stem(b)
}

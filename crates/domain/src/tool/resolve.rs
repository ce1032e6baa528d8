//! Which task somebody means: an id, a position in the list that was last shown, a title, or a part of one.
//! Nothing here guesses: several candidates are handed back, and what is merely similar is only ever offered.

use std::num::NonZeroU16;

use super::TaskTools;
use crate::id::{ConversationId, TaskId, UserId};
use crate::page::PageRequest;
use crate::storage::StorageError;
use crate::task::{Task, TaskFilter, TaskRepoError, TaskStatus, TitleMatch};
use crate::text::NormalizedText;

/// What an identifier stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Resolved {
    /// This task.
    One(Box<Task>),
    /// Each of these, so none of them.
    Several(Vec<Task>),
    /// No task. The ones with the nearest titles come along.
    None(Vec<Task>),
}

/// A place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// From the beginning, from 1.
    Number(usize),
    Last,
}

/// So many candidates are worth a question; with more the answer is "say more".
const MAX_CANDIDATES: NonZeroU16 = NonZeroU16::new(10).unwrap();
/// So many titles are looked through for similar ones: the newest.
const MAX_COMPARED: NonZeroU16 = NonZeroU16::new(1000).unwrap();
/// So many similar titles are offered.
const MAX_NEAREST: usize = 3;
/// So many characters of a title are compared. The cost grows with their square, and one character may fold to 18.
const MAX_COMPARED_CHARACTERS: usize = 64;
/// How alike titles have to be to be offered, from 0 to 1 (Jaro-Winkler).
const NEAR: f64 = 0.75;

impl TaskTools {
    pub(super) async fn resolve(
        &self,
        owner: UserId,
        conversation: Option<ConversationId>,
        identifier: &str,
    ) -> Result<Resolved, StorageError> {
        if let Ok(id) = identifier.parse::<TaskId>()
            && let Some(task) = self.existing(owner, id).await?
        {
            return Ok(Resolved::One(Box::new(task)));
        }
        if let (Some(conversation), Some(position)) = (conversation, position(identifier))
            && let Some(task) = self.at(owner, conversation, position).await?
        {
            return Ok(Resolved::One(Box::new(task)));
        }
        let folded = NormalizedText::new(identifier);
        if !folded.as_str().is_empty() {
            for title in [TitleMatch::Exactly(folded.clone()), TitleMatch::Containing(folded.clone())] {
                let mut found = self.matching(owner, Some(title), MAX_CANDIDATES).await?;
                match found.len() {
                    0 => {}
                    1 => return Ok(Resolved::One(Box::new(found.remove(0)))),
                    _ => return Ok(Resolved::Several(found)),
                }
            }
        }
        let others = self.matching(owner, None, MAX_COMPARED).await?;
        Ok(Resolved::None(nearest(&folded, others)))
    }

    pub(super) async fn existing(&self, owner: UserId, id: TaskId) -> Result<Option<Task>, StorageError> {
        match self.tasks.get(owner, id).await {
            Ok(task) => Ok(Some(task)),
            Err(TaskRepoError::NotFound) => Ok(None),
            Err(TaskRepoError::Storage(error)) => Err(error),
        }
    }

    async fn shown(&self, owner: UserId, conversation: ConversationId) -> Result<Vec<TaskId>, StorageError> {
        let shown = self.conversations.shown_tasks(owner, conversation).await;
        shown.or_else(|error| error.into_storage().map_or(Ok(Vec::new()), Err))
    }

    async fn at(
        &self,
        owner: UserId,
        conversation: ConversationId,
        position: Position,
    ) -> Result<Option<Task>, StorageError> {
        let shown = self.shown(owner, conversation).await?;
        let id = match position {
            Position::Number(number) => number.checked_sub(1).and_then(|index| shown.get(index)),
            Position::Last => shown.last(),
        };
        match id {
            Some(id) => self.existing(owner, *id).await,
            None => Ok(None),
        }
    }

    async fn matching(
        &self,
        owner: UserId,
        title: Option<TitleMatch>,
        limit: NonZeroU16,
    ) -> Result<Vec<Task>, StorageError> {
        let filter = TaskFilter { status: TaskStatus::All, title };
        match self.tasks.list(owner, &filter, PageRequest::first(limit)).await {
            Ok(page) => Ok(page.items),
            Err(error) => Err(storage(error)),
        }
    }
}

/// A look-up of several that finds none is no error.
pub(super) fn storage(error: TaskRepoError) -> StorageError {
    match error {
        TaskRepoError::Storage(error) => error,
        TaskRepoError::NotFound => StorageError::Other("a look-up of several found none".into()),
    }
}

fn position(identifier: &str) -> Option<Position> {
    if identifier.eq_ignore_ascii_case("last") {
        return Some(Position::Last);
    }
    let digits = identifier.strip_prefix('#').unwrap_or(identifier);
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok().map(Position::Number)).flatten()
}

fn nearest(wanted: &NormalizedText, tasks: Vec<Task>) -> Vec<Task> {
    let wanted = beginning(wanted);
    let likeness = |task: &Task| strsim::jaro_winkler(&wanted, &beginning(&task.title.normalized()));
    let mut scored: Vec<_> = tasks.into_iter().map(|task| (likeness(&task), task)).collect();
    scored.retain(|(score, _)| *score >= NEAR);
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    scored.into_iter().take(MAX_NEAREST).map(|(_, task)| task).collect()
}

fn beginning(text: &NormalizedText) -> String {
    text.as_str().chars().take(MAX_COMPARED_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_compared_by_their_beginning() {
        assert_eq!(beginning(&NormalizedText::new(&"\u{FDFA}".repeat(500))).chars().count(), MAX_COMPARED_CHARACTERS);
    }

    #[test]
    fn positions_are_numbers_with_or_without_a_hash_and_last() {
        assert_eq!(position("2"), Some(Position::Number(2)));
        assert_eq!(position("#12"), Some(Position::Number(12)));
        assert_eq!(position("Last"), Some(Position::Last));
        for other in ["", "#", "2nd", "-1", "1.5", "last week", "99999999999999999999999"] {
            assert_eq!(position(other), None, "{other}");
        }
    }
}

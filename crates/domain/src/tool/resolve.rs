//! Resolution of task identifiers: an id, a position in the list that was last shown, a title, or a part of a title.
//!
//! An ambiguous identifier resolves to its candidates and an unknown one to suggestions; neither selects a task.

use std::num::NonZeroU16;
use std::sync::Arc;

use super::TaskMatch;
use crate::conversation::ConversationRepo;
use crate::id::{ConversationId, TaskId, UserId};
use crate::page::PageRequest;
use crate::storage::StorageError;
use crate::task::{Task, TaskFilter, TaskRepo, TaskRepoError, TaskStatus, TitleMatch};
use crate::text::{NormalizedText, SearchText};

/// The newest tasks with the prefixes of their titles, read for the first identifier that no title contains literally.
pub(super) type Titles = Option<Vec<(String, Task)>>;

/// A position in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// From 1.
    Number(usize),
    Last,
}

/// Maximum number of candidates.
const MAX_CANDIDATES: NonZeroU16 = NonZeroU16::new(10).unwrap();
/// Maximum number of tasks, newest first, whose titles are compared for suggestions.
const MAX_COMPARED: NonZeroU16 = NonZeroU16::new(1000).unwrap();
/// Maximum number of suggestions.
const MAX_SUGGESTIONS: usize = 3;
/// Maximum number of characters of a title that are compared. The cost is quadratic, and one character may normalize to 18.
const MAX_COMPARED_CHARACTERS: usize = 64;
/// Minimum similarity of a suggestion, from 0 to 1 (Jaro-Winkler).
const MIN_SIMILARITY: f64 = 0.75;

/// Resolves identifiers to tasks.
#[derive(Clone)]
pub(super) struct TaskResolver {
    pub tasks: Arc<dyn TaskRepo>,
    pub conversations: Arc<dyn ConversationRepo>,
}

impl TaskResolver {
    pub async fn resolve(
        &self,
        owner: UserId,
        conversation: Option<ConversationId>,
        identifier: &str,
        titles: &mut Titles,
    ) -> Result<TaskMatch, StorageError> {
        if let Ok(id) = identifier.parse::<TaskId>()
            && let Some(task) = self.find(owner, id).await?
        {
            return Ok(TaskMatch::One(Box::new(task)));
        }
        if let (Some(conversation), Some(position)) = (conversation, position(identifier))
            && let Some(task) = self.find_at(owner, conversation, position).await?
        {
            return Ok(TaskMatch::One(Box::new(task)));
        }
        let normalized = NormalizedText::new(identifier);
        if !normalized.as_str().is_empty() {
            for title in [TitleMatch::Exactly(normalized.clone()), TitleMatch::Containing(normalized.clone())] {
                let mut found = self.matching(owner, TaskStatus::All, Some(title), MAX_CANDIDATES).await?;
                match found.len() {
                    0 => {}
                    1 => return Ok(TaskMatch::One(Box::new(found.remove(0)))),
                    _ => return Ok(TaskMatch::Several(found)),
                }
            }
        }
        if titles.is_none() {
            *titles = Some(prefixed(self.matching(owner, TaskStatus::All, None, MAX_COMPARED).await?));
        }
        let titles = titles.as_deref().unwrap_or_default();
        let mut found = containing(identifier, titles);
        Ok(match found.len() {
            0 => TaskMatch::None(most_similar(&prefix(identifier), titles)),
            1 => TaskMatch::One(Box::new(found.remove(0))),
            _ => TaskMatch::Several(found),
        })
    }

    /// Returns the newest tasks whose title contains `words`: literally, or else without accents and plural endings.
    pub async fn search(
        &self,
        owner: UserId,
        status: TaskStatus,
        words: &str,
        limit: NonZeroU16,
    ) -> Result<Vec<Task>, StorageError> {
        let literal = TitleMatch::Containing(NormalizedText::new(words));
        let found = self.matching(owner, status, Some(literal), limit).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        Ok(containing(words, &prefixed(self.matching(owner, status, None, MAX_COMPARED).await?)))
    }

    /// Returns the task, or `None` if the owner has no such task.
    pub async fn find(&self, owner: UserId, id: TaskId) -> Result<Option<Task>, StorageError> {
        match self.tasks.get(owner, id).await {
            Ok(task) => Ok(Some(task)),
            Err(TaskRepoError::NotFound) => Ok(None),
            Err(TaskRepoError::Storage(error)) => Err(error),
        }
    }

    async fn find_at(
        &self,
        owner: UserId,
        conversation: ConversationId,
        position: Position,
    ) -> Result<Option<Task>, StorageError> {
        let shown = self.conversations.shown_tasks(owner, conversation).await;
        let shown = shown.or_else(|error| error.into_storage().map_or(Ok(Vec::new()), Err))?;
        let id = match position {
            Position::Number(number) => number.checked_sub(1).and_then(|index| shown.get(index)),
            Position::Last => shown.last(),
        };
        match id {
            Some(id) => self.find(owner, *id).await,
            None => Ok(None),
        }
    }

    async fn matching(
        &self,
        owner: UserId,
        status: TaskStatus,
        title: Option<TitleMatch>,
        limit: NonZeroU16,
    ) -> Result<Vec<Task>, StorageError> {
        let filter = TaskFilter { status, title };
        match self.tasks.list(owner, &filter, PageRequest::first(limit)).await {
            Ok(page) => Ok(page.items),
            Err(error) => Err(storage(error)),
        }
    }
}

/// The storage failure of a query for several rows, which never returns [`TaskRepoError::NotFound`].
pub(super) fn storage(error: TaskRepoError) -> StorageError {
    match error {
        TaskRepoError::Storage(error) => error,
        TaskRepoError::NotFound => StorageError::Other("a query for several rows returned 'not found'".into()),
    }
}

fn position(identifier: &str) -> Option<Position> {
    if identifier.eq_ignore_ascii_case("last") {
        return Some(Position::Last);
    }
    let digits = identifier.strip_prefix('#').unwrap_or(identifier);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok().map(Position::Number)).flatten()
}

/// The tasks with the prefixes of their titles.
fn prefixed(tasks: Vec<Task>) -> Vec<(String, Task)> {
    tasks.into_iter().map(|task| (prefix(task.title.as_str()), task)).collect()
}

/// Returns the tasks whose title contains `words` in its prefix, without accents and plural endings; at most
/// [`MAX_CANDIDATES`].
fn containing(words: &str, titles: &[(String, Task)]) -> Vec<Task> {
    let words = SearchText::new(words);
    let found = titles.iter().filter(|(title, _)| SearchText::new(title).contains(&words));
    found.take(MAX_CANDIDATES.get().into()).map(|(_, task)| task.clone()).collect()
}

fn most_similar(text: &str, titles: &[(String, Task)]) -> Vec<Task> {
    let score = |(title, task)| (strsim::jaro_winkler(text, title), task);
    let mut scored: Vec<(f64, &Task)> = titles.iter().map(|(title, task)| score((title, task))).collect();
    scored.retain(|(score, _)| *score >= MIN_SIMILARITY);
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    scored.into_iter().take(MAX_SUGGESTIONS).map(|(_, task)| task.clone()).collect()
}

/// Returns the normalized prefix that is compared. It is cut before normalization, to bound its cost, and after it, because
/// normalization may expand it.
fn prefix(text: &str) -> String {
    let prefix: String = text.chars().take(MAX_COMPARED_CHARACTERS).collect();
    NormalizedText::new(&prefix).as_str().chars().take(MAX_COMPARED_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_prefix_of_long_texts_is_compared() {
        assert_eq!(prefix(&"\u{FDFA}".repeat(500)).chars().count(), MAX_COMPARED_CHARACTERS);
    }

    #[test]
    fn positions_are_numbers_with_an_optional_hash_and_the_word_last() {
        assert_eq!(position("2"), Some(Position::Number(2)));
        assert_eq!(position("#12"), Some(Position::Number(12)));
        assert_eq!(position("Last"), Some(Position::Last));
        for other in ["", "#", "2nd", "-1", "1.5", "last week", "99999999999999999999999"] {
            assert_eq!(position(other), None, "{other}");
        }
    }
}

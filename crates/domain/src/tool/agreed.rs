//! Deletions that the user agreed to, offers to make them, and effects that have happened before.

use serde_json::{Value, json};

use super::outcome::{completed, created, deleted, refused, renamed};
use super::parameters::{OneTask, read};
use super::resolve::Resolved;
use super::{TaskTools, ToolContext, ToolError, ToolOutcome};
use crate::chat::consent::{NamedTask, asks_to_delete, permits_deletion};
use crate::conversation::PendingAction;
use crate::id::{ConversationId, TaskId, UserId};
use crate::message::ToolCall;
use crate::principal::Scope;
use crate::storage::StorageError;
use crate::task::{TaskEffect, TaskRepoError, Version};
use crate::text::Folded;

/// The tool that may be agreed to beforehand.
const DELETE: &str = "delete_task";

impl TaskTools {
    /// What the context's effect did, if it has happened.
    pub(super) async fn already_done(&self, context: &ToolContext) -> Result<Option<ToolOutcome>, ToolError> {
        let Some(effect) = context.effect_id else { return Ok(None) };
        let effect = self.tasks.effect(context.principal.user, effect).await.map_err(only_storage)?;
        Ok(effect.and_then(|effect| match effect {
            TaskEffect { before: None, after: Some(task) } => Some(created(&task)),
            TaskEffect { before: Some(task), after: None } => Some(deleted(&task)),
            TaskEffect { before: Some(before), after: Some(after) } if !before.completed() && after.completed() => {
                Some(completed(&after))
            }
            TaskEffect { before: Some(before), after: Some(after) } => Some(renamed(&before, &after)),
            TaskEffect { before: None, after: None } => None,
        }))
    }

    /// Whether the user's own words ask for all that the calls of one turn would delete.
    pub(super) async fn consented(
        &self,
        context: &ToolContext,
        tool: &str,
        calls: &[ToolCall],
    ) -> Result<bool, ToolError> {
        if tool != DELETE || calls.len() < 2 {
            return Ok(true);
        }
        let (Some(conversation), Some(words)) = (context.conversation, &context.user_text) else { return Ok(false) };
        let owner = context.principal.user;
        let mut tasks: Vec<Doomed> = Vec::new();
        for call in calls {
            let task = match &call.result {
                Some(result) => Doomed::gone(&result.data),
                None => self.named_by(owner, conversation, &call.parameters).await?,
            };
            // What names no task, or several, deletes none.
            tasks.extend(task.filter(|task| !tasks.iter().any(|other| other.id == task.id)));
        }
        if tasks.len() < 2 {
            return Ok(true);
        }
        let shown = self.shown(owner, conversation).await?;
        let named: Vec<_> = tasks.iter().map(|task| task.among(&shown)).collect();
        Ok(permits_deletion(words, &named))
    }

    async fn named_by(
        &self,
        owner: UserId,
        conversation: ConversationId,
        parameters: &Value,
    ) -> Result<Option<Doomed>, ToolError> {
        let Ok(OneTask { task_identifier }) = read(parameters.clone()) else { return Ok(None) };
        Ok(match self.resolve(owner, Some(conversation), task_identifier.as_str()).await? {
            Resolved::One(task) => {
                let completed = task.completed();
                Some(Doomed { id: task.id, title: task.title.into(), completed })
            }
            Resolved::Several(_) | Resolved::None(_) => None,
        })
    }

    /// Deletes what the user has agreed to.
    pub(super) async fn delete_agreed(
        &self,
        context: &ToolContext,
        action: &PendingAction,
    ) -> Result<Vec<ToolOutcome>, ToolError> {
        context.principal.require(Scope::TasksWrite)?;
        if action.tool != DELETE {
            return Err(ToolError::UnknownTool(action.tool.clone()));
        }
        let change = self.change(context);
        let gone =
            self.tasks.delete_many(context.principal.user, &action.tasks, &change).await.map_err(only_storage)?;
        let outcome = |(id, _): &(TaskId, Version)| {
            let still =
                || refused("The task has changed meanwhile, or is gone. It was not deleted.".to_owned(), json!({}));
            gone.iter().find(|task| task.id == *id).map_or_else(still, deleted)
        };
        Ok(action.tasks.iter().map(outcome).collect())
    }

    /// The shown tasks that `text` asks to delete: those whose titles stand in the sentences that ask.
    pub(super) async fn deletion_offered_in(
        &self,
        context: &ToolContext,
        text: &str,
    ) -> Result<Option<PendingAction>, ToolError> {
        let Some(conversation) = context.conversation else { return Ok(None) };
        let text = without_inner_marks(text);
        let asking: Vec<&str> = sentences(&text).filter(|sentence| asks_to_delete(sentence)).collect();
        if asking.is_empty() {
            return Ok(None);
        }
        context.principal.require(Scope::TasksWrite)?;
        let owner = context.principal.user;
        let shown = self.shown(owner, conversation).await?;
        let mut tasks = self.tasks.get_many(owner, &shown).await.map_err(only_storage)?;
        // A title within another one is not meant where the longer one stands.
        tasks.sort_by_key(|task| std::cmp::Reverse(task.title.folded().as_str().len()));
        let mut words = Folded::new(&asking.join("\n")).as_str().to_owned();
        let named: Vec<(TaskId, Version)> = tasks
            .iter()
            .filter(|task| {
                let title = task.title.folded();
                take_out(&mut words, title.as_str()) || take_out(&mut words, &without_marks(title.as_str()))
            })
            .map(|task| (task.id, task.version))
            .collect();
        let tasks: Vec<_> =
            shown.iter().filter_map(|id| named.iter().find(|(known, _)| known == id).copied()).collect();
        let any = !tasks.is_empty();
        Ok(any.then(|| PendingAction { id: self.ids.next().into(), tool: DELETE.to_owned(), tasks }))
    }

    pub(super) async fn shown(&self, owner: UserId, conversation: ConversationId) -> Result<Vec<TaskId>, StorageError> {
        let shown = self.conversations.shown_tasks(owner, conversation).await;
        shown.or_else(|error| error.into_storage().map_or(Ok(Vec::new()), Err))
    }
}

/// What ends a sentence.
const MARKS: [char; 7] = ['.', '!', '?', '\n', '\u{ff1f}', '\u{3002}', '\u{ff01}'];

/// A text without the marks inside its quotations, which end no sentence: “Call Dr. Smith”.
fn without_inner_marks(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('“') {
        let Some(length) = rest[start..].find('”') else { break };
        kept.push_str(&rest[..start]);
        kept.push_str(&without_marks(&rest[start..start + length]));
        rest = &rest[start + length..];
    }
    kept.push_str(rest);
    kept
}

fn without_marks(text: &str) -> String {
    text.replace(MARKS, "·")
}

/// The sentences of a text, each with its mark. A title with a mark in it is cut, and then not found, unless it is quoted.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(MARKS)
}

/// Takes every place where `title` stands alone out of `words`, and tells whether there was one.
fn take_out(words: &mut String, title: &str) -> bool {
    let (mut found, mut from) = (false, 0);
    while let Some(at) = words.get(from..).and_then(|rest| rest.find(title)).map(|at| at + from) {
        let end = at + title.len();
        let alone = |neighbour: Option<char>| neighbour.is_none_or(|c| !c.is_alphanumeric());
        if alone(words[..at].chars().next_back()) && alone(words[end..].chars().next()) {
            words.replace_range(at..end, "\u{fffc}");
            found = true;
        }
        from = at + words[at..].chars().next().map_or(1, char::len_utf8);
    }
    found
}

/// A task that a turn deletes, or has deleted.
struct Doomed {
    id: TaskId,
    title: String,
    completed: bool,
}

impl Doomed {
    /// From what a deletion told of the task.
    fn gone(data: &Value) -> Option<Self> {
        let task = &data["task"];
        Some(Self {
            id: task["id"].as_str()?.parse().ok()?,
            title: task["title"].as_str()?.to_owned(),
            completed: task["completed"].as_bool()?,
        })
    }

    /// As the user may have named it who saw `shown`.
    fn among(&self, shown: &[TaskId]) -> NamedTask<'_> {
        let position = shown.iter().position(|id| *id == self.id);
        NamedTask {
            position: position.map(|index| index + 1),
            is_last: position.is_some_and(|index| index + 1 == shown.len()),
            title: &self.title,
            completed: self.completed,
        }
    }
}

/// A list or a look-up that finds nothing is no error, so nothing but storage can fail in them.
fn only_storage(error: TaskRepoError) -> ToolError {
    match error {
        TaskRepoError::Storage(error) => error.into(),
        TaskRepoError::TurnEnded => ToolError::TurnEnded,
        TaskRepoError::NotFound | TaskRepoError::Stale => {
            StorageError::Other("a look-up of several found none".into()).into()
        }
    }
}

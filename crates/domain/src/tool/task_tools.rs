//! The five tools on tasks, each with its checks: the chat assistant and every other caller run this very code.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::outcome::{completed, created, deleted, done, needs_consent, numbered, refuse, refused, renamed, view};
use super::parameters::{AddTask, ListTasks, OneTask, UpdateTask, read, schema};
use super::resolve::Resolved;
use super::{ToolContext, ToolError, ToolExecutor, ToolOutcome, ToolSpec};
use crate::change::Change;
use crate::conversation::{ConversationRepo, PendingAction};
use crate::id::TaskId;
use crate::message::ToolCall;
use crate::page::PageRequest;
use crate::patch::Patch;
use crate::principal::Scope;
use crate::runtime::{Clock, IdGenerator};
use crate::storage::StorageError;
use crate::task::{NewTask, Task, TaskChange, TaskFilter, TaskPatch, TaskRepo, TaskStatus, Title};

/// So many tasks one list shows; its counts tell how many there are.
const MAX_LISTED: std::num::NonZeroU16 = std::num::NonZeroU16::new(100).unwrap();

/// The five tools on tasks: `add_task`, `list_tasks`, `complete_task`, `delete_task`, `update_task`.
#[derive(Clone)]
pub struct TaskTools {
    pub(super) tasks: Arc<dyn TaskRepo>,
    pub(super) conversations: Arc<dyn ConversationRepo>,
    clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn IdGenerator>,
}

impl TaskTools {
    /// Tools over these ports.
    pub fn new(
        tasks: Arc<dyn TaskRepo>,
        conversations: Arc<dyn ConversationRepo>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdGenerator>,
    ) -> Self {
        Self { tasks, conversations, clock, ids }
    }
}

#[async_trait]
impl ToolExecutor for TaskTools {
    fn tools(&self) -> Vec<ToolSpec> {
        // Made once: their schemas are generated from types.
        static SPECS: LazyLock<Vec<ToolSpec>> = LazyLock::new(specs);
        SPECS.clone()
    }

    async fn run(&self, context: &ToolContext, tool: &str, parameters: Value) -> Result<ToolOutcome, ToolError> {
        match tool {
            "add_task" => self.add(context, read(parameters)?).await,
            "list_tasks" => self.list(context, read(parameters)?).await,
            "complete_task" => self.complete(context, read(parameters)?).await,
            "delete_task" => self.delete(context, read(parameters)?).await,
            "update_task" => self.update(context, read(parameters)?).await,
            other => Err(ToolError::UnknownTool(other.to_owned())),
        }
    }

    async fn done_before(&self, context: &ToolContext) -> Result<Option<ToolOutcome>, ToolError> {
        self.already_done(context).await
    }

    async fn may_run(&self, context: &ToolContext, tool: &str, calls: &[ToolCall]) -> Result<bool, ToolError> {
        self.consented(context, tool, calls).await
    }

    async fn run_agreed(&self, context: &ToolContext, action: &PendingAction) -> Result<Vec<ToolOutcome>, ToolError> {
        self.delete_agreed(context, action).await
    }

    async fn offered_in(&self, context: &ToolContext, text: &str) -> Result<Option<PendingAction>, ToolError> {
        self.deletion_offered_in(context, text).await
    }
}

/// What the tools are, as it is told to a model.
pub fn specs() -> Vec<ToolSpec> {
    let tool = |name, description, parameters| ToolSpec {
        name,
        description,
        parameters,
        read_only: false,
        destructive: false,
        idempotent: false,
    };
    vec![
        tool("add_task", "Creates a task on the user's list.", schema::<AddTask>()),
        ToolSpec {
            read_only: true,
            idempotent: true,
            ..tool("list_tasks", "Lists the user's tasks, newest first, with counts.", schema::<ListTasks>())
        },
        ToolSpec {
            idempotent: true,
            ..tool("complete_task", "Marks one of the user's tasks as done.", schema::<OneTask>())
        },
        ToolSpec {
            destructive: true,
            ..tool("delete_task", "Deletes one of the user's tasks for good.", schema::<OneTask>())
        },
        ToolSpec {
            destructive: true,
            idempotent: true,
            ..tool("update_task", "Gives one of the user's tasks another title.", schema::<UpdateTask>())
        },
    ]
}

impl TaskTools {
    async fn add(&self, context: &ToolContext, AddTask { title }: AddTask) -> Result<ToolOutcome, ToolError> {
        context.principal.require(Scope::TasksWrite)?;
        let title = match title.parse::<Title>() {
            Ok(title) => title,
            Err(error) => return Ok(refused(error.to_string(), json!({}))),
        };
        let task = NewTask { id: self.ids.next().into(), title, completed: false };
        match self.tasks.create(context.principal.user, task, &self.change(context)).await {
            Ok(task) => Ok(created(&task)),
            Err(error) => refuse(error),
        }
    }

    async fn list(&self, context: &ToolContext, ListTasks { status }: ListTasks) -> Result<ToolOutcome, ToolError> {
        context.principal.require(Scope::TasksRead)?;
        let owner = context.principal.user;
        let filter = TaskFilter { status: status.into(), title: None };
        let (page, counts) = match self.tasks.list(owner, &filter, PageRequest::first(MAX_LISTED)).await {
            Ok(page) => match self.tasks.counts(owner).await {
                Ok(counts) => (page, counts),
                Err(error) => return refuse(error),
            },
            Err(error) => return refuse(error),
        };
        self.remember(context, &page.items).await?;
        let total = match filter.status {
            TaskStatus::All => counts.pending + counts.completed,
            TaskStatus::Pending => counts.pending,
            TaskStatus::Completed => counts.completed,
        };
        let message = match (total, filter.status) {
            (1, TaskStatus::All) => "1 task".to_owned(),
            (n, TaskStatus::All) => format!("{n} tasks"),
            (1, TaskStatus::Pending | TaskStatus::Completed) => format!("1 {} task", status.as_str()),
            (n, TaskStatus::Pending | TaskStatus::Completed) => format!("{n} {} tasks", status.as_str()),
        };
        let data = json!({
            "tasks": numbered(&page.items),
            "status": status.as_str(),
            "total": total,
            "pending": counts.pending,
            "completed": counts.completed,
        });
        Ok(done(message, data, false))
    }

    async fn complete(
        &self,
        context: &ToolContext,
        OneTask { task_identifier }: OneTask,
    ) -> Result<ToolOutcome, ToolError> {
        let task = match self.one(context, task_identifier.as_str()).await? {
            Ok(task) => task,
            Err(outcome) => return Ok(outcome),
        };
        if task.completed() {
            let data = json!({"task": view(&task), "already_completed": true});
            return Ok(done(format!("Task '{}' was already completed", task.title), data, false));
        }
        let patch = TaskPatch { completed: Patch::Set(true), ..TaskPatch::default() };
        let change = self.change(context);
        match self.tasks.update(context.principal.user, task.id, patch, Some(task.version), &change).await {
            Ok(changed) => Ok(completed(&changed.after)),
            Err(error) => refuse(error),
        }
    }

    async fn delete(
        &self,
        context: &ToolContext,
        OneTask { task_identifier }: OneTask,
    ) -> Result<ToolOutcome, ToolError> {
        let task = match self.one(context, task_identifier.as_str()).await? {
            Ok(task) => task,
            Err(outcome) => return Ok(outcome),
        };
        if !context.agreed {
            return Ok(needs_consent(task));
        }
        match self.tasks.delete(context.principal.user, task.id, Some(task.version), &self.change(context)).await {
            Ok(task) => Ok(deleted(&task)),
            Err(error) => refuse(error),
        }
    }

    async fn update(&self, context: &ToolContext, parameters: UpdateTask) -> Result<ToolOutcome, ToolError> {
        let UpdateTask { task_identifier, new_title } = parameters;
        let title = match new_title.parse::<Title>() {
            Ok(title) => title,
            Err(error) => return Ok(refused(error.to_string(), json!({}))),
        };
        let task = match self.one(context, task_identifier.as_str()).await? {
            Ok(task) => task,
            Err(outcome) => return Ok(outcome),
        };
        let patch = TaskPatch { title: Patch::Set(title), ..TaskPatch::default() };
        let change = self.change(context);
        match self.tasks.update(context.principal.user, task.id, patch, Some(task.version), &change).await {
            Ok(TaskChange { before, after }) => Ok(renamed(&before, &after)),
            Err(error) => refuse(error),
        }
    }

    /// The one task that `identifier` stands for, or what to say instead.
    async fn one(&self, context: &ToolContext, identifier: &str) -> Result<Result<Task, ToolOutcome>, ToolError> {
        context.principal.require(Scope::TasksWrite)?;
        match self.resolve(context.principal.user, context.conversation, identifier).await? {
            Resolved::One(task) => Ok(Ok(*task)),
            Resolved::Several(candidates) => {
                self.remember(context, &candidates).await?;
                let message = format!("Several tasks match '{identifier}'. Nothing was changed. Which one is meant?");
                Ok(Err(refused(message, json!({"candidates": numbered(&candidates)}))))
            }
            Resolved::None(nearest) => {
                let nearest: Vec<_> = nearest.iter().map(view).collect();
                Ok(Err(refused(
                    format!("No task matches '{identifier}'. Nothing was changed."),
                    json!({"nearest": nearest}),
                )))
            }
        }
    }

    /// Remembers what is shown, so that "the second one" means what was seen.
    async fn remember(&self, context: &ToolContext, shown: &[Task]) -> Result<(), StorageError> {
        let Some(conversation) = context.conversation else { return Ok(()) };
        let ids: Vec<TaskId> = shown.iter().map(|task| task.id).collect();
        let set = self.conversations.set_shown_tasks(context.principal.user, conversation, &ids).await;
        // A conversation that was deleted meanwhile shows nothing to anybody.
        set.or_else(|error| error.into_storage().map_or(Ok(()), Err))
    }

    pub(super) fn change(&self, context: &ToolContext) -> Change {
        Change {
            actor: context.principal.clone(),
            turn: context.turn,
            call: context.effect_id,
            request_id: context.request_id.clone(),
            at: self.clock.now(),
        }
    }
}

#[cfg(test)]
mod tests;

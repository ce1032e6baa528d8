//! The tools on tasks, for the chat assistant and every other caller.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::outcome::{
    completed, created, deleted, done, not_undone, numbered, on_task_error, recorded, refused, renamed, undone, view,
};
use super::parameters::{AddTask, ListTasks, NoParameters, OneTask, StatusParameter, UpdateTask, read, schema};
use super::resolve::TaskResolver;
use super::{
    CONFIRM_PENDING, ResolvedCall, TaskMatch, ToolContext, ToolError, ToolExecutor, ToolOutcome, ToolSpec, UNDO,
    confirmation,
};
use crate::change::{ChangeService, Ledger, Undone};
use crate::conversation::message::ToolCall;
use crate::conversation::{ConversationRepo, PendingAction};
use crate::id::TaskId;
use crate::page::PageRequest;
use crate::patch::Patch;
use crate::principal::Scope;
use crate::storage::StorageError;
use crate::task::{Task, TaskFilter, TaskPatch, TaskRepo, TaskService, TaskStatus, Title};

/// Maximum number of tasks that one list shows. The counts include the others.
const MAX_LISTED: std::num::NonZeroU16 = std::num::NonZeroU16::new(100).unwrap();

/// The tools on tasks: `add_task`, `list_tasks`, `complete_task`, `delete_task`, `update_task`, `undo`.
#[derive(Clone)]
pub struct TaskTools {
    resolver: TaskResolver,
    ledger: Ledger,
    service: TaskService,
    changes: ChangeService,
}

impl TaskTools {
    /// Creates the tools.
    pub fn new(tasks: Arc<dyn TaskRepo>, conversations: Arc<dyn ConversationRepo>, ledger: Ledger) -> Self {
        let service = TaskService::new(tasks.clone(), ledger.clone());
        let changes = ChangeService::new(ledger.clone(), tasks.clone());
        Self { resolver: TaskResolver { tasks, conversations }, ledger, service, changes }
    }
}

#[async_trait]
impl ToolExecutor for TaskTools {
    fn tools(&self) -> Vec<ToolSpec> {
        // Created once, because the schemas are generated from types.
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
            UNDO => self.undo(context, read(parameters)?).await,
            other => Err(ToolError::UnknownTool(other.to_owned())),
        }
    }

    async fn find_effect(&self, context: &ToolContext, tool: &str) -> Result<Option<ToolOutcome>, ToolError> {
        let Some(call) = context.origin.call else { return Ok(None) };
        let entries = self.ledger.repo.find_effect(context.origin.principal.user, call.effect()).await?;
        Ok(match entries.as_slice() {
            [] => None,
            entries if tool == CONFIRM_PENDING => Some(confirmation::recorded(entries)),
            entries if tool == UNDO => Some(undone(&Undone { entries: entries.to_vec(), conflicts: Vec::new() })),
            [entry, ..] => Some(recorded(entry).unwrap_or_else(|| {
                refused("This was done, but the task has been purged since.".to_owned(), json!({}))
            })),
        })
    }

    async fn resolve(&self, context: &ToolContext, calls: &[ToolCall]) -> Result<Vec<ResolvedCall>, ToolError> {
        let mut titles = None;
        let mut resolved = Vec::with_capacity(calls.len());
        for call in calls {
            resolved.push(confirmation::resolve_call(&self.resolver, context, call, &mut titles).await?);
        }
        Ok(resolved)
    }

    async fn run_pending(&self, context: &ToolContext, pending: &PendingAction) -> Result<ToolOutcome, ToolError> {
        confirmation::run_confirmed(&self.resolver, &self.ledger, context, pending).await
    }
}

/// The descriptions of the tools.
pub fn specs() -> Vec<ToolSpec> {
    vec![
        spec("add_task", "Creates a task on the user's list.", schema::<AddTask>()),
        ToolSpec {
            read_only: true,
            idempotent: true,
            ..spec(
                "list_tasks",
                "Lists the user's tasks, newest first, with the counts of all tasks. Searches titles if there is a query.",
                schema::<ListTasks>(),
            )
        },
        ToolSpec {
            idempotent: true,
            ..spec("complete_task", "Marks one of the user's tasks as done.", schema::<OneTask>())
        },
        ToolSpec { destructive: true, ..spec("delete_task", "Deletes one of the user's tasks.", schema::<OneTask>()) },
        ToolSpec {
            destructive: true,
            idempotent: true,
            ..spec("update_task", "Gives one of the user's tasks another title.", schema::<UpdateTask>())
        },
        spec(
            UNDO,
            "Takes back everything that the last turn of this conversation changed and that is not undone yet.",
            schema::<NoParameters>(),
        ),
    ]
}

/// The description of the tool that confirms a pending action, for a turn in which there is one.
pub fn confirm_pending_spec() -> ToolSpec {
    ToolSpec {
        destructive: true,
        idempotent: true,
        ..spec(
            CONFIRM_PENDING,
            "Runs the deletions and edits that wait for the user's confirmation, all of them. Call it, alone and at once, \
             only if the user's last message agrees to them.",
            schema::<NoParameters>(),
        )
    }
}

fn spec(name: &'static str, description: &'static str, parameters: Value) -> ToolSpec {
    ToolSpec {
        name,
        description,
        parameters: Arc::new(parameters),
        read_only: false,
        destructive: false,
        idempotent: false,
    }
}

impl TaskTools {
    async fn add(&self, context: &ToolContext, AddTask { title }: AddTask) -> Result<ToolOutcome, ToolError> {
        context.origin.principal.require(Scope::TasksWrite)?;
        let title = match title.parse::<Title>() {
            Ok(title) => title,
            Err(error) => return Ok(refused(error.to_string(), json!({}))),
        };
        match self.service.create(&context.origin, title, false).await {
            Ok(change) => Ok(created(&change)),
            Err(error) => on_task_error(error),
        }
    }

    async fn list(&self, context: &ToolContext, parameters: ListTasks) -> Result<ToolOutcome, ToolError> {
        let ListTasks { status, query } = parameters;
        let principal = &context.origin.principal;
        if let Some(query) = query {
            return self.search(context, status, query.as_str()).await;
        }
        let filter = TaskFilter { status: status.into(), title: None };
        let (page, counts) = match self.service.list(principal, &filter, PageRequest::first(MAX_LISTED)).await {
            Ok(page) => match self.service.counts(principal).await {
                Ok(counts) => (page, counts),
                Err(error) => return on_task_error(error),
            },
            Err(error) => return on_task_error(error),
        };
        self.store_shown(context, &page.items).await?;
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
        Ok(done(message, data, &[]))
    }

    /// Lists the tasks whose title contains `words`. The counts are those of all tasks.
    async fn search(
        &self,
        context: &ToolContext,
        status: StatusParameter,
        words: &str,
    ) -> Result<ToolOutcome, ToolError> {
        let principal = &context.origin.principal;
        let counts = match self.service.counts(principal).await {
            Ok(counts) => counts,
            Err(error) => return on_task_error(error),
        };
        let found = self.resolver.search(principal.user, status.into(), words, MAX_LISTED).await?;
        self.store_shown(context, &found).await?;
        let message = match found.len() {
            1 => "1 task found".to_owned(),
            n => format!("{n} tasks found"),
        };
        let data = json!({
            "tasks": numbered(&found),
            "status": status.as_str(),
            "total": found.len(),
            "pending": counts.pending,
            "completed": counts.completed,
        });
        Ok(done(message, data, &[]))
    }

    async fn complete(
        &self,
        context: &ToolContext,
        OneTask { task_identifier }: OneTask,
    ) -> Result<ToolOutcome, ToolError> {
        let task = match self.resolve_one(context, task_identifier.as_str()).await? {
            Ok(task) => task,
            Err(outcome) => return Ok(outcome),
        };
        let patch = TaskPatch { completed: Patch::Set(true), ..TaskPatch::default() };
        match self.service.update(&context.origin, task.id, &patch, Some(task.version)).await {
            Ok(change) => Ok(completed(&change)),
            Err(error) => on_task_error(error),
        }
    }

    async fn delete(
        &self,
        context: &ToolContext,
        OneTask { task_identifier }: OneTask,
    ) -> Result<ToolOutcome, ToolError> {
        let task = match self.resolve_one(context, task_identifier.as_str()).await? {
            Ok(task) => task,
            Err(outcome) => return Ok(outcome),
        };
        match self.service.delete(&context.origin, task.id, Some(task.version)).await {
            Ok(change) => Ok(deleted(&change)),
            Err(error) => on_task_error(error),
        }
    }

    async fn update(&self, context: &ToolContext, parameters: UpdateTask) -> Result<ToolOutcome, ToolError> {
        let UpdateTask { task_identifier, new_title } = parameters;
        let title = match new_title.parse::<Title>() {
            Ok(title) => title,
            Err(error) => return Ok(refused(error.to_string(), json!({}))),
        };
        let task = match self.resolve_one(context, task_identifier.as_str()).await? {
            Ok(task) => task,
            Err(outcome) => return Ok(outcome),
        };
        let patch = TaskPatch { title: Patch::Set(title), ..TaskPatch::default() };
        match self.service.update(&context.origin, task.id, &patch, Some(task.version)).await {
            Ok(change) => Ok(renamed(&change)),
            Err(error) => on_task_error(error),
        }
    }

    async fn undo(&self, context: &ToolContext, NoParameters {}: NoParameters) -> Result<ToolOutcome, ToolError> {
        match self.changes.undo_last_turn(&context.origin).await {
            Ok(Some(result)) => Ok(undone(&result)),
            Ok(None) => Ok(refused("There is nothing to undo in this conversation.".to_owned(), json!({}))),
            Err(error) => not_undone(error),
        }
    }

    /// Returns the task that `identifier` resolves to, or the outcome to return instead.
    async fn resolve_one(
        &self,
        context: &ToolContext,
        identifier: &str,
    ) -> Result<Result<Task, ToolOutcome>, ToolError> {
        context.origin.principal.require(Scope::TasksWrite)?;
        let owner = context.origin.principal.user;
        let target = match &context.target {
            Some(target) => target.clone(),
            None => self.resolver.resolve(owner, context.conversation(), identifier, &mut None).await?,
        };
        match target {
            TaskMatch::One(task) => Ok(Ok(*task)),
            TaskMatch::Several(candidates) => {
                self.store_shown(context, &candidates).await?;
                let message = format!("Several tasks match '{identifier}'. Nothing was changed. Which one is meant?");
                Ok(Err(refused(message, json!({"candidates": numbered(&candidates)}))))
            }
            TaskMatch::None(nearest) => {
                let nearest: Vec<_> = nearest.iter().map(view).collect();
                Ok(Err(refused(
                    format!("No task matches '{identifier}'. Nothing was changed."),
                    json!({"nearest": nearest}),
                )))
            }
        }
    }

    /// Stores which tasks the conversation shows, so that later positions refer to them.
    async fn store_shown(&self, context: &ToolContext, shown: &[Task]) -> Result<(), StorageError> {
        let Some(conversation) = context.conversation() else { return Ok(()) };
        let ids: Vec<TaskId> = shown.iter().map(|task| task.id).collect();
        let stored =
            self.resolver.conversations.set_shown_tasks(context.origin.principal.user, conversation, &ids).await;
        // The conversation may have been deleted meanwhile; then there is nothing to store.
        stored.or_else(|error| error.into_storage().map_or(Ok(()), Err))
    }
}

#[cfg(test)]
mod tests;

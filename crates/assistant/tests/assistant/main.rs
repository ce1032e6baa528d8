//! The offline assistant as a provider: everything here goes through the port, as the chat does.

mod chat;
mod confirmation;
mod conversations;
mod histories;
mod properties;
mod sentences;
mod streaming;
mod table;

use std::sync::Arc;

use anyhow::Result;
use assistant::BuiltInAssistant;
use domain::llm::{LlmClient as _, LlmMessage, LlmReply, LlmRequest, LlmToolCall, collect};
use domain::tool::{CONFIRM_PENDING, ToolSpec, UNDO};
use serde_json::{Value, json};

/// The tools of the task list, by name: the offline assistant reads no more of them.
fn tools() -> Arc<[ToolSpec]> {
    named(&["add_task", "list_tasks", "complete_task", "delete_task", "update_task", UNDO])
}

/// The same where something waits for the user's confirmation.
fn confirming() -> Arc<[ToolSpec]> {
    tools().iter().cloned().chain(named(&[CONFIRM_PENDING]).iter().cloned()).collect()
}

fn named(names: &[&'static str]) -> Arc<[ToolSpec]> {
    let spec = |&name| ToolSpec {
        name,
        description: "",
        parameters: Arc::new(json!({})),
        read_only: false,
        destructive: false,
        idempotent: false,
    };
    names.iter().map(spec).collect()
}

fn request(messages: Vec<LlmMessage>) -> LlmRequest {
    LlmRequest { system: String::new(), messages, tools: tools() }
}

fn user(text: &str) -> LlmMessage {
    LlmMessage::User { text: text.to_owned() }
}

fn assistant(text: &str, calls: Vec<LlmToolCall>) -> LlmMessage {
    LlmMessage::Assistant { text: text.to_owned(), plan: None, calls, provider_data: None }
}

/// A reply as the conversation stores it.
fn stored(reply: &LlmReply) -> LlmMessage {
    let (text, plan, calls) = (reply.text.clone(), reply.plan.clone(), reply.calls.clone());
    LlmMessage::Assistant { text, plan, calls, provider_data: None }
}

async fn reply(messages: Vec<LlmMessage>) -> Result<LlmReply> {
    answer(request(messages)).await
}

async fn answer(request: LlmRequest) -> Result<LlmReply> {
    Ok(collect(BuiltInAssistant::new().respond(request).await?).await?)
}

/// Calls in short: `add: milk; list: all`, or `asks`, or `says`.
fn in_short(reply: &LlmReply) -> Result<String> {
    if reply.calls.is_empty() {
        // A question is followed by nothing but a list of what to choose from.
        let asks = reply.text.split("\n\n").next().is_some_and(|paragraph| paragraph.ends_with('?'));
        return Ok(if asks { "asks" } else { "says" }.to_owned());
    }
    let mut calls = Vec::new();
    for call in &reply.calls {
        let arguments: Value = serde_json::from_str(&call.arguments)?;
        let text = |key: &str| arguments[key].as_str().unwrap_or("<none>").to_owned();
        calls.push(match call.tool.as_str() {
            "add_task" => format!("add: {}", text("title")),
            "list_tasks" => match arguments["query"].as_str() {
                Some(query) => format!("search: {query}"),
                None => format!("list: {}", text("status")),
            },
            "complete_task" => format!("complete: {}", text("task_identifier")),
            "delete_task" => format!("delete: {}", text("task_identifier")),
            UNDO => "undo".to_owned(),
            CONFIRM_PENDING => "confirm".to_owned(),
            "update_task" => format!("rename: {} -> {}", text("task_identifier"), text("new_title")),
            other => format!("unknown tool {other}"),
        });
    }
    Ok(calls.join("; "))
}

//! Unscripted answers, from the built-in assistant.

use std::sync::Arc;

use assistant::BuiltInAssistant;
use domain::llm::{LlmClient as _, LlmError, LlmReply, LlmRequest, collect};
use domain::tool::{ToolSpec, confirm_pending_spec, specs};
use futures_util::FutureExt as _;

use super::Reply;
use super::request::ChatRequest;

/// Returns the built-in assistant's reply to `request`.
pub(super) fn answer(request: &ChatRequest) -> Reply {
    // The assistant does no I/O, so its reply is ready at the first poll.
    match respond(request).now_or_never() {
        Some(Ok(reply)) => {
            let calls = reply.calls.iter();
            calls.fold(Reply::says(&reply.text), |answer, call| answer.and_calls_raw(&call.tool, &call.arguments))
        }
        failed => Reply::says(&format!("The built-in assistant failed: {failed:?}")),
    }
}

async fn respond(request: &ChatRequest) -> Result<LlmReply, LlmError> {
    let tools = specs().into_iter().chain([confirm_pending_spec()]);
    let tools: Arc<[ToolSpec]> = tools.filter(|tool| request.tools.iter().any(|name| name == tool.name)).collect();
    let request = LlmRequest { system: String::new(), messages: request.messages.clone(), tools };
    collect(BuiltInAssistant::new().respond(request).await?).await
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn request(messages: &[Value], tools: &[&str]) -> ChatRequest {
        let tools: Vec<_> = tools.iter().map(|name| json!({"function": {"name": name, "parameters": {}}})).collect();
        ChatRequest::read(&json!({"model": "m", "messages": messages, "tools": tools})).unwrap()
    }

    fn calls(messages: &[Value], tools: &[&str]) -> Vec<(String, Value)> {
        let calls = answer(&request(messages, tools)).calls.into_iter();
        calls.map(|call| (call.name, serde_json::from_str(&call.arguments.concat()).unwrap())).collect()
    }

    fn user(text: &str) -> Value {
        json!({"role": "user", "content": text})
    }

    #[test]
    fn a_command_becomes_a_call_of_an_offered_tool() {
        let messages = [user("Add a task to buy groceries")];
        assert_eq!(calls(&messages, &["add_task"]), [("add_task".to_owned(), json!({"title": "buy groceries"}))]);
        assert_eq!(calls(&messages, &["list_tasks"]), []);
    }

    #[test]
    fn a_choice_refers_to_the_candidates_of_the_last_call() {
        let call =
            json!({"id": "c", "function": {"name": "delete_task", "arguments": "{\"task_identifier\":\"meeting\"}"}});
        let candidates = json!([{"id": "a", "title": "plan the meeting"}, {"id": "b", "title": "meeting with Bob"}]);
        let result = json!({"success": false, "message": "Several tasks match.", "data": {"candidates": candidates}});
        let messages = [
            user("Delete the meeting task"),
            json!({"role": "assistant", "tool_calls": [call]}),
            json!({"role": "tool", "tool_call_id": "c", "content": result.to_string()}),
            json!({"role": "assistant", "content": "Which one?"}),
            user("the second"),
        ];
        assert_eq!(calls(&messages, &["delete_task"]), [("delete_task".to_owned(), json!({"task_identifier": "b"}))]);
    }

    #[test]
    fn a_yes_confirms_only_if_the_tool_is_offered() {
        let messages = [user("yes")];
        assert_eq!(calls(&messages, &["confirm_pending"]), [("confirm_pending".to_owned(), json!({}))]);
        assert_eq!(calls(&messages, &["delete_task"]), []);
    }
}

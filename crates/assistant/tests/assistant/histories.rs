//! Histories that no friendly chat leaves behind, and answers that have to stay within bounds.

use anyhow::Result;
use domain::llm::{LlmMessage, LlmToolCall};
use serde_json::{Value, json};

use crate::chat::Chat;
use crate::{assistant, in_short, reply, user};

#[tokio::test]
async fn histories_of_any_shape_are_read() -> Result<()> {
    let result = |call_id: &str, tool: &str, content: Value| LlmMessage::ToolResult {
        call_id: call_id.to_owned(),
        tool: tool.to_owned(),
        content,
    };
    let call = |arguments: &str| LlmToolCall {
        id: "x".to_owned(),
        tool: "delete_task".to_owned(),
        arguments: arguments.to_owned(),
    };
    for content in [
        json!(null),
        json!("text"),
        json!([1, 2]),
        json!({ "success": "yes", "message": 7, "data": [] }),
        json!({ "success": true, "data": { "task": { "id": 1 } } }),
        json!({ "success": true, "data": { "tasks": [null, {}, { "title": "no id" }] } }),
        json!({ "success": false, "data": { "candidates": {}, "nearest": 3 } }),
    ] {
        for tool in ["delete_task", "list_tasks", "fly_to_the_moon"] {
            let messages = vec![
                result("before", tool, content.clone()),
                user("delete milk"),
                assistant("", vec![call("{not json")]),
                result("x", tool, content.clone()),
            ];
            let answer = reply(messages.clone()).await?;
            assert!(answer.calls.is_empty() && !answer.text.is_empty(), "{content}");
            assert!(!answer.text.contains("Deleted"), "{content}: {}", answer.text);
            let next = [messages, vec![assistant("So?", vec![]), user("delete it")]].concat();
            assert_eq!(in_short(&reply(next).await?)?, "asks", "{content}");
        }
    }
    assert!(!reply(vec![]).await?.text.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_failure_is_told_in_the_words_of_the_tool() -> Result<()> {
    let failed = |message: &str| {
        let call = LlmToolCall { id: "x".to_owned(), tool: "add_task".to_owned(), arguments: "{}".to_owned() };
        let content = json!({ "success": false, "message": message, "data": null });
        vec![
            user("add milk"),
            assistant("", vec![call]),
            LlmMessage::ToolResult { call_id: "x".to_owned(), tool: "add_task".to_owned(), content },
        ]
    };
    assert_eq!(reply(failed("Task title cannot be empty")).await?.text, "Task title cannot be empty.");
    assert_eq!(reply(failed("")).await?.text, "That did not work, and I can't say why. Nothing was changed by it.");
    Ok(())
}

#[tokio::test]
async fn an_id_is_not_shown_to_people() -> Result<()> {
    let id = "0198c0de-1234-7abc-8def-0123456789ab";
    let call = |tool: &str, arguments: Value| LlmToolCall {
        id: "x".to_owned(),
        tool: tool.to_owned(),
        arguments: arguments.to_string(),
    };
    let result =
        |tool: &str, content: Value| LlmMessage::ToolResult { call_id: "x".to_owned(), tool: tool.to_owned(), content };
    let mut messages = vec![
        user("add tea"),
        assistant("", vec![call("add_task", json!({ "title": "tea" }))]),
        result("add_task", json!({ "success": true, "message": "", "data": { "task": { "id": id, "title": "tea" } } })),
        assistant("Added “tea” to your list.", vec![]),
        user("complete it"),
    ];
    assert_eq!(in_short(&reply(messages.clone()).await?)?, format!("complete: {id}"));
    messages.push(assistant("", vec![call("complete_task", json!({ "task_identifier": id }))]));
    messages
        .push(result("complete_task", json!({ "success": false, "message": "No task", "data": { "nearest": [] } })));
    assert_eq!(reply(messages).await?.text, "I can't find that task any more.");
    Ok(())
}

#[tokio::test]
async fn a_flood_of_words_or_commands_is_not_acted_on() -> Result<()> {
    for text in ["add milk. ".repeat(40), "delete ".repeat(251), "and ".repeat(999), "\"".repeat(4000)] {
        let answer = reply(vec![user(&text)]).await?;
        assert!(answer.calls.is_empty(), "{}", answer.calls.len());
        assert!(!answer.text.is_empty());
    }
    assert_eq!(in_short(&reply(vec![user(&"add milk. ".repeat(8))]).await?)?, ["add: milk"; 8].join("; "));
    Ok(())
}

#[tokio::test]
async fn a_long_list_is_cut_and_says_so() -> Result<()> {
    let titles: Vec<String> = (1..=60).map(|n| format!("task {n}")).collect();
    let mut chat = Chat::with(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    let (_, answer) = chat.say("show my tasks").await?;
    assert!(answer.starts_with("You have 60 tasks:\n\n1. task 1\n"), "{answer}");
    assert!(answer.ends_with("\n50. task 50\n\n… and 10 more."), "{answer}");
    Ok(())
}

//! The shape of the event stream.

use anyhow::Result;
use assistant::BuiltInAssistant;
use domain::llm::{FinishReason, LlmClient as _, LlmEvent, LlmRequest, LlmStream, collect};
use futures_util::{StreamExt as _, stream};

use crate::{named, request, tools, user};

async fn events(text: &str) -> Result<Vec<LlmEvent>> {
    let mut stream = BuiltInAssistant::new().respond(request(vec![user(text)])).await?;
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        events.push(event?);
    }
    Ok(events)
}

#[tokio::test]
async fn words_come_piece_by_piece_and_the_end_is_told() -> Result<()> {
    let events = events("help").await?;
    let (last, words) = events.split_last().expect("events");
    assert_eq!(*last, LlmEvent::Finished { reason: FinishReason::Stop, usage: None });
    assert!(words.len() > 20, "{words:?}");
    assert!(words.iter().all(|event| matches!(event, LlmEvent::TextDelta(piece) if !piece.is_empty())), "{words:?}");
    Ok(())
}

#[tokio::test]
async fn a_call_is_begun_argued_and_completed_and_the_end_is_told() -> Result<()> {
    let events = events("add milk. what's left?").await?;
    for (index, tool) in ["add_task", "list_tasks"].into_iter().enumerate() {
        let [begun, arguments, complete] = &events[3 * index..3 * index + 3] else { panic!("{events:?}") };
        let LlmEvent::ToolCallComplete { index: completed, call } = complete else { panic!("{complete:?}") };
        assert_eq!(*completed, index);
        assert_eq!(call.tool, tool);
        assert_eq!(*begun, LlmEvent::ToolCallStarted { index, id: call.id.clone(), tool: tool.to_owned() });
        assert_eq!(*arguments, LlmEvent::ToolCallArguments { index, fragment: call.arguments.clone() });
    }
    assert_eq!(events[6..], [LlmEvent::Finished { reason: FinishReason::ToolCalls, usage: None }]);
    Ok(())
}

#[tokio::test]
async fn the_collected_reply_is_what_was_streamed() -> Result<()> {
    let events = events("hello").await?;
    let streamed: String = events
        .iter()
        .filter_map(|event| if let LlmEvent::TextDelta(piece) = event { Some(piece.as_str()) } else { None })
        .collect();
    let again: LlmStream = stream::iter(events).map(Ok).boxed();
    let reply = collect(again).await?;
    assert_eq!(reply.text, streamed);
    assert_eq!((reply.calls.len(), reply.reason), (0, FinishReason::Stop));
    Ok(())
}

#[tokio::test]
async fn a_tool_that_is_missing_is_not_called() -> Result<()> {
    for (tools, text) in [(&["list_tasks"][..], "add milk"), (&["add_task"], "clear my list"), (&["add_task"], "undo")]
    {
        let request = LlmRequest { tools: named(tools), ..request(vec![user(text)]) };
        let reply = collect(BuiltInAssistant::new().respond(request).await?).await?;
        assert!(reply.calls.is_empty(), "{text}: {:?}", reply.calls);
        assert_eq!(reply.text, "I can't do that here.", "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn it_has_a_name_and_a_model() {
    let client = BuiltInAssistant::new();
    assert_eq!((client.provider(), client.model()), ("offline", "doable-offline-1"));
    assert_eq!(tools().len(), 6);
}

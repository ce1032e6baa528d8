//! Replies as models write them, whole and cut into single characters.

mod echoes;
mod limits;

use domain::llm::{LlmMessage, LlmToolCall};
use domain::tool::specs;
use serde_json::{Value, json};

use super::*;

const MODEL: &str = "m";

fn request(messages: Vec<LlmMessage>) -> LlmRequest {
    LlmRequest { system: String::new(), messages, tools: specs().into() }
}

fn user(text: &str) -> LlmMessage {
    LlmMessage::User { text: text.to_owned() }
}

fn result(content: Value) -> LlmMessage {
    LlmMessage::ToolResult { call_id: "1".into(), tool: "list_tasks".into(), content }
}

fn finished(reason: FinishReason) -> LlmEvent {
    LlmEvent::Finished { reason, usage: None }
}

fn delta(text: &str) -> LlmEvent {
    LlmEvent::TextDelta(text.to_owned())
}

/// Returns the events of a reply to `request`.
async fn events(events: Vec<LlmEvent>, request: LlmRequest, open_thoughts: &OpenThoughts) -> Vec<LlmEvent> {
    let reply = stream::iter(events.into_iter().map(Ok)).boxed();
    separate(reply, request, open_thoughts.clone()).map(Result::unwrap).collect().await
}

/// The text of a reply and its calls.
type Separated = (String, Vec<(String, String)>);

fn collected(events: &[LlmEvent]) -> Separated {
    let (mut text, mut calls) = (String::new(), Vec::new());
    for event in events {
        match event {
            LlmEvent::TextDelta(more) => text.push_str(more),
            LlmEvent::ToolCallComplete { call, .. } => calls.push((call.tool.clone(), call.arguments.clone())),
            _ => {}
        }
    }
    let reason = if calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
    assert_eq!(events.last(), Some(&finished(reason)));
    (text, calls)
}

/// Separates a reply in these pieces.
async fn separated_pieces(pieces: &[&str], messages: &[LlmMessage], open_thoughts: &OpenThoughts) -> Separated {
    let pieces = pieces.iter().map(|piece| delta(piece)).chain([finished(FinishReason::Stop)]).collect();
    collected(&events(pieces, request(messages.to_vec()), open_thoughts).await)
}

/// Separates a reply that arrives whole and in single characters, which must not make a difference.
async fn separated(reply: &str, messages: &[LlmMessage]) -> Separated {
    let open_thoughts = || OpenThoughts::of_model(MODEL);
    let whole = separated_pieces(&[reply], messages, &open_thoughts()).await;
    let characters: Vec<&str> = reply.split("").filter(|piece| !piece.is_empty()).collect();
    assert_eq!(separated_pieces(&characters, messages, &open_thoughts()).await, whole, "{reply}");
    whole
}

fn call(tool: &str, arguments: &Value) -> (String, String) {
    (tool.to_owned(), arguments.to_string())
}

fn add(title: &str) -> (String, String) {
    call("add_task", &json!({"title": title}))
}

fn delete(identifier: &str) -> (String, String) {
    call("delete_task", &json!({"task_identifier": identifier}))
}

#[tokio::test]
async fn calls_that_are_the_whole_reply_are_read() {
    let milk = r#"{"name": "add_task", "arguments": {"title": "milk"}}"#;
    let (none, both) = (json!({}), vec![add("milk"), delete("2")]);
    for (reply, calls) in [
        // Hermes and Qwen.
        (format!("<tool_call>\n{milk}\n</tool_call>"), vec![add("milk")]),
        (
            format!("<tool_call>{milk}</tool_call>\n<tool_call>\n{{\"name\": \"delete_task\", \"arguments\": {{\"task_identifier\": \"2\"}}}}\n</tool_call>"),
            both.clone(),
        ),
        // The server stops at the end of the call, or removes special tokens.
        (format!("<tool_call>{milk}"), vec![add("milk")]),
        (format!("{milk}\n</tool_call><|im_end|>"), vec![add("milk")]),
        ("<tool_call>{\"name\": \"undo\"}</tool_call>".into(), vec![call("undo", &none)]),
        ("<tool_call>{\"name\": \"undo\", \"arguments\": null}</tool_call>".into(), vec![call("undo", &none)]),
        (r#"<tool_call>{"name": "undo", "arguments": "{}"}</tool_call>"#.into(), vec![call("undo", &none)]),
        // Mistral, old and new.
        (
            format!(r#"[TOOL_CALLS] [{milk}, {{"name":"delete_task","arguments":{{"task_identifier":"2"}},"id":"123456789"}}]"#),
            both.clone(),
        ),
        (r#"[TOOL_CALLS]add_task[ARGS]{"title":"milk"}[TOOL_CALLS]delete_task{"task_identifier":"2"}</s>"#.into(), both.clone()),
        // Llama.
        (r#"{"type": "function", "name": "add_task", "parameters": {"title": "milk"}}"#.into(), vec![add("milk")]),
        (
            r#"<|python_tag|>{"name": "add_task", "parameters": {"title": "milk"}}; {"name": "delete_task", "parameters": {"task_identifier": "2"}}"#.into(),
            both.clone(),
        ),
        (r#"<function=add_task>{"title": "milk"}</function>"#.into(), vec![add("milk")]),
        // Granite, Nemotron, and calls as OpenAI's API has them.
        (format!("<|tool_call|>[{milk}]"), vec![add("milk")]),
        (format!("<TOOLCALL>[{milk}]</TOOLCALL>"), vec![add("milk")]),
        (
            r#"{"tool_calls": [{"id": "1", "type": "function", "function": {"name": "add_task", "arguments": "{\"title\":\"milk\"}"}}]}"#.into(),
            vec![add("milk")],
        ),
        // Qwen3-Coder.
        (
            "<tool_call>\n<function=add_task>\n<parameter=title>\nmilk\n</parameter>\n</function>\n</tool_call>".into(),
            vec![add("milk")],
        ),
        // Bare, and in an array; white space around.
        (format!("\n {milk} \n"), vec![add("milk")]),
        (format!("[ {milk} ]"), vec![add("milk")]),
        // Behind thoughts.
        (format!("<think>\n<tool_call>?\n</think>\n\n<tool_call>{milk}</tool_call>"), vec![add("milk")]),
    ] {
        assert_eq!(separated(&reply, &[user("add milk")]).await, (String::new(), calls), "{reply}");
    }
}

#[tokio::test]
async fn everything_else_is_text() {
    let milk = r#"{"name": "add_task", "arguments": {"title": "milk"}}"#;
    for reply in [
        // In a code fence, in prose, before prose.
        format!("```json\n{milk}\n```"),
        format!("```\n<tool_call>{milk}</tool_call>\n```"),
        format!("I will call it: <tool_call>{milk}</tool_call>"),
        format!("{milk} is what I would call."),
        format!("<tool_call>{milk}</tool_call> Done!"),
        format!("[TOOL_CALLS] [{milk}] Done!"),
        format!("<tool_call>```{milk}```</tool_call>"),
        // Of an unknown tool, also beside a known one.
        r#"<tool_call>{"name": "drop_tables", "arguments": {}}</tool_call>"#.into(),
        format!(r#"<tool_call>{milk}</tool_call><tool_call>{{"name": "drop_tables", "arguments": {{}}}}</tool_call>"#),
        "<function=drop_tables></function>".into(),
        // No call, or not a whole one.
        "<tool_call>".into(),
        "<tool_call></tool_call>".into(),
        "<tool_call>add_task</tool_call>".into(),
        r#"<tool_call>{"name": "add_task", "arguments": {"title": "mi"#.into(),
        "<function=add_task><parameter=title>mi".into(),
        r#"[TOOL_CALLS]add_task["title"]"#.into(),
        r#"{"name": "add_task"}"#.into(),
        r#"{"name": "add_task", "arguments": {}, "result": 1}"#.into(),
        r#"{"name": "milk", "completed": false}"#.into(),
        r#"{"name": 1, "arguments": {}}"#.into(),
        "{}".into(),
        "[]".into(),
        "{".into(),
        "[".into(),
        "<".into(),
        "<thi".into(),
        // Markdown, and answers about markers.
        "[x] milk\n[ ] tea".into(),
        "[1] milk".into(),
        "1 < 2 and 3 > 2".into(),
        "The model writes <think>, then its thoughts.".into(),
        "Größer ◁".into(),
    ] {
        let (text, calls) = separated(&reply, &[user("add milk")]).await;
        assert_eq!((text, calls), (reply, Vec::new()));
    }
}

#[tokio::test]
async fn thoughts_at_the_beginning_are_hidden() {
    for (reply, text) in [
        ("<think>hm</think>Hello", "Hello"),
        ("\n<think>\n\n</think>\n\nHello </think>", "Hello </think>"),
        ("<thinking>1 < 2 </think> </thinking> Hello", "Hello"),
        ("<Think>a</THINK>Hello", "Hello"),
        ("[THINK]a[/THINK]Hello", "Hello"),
        ("◁think▷ä◁/think▷Grüß dich", "Grüß dich"),
        ("<seed:think>a</seed:think>Hello", "Hello"),
        ("<think>a</think><think>b</think>Hello <think>c</think>", "Hello <think>c</think>"),
        ("<think>never ends", ""),
        ("<think>a</thi", ""),
        ("<think></think>", ""),
    ] {
        // An end in the user's message is not one of the model.
        assert_eq!(separated(reply, &[user("What does </think> do?")]).await, (text.to_owned(), Vec::new()), "{reply}");
    }
}

#[tokio::test]
async fn hidden_and_withheld_text_is_reported_as_progress() {
    let mut pieces: Vec<_> = ["<think>", "a", "</think>", "[", "x] milk"].map(delta).to_vec();
    pieces.push(finished(FinishReason::Stop));
    let events = events(pieces, request(Vec::new()), &OpenThoughts::of_model(MODEL)).await;
    let progress = std::iter::repeat_n(LlmEvent::Thinking, 4);
    assert_eq!(events, progress.chain([delta("[x] milk"), finished(FinishReason::Stop)]).collect::<Vec<_>>());
}

#[tokio::test]
async fn text_streams_as_it_is_received() {
    let mut pieces: Vec<_> = ["Hel", "lo <", "think> {\"name\": ", "[TOOL_CALLS] <tool_call>"].map(delta).to_vec();
    pieces.push(finished(FinishReason::Stop));
    assert_eq!(events(pieces.clone(), request(Vec::new()), &OpenThoughts::of_model(MODEL)).await, pieces);
}

#[tokio::test]
async fn a_reply_with_native_calls_has_no_others() {
    let native = LlmToolCall { id: "1".into(), tool: "undo".into(), arguments: "{}".into() };
    let native = LlmEvent::ToolCallComplete { index: 0, call: native };
    let text = r#"<tool_call>{"name":"undo"}</tool_call>"#;
    let end = finished(FinishReason::ToolCalls);
    for order in [vec![delta(text), native.clone(), end.clone()], vec![native, delta(text), end]] {
        let mut separated = events(order.clone(), request(Vec::new()), &OpenThoughts::of_model(MODEL)).await;
        separated.retain(|event| *event != LlmEvent::Thinking);
        assert_eq!(separated, order);
    }
}

#[tokio::test]
async fn a_call_that_was_cut_off_does_not_run() {
    let error = LlmError::Unavailable("cut".into());
    let pieces = vec![Ok(delta(r#"<tool_call>{"name":"undo"}</tool_call>"#)), Err(error)];
    let reply = separate(stream::iter(pieces).boxed(), request(Vec::new()), OpenThoughts::of_model(MODEL));
    let events: Vec<_> = reply.collect().await;
    assert!(matches!(events[..], [Ok(LlmEvent::Thinking), Err(LlmError::Unavailable(_))]), "{events:?}");
    let text = r#"<tool_call>{"name":"undo"}</tool_call><tool_call>{"na"#;
    let order = vec![delta(text), finished(FinishReason::Length)];
    let open_thoughts = OpenThoughts::of_model(MODEL);
    let separated = self::events(order.clone(), request(Vec::new()), &open_thoughts).await;
    assert_eq!(separated[1..], order, "behind the progress");
}

#[tokio::test]
async fn a_thought_that_the_template_began_is_hidden_from_the_second_reply_on() {
    let open_thoughts = OpenThoughts::of_model(MODEL);
    let pieces = ["The user greets", " me.\n</thi", "nk>\n\nHel", "lo"];
    let read = async || separated_pieces(&pieces, &[], &open_thoughts).await.0;
    assert_eq!(read().await, pieces.concat());
    assert_eq!(read().await, "Hello");
    assert_eq!(separated_pieces(&["Hel", "lo"], &[], &open_thoughts).await.0, "Hello", "without a thought");
    assert_eq!(read().await, pieces.concat(), "the last reply had none");
}

#[tokio::test]
async fn a_thought_that_the_template_began_is_hidden_if_nothing_was_emitted() {
    for (model, pieces) in [(MODEL, vec!["a\n</think>\n\nHello"]), ("deepseek-r1:8b", vec!["a", "\n</think>", "Hello"])]
    {
        let open_thoughts = OpenThoughts::of_model(model);
        assert_eq!(separated_pieces(&pieces, &[], &open_thoughts).await.0, "Hello", "{model}");
    }
}

#[tokio::test]
async fn a_call_behind_a_thought_that_the_template_began_is_read() {
    let open_thoughts = OpenThoughts::of_model(MODEL);
    let pieces = ["I add it.", "</think>\n<tool_call>", r#"{"name":"undo"}</tool_call>"#];
    let calls = vec![call("undo", &json!({}))];
    assert_eq!(separated_pieces(&pieces, &[], &open_thoughts).await, ("I add it.</think>\n".into(), calls.clone()));
    assert_eq!(separated_pieces(&pieces, &[], &open_thoughts).await, (String::new(), calls));
}

#[tokio::test]
async fn an_assumed_thought_is_text_if_the_server_separates_thoughts() {
    let open_thoughts = OpenThoughts::of_model("qwen3-thinking");
    let reply = vec![LlmEvent::Thinking, delta("Hel"), delta("lo"), finished(FinishReason::Stop)];
    assert_eq!(events(reply.clone(), request(Vec::new()), &open_thoughts).await, reply);
    // Cut off before its end, it stays a thought.
    let open_thoughts = OpenThoughts::of_model("qwen3-thinking");
    let cut = vec![delta("hm"), finished(FinishReason::Length)];
    let cut = events(cut, request(Vec::new()), &open_thoughts).await;
    assert_eq!(cut, [LlmEvent::Thinking, finished(FinishReason::Length)]);
}

//! Provider data: stored with its round, sent back in later requests, and shown to nobody.

use super::*;

const SOURCE: &str = "scripted script";

/// Calls a tool once for each of `titles`, with `data`.
fn calls_with(data: &str, titles: &[&str]) -> Vec<LlmEvent> {
    let arguments: Vec<_> = titles.iter().map(|title| json!({"title": title}).to_string()).collect();
    let Step::Events(mut events) = Step::calls_raw(arguments.iter().map(|text| ("add_task", text.as_str()))) else {
        panic!()
    };
    events.insert(events.len() - 1, LlmEvent::ProviderData(data.to_owned()));
    events
}

fn says_with(data: &str, text: &str) -> Vec<LlmEvent> {
    let finished = LlmEvent::Finished { reason: FinishReason::Stop, usage: None };
    vec![LlmEvent::TextDelta(text.to_owned()), LlmEvent::ProviderData(data.to_owned()), finished]
}

fn stored(parts: &[Part]) -> Vec<(u8, &str, &str)> {
    let stored = parts.iter().filter_map(|part| match part {
        Part::ProviderData { round, source, data } => Some((*round, source.as_str(), data.as_str())),
        _ => None,
    });
    stored.collect()
}

/// The number of calls and the provider data of each reply in the request number `index`.
fn sent(llm: &ScriptedLlm, index: usize) -> Vec<(usize, Option<String>)> {
    let sent = llm.requests()[index].messages.clone().into_iter().filter_map(|message| match message {
        LlmMessage::Assistant { calls, provider_data, .. } => Some((calls.len(), provider_data)),
        LlmMessage::User { .. } | LlmMessage::ToolResult { .. } => None,
    });
    sent.collect()
}

#[tokio::test]
async fn provider_data_is_stored_in_front_of_its_calls_and_sent_back_with_them() {
    let recorded = Recorded::default();
    let signals = Arc::new(RecordedSignals::default());
    let steps = [Step::Events(calls_with("one", &["a", "b"])), Step::Events(says_with("two", "Added."))];
    let llm = Arc::new(ScriptedLlm::new(steps));
    let base = ports(recorded.repo(), llm.clone(), succeeding());
    let answer = send(ChatPorts { signals: signals.clone(), ..base }).await.unwrap();
    let parts = recorded.ended().parts;
    assert_eq!(stored(&parts), [(0, SOURCE, "one"), (1, SOURCE, "two")]);
    assert!(matches!(&parts[0], Part::ProviderData { .. }), "a resumed turn keeps what precedes its calls: {parts:?}");
    assert_eq!(sent(&llm, 1), [(2, Some("one".to_owned()))]);
    assert_eq!((answer.response.as_str(), content(&parts).as_str()), ("Added.", "Added."));
    let published = format!("{:?}", signals.events());
    assert!(!published.contains("\"one\"") && !published.contains("\"two\""), "{published}");
}

#[tokio::test]
async fn provider_data_of_a_fallback_is_not_stored() {
    let recorded = Recorded::default();
    let mut reply = says_with("of another", "Hello.");
    reply.insert(0, LlmEvent::FallbackUsed { provider: "spare".into(), model: "m".into() });
    send(ports(recorded.repo(), Arc::new(ScriptedLlm::new([Step::Events(reply)])), idle())).await.unwrap();
    assert_eq!(stored(&recorded.ended().parts), []);
}

#[tokio::test]
async fn a_reply_that_breaks_off_leaves_no_provider_data() {
    let recorded = Recorded::default();
    let mut events = says_with("half", "Hel");
    events.pop();
    let llm = ScriptedLlm::new([Step::Cut(events, LlmError::Unavailable("cut".into()))]);
    send(ports(recorded.repo(), Arc::new(llm), idle())).await.unwrap_err();
    assert_eq!(stored(&recorded.ended().parts), []);
}

#[tokio::test]
async fn the_calls_that_were_made_of_a_reply_are_its_first_ones() {
    let recorded = Recorded::default();
    // The third identical call ends the turn, and the fourth is not made.
    let reply = calls_with("four calls", &["a", "a", "a", "b"]);
    let llm = Arc::new(ScriptedLlm::new([Step::Events(reply)]));
    send(ports(recorded.repo(), llm, succeeding())).await.unwrap();
    let parts = recorded.ended().parts;
    assert_eq!(stored(&parts), [(0, SOURCE, "four calls")]);
    let titles: Vec<_> = tool_calls(&parts).map(|call| call.parameters["title"].clone()).collect();
    assert_eq!(titles, ["a", "a", "a"]);
}

//! Requests with replies of several providers: ids of calls, data of an unknown form, and what a server rejects.

use super::*;

/// A reply of another provider, or of this one before it was stored.
fn foreign(ids: &[&str]) -> LlmMessage {
    let call = |id: &&str| LlmToolCall { id: (*id).into(), tool: "list_tasks".into(), arguments: "{}".into() };
    LlmMessage::Assistant {
        text: String::new(),
        plan: None,
        calls: ids.iter().map(call).collect(),
        provider_data: None,
    }
}

/// The ids of calls, and of results with a `=` before them.
fn ids(messages: &[Value]) -> Vec<String> {
    let ids = messages.iter().flat_map(|message| {
        let calls =
            message["tool_calls"].as_array().into_iter().flatten().map(|call| call["id"].as_str().unwrap().to_owned());
        let result = message["tool_call_id"].as_str().map(|id| format!("={id}"));
        calls.chain(result).collect::<Vec<_>>()
    });
    ids.collect()
}

#[test]
fn a_server_gets_its_own_ids_back_and_nine_letters_and_digits_for_the_calls_of_others() {
    let long = format!("call_{}__thought__{}", "a".repeat(40), "s".repeat(500));
    for own in ["functions.add_task:0", "D681PevKs", long.as_str()] {
        let events = [delta(&json!({"tool_calls": [call(0, own, "add_task")]})), finish("tool_calls")];
        let own_reply = reply::<OpenAi>(&sse(&events));
        let replies = [foreign(&["list_tasks_0a1b2c", ""]), own_reply, foreign(&["call_0", "call_0"])];
        let (first, second) = (["call00001", "call00002"], ["call00003", "call00004"]);
        let result = format!("={own}");
        let expected = [
            &first[..],
            &["=call00001", "=call00002", own],
            &[result.as_str()],
            &second,
            &["=call00003", "=call00004"],
        ]
        .concat();
        assert_eq!(ids(&sent::<OpenAi>(&replies, &[])), expected);
        assert!(expected.iter().filter(|id| id.starts_with("call0")).all(|id| id.len() == 9));
    }
    assert_eq!(ids(&sent::<Cohere>(&[foreign(&["call_0"])], &[])), ["call00001", "=call00001"]);
}

#[test]
fn ids_that_a_server_repeats_become_unique_with_the_reasoning_that_names_them() {
    let round = |id: &str| {
        let details =
            json!([{"type": "reasoning.encrypted", "data": "A", "id": id}, {"type": "reasoning.text", "text": "b"}]);
        let events =
            [delta(&json!({"reasoning_details": details, "tool_calls": [call(0, id, "add_task")]})), finish("stop")];
        reply::<OpenAi>(&sse(&events))
    };
    let messages = sent::<OpenAi>(&[round("tool_0"), round("tool_0"), round("call00001")], &[]);
    assert_eq!(ids(&messages), ["tool_0", "=tool_0", "call00001", "=call00001", "call00002", "=call00002"]);
    let named: Vec<_> = messages
        .iter()
        .filter(|message| message["role"] == "assistant")
        .map(|message| &message["reasoning_details"][0]["id"])
        .collect();
    assert_eq!(named, ["tool_0", "call00001", "call00002"]);
}

#[test]
fn provider_data_of_an_unknown_form_is_left_out() {
    for data in ["not json", "[1]", "3", "", "{\"tool_calls\": 3}", "{\"tool_calls\": [[]]}", "{\"content\": {}}"] {
        let LlmMessage::Assistant { text, plan, calls, .. } = foreign(&["a"]) else { panic!() };
        let message = LlmMessage::Assistant { text, plan, calls, provider_data: Some(data.into()) };
        let expected = [sent::<OpenAi>(&[foreign(&["a"])], &[]), sent::<Cohere>(&[foreign(&["a"])], &[])];
        assert_eq!(
            [sent::<OpenAi>(std::slice::from_ref(&message), &[]), sent::<Cohere>(&[message], &[])],
            expected,
            "{data}"
        );
    }
}

#[test]
fn what_a_server_has_rejected_is_not_sent_again() {
    let own = reply::<OpenAi>(&with_call(&[json!({"reasoning": "hm"})]));
    let sent = |deviations: &[Deviation]| sent::<OpenAi>(&[foreign(&["a"]), own.clone()], deviations);
    assert_eq!((sent(&[])[2]["reasoning"].as_str(), sent(&[])[0].get("reasoning_content")), (Some("hm"), None));
    assert_eq!(sent(&[Deviation::RejectsProviderData])[2].get("reasoning"), None);
}

#[test]
fn replies_without_reasoning_get_a_blank_one_for_a_server_that_requires_it() {
    let own = reply::<OpenAi>(&with_call(&[json!({"reasoning_content": "hm"})]));
    let messages = sent::<OpenAi>(&[foreign(&["a"]), own], &[Deviation::RequiresReasoning]);
    let reasoning: Vec<_> = messages.iter().map(|message| message["reasoning_content"].as_str()).collect();
    assert_eq!(reasoning, [Some(" "), None, Some("hm"), None], "results have none");
}

#[test]
fn ids_without_end_are_not_kept() {
    let own = "i".repeat(MAX_PROVIDER_DATA_BYTES);
    let body = sse(&[delta(&json!({"tool_calls": [call(0, &own, "add_task")]})), finish("stop")]);
    assert_eq!(ids(&sent::<OpenAi>(&[as_message(&read::<OpenAi>(&body, 4096))], &[])), ["call00001", "=call00001"]);
}

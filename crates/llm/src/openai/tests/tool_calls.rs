//! Assignment of fragments to calls, for the ways in which servers number, name and repeat them.

use super::*;

fn calls(body: &str) -> Vec<(String, String, String)> {
    let complete = read_complete(body).into_iter().filter_map(|event| match event {
        LlmEvent::ToolCallComplete { call, .. } => Some((call.id, call.tool, call.arguments)),
        _ => None,
    });
    complete.collect()
}

fn streamed(fragments: &[Value]) -> Vec<(String, String, String)> {
    let mut chunks: Vec<_> = fragments.iter().map(|call| delta(json!({"tool_calls": [call]}))).collect();
    chunks.push(finish("tool_calls"));
    calls(&sse(&chunks))
}

fn owned(calls: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    calls.iter().map(|(id, tool, arguments)| ((*id).into(), (*tool).into(), (*arguments).into())).collect()
}

const TWO: [(&str, &str, &str); 2] = [("a", "add_task", "{\"n\":1}"), ("b", "list_tasks", "{\"n\":2}")];

#[test]
fn fragments_are_emitted_at_once_and_the_call_at_the_end_of_the_reply() {
    let first = json!({"index": 0, "id": "a", "type": "function", "function": {"name": "add_task", "arguments": ""}});
    let second = json!({"index": 0, "function": {"arguments": "{}"}});
    let body =
        sse(&[delta(json!({"tool_calls": [first]})), delta(json!({"tool_calls": [second]})), finish("tool_calls")]);
    let call = LlmToolCall { id: "a".into(), tool: "add_task".into(), arguments: "{}".into() };
    assert_eq!(
        read_complete(&body),
        [
            LlmEvent::ToolCallStarted { index: 0, id: "a".into(), tool: "add_task".into() },
            LlmEvent::ToolCallArguments { index: 0, fragment: "{}".into() },
            LlmEvent::ToolCallComplete { index: 0, call },
            finished(FinishReason::ToolCalls),
        ]
    );
}

#[test]
fn parallel_calls_interleave_by_index() {
    let fragments = [
        json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{\"n\""}}),
        json!({"index": 1, "id": "b", "function": {"name": "list_tasks", "arguments": "{\"n\""}}),
        json!({"index": 1, "function": {"arguments": ":2}"}}),
        json!({"index": 0, "function": {"arguments": ":1}"}}),
    ];
    assert_eq!(streamed(&fragments), owned(&TWO));
}

#[test]
fn a_new_id_with_the_same_index_or_without_one_starts_a_call() {
    for index in [json!(0), Value::Null] {
        let fragments = [
            json!({"index": index, "id": "a", "function": {"name": "add_task", "arguments": "{\"n\":1}"}}),
            json!({"index": index, "id": "b", "function": {"name": "list_tasks", "arguments": "{\"n\""}}),
            json!({"index": index, "function": {"arguments": ":2}"}}),
        ];
        assert_eq!(streamed(&fragments), owned(&TWO), "{index}");
    }
}

#[test]
fn a_new_id_starts_a_call_even_with_the_same_tool_and_no_arguments() {
    let call = |id: &str| json!({"index": 0, "id": id, "function": {"name": "list_tasks", "arguments": ""}});
    let expected = [("a", "list_tasks", "{}"), ("b", "list_tasks", "{}")];
    assert_eq!(streamed(&[call("a"), call("b")]), owned(&expected));
}

#[test]
fn a_known_id_continues_its_call_with_any_index() {
    for index in [json!(0), json!(3), Value::Null] {
        let fragments = [
            json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{"}}),
            json!({"index": 0, "id": "b", "function": {"name": "list_tasks", "arguments": "{\"n\":2}"}}),
            json!({"index": index, "id": "a", "function": {"arguments": "\"n\":1}"}}),
        ];
        assert_eq!(streamed(&fragments), owned(&TWO), "{index}");
    }
}

#[test]
fn a_new_id_without_a_name_continues_the_call() {
    let fragments = [
        json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{\"n\""}}),
        json!({"index": 0, "id": "zzz", "function": {"arguments": ":1}"}}),
    ];
    assert_eq!(streamed(&fragments), owned(&TWO[..1]));
}

#[test]
fn id_and_name_may_be_repeated_in_every_fragment() {
    for id in [json!("a"), json!(""), Value::Null] {
        let fragment =
            |arguments: &str| json!({"index": 0, "id": id, "function": {"name": "add_task", "arguments": arguments}});
        let calls = streamed(&[fragment(""), fragment("{\"n\":"), fragment("1}"), fragment("")]);
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert_eq!(calls[0].2, "{\"n\":1}");
    }
}

#[test]
fn calls_without_ids_are_separated_by_name_and_complete_arguments() {
    for index in [json!(0), Value::Null] {
        let call = |tool: &str, arguments: Value| {
            let function = json!({"name": tool, "arguments": arguments});
            json!({"index": index, "id": "", "function": function})
        };
        let fragments =
            [call("add_task", json!({"n": 1})), call("add_task", json!({"n": 2})), call("list_tasks", json!(null))];
        let expected =
            [("call_0", "add_task", "{\"n\":1}"), ("call_1", "add_task", "{\"n\":2}"), ("call_2", "list_tasks", "{}")];
        assert_eq!(streamed(&fragments), owned(&expected), "{index}");
    }
}

#[test]
fn an_id_shared_by_several_calls_becomes_unique() {
    let fragments = [
        json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{}"}}),
        json!({"index": 0, "id": "a", "function": {"name": "list_tasks", "arguments": "{}"}}),
        json!({"index": 1, "id": "a", "function": {"name": "list_tasks", "arguments": "{\"n\":1}"}}),
        json!({"index": 2, "id": "call_1", "function": {"name": "list_tasks", "arguments": "{}"}}),
    ];
    let ids: Vec<_> = streamed(&fragments).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(ids, ["a", "call_1", "call_2", "call_3"]);
}

/// Sends the first of [`TWO`] in fragments, followed by `last`.
fn followed_by(last: &[Value]) -> Vec<(String, String, String)> {
    let mut fragments = vec![
        json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": ""}}),
        json!({"index": 0, "function": {"arguments": "{\"n\""}}),
        json!({"index": 0, "function": {"arguments": ":1}"}}),
    ];
    fragments.extend_from_slice(last);
    streamed(&fragments)
}

#[test]
fn a_repeated_call_is_made_once() {
    let (text, object) = (json!("{\"n\":1}"), json!({"n": 1}));
    for repeated in [
        json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": text}}),
        json!({"index": 1, "id": "a", "function": {"name": "add_task", "arguments": text}}),
        json!({"id": "a", "function": {"name": "add_task", "arguments": object}}),
        json!({"index": 0, "function": {"name": "add_task", "arguments": text}}),
        json!({"function": {"name": "add_task", "arguments": text}}),
        json!({"index": 0, "function": {"arguments": text}}),
        json!({"index": 1, "id": "a", "function": {"arguments": "{\"n\":1}\n"}}),
        json!({"index": 0, "id": "zzz", "function": {"arguments": object}}),
        json!({"function": {"arguments": text}}),
    ] {
        assert_eq!(followed_by(std::slice::from_ref(&repeated)), owned(&TWO[..1]), "{repeated}");
        assert_eq!(followed_by(&[repeated.clone(), repeated.clone()]), owned(&TWO[..1]), "{repeated}");
    }
}

#[test]
fn a_repeated_complete_call_emits_no_events() {
    let call = |index: u8| json!({"index": index, "id": "a", "function": {"name": "add_task", "arguments": "{}"}});
    let events = read_complete(&sse(&[delta(json!({"tool_calls": [call(0), call(1)]})), finish("tool_calls")]));
    let started = events.iter().filter(|event| matches!(event, LlmEvent::ToolCallStarted { .. }));
    assert_eq!((started.count(), events.len()), (1, 4), "{events:?}");
}

#[test]
fn a_call_repeated_in_fragments_or_with_other_whitespace_is_made_once() {
    let spaced = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{ \"n\": 1 }"}});
    assert_eq!(followed_by(&[spaced]), owned(&TWO[..1]));
    let fragments = [
        json!({"index": 1, "id": "a", "function": {"name": "add_task", "arguments": ""}}),
        json!({"index": 1, "function": {"arguments": "{\"n\":"}}),
        json!({"index": 1, "function": {"arguments": "1}"}}),
        json!({"index": 2, "id": "b", "function": {"name": "list_tasks", "arguments": "{\"n\":2}"}}),
    ];
    assert_eq!(followed_by(&fragments), owned(&TWO));
}

#[test]
fn different_arguments_tools_or_ids_are_different_calls() {
    for (id, tool, arguments, expected_id) in [
        ("a", "add_task", "{\"n\":2}", "call_1"),
        ("a", "list_tasks", "{\"n\":1}", "call_1"),
        ("b", "add_task", "{\"n\":1}", "b"),
    ] {
        for index in [json!(0), json!(1)] {
            let call = json!({"index": index, "id": id, "function": {"name": tool, "arguments": arguments}});
            let expected = [TWO[0], (expected_id, tool, arguments)];
            assert_eq!(followed_by(std::slice::from_ref(&call)), owned(&expected), "{call}");
        }
    }
}

#[test]
fn equal_calls_without_ids_are_all_made() {
    let call = json!({"index": 0, "function": {"name": "add_task", "arguments": "{\"n\":1}"}});
    let expected = [("call_0", "add_task", "{\"n\":1}"), ("call_1", "add_task", "{\"n\":1}")];
    assert_eq!(streamed(&[call.clone(), call]), owned(&expected));
}

#[test]
fn a_fragment_equal_to_the_incomplete_arguments_continues_them() {
    let fragment = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{\"n\":"}});
    let end = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "1}}"}});
    assert_eq!(streamed(&[fragment.clone(), fragment, end]), owned(&[("a", "add_task", "{\"n\":{\"n\":1}}")]));
}

#[test]
fn a_new_id_with_a_new_index_starts_a_call_without_a_name() {
    let unnamed = json!({"index": 1, "id": "b", "function": {"arguments": "{\"n\""}});
    let named = json!({"index": 1, "function": {"name": "list_tasks", "arguments": ":2}"}});
    assert_eq!(followed_by(&[unnamed.clone(), named]), owned(&TWO));
    let chunks = [json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{}"}}), unnamed];
    let (_, result) = read(&sse(&[delta(json!({"tool_calls": chunks})), finish("tool_calls")]));
    assert!(matches!(result, Err(LlmError::BadReply(_))), "{result:?}");
}

#[test]
fn many_fragments_that_repeat_the_name_make_one_call() {
    let fragment =
        |arguments: &str| json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": arguments}});
    let mut fragments = vec![fragment("[\""), fragment(&"x".repeat(200_000))];
    fragments.extend((0..20_000).map(|_| fragment("{")));
    fragments.push(fragment("\"]"));
    let calls = streamed(&fragments);
    assert_eq!((calls.len(), calls[0].2.len()), (1, 220_004));
}

#[test]
fn indexes_may_start_at_one_and_be_wrong_in_later_fragments() {
    let fragments = [
        json!({"index": 1, "id": "a", "function": {"name": "add_task", "arguments": "{\"n\""}}),
        json!({"index": 7, "function": {"arguments": ":1}"}}),
    ];
    assert_eq!(streamed(&fragments), owned(&TWO[..1]));
}

#[test]
fn missing_arguments_in_any_form_are_an_empty_object() {
    for arguments in [json!(""), Value::Null, json!("null"), json!({}), json!("{}"), json!(" ")] {
        let call = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": arguments}});
        assert_eq!(streamed(&[call])[0].2, "{}", "{arguments}");
    }
    assert_eq!(streamed(&[json!({"id": "a", "function": {"name": "add_task"}})])[0].2, "{}");
}

#[test]
fn a_name_may_follow_the_id() {
    let fragments = [
        json!({"index": 0, "id": "a"}),
        json!({"index": 0, "function": {"arguments": "{\"n\""}}),
        json!({"index": 0, "function": {"name": "add_task", "arguments": ":1}"}}),
    ];
    assert_eq!(streamed(&fragments), owned(&TWO[..1]));
}

#[test]
fn a_call_without_a_name_is_a_bad_reply() {
    let call = delta(json!({"tool_calls": [{"index": 0, "id": "a", "function": {"arguments": "{}"}}]}));
    let (_, result) = read(&sse(&[call, finish("tool_calls")]));
    assert!(matches!(result, Err(LlmError::BadReply(_))), "{result:?}");
}

#[test]
fn calls_override_the_finish_reason() {
    let call = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{}"}});
    for reason in ["stop", "length", "eos"] {
        let events = read_complete(&sse(&[delta(json!({"tool_calls": [call]})), finish(reason)]));
        assert_eq!(events.last(), Some(&finished(FinishReason::ToolCalls)), "{reason}");
    }
    assert_eq!(read_complete(&sse(&[text("a"), finish("tool_calls")])).last(), Some(&finished(FinishReason::Stop)));
}

#[test]
fn a_truncated_reply_completes_no_call() {
    let call = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{\"title\":\"milk\"}"}});
    let (events, result) = read(&sse(&[delta(json!({"tool_calls": [call]}))]).replace("data: [DONE]\n\n", ""));
    assert!(matches!(result, Err(LlmError::Unavailable(_))), "{result:?}");
    assert!(!events.iter().any(|event| matches!(event, LlmEvent::ToolCallComplete { .. })), "{events:?}");
}

#[test]
fn a_call_truncated_before_its_arguments_is_dropped() {
    let first = json!({"index": 0, "id": "a", "function": {"name": "list_tasks", "arguments": "{}"}});
    let second = json!({"index": 1, "id": "b", "function": {"name": "list_tasks", "arguments": ""}});
    let chunks = [delta(json!({"tool_calls": [first, second]})), finish("length")];
    assert_eq!(calls(&sse(&chunks)), owned(&[("a", "list_tasks", "{}")]));
}

#[test]
fn a_single_call_may_be_sent_without_an_array() {
    let call = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": {"n": 1}}});
    assert_eq!(calls(&sse(&[delta(json!({"tool_calls": call})), finish("stop")])), owned(&TWO[..1]));
}

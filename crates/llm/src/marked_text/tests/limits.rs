//! The longest replies, made to be slow.

use super::*;

/// A reply of the maximum length that consists of `piece`.
fn longest(piece: &str) -> String {
    piece.repeat(MAX_REPLY_BYTES / piece.len())
}

/// Separates an ASCII reply whole and in pieces of three bytes, without a stream. No calls may be in it.
fn text_of(reply: &str, messages: &[LlmMessage]) -> String {
    let separate = |pieces: &mut dyn Iterator<Item = &str>| {
        let mut text = MarkedText::new(request(messages.to_vec()), OpenThoughts::of_model(MODEL));
        let mut out = Vec::new();
        pieces.for_each(|piece| text.push(piece, &mut out));
        text.take(finished(FinishReason::Stop), &mut out).unwrap();
        let (text, calls) = collected(&out);
        assert_eq!(calls, []);
        text
    };
    let whole = separate(&mut [reply].into_iter());
    let pieces = reply.as_bytes().chunks(3).map(|piece| str::from_utf8(piece).unwrap());
    assert!(separate(&mut { pieces }) == whole, "{}…", &reply[..20]);
    whole
}

#[test]
fn the_longest_texts_are_text() {
    let nested = "[".repeat(MAX_REPLY_BYTES / 2) + &"]".repeat(MAX_REPLY_BYTES / 2);
    let object = format!("{{\"name\": {}", longest("{\"a\":"));
    let brackets = format!("<tool_call>{nested}");
    let unclosed = format!("<function=add_task>{}", longest("<parameter=a>b</parameter>"));
    for reply in [
        longest("<"),
        longest("["),
        longest("{"),
        longest("<think"),
        longest("a</thin"),
        longest("<tool_call>"),
        longest("{ \"name\" : "),
        longest("[TOOL_CALLS]undo[ARGS]{}"),
        longest(r#"{"name":"undo","arguments":{}}"#),
        nested,
        object,
        brackets,
        unclosed,
        format!("{{{}\"name\"", longest(" ")),
    ] {
        assert!(text_of(&reply, &[user("milk")]) == reply, "{}…", &reply[..20]);
    }
}

#[test]
fn the_longest_history_is_searched() {
    for history in [longest("\\u0022name"), longest("\\"), longest("&quot;"), longest("\\u00"), longest("</think")] {
        let reply = r#"<tool_call>{"name":"drop","arguments":{}}</tool_call></think>"#;
        assert_eq!(text_of(reply, &[user(&history)]), reply);
        assert!(!WrittenText::of(&[user(&history)]).has_thought_end);
    }
}

#[test]
fn the_longest_thoughts_are_hidden() {
    for reply in [
        longest("<think>"),
        longest("<think>a</think>"),
        longest("<think></thin"),
        format!("<think>{}", longest("x").repeat(2)),
        longest(" "),
    ] {
        assert_eq!(text_of(&reply, &[]), "");
    }
}

#[test]
fn thoughts_that_never_end_are_not_kept() {
    let pieces = vec![longest("x"); 20];
    let open_thoughts = OpenThoughts::of_model("deepseek-r1");
    let mut text = MarkedText::new(request(Vec::new()), open_thoughts);
    let mut out = Vec::new();
    for piece in &pieces {
        text.push(piece, &mut out);
    }
    assert!(matches!(&text.state, State::Thought { held: None, .. }), "{out:?}");
    text.push("</think>Hello", &mut out);
    assert_eq!(out, [delta("Hello")]);
}

#[test]
fn ends_of_thoughts_in_a_row_take_linear_time() {
    let reply = longest("</think>");
    let mut text = MarkedText::new(request(vec![user(&longest("milk "))]), OpenThoughts::of_model(MODEL));
    let mut out = Vec::new();
    reply.split("").for_each(|piece| text.push(piece, &mut out));
    assert!(collected_text(&out) == reply);
    let mut text = MarkedText::new(request(Vec::new()), OpenThoughts::of_model(MODEL));
    out.clear();
    text.push(&reply, &mut out);
    assert_eq!(out, []);
}

#[test]
fn a_call_over_the_limit_is_released_before_its_end() {
    let mut text = MarkedText::new(request(Vec::new()), OpenThoughts::of_model(MODEL));
    let mut out = Vec::new();
    text.push("<tool_call>", &mut out);
    assert_eq!(out, []);
    text.push(&longest("x"), &mut out);
    text.push("yz", &mut out);
    assert_eq!(collected_text(&out), format!("<tool_call>{}yz", longest("x")));
}

fn collected_text(events: &[LlmEvent]) -> String {
    events.iter().map(|event| if let LlmEvent::TextDelta(text) = event { text.as_str() } else { "" }).collect()
}

//! What holds for any text.

use domain::llm::LlmReply;
use futures_util::FutureExt as _;
use proptest::prelude::*;
use serde_json::Value;

use crate::{reply, user};

/// The assistant never waits for anything, so that its reply is there at once.
fn at_once(text: &str) -> Result<LlmReply, TestCaseError> {
    let reply = reply(vec![user(text)]).now_or_never().ok_or_else(|| TestCaseError::fail("it waits"))?;
    reply.map_err(|error| TestCaseError::fail(error.to_string()))
}

fn title_of(reply: &LlmReply) -> Option<String> {
    let [call] = reply.calls.as_slice() else { return None };
    let arguments: Value = serde_json::from_str(&call.arguments).ok()?;
    (call.tool == "add_task").then(|| arguments["title"].as_str().map(str::to_owned)).flatten()
}

/// Words that no frame ends with or hangs on, in any case, with marks and signs in and around them.
fn title() -> impl Strategy<Value = String> {
    let words = vec![
        "Milk",
        "bread",
        "call",
        "MOM",
        "the",
        "Übung",
        "report",
        "C++",
        "$5",
        "(with Bob)",
        "🧑\u{200D}🚀",
        "שלום",
        "café",
        "delete",
        "finish",
        "show",
        "rename",
        "50%",
        "check-in",
        "10:30",
        "Ann's",
        "R&D",
        "№7",
        "re: taxes",
    ];
    let word = prop::sample::select(words);
    // The first word decides between a title and a word for one ("it", "another"), so it is a plain one.
    ("[B-Zb-z]{3,8}ix", prop::collection::vec(word, 0..6))
        .prop_map(|(first, rest)| std::iter::once(first.as_str()).chain(rest).collect::<Vec<_>>().join(" "))
}

proptest! {
    #[test]
    fn any_unicode_gets_a_reply(text in any::<String>()) {
        let reply = at_once(&text)?;
        prop_assert!(!reply.text.is_empty() || !reply.calls.is_empty());
    }

    #[test]
    fn any_text_gets_a_reply(text in "\\PC{0,200}") {
        let reply = at_once(&text)?;
        prop_assert!(!reply.text.is_empty() || !reply.calls.is_empty());
    }

    #[test]
    fn any_jumble_of_command_words_gets_a_reply(
        words in prop::collection::vec(
            prop::sample::select(&[
                "add", "delete", "the", "list", "my", "to", "second", "\"", "’", "don't", "it", "and", "all", "of", "task", ".",
                "mark", "as", "done", "what", "is", "left", "rename", "on", "1", "\n", ":", "“", "”", "?", "not", "every", "🥛",
            ][..]),
            0..40,
        ),
        glue in prop::sample::select(&["", " ", "  "][..]),
    ) {
        let reply = at_once(&words.join(glue))?;
        prop_assert!(!reply.text.is_empty() || !reply.calls.is_empty());
    }

    #[test]
    fn a_title_in_a_frame_comes_back_unchanged(
        title in title(),
        (before, behind) in prop::sample::select(&[
            ("add ", " to my list"), ("Add a task to ", ""), ("please add ", "."), ("put ", " on my to-do list"), ("new task: ", ""),
            ("remind me to ", ", please"), ("create a task called ", ""), ("could you add “", "” to the list?"), ("add: ", "!"),
        ][..]),
    ) {
        let reply = at_once(&format!("{before}{title}{behind}"))?;
        prop_assert_eq!(title_of(&reply), Some(title), "{:?}", reply);
    }

    #[test]
    fn a_quoted_title_comes_back_unchanged_whatever_is_in_it(title in "[^\"\\s\\p{C}]([^\"\\p{C}]{0,60}[^\"\\s\\p{C}])?") {
        let reply = at_once(&format!("add \"{title}\" to my list"))?;
        prop_assert_eq!(title_of(&reply), Some(title), "{:?}", reply);
    }

    #[test]
    fn the_same_request_gets_the_same_reply(text in "(add|delete|show|mark) [a-z ]{0,30}") {
        prop_assert_eq!(at_once(&text)?, at_once(&text)?);
    }
}

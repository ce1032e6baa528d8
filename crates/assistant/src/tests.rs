//! Text that is built to be slow, wherever the assistant matches text. What is bounded is the number of steps of the
//! matcher, which one message shares; what has no budget is read once, from its start to its end.

use domain::chat::UserText;
use domain::llm::LlmMessage;
use domain::task::Title;
use serde_json::{Value, json};

use super::command::{Action, Target};
use super::dialogue::{decide, read};
use super::matching::{Budget, MAX_STEPS, steps_of};
use super::sentence::{Enumeration, MAX_WORDS};
use super::tasks::Known;
use super::tasks::Status;
use super::*;

/// Steps that one message may take: a program that finds the budget spent has just taken its last ones.
const BOUND: usize = MAX_STEPS + MAX_STEPS / 10;

/// `part` again and again, up to `length` characters.
fn repeated(part: &str, length: usize) -> String {
    part.chars().cycle().take(length).collect()
}

/// Texts of at most `length` characters.
fn slow_texts(length: usize) -> Vec<String> {
    let parts = [
        "a",
        "a ",
        "milk ",
        "and ",
        "and then ",
        "add ",
        "add milk and then ",
        "add milk, ",
        "delete a and ",
        "to ",
        "rename a to ",
        "it ",
        "that is ",
        "please ",
        "the the list of ",
        "on my list ",
        "one two ",
        "1, ",
        "one of the ",
        ",",
        ", a",
        "a,",
        "\"",
        " \"a",
        "\"a\" ",
        "„a ",
        "‘a’ “b ",
        "so ",
        "so please put it, ",
        "what is on ",
        "i need to ",
        "i have done ",
        "remind me to ",
        "e\u{301}",
        "\u{FDFA}",
        "👩\u{200D}",
        "🇦",
        "a'",
        "a.",
        "a-",
        "um ",
        "yes ",
        "undo the last ",
        "Ǆ",
        "delte ",
        "shuold ",
        "note: ",
        "so mark it off ",
        "they close, ",
        "because she is ",
        "not milk, ",
    ];
    let mut texts: Vec<String> = parts.iter().map(|part| repeated(part, length)).collect();
    for part in ["go ahead and ", "do it and ", "and "] {
        texts.push(format!("Shall I {}sing?", part.repeat((length - 13) / part.len())));
    }
    for (before, part, behind) in [
        ("rename ", "talk to Ann to ", "b"),
        ("add ", "to my list ", "b"),
        ("delete ", "the task from my list ", ""),
        ("if i ", "finish the report, delete it and ", "x"),
        ("mark ", "as done ", "as done"),
        ("is ", "on my list ", "on my list?"),
        ("", "please could you ", "add milk"),
        ("add call the bank, ", "they close, ", "x"),
        ("rename a to ", "b, not c, ", "d"),
        ("show my list ", "because she said ", "so"),
        ("one more for ", "the band ", ": a, she said"),
    ] {
        let count = (length - before.len() - behind.len()) / part.len();
        texts.push(format!("{before}{}{behind}", part.repeat(count)));
    }
    // Pasted lists: many short lines, and lines that are slow to read.
    for line in
        ["a\n", "- a\n", "add a\n", "rename a to a to a to a to a to a to a to a to a to a to a to a to a to a to a\n"]
    {
        texts.push(format!("add milk\n{}", repeated(line, length - 9)));
    }
    texts
}

/// Slow texts of every length at which something else bounds them.
fn messages() -> impl Iterator<Item = String> {
    [60, 300, 600, 1000, UserText::MAX].into_iter().flat_map(slow_texts)
}

fn known(number: u64, title: String) -> Known {
    Known { id: format!("id-{number}"), title, completed: false, position: number }
}

fn slow_tasks() -> Vec<Known> {
    (1..).zip(slow_texts(Title::MAX)).map(|(number, title)| known(number, title)).collect()
}

fn rows() -> Value {
    slow_tasks().iter().map(|task| json!({ "id": task.id, "title": task.title, "completed": false })).collect()
}

fn assert_bounded(what: &str, messages: usize, work: impl FnOnce()) {
    let steps = steps_of(work);
    assert!(steps <= messages * BOUND, "{}: {steps}", what.chars().take(60).collect::<String>());
}

#[test]
fn ordinary_sentences_stay_far_within_the_budget() {
    let table = include_str!("../tests/assistant/sentences.txt");
    for (sentence, _) in table.lines().filter_map(|line| line.split_once(" => ")) {
        let steps = steps_of(|| drop(decide(sentence, &Memory::default())));
        assert!(steps <= MAX_STEPS / 4, "{sentence}: {steps}");
    }
}

#[test]
fn a_message_that_spends_the_budget_is_too_long() {
    let mut given_up = 0;
    for text in messages() {
        assert_bounded(&text, 2, || {
            let mut decision = None;
            let steps = steps_of(|| decision = Some(decide(&text, &Memory::default())));
            if steps > MAX_STEPS {
                given_up += 1;
                assert_eq!(decision, Some(Decision::Say(Remark::TooLong)), "{text}");
            }
        });
    }
    assert!(given_up >= 10, "texts that are not slow test nothing: {given_up}");
    let longer = "a".repeat(UserText::MAX + 1);
    assert_eq!(steps_of(|| assert_eq!(decide(&longer, &Memory::default()), Decision::Say(Remark::TooLong))), 0);
}

#[test]
fn an_explanation_is_bounded_as_a_message_is() {
    // It reads the sentence twice: once for the readings and once for what comes of them.
    for text in slow_texts(600) {
        assert_bounded(&text, 2, || drop(explain::explain(&text)));
    }
    assert_bounded("", 0, || drop(explain::explain(&"a ".repeat(UserText::MAX))));
}

#[test]
fn the_answer_to_every_question_is_bounded() {
    let title = || Target::named(&repeated("Shall I ", Title::MAX));
    let which = |action, choices| Question::Which { action, new_title: None, choices };
    let questions = [
        Question::Title,
        Question::NewTitle(title()),
        Question::Confirm(Command::Delete(title())),
        which(Action::Delete, Vec::new()),
        which(Action::Complete, slow_tasks()),
    ];
    for (number, question) in questions.into_iter().enumerate() {
        let mut memory = Memory::default();
        (memory.question, memory.is_pending) = (Some(question), number % 2 == 0);
        for text in slow_texts(600) {
            assert_bounded(&text, 1, || drop(decide(&text, &memory)));
        }
    }
}

#[test]
fn every_span_of_a_sentence_is_read_once() {
    for text in messages() {
        let budget = Budget::default();
        let Some(message) = read(&text, &budget) else { continue };
        let sentence = &message.sentence;
        let words = sentence.tokens().len();
        assert!(words <= MAX_WORDS);
        let parts = match sentence.enumeration(sentence.all()) {
            Enumeration::One => Vec::new(),
            Enumeration::Several(parts) | Enumeration::Open(parts) => parts,
        };
        let ends = [sentence.sentences(), parts];
        for spans in ends {
            assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start), "{spans:?}");
            assert!(spans.iter().map(ExactSizeIterator::len).sum::<usize>() <= words);
        }
        assert!(sentence.places(sentence.all()).len() <= words.max(20));
        assert!(text.contains(sentence.written(sentence.all())));
    }
}

/// What a request looks like whose history is as bad as it can be: slow messages, answers of 256 KiB that ask, and results
/// with slow titles.
fn history(newest: &str) -> Vec<LlmMessage> {
    let mut history = Vec::new();
    for (round, said) in slow_texts(600).into_iter().enumerate() {
        history.push(LlmMessage::User { text: said });
        let answers =
            ["Shall I delete “a” from your list? ", "What should the task be?", "Which task should I delete? "];
        history.push(LlmMessage::Assistant {
            text: repeated(answers[round % answers.len()], 256 * 1024),
            plan: None,
            calls: Vec::new(),
            provider_data: None,
        });
    }
    for (tool, key) in
        [("list_tasks", "tasks"), ("delete_task", "candidates"), ("update_task", "nearest"), ("undo", "changes")]
    {
        history.insert(
            0,
            LlmMessage::ToolResult {
                call_id: "x".to_owned(),
                tool: tool.to_owned(),
                content: json!({ "success": key == "tasks", "message": "", "data": { key: rows() } }),
            },
        );
    }
    history.insert(0, LlmMessage::User { text: "show my list".to_owned() });
    history.push(LlmMessage::User { text: newest.to_owned() });
    history
}

fn request(messages: Vec<LlmMessage>) -> LlmRequest {
    let tools = domain::tool::specs().into_iter().chain([domain::tool::confirm_pending_spec()]).collect();
    LlmRequest { system: String::new(), messages, tools }
}

#[test]
fn a_slow_history_delays_and_confirms_nothing() {
    for newest in ["what's left?", "add milk", "delete it", "thanks"] {
        let request = request(history(newest));
        assert_bounded(newest, 1, || {
            let reply = reply(&request);
            assert!(!reply.calls.contains(&Command::ConfirmPending), "{newest}");
            if newest == "what's left?" {
                assert_eq!(reply.calls, [Command::show(Status::Pending)]);
            }
        });
    }
}

#[test]
fn slow_titles_in_results_are_repeated_and_not_read() {
    for (tool, data) in [
        ("list_tasks", json!({ "tasks": rows(), "status": "all" })),
        ("delete_task", json!({ "candidates": rows() })),
        ("complete_task", json!({ "nearest": rows() })),
        ("confirm_pending", json!({ "changes": [], "left": rows() })),
    ] {
        let mut messages = vec![LlmMessage::User { text: "is milk on my list?".to_owned() }];
        messages.push(LlmMessage::ToolResult {
            call_id: "x".to_owned(),
            tool: tool.to_owned(),
            content: json!({ "success": tool == "list_tasks", "message": "", "data": data }),
        });
        assert_bounded(tool, 1, || assert!(reply(&request(messages)).calls.is_empty(), "{tool}"));
    }
}

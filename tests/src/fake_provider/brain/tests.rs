//! Conversations with the rule-based mind, as a server would have them.

use serde_json::{Value, json};

use super::super::request::Asked;
use super::*;

const TOOLS: [&str; 6] = ["add_task", "list_tasks", "complete_task", "delete_task", "update_task", "undo"];

/// A conversation so far.
#[derive(Default)]
struct Talk(Vec<Value>);

impl Talk {
    fn user(text: &str) -> Self {
        Self::default().then_user(text)
    }

    fn then_user(mut self, text: &str) -> Self {
        self.0.push(json!({"role": "user", "content": text}));
        self
    }

    fn then_says(mut self, text: &str) -> Self {
        self.0.push(json!({"role": "assistant", "content": text}));
        self
    }

    /// A call and its result.
    fn then(mut self, name: &str, arguments: &Value, result: &Value) -> Self {
        let id = format!("c{}", self.0.len());
        let function = json!({"name": name, "arguments": arguments.to_string()});
        self.0.push(json!({"role": "assistant", "tool_calls": [{"id": id, "function": function}]}));
        self.0.push(json!({"role": "tool", "tool_call_id": id, "content": result.to_string()}));
        self
    }

    fn reply(&self) -> Reply {
        self.reply_with(&TOOLS)
    }

    fn reply_with(&self, tools: &[&str]) -> Reply {
        let tools: Vec<_> = tools
            .iter()
            .map(|name| json!({"type": "function", "function": {"name": name, "parameters": {}}}))
            .collect();
        answer(&Asked::read(&json!({"model": "m", "messages": self.0, "tools": tools})).unwrap())
    }

    fn calls(&self) -> Vec<(String, Value)> {
        let read = |text: String| serde_json::from_str(&text).unwrap();
        self.reply().calls.into_iter().map(|call| (call.name, read(call.arguments.concat()))).collect()
    }

    fn says(&self) -> String {
        let reply = self.reply();
        assert!(reply.calls.is_empty(), "{:?}", reply.calls);
        reply.text.concat()
    }
}

fn call(name: &str, arguments: Value) -> Vec<(String, Value)> {
    vec![(name.to_owned(), arguments)]
}

fn done(message: &str) -> Value {
    json!({"success": true, "message": message, "data": {}})
}

fn several() -> Value {
    let candidates = json!([
        {"position": 1, "id": "a", "title": "prepare the meeting", "completed": false},
        {"position": 2, "id": "b", "title": "meeting with Bob", "completed": false},
    ]);
    json!({"success": false, "message": "Several tasks match 'meeting'. Nothing was changed. Which one is meant?", "data": {"candidates": candidates}})
}

fn asked_which() -> Talk {
    Talk::user("Delete the meeting task").then("delete_task", &json!({"task_identifier": "meeting"}), &several())
}

#[test]
fn one_sentence_is_one_call() {
    for (sentence, name, arguments) in [
        ("Add a task to buy groceries", "add_task", json!({"title": "buy groceries"})),
        ("add Buy milk and bread", "add_task", json!({"title": "Buy milk and bread"})),
        ("Please add \"Call Bob\" to my list.", "add_task", json!({"title": "Call Bob"})),
        ("Remind me to water the plants!", "add_task", json!({"title": "water the plants"})),
        ("list my tasks", "list_tasks", json!({})),
        ("Show me what is left", "list_tasks", json!({"status": "pending"})),
        ("show my completed tasks", "list_tasks", json!({"status": "completed"})),
        ("complete buy milk", "complete_task", json!({"task_identifier": "buy milk"})),
        ("Mark buy milk as done", "complete_task", json!({"task_identifier": "buy milk"})),
        ("mark the second one as completed", "complete_task", json!({"task_identifier": "2"})),
        ("Delete the meeting task", "delete_task", json!({"task_identifier": "meeting"})),
        ("remove task #3", "delete_task", json!({"task_identifier": "3"})),
        ("delete the milk task, please", "delete_task", json!({"task_identifier": "milk"})),
        ("delete the last task", "delete_task", json!({"task_identifier": "last"})),
        ("rename milk to oat milk", "update_task", json!({"task_identifier": "milk", "new_title": "oat milk"})),
        ("Füge nichts hinzu; add Ünïcödé 👩‍👩‍👧", "add_task", json!({"title": "Ünïcödé 👩‍👩‍👧"})),
    ] {
        assert_eq!(Talk::user(sentence).calls(), call(name, arguments), "{sentence}");
    }
}

#[test]
fn several_steps_are_done_one_call_a_round_and_reported_at_the_end() {
    let list = json!({"success": true, "message": "1 task", "data": {"tasks": [{"position": 1, "title": "buy milk", "completed": false}]}});
    let talk = Talk::user("List my tasks, complete buy milk and add call Bob");
    assert_eq!(talk.calls(), call("list_tasks", json!({})));
    let talk = talk.then("list_tasks", &json!({}), &list);
    let complete = json!({"task_identifier": "buy milk"});
    assert_eq!(talk.calls(), call("complete_task", complete.clone()));
    let talk = talk.then("complete_task", &complete, &done("Task 'buy milk' marked as completed"));
    let add = json!({"title": "call Bob"});
    assert_eq!(talk.calls(), call("add_task", add.clone()));
    let talk = talk.then("add_task", &add, &done("Task 'call Bob' created successfully"));
    assert_eq!(
        talk.says(),
        "1 task:\n1. buy milk\n\nTask 'buy milk' marked as completed.\n\nTask 'call Bob' created successfully."
    );
}

#[test]
fn several_candidates_are_asked_about_and_a_choice_is_acted_on() {
    let asked = asked_which();
    let question = asked.says();
    assert!(question.ends_with("Which one is meant?\n1. prepare the meeting\n2. meeting with Bob"), "{question}");
    for (answer, positions) in [
        ("the second", vec!["2"]),
        ("2", vec!["2"]),
        ("The first one, please.", vec!["1"]),
        ("number 1", vec!["1"]),
        ("the one with Bob", vec!["2"]),
        ("the meeting one", vec![]),
        ("yes", vec![]),
        ("meeting with bob", vec!["2"]),
        ("the first and the second", vec!["1", "2"]),
        ("both", vec!["1", "2"]),
    ] {
        let talk = Talk(asked.0.clone()).then_says(&question).then_user(answer);
        let expected: Vec<_> = positions
            .into_iter()
            .map(|position| ("delete_task".to_owned(), json!({"task_identifier": position})))
            .collect();
        assert_eq!(talk.calls(), expected, "{answer}");
    }
}

#[test]
fn a_choice_is_made_once_and_only_right_after_the_question() {
    let chosen = asked_which().then_says("Which one?").then_user("the second");
    let chosen = chosen.then("delete_task", &json!({"task_identifier": "2"}), &done("Task 'meeting with Bob' deleted"));
    assert_eq!(chosen.says(), "Task 'meeting with Bob' deleted.");
    let late = asked_which().then_says("Which one?").then_user("hello").then_says("Hello!").then_user("the second");
    assert!(late.calls().is_empty());
}

#[test]
fn everything_is_deleted_by_the_ids_of_a_list_until_a_tool_refuses() {
    let list = json!({"success": true, "message": "2 tasks", "data": {"tasks": [{"id": "a", "title": "x"}, {"id": "b", "title": "y"}]}});
    let talk = Talk::user("Delete all my tasks");
    assert_eq!(talk.calls(), call("list_tasks", json!({})));
    let talk = talk.then("list_tasks", &json!({}), &list);
    let delete = |id: &str| ("delete_task".to_owned(), json!({"task_identifier": id}));
    assert_eq!(talk.calls(), [delete("a"), delete("b")]);
    let waits = |title: &str| json!({"success": false, "message": "Not done yet.", "data": {"task": {"title": title}, "needs_confirmation": true}});
    let refused = talk.then("delete_task", &delete("a").1, &waits("x"));
    assert_eq!(refused.says(), "2 tasks:\n1. x\n2. y\n\nShall I go on with these? x");
    let both = refused.then("delete_task", &delete("b").1, &waits("y"));
    assert!(both.says().ends_with("\n\nShall I go on with these? x, y"));
}

#[test]
fn what_waits_is_confirmed_by_a_yes_and_by_nothing_else() {
    let tools = [&TOOLS[..], &["confirm_pending"]].concat();
    let confirms = |talk: &Talk, tools: &[&str]| {
        let reply = talk.reply_with(tools);
        let is_alone = reply.calls.len() == 1 && reply.plan.is_empty() && reply.text.is_empty();
        is_alone && reply.calls[0].name == "confirm_pending"
    };
    for yes in ["yes", "Yes, do it!", "ok", "go ahead", "sure, please"] {
        assert!(confirms(&Talk::user(yes), &tools), "{yes}");
        assert!(!confirms(&Talk::user(yes), &TOOLS), "{yes}");
    }
    for other in ["no", "what's left?", "yes, but not x", "add yes", ""] {
        assert!(!confirms(&Talk::user(other), &tools), "{other}");
    }
    let result = json!({"success": true, "message": "Confirmed: task 'x' deleted", "data": {"tasks": [{"title": "x"}], "changes": [{}]}});
    let talk = Talk::user("yes").then("confirm_pending", &json!({}), &result);
    assert_eq!(talk.says(), "Confirmed: task 'x' deleted.");
}

#[test]
fn an_undo_is_a_step() {
    for sentence in ["undo", "Undo that, please!", "take it back", "undo the last change"] {
        assert_eq!(Talk::user(sentence).calls(), call("undo", json!({})), "{sentence}");
    }
    assert!(Talk::user("undo the milk").calls().is_empty());
    let result = json!({"success": true, "message": "Undone: task 'x' restored", "data": {"changes": [{}]}});
    assert_eq!(Talk::user("undo").then("undo", &json!({}), &result).says(), "Undone: task 'x' restored.");
}

#[test]
fn a_long_list_is_deleted_in_rounds() {
    let tasks: Vec<_> = (0..40).map(|n| json!({"id": format!("id-{n}"), "title": "x"})).collect();
    let list = json!({"success": true, "message": "40 tasks", "data": {"tasks": tasks}});
    let talk = Talk::user("delete everything").then("list_tasks", &json!({}), &list);
    assert_eq!(talk.calls().len(), 32);
}

/// Every place where a step may begin looks behind the polite words; so many of them lead to no step.
#[test]
fn more_polite_words_than_people_say_lead_nowhere() {
    let polite = |count: usize| format!("{}add x", "please ".repeat(count));
    assert_eq!(Talk::user(&polite(8)).calls(), call("add_task", json!({"title": "x"})));
    assert!(Talk::user(&polite(9)).calls().is_empty());
}

#[test]
fn a_failure_is_told_as_it_is() {
    let none = json!({"success": false, "message": "No task matches 'milc'. Nothing was changed.", "data": {"nearest": [{"title": "milk"}]}});
    let talk = Talk::user("complete milc").then("complete_task", &json!({"task_identifier": "milc"}), &none);
    assert_eq!(talk.says(), "No task matches 'milc'. Nothing was changed. Did you mean milk?");
}

#[test]
fn everything_else_is_a_short_sentence_without_a_claim() {
    for other in ["yes", "Hello!", "thanks", "What is the weather?", "added", "", "👩‍👩‍👧", "and then", "mark"]
    {
        let said = Talk::user(other).says();
        assert!(!said.is_empty() && !said.contains("added") && !said.contains("deleted"), "{other}: {said}");
    }
}

#[test]
fn tools_that_are_missing_are_not_called() {
    let asked = Asked::read(&json!({"model": "m", "messages": [{"role": "user", "content": "add x"}]})).unwrap();
    assert!(answer(&asked).calls.is_empty());
}

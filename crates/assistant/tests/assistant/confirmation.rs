//! What waits for the user's confirmation, and what is undone.

use anyhow::Result;
use domain::llm::{LlmMessage, LlmRequest, LlmToolCall};
use domain::tool::CONFIRM_PENDING;
use serde_json::{Value, json};

use crate::chat::Chat;
use crate::{answer, assistant, confirming, in_short, request, tools, user};

const FOUR: &[&str] = &["tea", "milk", "eggs", "bread"];
const SWEEP: &str = "list: all; delete: id-1; delete: id-2; delete: id-3; delete: id-4";
const QUESTION: &str = "Shall I delete “tea”, “milk”, “eggs” and “bread”?";
const LEFT_ALONE: &str = "All right, I leave everything as it is.";

#[tokio::test]
async fn a_few_tasks_are_deleted_at_once_and_reported() -> Result<()> {
    let mut chat = Chat::with(&["tea", "milk", "eggs"]);
    chat.say("complete milk").await?;
    chat.expect(&[
        ("delete all completed tasks", "list: completed; delete: id-2", "Deleted “milk”."),
        ("remove all open tasks", "list: pending; delete: id-1; delete: id-3", "Deleted “tea” and “eggs”."),
        ("clear my list", "list: all", "Your list is empty."),
    ])
    .await
}

#[tokio::test]
async fn more_tasks_are_named_and_deleted_after_a_yes() -> Result<()> {
    for yes in [
        "yes",
        "Yes!",
        "ok, go ahead",
        "sure",
        "yes please",
        "do it",
        "confirmed",
        "yes, delete them",
        "ok delete all of them",
        "yes, remove it all",
    ] {
        let mut chat = Chat::with(FOUR);
        chat.expect(&[
            ("clear my list", SWEEP, QUESTION),
            (yes, "confirm", "Deleted “tea”, “milk”, “eggs” and “bread”."),
            ("undo", "undo", "“tea”, “milk”, “eggs” and “bread” are back on your list."),
        ])
        .await?;
        assert_eq!(chat.tasks.len(), 4, "{yes}");
    }
    Ok(())
}

#[tokio::test]
async fn a_no_and_anything_else_confirm_nothing() -> Result<()> {
    for (said, calls) in [
        ("no", "says"),
        ("never mind", "says"),
        ("don't do that", "says"),
        ("what's left?", "list: pending"),
        ("add salt", "add: salt"),
        ("yes, but not the milk", "says"),
        ("delete milk", "delete: milk"),
        ("thanks", "says"),
    ] {
        let mut chat = Chat::with(FOUR);
        chat.expect(&[("clear my list", SWEEP, QUESTION)]).await?;
        let (found, answer) = chat.say(said).await?;
        assert_eq!(found, calls, "{said}");
        assert_eq!(
            answer == LEFT_ALONE,
            ["no", "never mind", "don't do that", "yes, but not the milk"].contains(&said),
            "{said}: {answer}"
        );
        assert!(chat.tasks.len() >= 3, "{said}");
        // What was not confirmed right away waits no more.
        chat.expect(&[("yes", "says", "I'm not sure what you say yes to. Tell me what to do, or say “help”.")]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_has_changed_since_the_question_is_left_and_named() -> Result<()> {
    for (changed, said) in [
        (1..2, "Deleted “tea”, “eggs” and “bread”. I left “milk” as it is: it has changed since I asked."),
        (0..4, "I left “tea”, “milk”, “eggs” and “bread” as they are: they have changed since I asked."),
    ] {
        let mut chat = Chat::with(FOUR);
        chat.expect(&[("delete everything", SWEEP, QUESTION)]).await?;
        chat.tasks[changed].iter_mut().for_each(|task| task.title.push('!'));
        chat.expect(&[("yes", "confirm", said)]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_sweep_that_is_too_long_for_one_turn_says_what_is_left() -> Result<()> {
    let titles: Vec<String> = (1..=40).map(|n| format!("task {n}")).collect();
    let mut chat = Chat::with(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    let (_, answer) = chat.say("mark everything as done").await?;
    assert!(answer.ends_with("“task 32” as done.\n\nThere are 8 more: say it again for those."), "{answer}");
    let (calls, answer) = chat.say("delete everything").await?;
    assert_eq!(calls.matches("delete: ").count(), 32, "{calls}");
    assert!(answer.ends_with("and “task 32”?\n\nThere are 8 more: say it again for those."), "{answer}");
    chat.say("yes").await?;
    assert_eq!(chat.tasks.len(), 8);
    Ok(())
}

/// Calls and their results, as a round of any model leaves them.
fn round(results: &[(&str, Value, Value)]) -> Vec<LlmMessage> {
    let id = |index: usize| format!("c{index}");
    let calls = results.iter().enumerate().map(|(index, (tool, arguments, _))| LlmToolCall {
        id: id(index),
        tool: (*tool).to_owned(),
        arguments: arguments.to_string(),
    });
    let contents = results.iter().enumerate().map(|(index, (tool, _, content))| LlmMessage::ToolResult {
        call_id: id(index),
        tool: (*tool).to_owned(),
        content: content.clone(),
    });
    std::iter::once(assistant("", calls.collect())).chain(contents).collect()
}

fn waiting(id: &str, title: &str) -> Value {
    json!({ "success": false, "message": "", "data": { "needs_confirmation": true, "task": { "id": id, "title": title } } })
}

fn call(tool: &'static str, task: &str, new_title: Option<&str>, title: &str) -> (&'static str, Value, Value) {
    let mut arguments = json!({ "task_identifier": task });
    if let Some(new_title) = new_title {
        arguments["new_title"] = new_title.into();
    }
    (tool, arguments, waiting(task, title))
}

#[tokio::test]
async fn deletions_and_renames_that_wait_are_one_question() -> Result<()> {
    let results = [
        call("delete_task", "a", None, "tea"),
        (
            "add_task",
            json!({ "title": "salt" }),
            json!({ "success": true, "data": { "task": { "id": "s", "title": "salt" } } }),
        ),
        call("update_task", "b", Some("oat milk"), "milk"),
        call("delete_task", "c", None, "eggs"),
        call("delete_task", "d", None, "rice"),
        call("update_task", "d", Some("brown rice"), "rice"),
    ];
    let messages = [vec![user("delete 1 and 2")], round(&results)].concat();
    let question = "Added “salt” to your list.\n\nShall I delete “tea” and “eggs”, rename “milk” to “oat milk” and rename “rice” to “brown rice”?";
    assert_eq!(answer(request(messages)).await?.text, question);
    Ok(())
}

#[tokio::test]
async fn a_yes_with_an_exception_is_a_new_command() -> Result<()> {
    let mut chat = Chat::with(FOUR);
    chat.expect(&[
        ("clear my list", SWEEP, QUESTION),
        (
            "yes, delete everything except milk",
            "list: all; delete: id-1; delete: id-3; delete: id-4",
            "Deleted “tea”, “eggs” and “bread”.",
        ),
    ])
    .await?;
    assert_eq!(chat.tasks.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_yes_to_two_questions_at_once_confirms_neither() -> Result<()> {
    let nearest =
        json!({ "success": false, "message": "", "data": { "nearest": [{ "id": "n", "title": "dentist" }] } });
    let results =
        [("delete_task", json!({ "task_identifier": "dentits" }), nearest), call("delete_task", "a", None, "tea")];
    let said = "I find no task that fits “dentits”. Did you mean “dentist”?\n\nShall I delete “tea”?";
    let before = [vec![user("delete dentits and tea")], round(&results)].concat();
    assert_eq!(answer(request(before.clone())).await?.text, said);
    let messages = [before, vec![assistant(said, vec![]), user("yes")]].concat();
    let reply = answer(LlmRequest { tools: confirming(), ..request(messages) }).await?;
    assert_eq!(
        (in_short(&reply)?.as_str(), reply.text.starts_with("I'm not sure what you say yes to.")),
        ("says", true)
    );
    Ok(())
}

#[tokio::test]
async fn a_yes_is_a_call_alone_and_only_where_something_waits() -> Result<()> {
    let results = [call("delete_task", "a", None, "tea")];
    let before = [vec![user("delete tea")], round(&results), vec![assistant("Shall I delete “tea”?", vec![])]].concat();
    let messages = [before, vec![user("yes")]].concat();
    let reply = answer(LlmRequest { tools: confirming(), ..request(messages.clone()) }).await?;
    assert_eq!((in_short(&reply)?.as_str(), reply.text.as_str()), ("confirm", ""));
    let reply = answer(LlmRequest { tools: tools(), ..request(messages.clone()) }).await?;
    assert_eq!(in_short(&reply)?, "says");
    // The server refuses a call that was not alone, and the answer does not claim more.
    let refused = json!({ "success": false, "message": "Nothing was confirmed", "data": null });
    let messages = [messages, round(&[(CONFIRM_PENDING, json!({}), refused)])].concat();
    assert_eq!(answer(request(messages)).await?.text, "Nothing was confirmed.");
    Ok(())
}

#[tokio::test]
async fn the_assistants_own_question_is_answered_by_the_deletion() -> Result<()> {
    for yes in ["yes", "ok do it", "yes, delete it", "yes delete that"] {
        Chat::with(&["call mom"])
            .expect(&[
                ("cancel mom", "asks", "Shall I delete “mom” from your list?"),
                (yes, "delete: mom", "Deleted “call mom”."),
                ("take it back", "undo", "“call mom” is back on your list."),
            ])
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_change_is_undone_and_told_from_the_result() -> Result<()> {
    Chat::with(&["tea"])
        .expect(&[
            ("undo", "undo", "There is nothing to undo in this conversation."),
            ("rename tea to green tea", "rename: tea -> green tea", "Renamed “tea” to “green tea”."),
            ("undo that", "undo", "“green tea” is called “tea” again."),
            ("complete tea", "complete: tea", "Marked “tea” as done."),
            ("oh no, undo", "undo", "“tea” is open again."),
            ("add salt", "add: salt", "Added “salt” to your list."),
            ("undo the last change", "undo", "“salt” is off your list again."),
            ("rename it", "asks", "Which task should I rename?"),
            ("delete tea", "delete: tea", "Deleted “tea”."),
            ("bring it back", "undo", "“tea” is back on your list."),
            ("mark it as done", "complete: id-1", "Marked “tea” as done."),
        ])
        .await
}

#[tokio::test]
async fn an_undo_that_is_not_possible_is_told_as_it_is() -> Result<()> {
    let conflict = json!({ "seq": 1, "entity": "task", "entity_id": "a", "field": "title", "later_seq": 2 });
    let refused = json!({ "success": false, "message": "Nothing was undone", "data": { "conflicts": [conflict] } });
    let messages = [vec![user("undo")], round(&[("undo", json!({}), refused)])].concat();
    assert_eq!(answer(request(messages)).await?.text, "I undid nothing: what I changed has been changed again since.");
    Ok(())
}

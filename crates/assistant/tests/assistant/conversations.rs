//! Conversations of several turns.

use anyhow::Result;

use crate::chat::Chat;
use crate::{assistant, in_short, reply, stored, user};

#[tokio::test]
async fn a_first_conversation_goes_as_one_would_expect() -> Result<()> {
    Chat::default()
        .expect(&[
            ("Add a task to buy groceries", "add: buy groceries", "Added “buy groceries” to your list."),
            ("mark it as done", "complete: id-1", "Marked “buy groceries” as done."),
            ("what's left?", "list: pending", "Nothing is left: everything is done."),
            ("delete the groceries task", "delete: groceries", "Deleted “buy groceries”."),
            ("show my list", "list: all", "Your list is empty."),
        ])
        .await
}

#[tokio::test]
async fn twenty_turns_with_pronouns_places_questions_and_corrections() -> Result<()> {
    Chat::with(&["call mom", "buy milk"])
        .expect(&[
            ("hi!", "says", "Hello! What can I do for your list? Say “help” to see what I understand."),
            ("what's on my list?", "list: all", "You have 2 tasks:\n\n1. call mom\n2. buy milk"),
            ("add a task", "asks", "What should the task be?"),
            (
                "Write to Ann’s landlord 🏠",
                "add: Write to Ann’s landlord 🏠",
                "Added “Write to Ann’s landlord 🏠” to your list.",
            ),
            ("rename it", "asks", "What should I call “Write to Ann’s landlord 🏠”?"),
            (
                "call it Email the landlord",
                "rename: id-3 -> Email the landlord",
                "Renamed “Write to Ann’s landlord 🏠” to “Email the landlord”.",
            ),
            ("no, I mean the second one is done", "complete: 2", "Marked “buy milk” as done."),
            ("what have I done?", "list: completed", "1 task is done:\n\n1. buy milk"),
            (
                "rename that one to buy oat milk",
                "rename: id-2 -> buy oat milk",
                "Renamed “buy milk” to “buy oat milk”.",
            ),
            (
                "show everything",
                "list: all",
                "You have 3 tasks, 1 of them done:\n\n1. call mom\n2. buy oat milk (done)\n3. Email the landlord",
            ),
            ("mark it as done", "asks", "Which task should I mark as done?"),
            ("the last one", "complete: last", "Marked “Email the landlord” as done."),
            ("cancel mom", "asks", "Shall I delete “mom” from your list?"),
            ("no", "says", "All right, I leave everything as it is."),
            ("is milk on my list?", "search: milk", "Yes, “buy oat milk” is on your list, and it is done."),
            ("don't delete it", "says", "All right, I leave everything as it is."),
            (
                "delete everything",
                "list: all; delete: id-1; delete: id-2; delete: id-3",
                "Deleted “call mom”, “buy oat milk” and “Email the landlord”.",
            ),
            ("oops, undo that", "undo", "“call mom”, “buy oat milk” and “Email the landlord” are back on your list."),
            ("what's left", "list: pending", "1 task is left:\n\n1. call mom"),
            ("done with that one", "complete: id-1", "Marked “call mom” as done."),
            ("thanks", "says", "Glad to help."),
        ])
        .await
}

#[tokio::test]
async fn of_several_tasks_that_fit_one_is_chosen() -> Result<()> {
    let question = "Several tasks fit that. Which one should I delete?\n\n1. buy milk\n2. buy oat milk";
    for (choice, call, answer) in [
        ("the second", "delete: id-2", "Deleted “buy oat milk”."),
        ("2", "delete: id-2", "Deleted “buy oat milk”."),
        ("number two please", "delete: id-2", "Deleted “buy oat milk”."),
        ("the last one", "delete: id-2", "Deleted “buy oat milk”."),
        ("the oat milk one", "delete: id-2", "Deleted “buy oat milk”."),
        ("I meant oat milk", "delete: id-2", "Deleted “buy oat milk”."),
        ("Buy milk", "delete: id-1", "Deleted “buy milk”."),
        ("the first one", "delete: id-1", "Deleted “buy milk”."),
    ] {
        Chat::with(&["buy milk", "buy oat milk", "call mom"])
            .expect(&[("delete milk", "delete: milk", question), (choice, call, answer)])
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_choice_may_be_declined_or_ignored() -> Result<()> {
    let question = "Several tasks fit that. Which one should I delete?\n\n1. buy milk\n2. buy oat milk";
    for (reaction, calls) in [
        ("never mind", "says"),
        ("neither", "says"),
        ("no", "says"),
        ("them", "says"),
        ("yes", "asks"),
        ("the ninth", "asks"),
        ("what's left?", "list: pending"),
        ("add bread", "add: bread"),
        ("complete call mom", "complete: call mom"),
        ("what's the weather like?", "says"),
    ] {
        let mut chat = Chat::with(&["buy milk", "buy oat milk", "call mom"]);
        chat.expect(&[("delete milk", "delete: milk", question)]).await?;
        assert_eq!(chat.say(reaction).await?.0, calls, "{reaction}");
        assert_eq!(chat.tasks.iter().filter(|task| task.title.contains("milk")).count(), 2, "{reaction}");
    }
    Ok(())
}

#[tokio::test]
async fn a_rename_keeps_its_new_title_while_it_is_asked_which_task_is_meant() -> Result<()> {
    Chat::with(&["buy milk", "buy oat milk"])
        .expect(&[
            (
                "rename milk to Buy Soy Milk",
                "rename: milk -> Buy Soy Milk",
                "Several tasks fit that. Which one should I rename?\n\n1. buy milk\n2. buy oat milk",
            ),
            ("the first", "rename: id-1 -> Buy Soy Milk", "Renamed “buy milk” to “Buy Soy Milk”."),
        ])
        .await
}

#[tokio::test]
async fn the_nearest_task_is_named_and_never_acted_on_unasked() -> Result<()> {
    let missing = (
        "complete the dentits task",
        "complete: dentits",
        "I find no task that fits “dentits”. Did you mean “dentist”?",
    );
    Chat::with(&["dentist"]).expect(&[missing, ("yes", "complete: id-1", "Marked “dentist” as done.")]).await?;
    Chat::with(&["dentist"]).expect(&[missing, ("that one", "complete: id-1", "Marked “dentist” as done.")]).await?;
    Chat::with(&["dentist"]).expect(&[missing, ("no", "says", "All right, I leave everything as it is.")]).await?;
    Chat::default().expect(&[("complete dentist", "complete: dentist", "I find no task that fits “dentist”.")]).await
}

#[tokio::test]
async fn two_questions_in_a_row_lead_to_one_command() -> Result<()> {
    Chat::with(&["tea", "milk"])
        .expect(&[
            ("show my tasks", "list: all", "You have 2 tasks:\n\n1. tea\n2. milk"),
            ("rename a task", "asks", "Which task should I rename?"),
            ("the second one", "asks", "What should I call number 2?"),
            ("delete old photos", "rename: 2 -> delete old photos", "Renamed “milk” to “delete old photos”."),
        ])
        .await
}

#[tokio::test]
async fn what_is_not_sure_is_done_after_a_yes() -> Result<()> {
    Chat::with(&["the annual report"])
        .expect(&[
            ("mark the report", "asks", "Shall I mark “report” as done?"),
            ("yes please", "complete: report", "Marked “the annual report” as done."),
            ("call mom", "asks", "Shall I add “call mom” to your list?"),
            ("go ahead", "add: call mom", "Added “call mom” to your list."),
            ("call Bob", "asks", "Shall I add “call Bob” to your list?"),
            ("nope", "says", "All right, I leave everything as it is."),
            ("cancel tea", "asks", "Shall I delete “tea” from your list?"),
            (
                "hmm maybe later",
                "says",
                "I can't do that: I only look after your task list. Try “add milk”, “what's left?” or “complete the second one”.",
            ),
            ("yes", "says", "I'm not sure what you say yes to. Tell me what to do, or say “help”."),
        ])
        .await
}

#[tokio::test]
async fn a_task_that_was_shown_needs_no_question() -> Result<()> {
    let mut chat = Chat::with(&["dinner reservation", "talk to Ann", "write task"]);
    assert_eq!(chat.say("cancel my dinner reservation").await?.0, "says");
    chat.say("show my tasks").await?;
    assert_eq!(chat.say("cancel my dinner reservation").await?.0, "delete: dinner reservation");
    assert_eq!(chat.say("rename talk to Ann to call Ann").await?.0, "rename: talk to Ann -> call Ann");
    assert_eq!(chat.say("complete write task").await?.0, "complete: write task");
    Ok(())
}

#[tokio::test]
async fn a_question_is_answered_only_if_it_was_the_last_thing_said() -> Result<()> {
    let question = reply(vec![user("add a task")]).await?;
    let asked = vec![user("add a task"), stored(&question)];
    let answered = [asked.clone(), vec![user("buy tea")]].concat();
    assert_eq!(in_short(&reply(answered).await?)?, "add: buy tea");
    let later = [asked, vec![user("thanks"), assistant("You're welcome.", vec![]), user("bananas")]].concat();
    assert_eq!(in_short(&reply(later).await?)?, "says");
    // Another provider may ask in the same words.
    let another = vec![user("add a task"), assistant(&question.text, vec![]), user("bananas")];
    assert_eq!(in_short(&reply(another).await?)?, "says");
    Ok(())
}

#[tokio::test]
async fn several_tasks_are_dealt_with_in_one_sentence() -> Result<()> {
    Chat::with(&["tea", "milk", "eggs", "bread", "salt"])
        .expect(&[
            (
                "add rice, beans and corn",
                "add: rice; add: beans; add: corn",
                "Added “rice”, “beans” and “corn” to your list.",
            ),
            (
                "show my list",
                "list: all",
                "You have 8 tasks:\n\n1. tea\n2. milk\n3. eggs\n4. bread\n5. salt\n6. rice\n7. beans\n8. corn",
            ),
            ("complete 1 and 3", "complete: 1; complete: 3", "Marked “tea” and “eggs” as done."),
            (
                "mark milk, bread and salt as done",
                "complete: milk; complete: bread; complete: salt",
                "Marked “milk”, “bread” and “salt” as done.",
            ),
            ("delete the first two", "delete: 1; delete: 2", "Deleted “tea” and “milk”."),
            (
                "complete the rice and delete the beans",
                "complete: rice; delete: beans",
                "Marked “rice” as done.\n\nDeleted “beans”.",
            ),
        ])
        .await
}

#[tokio::test]
async fn both_of_two_candidates_may_be_meant() -> Result<()> {
    for both in ["both", "both of them", "all of them", "delete both"] {
        Chat::with(&["buy milk", "buy oat milk", "call mom"])
            .expect(&[
                (
                    "delete milk",
                    "delete: milk",
                    "Several tasks fit that. Which one should I delete?\n\n1. buy milk\n2. buy oat milk",
                ),
                (both, "delete: id-1; delete: id-2", "Deleted “buy milk” and “buy oat milk”."),
            ])
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn everything_that_is_open_is_marked_as_done() -> Result<()> {
    let mut chat = Chat::with(&["tea", "milk"]);
    chat.say("complete tea").await?;
    assert_eq!(
        chat.say("mark everything as done").await?,
        ("list: pending; complete: id-2".to_owned(), "Marked “milk” as done.".to_owned())
    );
    assert_eq!(chat.say("complete all tasks").await?.1, "Nothing is left: everything is done.");
    Ok(())
}

#[tokio::test]
async fn what_was_deleted_is_it_no_more() -> Result<()> {
    Chat::with(&["tea"])
        .expect(&[
            ("delete tea", "delete: tea", "Deleted “tea”."),
            ("mark it as done", "asks", "Which task should I mark as done?"),
        ])
        .await
}

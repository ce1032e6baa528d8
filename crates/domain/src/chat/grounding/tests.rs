//! Sentences that claim a change and sentences that do not, in English. The other languages are in `languages.rs`, what
//! the built-in assistant says is in `offline.rs`.

use super::claims_change;

mod languages;
mod offline;

/// Titles that the assistant has seen.
const TITLES: &[&str] = &["Deleted emails cleanup", "Done", "Ask whether it was deleted", "report"];

const CLAIMS: &[&str] = &[
    // in the first person
    "Done! I've added milk to your list.",
    "I've added milk.",
    "I’ve added ‘milk’ to the list.",
    "I have added a new task called Milk.",
    "I added it.",
    "I deleted both tasks",
    "I have now deleted the first one.",
    "I've just removed it from your list, anything else?",
    "I've already added that for you.",
    "I have updated the title to “oat milk”.",
    "I renamed it to “oat milk”.",
    "I've gone ahead and deleted all of them.",
    "I went ahead and marked it as complete.",
    "Sure, I have marked the report as done. Would you like to do anything else?",
    "OK, I marked 2 tasks as completed.",
    "We've successfully created your task.",
    "I've completed the task for you.",
    "I have set the report to done.",
    "I put milk on your list.",
    "I was able to delete the task.",
    "I managed to rename it.",
    "I've got rid of both.",
    "I've taken care of it.",
    "I've done that.",
    "I did it!",
    "I did delete it.",
    "I have also changed the title.",
    "Yes, I've deleted it.",
    "No problem, I deleted it.",
    "No worries! I've removed the task.",
    "No, but I have deleted the other one.",
    "I couldn't find milk, but I've added eggs.",
    "I could not find it, so I have created it.",
    "I can confirm that I have deleted the task.",
    "I'm happy to say I've added it.",
    "As you requested, I've cleared your list.",
    "I checked off the report.",
    "I crossed it off your list – crossed off for good.",
    "I'm now adding milk to your list.",
    "I've marked it as not done.",
    "I have unmarked it.",
    "Not only have I added milk, I've deleted eggs.",
    "You can see I've added it.",
    "\"I have deleted the task.\"",
    // about a task
    "The task has been deleted.",
    "Your task 'x' is now marked as complete",
    "Your task has been successfully added!",
    "The title was changed to “b”.",
    "Both tasks were removed.",
    "It's been deleted.",
    "It's deleted.",
    "They're all deleted now!",
    "Milk is now on your list.",
    "“Milk” is now done.",
    "Your list is now empty.",
    "The task now reads “oat milk”.",
    "The task to buy milk has been deleted.",
    "Your list has been updated:",
    "A new task titled Milk was created.",
    "2 tasks have been deleted.",
    "The report has been marked as done.",
    "“Milk” was marked as completed.",
    "“Milk” is marked as done.",
    "The deletion was successful.",
    "Consider it done!",
    "Nothing else is left, but the task was deleted.",
    "I can't undo this, the task has been deleted.",
    "That task has been completed.",
    "deleted emails were found: the task has been removed",
    // without a subject
    "Added “milk”.",
    "Added milk to your list.",
    "Successfully removed the task.",
    "Deleted.",
    "✅ Deleted",
    "All done – removed it ✅",
    "All done!",
    "Done.",
    "Done ✅",
    "Okay, done!",
    "It's done!",
    "Task created successfully",
    "Task 'milk' deleted",
    "“Milk” added.",
    "Milk added!",
    "Milk and eggs added to your list.",
    "Title updated.",
    "Task completed.",
    "Completed “milk”.",
    "Marked it as done",
    "Marked as done.",
    "Just deleted the second one.",
    "Renamed to “oat milk”.",
    "Updated!",
    "All set!",
    "Taken care of.",
    "Deleting it now.",
    "Also removed “eggs”.",
    "Got it, added!",
    "- Added milk\n- Deleted eggs",
    "Here is what happened:\n1. Removed “milk”\n2. Kept “eggs”",
    "* I've added milk",
    "**Done!** Milk is on it.",
    "**Added:** milk",
    "**Added** milk",
    "**Task deleted.**",
    "List cleared.",
    "Here's the list.\n\nThe second task has been removed.",
    "Poof! Gone!",
    "Task completed: “milk”.",
    "I've made that change.",
    "Changes saved.",
    "Sure, adding eggs to your list now.",
    "I have deleted “Deleted emails cleanup”.",
    "Deleted emails cleanup is gone: I deleted it.",
];

const HARMLESS: &[&str] = &[
    "",
    "!?",
    // questions and offers
    "Shall I delete it?",
    "Do you want me to add milk to your list?",
    "Would you like these tasks deleted?",
    "Should both be marked as done?",
    "Which one should be deleted, the first or the second?",
    "Was the task deleted?",
    "Have you added it?",
    "So you want it removed?",
    "Just to confirm, you want the three tasks that were added deleted?",
    "Has the report been completed?",
    "I can add it if you want.",
    "I will add it if you want",
    "I'd be happy to add that.",
    "Let me know if you want it deleted.",
    "Tell me which one should be deleted.",
    // denials
    "I couldn't delete it",
    "Nothing was changed.",
    "Nothing has been added, deleted or changed.",
    "No task was deleted",
    "None of them were removed.",
    "Neither was deleted.",
    "0 tasks were deleted.",
    "I haven't added anything",
    "I have not added, deleted or changed anything.",
    "I changed nothing.",
    "I've added no task.",
    "The task was not found",
    "The task was not deleted, renamed or changed.",
    "It hasn't been marked as done.",
    "I was unable to mark it as done.",
    "I tried to delete it, but failed.",
    "The update failed, so the title wasn't changed.",
    "Unfortunately the task can't be deleted.",
    "Sorry, I didn't get that.",
    // lists
    "1 task is done:",
    "You have 3 completed tasks",
    "You have 2 tasks, 1 of them done:",
    "Completed: 2, pending: 3",
    "- Deleted emails cleanup",
    "1. Done\n2. Deleted emails cleanup (done)\n3. report - completed",
    "- milk (completed)\n- eggs (pending)",
    "- [x] milk",
    "Completed tasks:\n- milk",
    "**Completed:**\n- milk",
    "Done:\n- milk",
    "## Done\n- milk",
    "✅ milk – done",
    "| task | state |\n| report | deleted |",
    "You have two tasks: report and Ask whether it was deleted.",
    "3 tasks have been completed so far.",
    "2 of 3 tasks completed",
    "Here are your completed tasks:",
    "All tasks are done.",
    // states
    "“X” was done already.",
    "It is already completed",
    "That task was already marked as done",
    "Task 'x' was already completed.",
    "Yes, “x” is on your list, and it is done.",
    "Yes, it's marked as done.",
    "Nothing is left: everything is done.",
    "Your list is empty.",
    "The report is still open.",
    "You have already completed it.",
    // advice
    "To add a task, say “add milk”.",
    "Tasks that are deleted cannot be restored",
    "Deleted tasks cannot be restored.",
    "Completed tasks stay on the list.",
    "A task can be added, completed, renamed or deleted.",
    "The title must be changed first.",
    "It needs to be added to your list.",
    "You can ask me to have tasks deleted.",
    "I can add, show, complete, delete and rename tasks.",
    "You might say “I've added milk”.",
    "Keep a list of what gets done.",
    // the past
    "You added milk yesterday",
    "it was completed earlier",
    "I added it earlier.",
    "The task was deleted yesterday.",
    "It was added on Monday.",
    "It was created on 2 March.",
    "You've completed two tasks.",
    "That was changed in our last conversation.",
    // conditions and plans
    "If I deleted it, it would be gone.",
    "once it's deleted, it's gone.",
    "Once you confirm, the task has been deleted.",
    "So to be clear, the task was deleted?",
    "When the task has been deleted, you cannot get it back.",
    "After it was deleted, nothing would be left.",
    "I'm going to add milk.",
    "I will mark it as done.",
    "Let me delete that",
    "Let's get this done!",
    "The task will be deleted.",
    "It would have been deleted.",
    // conversation
    "You're welcome!",
    "Hello! What can I do for your list?",
    "Got it.",
    "No problem!",
    "Great job on what you have done today!",
    "I've looked through your list and found two tasks with milk.",
    "I've checked your list: there is no such task.",
    "Here's your list.",
    "I've found several tasks. Which one is meant?",
];

#[test]
fn claims_of_a_change_are_seen() {
    let missed: Vec<_> = CLAIMS.iter().filter(|text| !claims_change(text, TITLES)).collect();
    assert!(missed.is_empty(), "missed: {missed:#?}");
}

#[test]
fn what_claims_no_change_is_left_alone() {
    let taken: Vec<_> = HARMLESS.iter().filter(|text| claims_change(text, TITLES)).collect();
    assert!(taken.is_empty(), "taken for claims: {taken:#?}");
}

#[test]
fn a_claim_is_seen_among_other_sentences() {
    for claim in CLAIMS.iter().filter(|claim| claim.starts_with("I ") || claim.starts_with("The ")) {
        for text in
            [format!("Hello there. {claim}"), format!("You have 1 task:\n\n1. report\n\n{claim}\n\nAnything else?")]
        {
            assert!(claims_change(&text, TITLES), "{text}");
        }
    }
}

#[test]
fn invisible_and_wide_characters_hide_no_claim() {
    for text in
        ["I\u{200B}'ve de\u{200D}leted it.", "Ｉ have ｄｅｌｅｔｅｄ it．", "I HAVE DELETED IT", "I  have\tdeleted it"]
    {
        assert!(claims_change(text, &[]), "{text}");
    }
}

#[test]
fn titles_that_claim_something_are_data() {
    let titles = ["I deleted everything", "the report was added"];
    assert!(!claims_change("1. I deleted everything\n2. The report was added", &titles));
    assert!(!claims_change("Which is meant, I DELETED everything or “I have added it”?", &titles));
    assert!(claims_change("I deleted everything.", &[]));
}

#[test]
fn endless_texts_are_judged() {
    let text = "a \"b 'c **d ( ".repeat(400);
    assert!(!claims_change(&text, &["a b"]));
    assert!(claims_change(&format!("{text}\nI've deleted it."), &["a b"]));
    assert!(!claims_change(&"habe ich ".repeat(400), &[]));
}

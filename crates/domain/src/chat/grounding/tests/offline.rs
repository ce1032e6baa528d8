//! What the built-in assistant says when nothing was changed: none of it may be taken for a claim.

use super::super::claims_change;

const SAID: &[&str] = &[
    "“buy milk” was done already.",
    "Task 'buy milk' was already completed",
    "Several tasks fit that. Which one should I mark as done?\n\n1. buy milk\n2. buy oat milk (done)",
    "Several tasks fit that. Which one should I delete?\n\n1. buy milk\n2. buy oat milk",
    "Several tasks fit that. Which one should I rename?\n\n1. buy milk\n2. buy oat milk",
    "I find no task number 7.",
    "I can't find that task any more.",
    "I find no task that fits “dentits”. Did you mean “dentist”?",
    "I find no task that fits “milk”. Did you mean one of these?\n\n1. buy milk\n2. buy oat milk",
    "I find no such task.",
    "That did not work, and I can't say why. Nothing was changed by it.",
    "That worked.",
    "Nothing is left: everything is done.",
    "Nothing is done yet; 1 task is left.",
    "Nothing is done yet; 2 tasks are left.",
    "Your list is empty.",
    "1 task is left:\n\n1. buy milk",
    "1 task is done:\n\n1. buy milk",
    "2 tasks are done:\n\n1. buy milk\n2. buy oat milk",
    "You have 2 tasks, 1 of them done:\n\n1. buy milk (done)\n2. buy oat milk\n\n… and 10 more.",
    "You have 1 task:\n\n1. buy milk",
    "No: your list is empty, so “milk” is not on it.",
    "No, I find nothing on your list that fits “milk”.",
    "Yes, “buy milk” is on your list, and it is done.",
    "Yes, “buy milk” is on your list and still open.",
    "Yes, these fit “milk”:\n\n1. buy milk (done)\n2. buy oat milk",
    "What should the task be?",
    "Which task should I mark as done?",
    "Which task should I delete?",
    "What should I call number 2?",
    "Shall I add “buy milk” to your list?",
    "Shall I show your list?",
    "Shall I mark “buy milk” as done?",
    "Shall I delete “buy milk” from your list?",
    "Shall I rename “buy milk” to “buy oat milk”?",
    "Hello! What can I do for your list? Say “help” to see what I understand.",
    "You're welcome.",
    "Goodbye!",
    "All right, I leave everything as it is.",
    "I'm not sure what you say yes to. Tell me what to do, or say “help”.",
    "I delete one task at a time, so that nothing goes by mistake. Tell me which one to start with.",
    "I mark one task as done at a time. Tell me which one to start with.",
    "I rename one task at a time. Tell me which one to start with.",
    "That sounds like two things at once. Please tell me one after the other.",
    "I'm not sure where the old title ends. Put the titles in quotes, as in: rename “old title” to “new title”.",
    "I can't take back what has happened. I can add a task again, or rename it back: just tell me.",
    "I can't mark a task as not done. I can add it again: just tell me.",
    "I can't make other lists: there is one list, and I can put things on it.",
    "I can't do that: I only look after your task list. If you mean a task, say so, as in “delete the dentist task”.",
    "Sorry, I can't help with that. I look after your task list: I can add, show, complete, delete and rename tasks. Say “help” for examples.",
    "That is too much at once for me. Please say it in a sentence or two.",
    "I can't do that here.",
    "You can say, for example:\n\n- “Add a task to buy groceries” or “Put milk on my list”\n- “What's left?” or “What have I finished?”\n\
     - “Mark the second one as done” or “I finished the report”\n- “Delete the groceries task”\n\n\
     I also understand “it” and “the last one”, and I ask when I'm not sure.",
    "Task title cannot be empty.",
    "The task is gone. Nothing was changed.",
    "The task has changed meanwhile. Nothing was changed; look again.",
    "The assistant was stopped because it took too many steps. Nothing was changed.",
    "Several tasks match 'milk'. Nothing was changed. Which one is meant?",
    "3 completed tasks",
];

#[test]
fn the_built_in_assistant_never_claims_what_did_not_happen() {
    let taken: Vec<_> = SAID.iter().filter(|text| claims_change(text, &["buy milk", "buy oat milk"])).collect();
    assert!(taken.is_empty(), "taken for claims: {taken:#?}");
}

#[test]
fn what_it_says_of_a_change_is_a_claim() {
    for text in [
        "Added “tea” to your list.",
        "Marked “tea” as done.",
        "Deleted “tea”.",
        "Renamed “tea” to “green tea”.",
        "Renamed it to “tea”.",
        "Deleted “tea”.\n\nI find no task number 7.",
        "Task 'tea' created successfully",
        "Task 'tea' marked as completed",
        "Task 'tea' deleted",
        "Task 'tea' renamed to 'green tea'",
    ] {
        assert!(claims_change(text, &[]), "{text}");
    }
}

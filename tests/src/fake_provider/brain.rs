//! A mind made of rules: it reads the conversation as a model would, calls the tools on tasks one step at a time, and
//! then says what their results say. What no result says, it does not claim.
//!
//! Deliberately not here: understanding. Sentences are taken apart in `grammar`, results are put into words in `wording`.

mod grammar;
mod wording;

use serde_json::{Value, json};

use super::Reply;
use super::request::{Asked, Made, Said};
use grammar::{Choice, Step};
use wording::Outcome;

/// Maximum number of deletions in one round: what the server lets one reply call.
const MAX_CALLS: usize = 32;

/// The tool that is there while something waits for the user's confirmation.
const CONFIRM_PENDING: &str = "confirm_pending";

/// Answers what was asked.
pub(super) fn answer(asked: &Asked) -> Reply {
    let turn = Turn::newest(&asked.messages);
    let is_pending = turn.calls.is_empty() && asked.tools.iter().any(|name| name == CONFIRM_PENDING);
    if is_pending && grammar::is_yes(turn.user) {
        // It has to be the whole reply.
        return Reply::calls(CONFIRM_PENDING, &json!({}));
    }
    let calls: Vec<_> = turn.next_calls().into_iter().filter(|(name, _)| asked.tools.contains(name)).collect();
    if !calls.is_empty() {
        let plan = format!("I will use {}.", calls[0].0);
        return calls
            .iter()
            .fold(Reply::default().plan(&plan), |reply, (name, arguments)| reply.and_calls(name, arguments));
    }
    let outcomes: Vec<_> = turn.calls.iter().filter_map(|called| called.outcome.as_ref()).collect();
    if outcomes.is_empty() {
        return Reply::says(wording::small_talk(turn.user));
    }
    Reply::says(&wording::report(&outcomes))
}

/// What the user said, and what was called since.
struct Turn<'a> {
    user: &'a str,
    calls: Vec<Called<'a>>,
    /// The call of the turn before that found several tasks, with what it found.
    asked_which: Option<(&'a Made, Vec<Value>)>,
}

/// A call with what came of it.
struct Called<'a> {
    made: &'a Made,
    outcome: Option<Outcome>,
}

/// A tool's name and the arguments.
type NewCall = (String, Value);

impl<'a> Turn<'a> {
    fn newest(messages: &'a [Said]) -> Self {
        let is_user = |said: &Said| matches!(said, Said::User(_));
        let Some(start) = messages.iter().rposition(is_user) else {
            return Self { user: "", calls: called(messages), asked_which: None };
        };
        let user = if let Said::User(text) = &messages[start] { text } else { "" };
        let before = messages[..start].iter().rposition(is_user).map_or(&[][..], |from| &messages[from..start]);
        let asked_which = called(before).into_iter().rev().find_map(|called| {
            let candidates = called.outcome?.candidates();
            (!candidates.is_empty()).then_some((called.made, candidates))
        });
        Self { user, calls: called(&messages[start..]), asked_which }
    }

    /// The calls that come next; none if everything that was asked for was tried.
    fn next_calls(&self) -> Vec<NewCall> {
        if let Some(calls) = self.chosen() {
            return self.not_made(calls);
        }
        let steps = grammar::steps(self.user);
        // A step is done when its call was made.
        let mut others: Vec<_> = self.calls.iter().collect();
        for step in &steps {
            let (name, arguments) = call_of(step);
            let is_step = |called: &&Called<'_>| called.made.name == name && called.made.arguments == arguments;
            let Some(made) = others.iter().position(is_step) else { return vec![(name, arguments)] };
            let made = others.remove(made);
            if *step == Step::DeleteAll {
                let listed = made.outcome.as_ref().map(Outcome::tasks).unwrap_or_default();
                let deletions = listed.iter().map(|task| delete(&task["id"])).collect();
                let mut left = self.not_made(deletions);
                left.truncate(MAX_CALLS);
                let refused = self.calls.iter().any(|called| {
                    called.made.name == "delete_task" && called.outcome.as_ref().is_some_and(|outcome| !outcome.success)
                });
                if !left.is_empty() && !refused {
                    return left;
                }
            }
        }
        Vec::new()
    }

    /// What the user chose from what they were asked about; nothing if they were not asked, or did not choose.
    fn chosen(&self) -> Option<Vec<NewCall>> {
        let (made, candidates) = self.asked_which.as_ref()?;
        let titles: Vec<_> = candidates.iter().filter_map(|task| task["title"].as_str()).collect();
        let again = |position: String| {
            let mut arguments = made.arguments.clone();
            arguments["task_identifier"] = position.into();
            (made.name.clone(), arguments)
        };
        Some(match grammar::choice(self.user, &titles)? {
            Choice::Some(positions) => positions.into_iter().map(again).collect(),
            Choice::All => (1..=candidates.len()).map(|position| again(position.to_string())).collect(),
        })
    }

    fn not_made(&self, calls: Vec<NewCall>) -> Vec<NewCall> {
        let made = |(name, arguments): &NewCall| {
            self.calls.iter().any(|called| called.made.name == *name && called.made.arguments == *arguments)
        };
        calls.into_iter().filter(|call| !made(call)).collect()
    }
}

fn called(messages: &[Said]) -> Vec<Called<'_>> {
    let result = |id: &str, after: &[Said]| {
        after.iter().find_map(|said| match said {
            Said::Result { call_id, content } if call_id == id => Some(Outcome::read(content)),
            _ => None,
        })
    };
    let mut found = Vec::new();
    for (at, said) in messages.iter().enumerate() {
        if let Said::Assistant { calls } = said {
            let with_outcome = |made| Called { made, outcome: result(&made.id, &messages[at + 1..]) };
            found.extend(calls.iter().map(with_outcome));
        }
    }
    found
}

fn call_of(step: &Step) -> NewCall {
    let (name, arguments) = match step {
        Step::Add(title) => ("add_task", json!({"title": title})),
        Step::List(None) | Step::DeleteAll => ("list_tasks", json!({})),
        Step::List(Some(status)) => ("list_tasks", json!({"status": status})),
        Step::Complete(task) => ("complete_task", json!({"task_identifier": task})),
        Step::Delete(task) => return delete(&json!(task)),
        Step::Undo => ("undo", json!({})),
        Step::Rename { task, title } => ("update_task", json!({"task_identifier": task, "new_title": title})),
    };
    (name.to_owned(), arguments)
}

fn delete(task: &Value) -> NewCall {
    ("delete_task".to_owned(), json!({"task_identifier": task}))
}

#[cfg(test)]
mod tests;

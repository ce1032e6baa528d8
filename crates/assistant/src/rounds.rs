//! The rounds of calls that commands need. Most need one call; some need to see its outcome before the next ones.

use domain::chat::MAX_CALLS;

use super::answer;
use super::command::{Action, Command, Target};
use super::conversation::Outcome;

/// Returns the calls of the next round, as commands; none if all have run. `outcomes` are those of the rounds before.
pub(super) fn next_calls(commands: &[Command], outcomes: &[Outcome<'_>]) -> Vec<Command> {
    if outcomes.is_empty() {
        return commands.to_vec();
    }
    if outcomes.len() != commands.len() {
        return Vec::new();
    }
    let calls = commands.iter().zip(outcomes).flat_map(|(command, outcome)| follow_up(command, outcome));
    calls.take(MAX_CALLS).collect()
}

/// The calls that a command needs after its first one.
fn follow_up(command: &Command, outcome: &Outcome<'_>) -> Vec<Command> {
    match command {
        Command::Sweep(action, selection) => {
            let tasks = outcome.tasks("tasks");
            let selected = selection.of(&tasks).unwrap_or_default();
            selected.into_iter().filter_map(|task| Command::on(*action, Target::known(task))).collect()
        }
        Command::Complete(target) | Command::Delete(target) if is_missing(target, outcome) => {
            let action = if matches!(command, Command::Delete(_)) { Action::Delete } else { Action::Complete };
            target.parts.iter().filter_map(|part| Command::on(action, Target::named(part))).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether no task has all of the words as its title, so that they may name several tasks.
fn is_missing(target: &Target, outcome: &Outcome<'_>) -> bool {
    let is_whole = outcome.arguments["task_identifier"] == target.identifier.as_str();
    is_whole && target.parts.len() > 1 && !outcome.success && outcome.data["nearest"].is_array()
}

/// Returns the answer after the last round.
pub(super) fn answer(commands: &[Command], outcomes: &[Outcome<'_>]) -> String {
    let (first, later) = outcomes.split_at(commands.len().min(outcomes.len()));
    let mut texts = Vec::new();
    let (mut kept_commands, mut kept) = (Vec::new(), Vec::new());
    let mut left = 0;
    for (command, outcome) in commands.iter().zip(first) {
        match command {
            Command::Sweep(_, selection) if outcome.success => {
                let tasks = outcome.tasks("tasks");
                let selected = selection.of(&tasks).map_or(0, |tasks| tasks.len());
                if selected == 0 {
                    texts.push(answer::of_empty_selection(outcome));
                }
                left += selected.saturating_sub(MAX_CALLS) + answer::unlisted(outcome);
            }
            Command::Complete(target) | Command::Delete(target) if is_missing(target, outcome) && !later.is_empty() => {
            }
            _ => {
                kept_commands.push(command.clone());
                kept.push(outcome.clone());
            }
        }
    }
    kept.extend(later.iter().cloned());
    texts.insert(0, answer::answer(&kept_commands, &kept));
    match left {
        0 => {}
        1 => texts.push("There is 1 more: say it again for that one.".to_owned()),
        more => texts.push(format!("There are {more} more: say it again for those.")),
    }
    texts.retain(|text| !text.is_empty());
    texts.join("\n\n")
}

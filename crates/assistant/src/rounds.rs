//! The rounds of calls that commands need. Most need one call; some need to see its outcome before the next ones.

use domain::chat::MAX_CALLS;

use super::answer;
use super::command::{Action, Command, Target};
use super::conversation::Outcome;
use super::selection::Part;

/// Returns the calls of the next round, as commands; none if all have run. `outcomes` are those of the rounds before.
pub(super) fn next_calls(commands: &[Command], outcomes: &[Outcome<'_>]) -> Vec<Command> {
    let (first, last) = split(commands);
    if outcomes.is_empty() {
        return first.into_iter().cloned().collect();
    }
    if outcomes.len() != first.len() {
        return Vec::new();
    }
    let follow_ups = first.iter().zip(outcomes).flat_map(|(command, outcome)| follow_up(command, outcome));
    follow_ups.take(MAX_CALLS - last.len()).chain(last.into_iter().cloned()).collect()
}

/// The commands of the first round, and the lists that are read in the last one, because a command before them needs two
/// rounds.
fn split(commands: &[Command]) -> (Vec<&Command>, Vec<&Command>) {
    let mut may_need_two = false;
    let mut is_last = |command: &&Command| {
        let is_list = matches!(command, Command::List { .. });
        may_need_two |= match command {
            Command::Sweep(..) => true,
            Command::Complete(target) | Command::Delete(target) => target.parts.len() > 1,
            _ => false,
        };
        is_list && may_need_two
    };
    let (last, first) = commands.iter().partition(|command| is_last(command));
    (first, last)
}

/// The calls that a command needs after its first one.
fn follow_up(command: &Command, outcome: &Outcome<'_>) -> Vec<Command> {
    match command {
        Command::Sweep(action, selection) => {
            let tasks = outcome.tasks("tasks");
            let selected = selection.of(&tasks, outcome.total(tasks.len())).unwrap_or_default();
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
    let (first, last) = split(commands);
    let (of_first, later) = outcomes.split_at(first.len().min(outcomes.len()));
    let (of_follow_ups, of_last) = later.split_at(later.len() - last.len().min(later.len()));
    let mut texts = Vec::new();
    let (mut shown_commands, mut shown) = (Vec::new(), Vec::new());
    let mut left = 0;
    for (command, outcome) in first.into_iter().zip(of_first) {
        match command {
            Command::Sweep(_, selection) if outcome.success => {
                let tasks = outcome.tasks("tasks");
                let total = outcome.total(tasks.len());
                match selection.of(&tasks, total).map_or(0, |tasks| tasks.len()) {
                    0 => texts.push(answer::of_empty_selection(outcome)),
                    // What is on later pages belongs to all tasks, and not to the first ones.
                    selected if selection.part == Part::All => {
                        left += selected.saturating_sub(MAX_CALLS) + (total - tasks.len());
                    }
                    selected => left += selected.saturating_sub(MAX_CALLS),
                }
            }
            Command::Complete(target) | Command::Delete(target)
                if is_missing(target, outcome) && !of_follow_ups.is_empty() => {}
            _ => {
                shown_commands.push(command.clone());
                shown.push(outcome.clone());
            }
        }
    }
    shown.extend(of_follow_ups.iter().cloned());
    texts.insert(0, answer::answer(&shown_commands, &shown));
    texts.push(answer::answer(&last.into_iter().cloned().collect::<Vec<_>>(), of_last));
    match left {
        0 => {}
        1 => texts.push("There is 1 more: say it again for that one.".to_owned()),
        more => texts.push(format!("There are {more} more: say it again for those.")),
    }
    texts.retain(|text| !text.is_empty());
    texts.join("\n\n")
}

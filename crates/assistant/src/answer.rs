//! Answers about the results of tools. Every claim is read from a result; where a result does not say what happened,
//! neither does the answer.

use std::fmt::Write as _;

use domain::text::SearchText;
use domain::tool::UNDO;

use super::command::{Action, Command, View, quoted};
use super::conversation::{Change, Outcome};
use super::tasks::Known;

/// Maximum number of tasks that an answer lists. The others can be searched for by name.
const MAX_LISTED: usize = 50;

/// Returns the answer to commands that have run, from the outcomes of their calls.
pub(super) fn answer(commands: &[Command], outcomes: &[Outcome<'_>]) -> String {
    let views = commands.iter().map(|command| match command {
        Command::List { view, .. } => Some(view),
        _ => None,
    });
    let with_views: Vec<(&Outcome<'_>, Option<&View>)> =
        outcomes.iter().zip(views.chain(std::iter::repeat(None))).collect();
    let (waiting, settled): (Vec<_>, Vec<_>) = with_views.into_iter().partition(|(outcome, _)| outcome.waits());
    let mut texts = Vec::new();
    let mut rest = settled.as_slice();
    while let Some(((first, view), _)) = rest.split_first() {
        // What was done to several tasks is one sentence.
        let alike = rest.iter().take_while(|(outcome, _)| is_same_change(first, outcome)).count().max(1);
        let (group, behind) = rest.split_at(alike);
        let group: Vec<_> = group.iter().map(|(outcome, _)| *outcome).collect();
        texts.push(if group.len() > 1 { change_of_several(&group) } else { one(first, *view) });
        rest = behind;
    }
    texts.extend(confirmation(&waiting.iter().map(|(outcome, _)| *outcome).collect::<Vec<_>>()));
    texts.join("\n\n")
}

/// The question whether to do what waits for the user's confirmation, if anything does.
fn confirmation(waiting: &[&Outcome<'_>]) -> Option<String> {
    let mut deleted: Vec<Known> = Vec::new();
    let mut renamed: Vec<(Known, &str)> = Vec::new();
    for outcome in waiting {
        let Some(task) = outcome.task() else { continue };
        // Of two calls for one task, the later one is kept.
        deleted.retain(|other| other.id != task.id);
        renamed.retain(|(other, _)| other.id != task.id);
        match outcome.arguments["new_title"].as_str() {
            Some(title) => renamed.push((task, title)),
            None => deleted.push(task),
        }
    }
    let delete = (!deleted.is_empty()).then(|| format!("delete {}", titles(&deleted)));
    let rename = renamed.iter().map(|(task, title)| format!("rename {} to {}", quoted(&task.title), quoted(title)));
    let changes: Vec<_> = delete.into_iter().chain(rename).collect();
    (!changes.is_empty()).then(|| format!("Shall I {}?", enumerated(&changes)))
}

/// Returns what is said of a list in which nothing is selected.
pub(super) fn of_empty_selection(list: &Outcome<'_>) -> String {
    let list = List::read(list);
    if list.tasks.is_empty() {
        list.text()
    } else {
        format!("I'm not sure which ones you mean, so I left everything as it is.\n\n{}", list.text())
    }
}

/// Whether the same was done to two tasks.
fn is_same_change(first: &Outcome<'_>, other: &Outcome<'_>) -> bool {
    let is_plain = |outcome: &Outcome<'_>| {
        outcome.task().is_some()
            && outcome.success
            && outcome.data["already_completed"] != true
            && ["add_task", "complete_task", "delete_task"].contains(&outcome.tool)
    };
    first.tool == other.tool && is_plain(first) && is_plain(other)
}

/// What was done to several tasks.
fn change_of_several(group: &[&Outcome<'_>]) -> String {
    let titles = titles(&group.iter().filter_map(|outcome| outcome.task()).collect::<Vec<_>>());
    match group.first().and_then(|outcome| Action::of_tool(outcome.tool)) {
        Some(Action::Complete) => format!("Marked {titles} as done."),
        Some(Action::Delete) => format!("Deleted {titles}."),
        Some(Action::Rename) | None => format!("Added {titles} to your list."),
    }
}

/// The titles of tasks, in quotes, as one phrase.
fn titles(tasks: &[Known]) -> String {
    let mut titles: Vec<_> = tasks.iter().take(MAX_LISTED).map(|task| quoted(&task.title)).collect();
    if tasks.len() > MAX_LISTED {
        titles.push(format!("{} more", tasks.len() - MAX_LISTED));
    }
    enumerated(&titles)
}

/// Returns "a, b and c".
pub(super) fn enumerated(things: &[String]) -> String {
    match things {
        [] => String::new(),
        [only] => only.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

fn one(outcome: &Outcome<'_>, view: Option<&View>) -> String {
    if outcome.is_of_changes() {
        return of_changes(outcome);
    }
    if !outcome.success {
        return failure(outcome);
    }
    if outcome.data["tasks"].is_array() {
        let list = List::read(outcome);
        return match view {
            Some(View::Search(words)) => list.search(words),
            Some(View::IsDone(words)) => list.is_done(words),
            Some(View::Count) => list.count(),
            Some(View::DoneSometime) if !list.tasks.is_empty() => {
                format!("I can't tell on which day something was done. {}", list.text())
            }
            Some(View::Tasks | View::DoneSometime) | None => list.text(),
        };
    }
    let Some(task) = outcome.task() else { return in_its_words(outcome, "That worked.") };
    let title = quoted(&task.title);
    match (outcome.tool, outcome.data["previous_title"].as_str()) {
        ("add_task", _) => format!("Added {title} to your list."),
        ("complete_task", _) if outcome.data["already_completed"] == true => format!("{title} was done already."),
        ("complete_task", _) => format!("Marked {title} as done."),
        ("delete_task", _) => format!("Deleted {title}."),
        ("update_task", Some(previous)) if outcome.data["task"]["title"] == previous => {
            format!("It is already called {}.", quoted(previous))
        }
        ("update_task", Some(previous)) => format!("Renamed {} to {title}.", quoted(previous)),
        ("update_task", None) => format!("Renamed it to {title}."),
        _ => in_its_words(outcome, "That worked."),
    }
}

/// What an undo or a confirmation did, and what it left.
fn of_changes(outcome: &Outcome<'_>) -> String {
    let (changes, left) = (outcome.changes(), outcome.tasks("left"));
    let is_alike = |one: &Change<'_>, next: &Change<'_>| {
        one.action == next.action && one.previous_title.is_none() && next.previous_title.is_none()
    };
    let groups = changes.chunk_by(is_alike);
    let mut said: Vec<_> =
        if outcome.tool == UNDO { groups.map(undone).collect() } else { groups.map(confirmed).collect() };
    match left.as_slice() {
        [] => {}
        [only] => said.push(format!("I left {} as it is: it has changed since I asked.", quoted(&only.title))),
        several => said.push(format!("I left {} as they are: they have changed since I asked.", titles(several))),
    }
    if outcome.data["conflicts"].is_array() {
        return "I undid nothing: what I changed has been changed again since.".to_owned();
    }
    if said.is_empty() { failure(outcome) } else { said.join(" ") }
}

/// What was undone, alike changes in one sentence.
fn undone(changes: &[Change<'_>]) -> String {
    let (tasks, are) = subject(changes);
    match changes {
        [Change { action: "updated", previous_title: Some(previous), task }] => {
            format!("{} is called {} again.", quoted(previous), quoted(&task.title))
        }
        [Change { action: "restored", .. }, ..] => format!("{tasks} {are} back on your list."),
        [Change { action: "deleted", .. }, ..] => format!("{tasks} {are} off your list again."),
        [Change { action: "completed", .. }, ..] => format!("{tasks} {are} done again."),
        [Change { action: "reopened", .. }, ..] => format!("{tasks} {are} open again."),
        _ => format!("{tasks} {are} as before."),
    }
}

/// What was done after a confirmation, alike changes in one sentence.
fn confirmed(changes: &[Change<'_>]) -> String {
    let (tasks, _) = subject(changes);
    match changes {
        [Change { action: "updated", previous_title: Some(previous), task }] => {
            format!("Renamed {} to {}.", quoted(previous), quoted(&task.title))
        }
        [Change { action: "deleted", .. }, ..] => format!("Deleted {tasks}."),
        _ => format!("Changed {tasks}."),
    }
}

fn subject(changes: &[Change<'_>]) -> (String, &'static str) {
    let tasks: Vec<_> = changes.iter().map(|change| change.task.clone()).collect();
    (titles(&tasks), if tasks.len() == 1 { "is" } else { "are" })
}

/// A refusal in the tool's words, with the tasks to choose from.
fn failure(outcome: &Outcome<'_>) -> String {
    let (candidates, nearest) = (outcome.tasks("candidates"), outcome.tasks("nearest"));
    let action = Action::of_tool(outcome.tool);
    if let (false, Some(action)) = (candidates.is_empty(), action) {
        let which = match action {
            Action::Complete => "Which one should I mark as done?",
            Action::Delete => "Which one should I delete?",
            Action::Rename => "Which one should I rename?",
        };
        return format!("Several tasks fit that. {which}\n\n{}", numbered(&candidates));
    }
    let asked_for = outcome.arguments["task_identifier"].as_str().filter(|name| *name != "last");
    let missing = match asked_for {
        Some(name) if name.bytes().all(|b| b.is_ascii_digit()) => format!("I find no task number {name}."),
        Some(name) if is_id(name) => "I can't find that task any more.".to_owned(),
        Some(name) => format!("I find no task that fits {}.", quoted(name)),
        None => in_its_words(outcome, "I find no such task."),
    };
    match nearest.as_slice() {
        [] if outcome.data["nearest"].is_array() => missing,
        [] => in_its_words(outcome, "That did not work, and I can't say why. Nothing was changed by it."),
        [only] => format!("{missing} Did you mean {}?", quoted(&only.title)),
        several => format!("{missing} Did you mean one of these?\n\n{}", numbered(several)),
    }
}

/// Whether an identifier is an id, which tells people nothing: 36 characters in the form of RFC 9562, section 4.
fn is_id(identifier: &str) -> bool {
    let is_in_form =
        |(at, b): (usize, u8)| if [8, 13, 18, 23].contains(&at) { b == b'-' } else { b.is_ascii_hexdigit() };
    identifier.len() == 36 && identifier.bytes().enumerate().all(is_in_form)
}

fn in_its_words(outcome: &Outcome<'_>, otherwise: &str) -> String {
    let words = if outcome.message.trim().is_empty() { otherwise } else { outcome.message.trim() };
    let ends = words.ends_with(['.', '!', '?']);
    if ends { words.to_owned() } else { format!("{words}.") }
}

/// Tasks as a numbered Markdown list, their titles as they are. The numbers are those under which the tools know them.
pub(super) fn numbered(tasks: &[Known]) -> String {
    let mut list = String::new();
    for task in tasks.iter().take(MAX_LISTED) {
        let done = if task.completed { " (done)" } else { "" };
        let break_before = if list.is_empty() { "" } else { "\n" };
        // Writing to a string does not fail.
        let _ = write!(list, "{break_before}{}. {}{done}", task.position, task.title);
    }
    if tasks.len() > MAX_LISTED {
        let _ = write!(list, "\n\n… and {} more.", tasks.len() - MAX_LISTED);
    }
    list
}

/// The result of `list_tasks`. The tasks may be the first page of more.
struct List<'o> {
    tasks: Vec<Known>,
    status: &'o str,
    /// Whether the tool has searched for the words.
    is_search: bool,
    total: usize,
    pending: usize,
    completed: usize,
}

impl<'o> List<'o> {
    fn read(outcome: &'o Outcome<'_>) -> Self {
        let tasks = outcome.tasks("tasks");
        let number = |key: &str| outcome.data[key].as_u64().and_then(|n| usize::try_from(n).ok());
        let count = |key: &str, completed: bool| {
            number(key).unwrap_or_else(|| tasks.iter().filter(|task| task.completed == completed).count())
        };
        let (pending, completed) = (count("pending", false), count("completed", true));
        let total = outcome.total(tasks.len());
        let is_search = outcome.arguments["query"].is_string();
        Self { status: outcome.data["status"].as_str().unwrap_or("all"), is_search, total, pending, completed, tasks }
    }

    fn text(&self) -> String {
        let total = self.total;
        let head = match self.status {
            _ if self.tasks.is_empty() => return self.nothing(),
            "pending" => format!("{} left:", are_open(total)),
            "completed" => format!("{} done:", are(total, "task")),
            _ if self.completed == 0 => format!("You have {}:", counted(total, "task")),
            _ => format!("You have {}, {} of them done:", counted(total, "task"), self.completed),
        };
        // The status is in the head; every line need not repeat it.
        let plain = |task: &Known| Known { completed: task.completed && self.status != "completed", ..task.clone() };
        let rows: Vec<Known> = self.tasks.iter().map(plain).collect();
        let listed = rows.len().min(MAX_LISTED);
        let more = if total > listed { format!("\n\n… and {} more.", total - listed) } else { String::new() };
        format!("{head}\n\n{}{more}", numbered(&rows[..listed]))
    }

    fn nothing(&self) -> String {
        match self.status {
            "pending" if self.completed > 0 => "Nothing is left: everything is done.".to_owned(),
            "completed" if self.pending > 0 => format!("Nothing is done yet; {} left.", are_open(self.pending)),
            _ => "Your list is empty.".to_owned(),
        }
    }

    fn count(&self) -> String {
        match self.status {
            _ if self.pending + self.completed == 0 => self.nothing(),
            "pending" if self.pending == 0 => self.nothing(),
            "pending" => format!("{} left.", are_open(self.pending)),
            "completed" if self.completed == 0 => self.nothing(),
            "completed" => format!("{} done.", are(self.completed, "task")),
            _ if self.completed == 0 => format!("You have {}.", counted(self.pending, "task")),
            _ => {
                format!("You have {}, {} of them done.", counted(self.pending + self.completed, "task"), self.completed)
            }
        }
    }

    /// The tasks that contain `words`. A list that is the result of a search has no others.
    fn found(&self, words: &str) -> Vec<Known> {
        let words = SearchText::new(words);
        let is_found = |task: &&Known| self.is_search || SearchText::new(&task.title).contains(&words);
        let mut found: Vec<Known> = self.tasks.iter().filter(is_found).cloned().collect();
        found.truncate(MAX_LISTED);
        found
    }

    fn search(&self, words: &str) -> String {
        match self.found(words).as_slice() {
            [] if self.pending + self.completed == 0 => {
                format!("No: your list is empty, so {} is not on it.", quoted(words))
            }
            [] => format!("No, I find nothing on your list that fits {}.", quoted(words)),
            [only] if only.completed => format!("Yes, {} is on your list, and it is done.", quoted(&only.title)),
            [only] => format!("Yes, {} is on your list and still open.", quoted(&only.title)),
            several => format!("Yes, these fit {}:\n\n{}", quoted(words), numbered(several)),
        }
    }

    fn is_done(&self, words: &str) -> String {
        match self.found(words).as_slice() {
            [] => format!("I find nothing on your list that fits {}.", quoted(words)),
            [only] if only.completed => format!("Yes, {} is done.", quoted(&only.title)),
            [only] => format!("Not yet: {} is still open.", quoted(&only.title)),
            several => format!("These fit {}:\n\n{}", quoted(words), numbered(several)),
        }
    }
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn are(number: usize, noun: &str) -> String {
    format!("{} {}", counted(number, noun), if number == 1 { "is" } else { "are" })
}

fn are_open(number: usize) -> String {
    are(number, "task")
}

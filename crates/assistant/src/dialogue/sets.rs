//! Interprets sets of tasks: "1, 2 and 5", "the first two", "all but the last", "everything except tea", "the rest".

use std::ops::Range;

use super::interpreter::{Interpreter, MAX_TOGETHER, several_at_once, together};
use crate::command::{Action, Command, Decision, Remark, Target};
use crate::grammar::{Phrase, Reading};
use crate::lexicon;
use crate::selection::{Part, Selection};
use crate::sentence::Enumeration;
use crate::tasks::Status;

impl Interpreter<'_> {
    /// Several tasks by their positions, or as a part of the list.
    pub fn several(&self, action: Action, reading: &Reading) -> Decision {
        let span = reading.item_span.clone().unwrap_or_default();
        if action == Action::Rename {
            return Decision::Say(Remark::RenamesOne);
        }
        let positions = self.message.sentence.places(span.clone());
        let counts = self.message.sentence.has_any(&span, lexicon::FIRSTS);
        if (2..=MAX_TOGETHER).contains(&positions.len()) && (self.memory.has_shown_list() || !counts) {
            return together(action, positions.into_iter().map(Target::position));
        }
        let status = if action == Action::Complete { Status::Pending } else { self.status_in(&reading.span) };
        if self.message.sentence.has_any(&span, lexicon::REMAINDERS) {
            let rest = self.memory.untouched();
            return if rest.is_empty() {
                Decision::run(Command::Sweep(action, Selection::all(Status::Pending)))
            } else {
                together(action, rest.into_iter().map(Target::known))
            };
        }
        match self.selection(&span, status) {
            Some(selection) => self
                .part_of_shown(action, &span, &selection)
                .unwrap_or_else(|| Decision::run(Command::Sweep(action, selection))),
            None => Decision::Say(several_at_once(action)),
        }
    }

    /// Does something to a part of the list that was shown last: "the last two". `None` if none was shown, or the words name
    /// another list ("the last two completed tasks").
    fn part_of_shown(&self, action: Action, span: &Range<usize>, selection: &Selection) -> Option<Decision> {
        let (shown, total) = self.memory.shown_list();
        if selection.part == Part::All || shown.is_empty() || self.status_in(span) != Status::All {
            return None;
        }
        let tasks = selection.of(shown, total)?;
        Some(together(action, tasks.into_iter().map(Target::known)))
    }

    /// The part of a list that the words in `span` mean; `None` if they are not clear.
    fn selection(&self, span: &Range<usize>, status: Status) -> Option<Selection> {
        let tokens = self.message.tokens();
        let exception = span.clone().find(|&at| lexicon::EXCEPTIONS.contains(&tokens[at].word));
        let head = span.start..exception.unwrap_or(span.end);
        let number = |span: &Range<usize>| span.clone().find_map(|at| self.message.word(at)?.number.filter(|n| *n > 1));
        let says_status =
            [lexicon::COMPLETED, lexicon::PENDING].iter().any(|class| self.message.sentence.has_any(&head, *class));
        let part = if self.message.sentence.has_any(&head, lexicon::DUALS) {
            Part::Both
        } else if self.says_all(&head, 0) || exception.is_some() {
            Part::All
        } else if self.message.sentence.has_any(&head, lexicon::LASTS) {
            Part::Last(number(&head)?)
        } else if self.message.sentence.has_any(&head, lexicon::FIRSTS) {
            Part::First(number(&head)?)
        } else if says_status {
            Part::All
        } else {
            return None;
        };
        let Some(exception) = exception else { return Some(Selection { status, part, except: Vec::new() }) };
        let names = exception + 1..span.end;
        let item = self.item(names.clone());
        let (part, except) = match item.phrase {
            Phrase::Last => (Part::AllButLast(1), Vec::new()),
            Phrase::First => (Part::AllButFirst(1), Vec::new()),
            Phrase::Position if item.number == Some(1) => (Part::AllButFirst(1), Vec::new()),
            Phrase::Several if self.message.sentence.has_any(&names, lexicon::LASTS) => {
                (Part::AllButLast(number(&names)?), Vec::new())
            }
            Phrase::Several if self.message.sentence.has_any(&names, lexicon::FIRSTS) => {
                (Part::AllButFirst(number(&names)?), Vec::new())
            }
            Phrase::It => (part, vec![self.memory.focus.as_ref()?.title.clone()]),
            Phrase::Name | Phrase::NamedTask => {
                let spans = match self.message.sentence.enumeration(item.name.clone()) {
                    Enumeration::One => vec![item.name],
                    Enumeration::Several(parts) | Enumeration::Open(parts) => parts,
                };
                let name = |span: &Range<usize>| self.written(&self.item(span.clone()).name).to_owned();
                (part, spans.iter().map(name).filter(|name| !name.is_empty()).collect())
            }
            Phrase::Position | Phrase::Several | Phrase::Unsaid => return None,
        };
        Some(Selection { status, part, except })
    }

    /// The tasks that "all completed tasks" and its likes mean.
    pub fn status_in(&self, span: &Range<usize>) -> Status {
        if self.message.sentence.has_any(span, lexicon::COMPLETED) {
            Status::Completed
        } else if self.message.sentence.has_any(span, lexicon::PENDING) {
            Status::Pending
        } else {
            Status::All
        }
    }
}

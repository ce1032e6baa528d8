//! Patterns compiled into programs of steps.

use std::collections::HashMap;

use super::words::{FamilyId, Vocabulary, Word, WordId};
use crate::notation::{NotationError, Pattern, Slot};

/// A step of a program.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A word.
    Word(WordId),
    /// A word family.
    Family(FamilyId),
    /// An argument.
    Slot(Slot),
    /// Up to three words that do not matter.
    Wild,
    /// Two ways to go on.
    Either(usize, usize),
    /// One other place to go on.
    Jump(usize),
    /// The end.
    Done,
}

/// A compiled pattern.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(super) steps: Vec<Step>,
    first: FirstWords,
    is_frame: bool,
}

/// The words with which a program can begin. Most programs need not be run at all.
#[derive(Clone, Debug, Default)]
enum FirstWords {
    /// Any word.
    #[default]
    Any,
    /// One of these; sorted.
    Known(Vec<WordId>),
}

/// The compiled word families.
#[derive(Debug, Default)]
pub(crate) struct Families {
    ids: HashMap<&'static str, FamilyId>,
    pub(super) families: Vec<Family>,
}

/// A compiled word family.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub program: Program,
    /// Whether it names the list.
    pub names_list: bool,
}

impl Families {
    /// Compiles the word families. A family may contain only those before it, so none contains itself.
    ///
    /// # Errors
    /// [`NotationError`] if a line is not in the notation, or names a family that is not before it.
    pub fn compile(
        lines: &[(&'static str, &'static str)],
        list_names: &[&str],
        vocabulary: &mut Vocabulary,
    ) -> Result<Self, NotationError> {
        let mut families = Self::default();
        for (name, line) in lines {
            let program = Program::compile(&crate::notation::parse(line)?, &families, vocabulary)?;
            families.ids.insert(name, families.families.len());
            families.families.push(Family { program, names_list: list_names.contains(name) });
        }
        Ok(families)
    }
}

impl Program {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// [`NotationError::UnknownFamily`].
    pub fn compile(pattern: &Pattern, families: &Families, vocabulary: &mut Vocabulary) -> Result<Self, NotationError> {
        let mut program = Self::default();
        program.append(pattern, families, vocabulary)?;
        program.steps.push(Step::Done);
        program.first = program.first_words(families);
        Ok(program)
    }

    /// Marks the program as one that covers a whole sentence rather than a phrase in one.
    pub fn into_frame(self) -> Self {
        Self { is_frame: true, ..self }
    }

    fn append(
        &mut self,
        pattern: &Pattern,
        families: &Families,
        vocabulary: &mut Vocabulary,
    ) -> Result<(), NotationError> {
        match pattern {
            Pattern::Word(word) => self.steps.push(Step::Word(vocabulary.id(word))),
            Pattern::Slot(slot) => self.steps.push(Step::Slot(*slot)),
            Pattern::Wild => self.steps.push(Step::Wild),
            Pattern::Family(name) => {
                let id = families.ids.get(name.as_str()).ok_or_else(|| NotationError::UnknownFamily(name.clone()))?;
                self.steps.push(Step::Family(*id));
            }
            Pattern::Sequence(parts) => {
                for part in parts {
                    self.append(part, families, vocabulary)?;
                }
            }
            Pattern::Optional(inner) => {
                let fork = self.placeholder();
                self.append(inner, families, vocabulary)?;
                self.steps[fork] = Step::Either(fork + 1, self.steps.len());
            }
            Pattern::Choice(options) => {
                let mut exits = Vec::new();
                for (i, option) in options.iter().enumerate() {
                    let fork = (i + 1 < options.len()).then(|| self.placeholder());
                    self.append(option, families, vocabulary)?;
                    if let Some(fork) = fork {
                        exits.push(self.placeholder());
                        self.steps[fork] = Step::Either(fork + 1, self.steps.len());
                    }
                }
                for exit in exits {
                    self.steps[exit] = Step::Jump(self.steps.len());
                }
            }
        }
        Ok(())
    }

    /// A step whose target is not known yet; the caller replaces it.
    fn placeholder(&mut self) -> usize {
        self.steps.push(Step::Jump(0));
        self.steps.len() - 1
    }

    fn first_words(&self, families: &Families) -> FirstWords {
        let mut words = Vec::new();
        let mut seen = vec![false; self.steps.len()];
        let mut open = vec![0];
        while let Some(at) = open.pop() {
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            match &self.steps[at] {
                Step::Word(id) => words.push(*id),
                Step::Either(first, second) => open.extend([*first, *second]),
                Step::Jump(target) => open.push(*target),
                Step::Family(id) => match &families.families[*id].program.first {
                    FirstWords::Known(known) => words.extend(known),
                    FirstWords::Any => return FirstWords::Any,
                },
                Step::Slot(_) | Step::Wild | Step::Done => return FirstWords::Any,
            }
        }
        words.sort_unstable();
        words.dedup();
        FirstWords::Known(words)
    }

    /// Whether the program can begin with a slot and goes on behind it.
    pub(super) fn begins_with_slot(&self) -> bool {
        matches!(self.first, FirstWords::Any) && self.is_frame
    }

    /// Whether the program can begin with `word`.
    pub(super) fn may_begin_with(&self, word: Option<&Word>) -> bool {
        match (&self.first, word) {
            (FirstWords::Any, _) => true,
            (FirstWords::Known(_), None) => false,
            (FirstWords::Known(words), Some(word)) => word.candidates().any(|id| words.binary_search(&id).is_ok()),
        }
    }
}

//! The words that a program may begin with: most programs need not be run at all.

use super::{Program, Step, Word, WordId};

/// With which words a program can begin.
#[derive(Debug, Default)]
pub(super) enum FirstWords {
    /// With any.
    #[default]
    Any,
    /// With one of these; sorted.
    Known(Vec<WordId>),
}

impl FirstWords {
    /// Those of a program that is compiled.
    pub fn of(program: &Program) -> Self {
        let mut words = Vec::new();
        let mut seen = vec![false; program.steps.len()];
        let mut open = vec![0];
        while let Some(at) = open.pop() {
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            match &program.steps[at] {
                Step::Word(id) => words.push(*id),
                Step::Either(first, second) => open.extend([*first, *second]),
                Step::Jump(target) => open.push(*target),
                Step::List => open.push(at + 1),
                Step::Slot(_) | Step::Wild | Step::Done => return Self::Any,
            }
        }
        words.sort_unstable();
        Self::Known(words)
    }

    /// Whether the program can begin with `word`.
    pub fn allow(&self, word: Option<&Word>) -> bool {
        match (self, word) {
            (Self::Any, _) => true,
            (Self::Known(_), None) => false,
            (Self::Known(words), Some(word)) => {
                word.exact.iter().chain(word.meant.iter().flatten()).any(|id| words.binary_search(id).is_ok())
            }
        }
    }
}

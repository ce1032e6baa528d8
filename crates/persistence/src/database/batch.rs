//! Statements that are executed together in one transaction: [`Batch`].

use sea_orm::{DbBackend, Statement, StatementBuilder};

use super::row::{OwnedRow, Row};

/// What the result of a statement has to be. If it is not, nothing of the batch is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Anything.
    None,
    /// At least one row is returned or affected.
    SomeRows,
    /// No row is returned.
    NoRows,
}

/// A statement of a batch.
pub(crate) struct Step {
    pub(super) statement: Statement,
    pub(super) guard: Guard,
    pub(super) returns_rows: bool,
}

/// Statements that happen entirely or not at all. Each is sent before the results of the earlier ones are known, so none
/// takes a value from the result of another.
pub(crate) struct Batch {
    backend: DbBackend,
    pub(super) steps: Vec<Step>,
}

/// The result of a statement.
pub(crate) struct StepResult {
    pub(super) rows: Vec<OwnedRow>,
    pub(super) affected: u64,
}

/// The result of a batch.
pub(crate) enum Outcome {
    /// It was committed; with the results of its statements.
    Committed(Vec<StepResult>),
    /// Nothing was done, because the result of the statement with this index is not what its guard demands.
    Refused(usize),
}

impl Batch {
    pub(super) fn new(backend: DbBackend) -> Self {
        Self { backend, steps: Vec::new() }
    }

    /// Adds a statement. Returns its index.
    pub(crate) fn execute<S: StatementBuilder>(&mut self, statement: &S, guard: Guard) -> usize {
        self.push(statement, guard, false)
    }

    /// Adds a statement that returns rows. Returns its index.
    pub(crate) fn query<S: StatementBuilder>(&mut self, statement: &S, guard: Guard) -> usize {
        self.push(statement, guard, true)
    }

    fn push<S: StatementBuilder>(&mut self, statement: &S, guard: Guard, returns_rows: bool) -> usize {
        self.steps.push(Step { statement: self.backend.build(statement), guard, returns_rows });
        self.steps.len() - 1
    }
}

impl StepResult {
    /// The first row.
    pub(crate) fn row(&self) -> Option<Row<'_>> {
        self.rows.first().map(OwnedRow::as_row)
    }

    pub(super) fn meets(&self, guard: Guard) -> bool {
        match guard {
            Guard::None => true,
            Guard::SomeRows => self.affected > 0,
            Guard::NoRows => self.affected == 0,
        }
    }
}

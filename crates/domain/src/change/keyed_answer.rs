//! Answers to requests with idempotency keys.

use serde::{Deserialize, Serialize};

use super::Conflict;
use crate::conversation::Idempotency;
use crate::id::{OperationId, TaskId, TurnId};
use crate::storage::StorageError;
use crate::task::Version;

/// What is stored with an idempotency key, in order to give the answer again. It contains no text: the ledger has that,
/// until its task is purged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyedAnswer {
    /// The task at this version.
    Task {
        /// The task.
        id: TaskId,
        /// Its version in the answer.
        version: Version,
    },
    /// The result of an undo.
    Undo {
        /// The operation of the undo; `None` if everything was skipped.
        operation: Option<OperationId>,
        /// The changes that were skipped.
        conflicts: Vec<Conflict>,
    },
    /// The turn that is stopped.
    Stop {
        /// The turn.
        turn: TurnId,
    },
}

impl KeyedAnswer {
    /// The error of a stored answer that is not one to a request of this kind. (The fingerprints differ.)
    pub(crate) fn corrupt() -> StorageError {
        StorageError::Corrupt("the stored answer is of another kind than the request".into())
    }
}

/// An idempotency key that is stored with a change, and the answer to give for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// The key and the request.
    pub request: Idempotency,
    /// The answer.
    pub answer: KeyedAnswer,
}

/// Why a request with an idempotency key is not answered.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    /// Another request has stored its answer with the key since it was looked up.
    #[error("the same request is still in progress")]
    InProgress,
    /// The key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

#[cfg(test)]
mod tests;

//! The ledger: every write to a user's rows is recorded as a numbered entry with the row before and after. Undo, the trash,
//! sync and live events read it.

mod entry;
mod keyed_answer;
mod ledger;
#[cfg(test)]
pub(crate) mod memory;
mod receipt;
mod repo;
mod request_id;
mod service;
mod signals;
mod undo;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::conversation::Idempotency;
use crate::conversation::message::Part;
use crate::conversation::turn::Attempt;
use crate::id::{ConversationId, MessageId, OperationId, PendingActionId, TurnId};
use crate::principal::Principal;

pub use entry::{Action, EntityId, Entry, EntryPage, Head, Row, Seq, UndoLink, Write};
pub use keyed_answer::{IdempotencyError, Keyed, KeyedAnswer};
pub use ledger::Ledger;
pub(crate) use ledger::MAX_ATTEMPTS;
pub use receipt::{Receipt, ReceiptStatus, Receipts, TaskRef};
#[cfg(any(test, feature = "mock"))]
pub use repo::MockChangeRepo;
pub use repo::{ChangeRepo, ChangeRepoError, EntrySelector};
pub use request_id::{RequestId, RequestIdError};
pub use service::{ChangeError, ChangeService, EntryStream, OnConflict, UndoTarget, Undone};
pub use signals::ChangeSignals;
#[cfg(any(test, feature = "mock"))]
pub use signals::MockChangeSignals;
pub use undo::{Conflict, Field};

/// The origin of a change: the acting user, and the request or tool call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The acting user.
    pub principal: Principal,
    /// The request.
    pub request_id: RequestId,
    /// The tool call that requested the change, if any.
    pub call: Option<CallOrigin>,
    /// The parts of the assistant's message up to the call, if they are to be stored with the change.
    pub message_parts: Option<Arc<[Part]>>,
    /// The idempotency key of the request, if it has one.
    pub idempotency: Option<Idempotency>,
}

impl Origin {
    /// Creates the origin of a change that was requested without a tool call.
    pub fn request(principal: &Principal, request_id: &RequestId) -> Self {
        let (principal, request_id) = (principal.clone(), request_id.clone());
        Self { principal, request_id, call: None, message_parts: None, idempotency: None }
    }

    /// Adds the idempotency key of the request, if it has one.
    #[must_use]
    pub fn with_key(self, idempotency: Option<Idempotency>) -> Self {
        Self { idempotency, ..self }
    }

    /// Creates an operation of this origin.
    pub fn change(&self, operation: OperationId, at: DateTime<Utc>) -> Change {
        let Self { principal, request_id, call, message_parts, idempotency: _ } = self.clone();
        Change { operation, actor: principal, call, message_parts, request_id, confirms: None, keyed: None, at }
    }
}

/// A tool call of a chat turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallOrigin {
    /// The conversation of the turn.
    pub conversation: ConversationId,
    /// The assistant's message that the turn writes.
    pub message: MessageId,
    /// The running attempt at the turn.
    pub attempt: Attempt,
    /// The round of the turn, from 0.
    pub round: u8,
    /// The index of the call in its round, from 0.
    pub index: u8,
}

impl CallOrigin {
    /// Returns the id of the effect that this call has at most once.
    pub fn effect(&self) -> EffectId {
        EffectId { turn: self.attempt.turn, round: self.round, index: self.index }
    }
}

/// An operation: the writes that one request or tool call commits together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The id of the operation.
    pub operation: OperationId,
    /// The acting user.
    pub actor: Principal,
    /// The tool call that requested it, if any.
    pub call: Option<CallOrigin>,
    /// The parts of the assistant's message of the call, if they are to be stored with the change.
    pub message_parts: Option<Arc<[Part]>>,
    /// The request.
    pub request_id: RequestId,
    /// The pending action that the user has confirmed with it.
    pub confirms: Option<PendingActionId>,
    /// The idempotency key of the request, and the answer that is stored with it.
    pub keyed: Option<Keyed>,
    /// The time of the change.
    pub at: DateTime<Utc>,
}

/// Identifies the effect of a tool call by turn, round and index. The call ids of providers are not unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EffectId {
    /// The turn.
    pub turn: TurnId,
    /// The round of the turn, from 0.
    pub round: u8,
    /// The index of the call in its round, from 0.
    pub index: u8,
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.turn, self.round, self.index)
    }
}

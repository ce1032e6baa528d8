//! Turns: a user's message and the assistant's answer to it. Their events are in [`crate::chat`].

mod failure;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::id::{ConversationId, MessageId, TurnId};

pub use failure::FailureCode;

/// A turn. A conversation has at most one that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Unique among all turns.
    pub id: TurnId,
    /// The conversation of the turn.
    pub conversation: ConversationId,
    /// The user's message.
    pub user_message: MessageId,
    /// The position of the user's message in the conversation, from 1.
    pub position: u32,
    /// The assistant's message.
    pub assistant_message: MessageId,
    /// The number of the current attempt: 1, and 1 more for each time that the turn was resumed.
    pub attempt: u32,
}

impl Turn {
    /// Returns the current attempt.
    pub fn attempt(&self) -> Attempt {
        Attempt { turn: self.id, number: self.attempt }
    }
}

/// An attempt at a turn. Writes of earlier attempts, which have lost their lease, are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// The turn.
    pub turn: TurnId,
    /// From 1.
    pub number: u32,
}

/// How far a turn is in storage. It differs whenever something was stored for the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnProgress {
    /// The number of the current attempt.
    pub attempt: u32,
    /// The state.
    pub state: TurnState,
    /// The length of the assistant's message as it is stored, in characters. It grows during an attempt.
    pub length: u64,
}

/// The state of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnState {
    /// The turn runs while its lease is renewed.
    Running,
    /// The turn ended with an answer.
    Complete,
    /// The user stopped the turn.
    Stopped,
    /// The turn ended without an answer.
    Failed,
}

impl TurnState {
    /// Returns the name in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// The right of an instance to run a turn, until it expires. The time is the storage's, by one clock for all instances: the
/// turns of an instance must not fail because the clock of another one is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The instance that runs the turn.
    pub instance: InstanceId,
    /// Time from the storage's present until the lease expires; after that, any instance may fail the turn.
    pub ttl: Duration,
}

impl Lease {
    /// Time from each renewal until a lease expires.
    pub const TTL: Duration = Duration::from_secs(15);
    /// Interval of renewals.
    pub const RENEWAL_INTERVAL: Duration = Duration::from_secs(5);
}

/// The name of a running process: 1 to 64 letters, digits or `-_.`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstanceId(String);

impl InstanceId {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not an [`InstanceId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 letters, digits or '-_.'")]
pub struct InstanceIdError;

impl FromStr for InstanceId {
    type Err = InstanceIdError;
    fn from_str(raw: &str) -> Result<Self, InstanceIdError> {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if (1..=64).contains(&raw.len()) && raw.bytes().all(is_allowed) {
            Ok(Self(raw.to_owned()))
        } else {
            Err(InstanceIdError)
        }
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Time for which an idempotency key identifies its turn.
pub const IDEMPOTENCY_TTL: TimeDelta = TimeDelta::hours(24);

/// The number of tokens used by a language model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Input tokens.
    pub tokens_in: u64,
    /// Output tokens.
    pub tokens_out: u64,
}

impl Usage {
    /// Returns the number of all tokens.
    pub fn total(self) -> u64 {
        self.tokens_in.saturating_add(self.tokens_out)
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.tokens_in = self.tokens_in.saturating_add(other.tokens_in);
        self.tokens_out = self.tokens_out.saturating_add(other.tokens_out);
    }
}

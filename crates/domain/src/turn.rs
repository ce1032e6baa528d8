//! Turns: one message of a user and the assistant's answer to it.

mod failure;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{ConversationId, MessageId, TurnId};

pub use failure::FailureCode;

/// A running turn. A conversation has at most one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its id.
    pub id: TurnId,
    /// The conversation it is in.
    pub conversation: ConversationId,
    /// The user's message that began it.
    pub user_message: MessageId,
    /// The place of the user's message in the conversation, from 1.
    pub position: u32,
    /// The assistant's message that it writes.
    pub assistant_message: MessageId,
    /// How often it was begun: 1, and one more each time that it was resumed.
    pub attempt: u32,
}

impl Turn {
    /// This try at the turn.
    pub fn attempt(&self) -> Attempt {
        Attempt { turn: self.id, number: self.attempt }
    }
}

/// One try at a turn. Who works on an earlier one, having lost its lease without noticing, writes nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// The turn.
    pub turn: TurnId,
    /// Which try, from 1.
    pub number: u32,
}

/// How a turn stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnState {
    /// Somebody works on it, as long as its lease is renewed.
    Running,
    /// It ended with an answer.
    Complete,
    /// The user stopped it.
    Stopped,
    /// It ended without an answer.
    Failed,
}

impl TurnState {
    /// The state's name in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// Who works on a turn, and until when without a sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The instance that works on it.
    pub instance: InstanceId,
    /// When anybody may take the turn for dead.
    pub until: DateTime<Utc>,
}

impl Lease {
    /// How long a lease holds.
    pub const TTL: TimeDelta = TimeDelta::seconds(15);
    /// How often it is renewed.
    pub const RENEWAL_INTERVAL: Duration = Duration::from_secs(5);
}

/// The name of one running process: 1 to 64 characters out of letters, digits and `-_.`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstanceId(String);

impl InstanceId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no [`InstanceId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 letters, digits or '-_.'")]
pub struct InstanceIdError;

impl FromStr for InstanceId {
    type Err = InstanceIdError;
    fn from_str(raw: &str) -> Result<Self, InstanceIdError> {
        let sane = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if (1..=64).contains(&raw.len()) && raw.bytes().all(sane) {
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

/// How long an idempotency key names its turn.
pub const IDEMPOTENCY_TTL: TimeDelta = TimeDelta::hours(24);

/// How many tokens of a language model something took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read by the model.
    pub tokens_in: u64,
    /// Tokens written by the model.
    pub tokens_out: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.tokens_in = self.tokens_in.saturating_add(other.tokens_in);
        self.tokens_out = self.tokens_out.saturating_add(other.tokens_out);
    }
}

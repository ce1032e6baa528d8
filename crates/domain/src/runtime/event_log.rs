//! The port for what operators want to see in the log and in metrics ([`EventLog`]).

use std::time::Duration;

use crate::conversation::turn::{FailureCode, TurnState, Usage};
use crate::id::{ConversationId, SessionId, TurnId, UserId};

/// Something that an operator wants to see. It contains no text of a user or a model, and no email address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoggedEvent {
    /// An attempt at a turn ended.
    TurnEnded(Box<TurnEnd>),
    /// A sign-in was refused. Failures of the server are not among these.
    SignInFailed {
        /// How it was tried.
        way: SignInWay,
        /// Lower-case letters and `_`, such as `invalid_credentials`.
        reason: &'static str,
    },
    /// A password was changed, or the first one set, and all earlier tokens are revoked.
    PasswordChanged(UserId),
    /// A session ended before its expiry.
    SessionEnded {
        /// The owner.
        user: UserId,
        /// The session; `None` for all sessions of the owner.
        session: Option<SessionId>,
        /// Why.
        reason: SessionEndReason,
    },
    /// A user deleted their account.
    AccountDeleted(UserId),
}

/// The end of an attempt at a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnEnd {
    /// The owner.
    pub user: UserId,
    /// The conversation.
    pub conversation: ConversationId,
    /// The turn.
    pub turn: TurnId,
    /// [`TurnState::Complete`], [`TurnState::Stopped`] or [`TurnState::Failed`].
    pub state: TurnState,
    /// The reason of the failure, if it failed.
    pub failure: Option<FailureCode>,
    /// The provider that answered last, which is the configured one or the fallback.
    pub provider: String,
    /// Its model.
    pub model: String,
    /// Number of rounds with a tool call or a text, those of earlier attempts included.
    pub rounds: usize,
    /// Number of tool calls, those of earlier attempts included.
    pub tool_calls: usize,
    /// The usage of this attempt.
    pub usage: Usage,
    /// Duration of this attempt.
    pub duration: Duration,
}

/// A way to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInWay {
    /// By email address and password.
    Password,
    /// At an external provider.
    External,
}

impl SignInWay {
    /// Returns the name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::External => "external",
        }
    }
}

/// Why a session ended before its expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEndReason {
    /// Its client signed out.
    SignedOut,
    /// Its owner ended it in the list of sessions.
    Requested,
    /// A refresh token was used long after it had been replaced: it may have been stolen.
    TokenReused,
}

impl SessionEndReason {
    /// Returns the name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Requested => "requested",
            Self::TokenReused => "token_reused",
        }
    }
}

/// Takes note of events for operators.
pub trait EventLog: Send + Sync {
    /// Takes note of an event that has happened. MUST return at once.
    fn record(&self, event: LoggedEvent);
}

/// An [`EventLog`] that keeps the events.
#[cfg(any(test, feature = "mock"))]
#[derive(Debug, Default)]
pub struct RecordedEvents(std::sync::Mutex<Vec<LoggedEvent>>);

#[cfg(any(test, feature = "mock"))]
impl RecordedEvents {
    /// Takes the events since the last call.
    pub fn take(&self) -> Vec<LoggedEvent> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[cfg(any(test, feature = "mock"))]
impl EventLog for RecordedEvents {
    fn record(&self, event: LoggedEvent) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(event);
    }
}

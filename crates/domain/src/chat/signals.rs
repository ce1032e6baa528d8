//! Following running turns, and stopping those of this process.

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::{TurnEvent, TurnEvents};
use crate::conversation::turn::Attempt;
use crate::id::TurnId;

/// Reasons to stop a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The user requested it.
    User,
    /// The process shuts down.
    Shutdown,
}

/// Distributes the events of running turns to their followers, and stop requests to the turns.
///
/// The memory per turn is bounded by the size of its message (eight rounds of
/// [`MAX_REPLY_BYTES`](crate::llm::MAX_REPLY_BYTES) and their tool results), and independent of the number of followers.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
pub trait TurnSignals: Send + Sync {
    /// Registers a turn that starts in this process. The returned future completes when a stop is requested, and never
    /// otherwise.
    fn open(&self, turn: Attempt) -> BoxFuture<'static, StopReason>;

    /// Publishes an event of an open turn, unless a later attempt was opened. MUST NOT wait for followers.
    fn publish(&self, turn: Attempt, event: TurnEvent);

    /// Returns the turn's events from the first one, past events without delay; `None` if it is not open here. A slow or
    /// dropped reader MUST NOT delay the turn or other readers.
    fn subscribe(&self, turn: TurnId) -> Option<TurnEvents>;

    /// Returns a stream for a turn of another process that yields an item when it may have been stored anew since the
    /// previous item, or since this call. MUST do so within 1 s. Signals that are not awaited MUST be merged into one. The
    /// stream ends at shutdown.
    fn subscribe_elsewhere(&self, turn: TurnId) -> BoxStream<'static, ()>;

    /// Requests that an open turn stops. Returns whether it is open here.
    fn stop(&self, turn: TurnId) -> bool;

    /// Closes a turn after its last event, unless a later attempt was opened. Followers MUST still receive everything that
    /// was published.
    fn close(&self, turn: Attempt);
}

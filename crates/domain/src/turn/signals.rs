//! How the running turns of this process are followed and stopped.

use futures_util::future::BoxFuture;

use super::{Attempt, TurnEvent, TurnEvents};
use crate::id::TurnId;

/// Why a turn is to end before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The user has had enough.
    User,
    /// The process ends.
    Shutdown,
}

/// Carries what happens in the turns of this process to those who follow them, and the wish that they end to the turns.
///
/// What is kept of a turn is bounded by what a turn can say (eight rounds of
/// [`MAX_REPLY_BYTES`](crate::llm::MAX_REPLY_BYTES) and their tool results), whatever the number of those who follow it.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
pub trait TurnSignals: Send + Sync {
    /// Opens a turn that begins to run here. What is returned ends when somebody wants the turn to end, and never
    /// otherwise.
    fn open(&self, turn: Attempt) -> BoxFuture<'static, StopReason>;

    /// Tells what happens in an open turn, unless it was opened anew since. MUST NOT wait for anybody who follows it.
    fn publish(&self, turn: Attempt, event: TurnEvent);

    /// The turn's events from its beginning, those that are over at once; `None` if it is not open here. A reader that
    /// is slow, or gone, MUST NOT slow the turn or any other reader.
    fn subscribe(&self, turn: TurnId) -> Option<TurnEvents>;

    /// Asks an open turn to end. Returns whether it is open here.
    fn stop(&self, turn: TurnId) -> bool;

    /// Closes a turn, unless it was opened anew since: nothing more happens in it. Those who follow it MUST still get what
    /// was published.
    fn close(&self, turn: Attempt);
}

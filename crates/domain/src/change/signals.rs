//! Wakes the followers of the ledger.

use futures_util::stream::BoxStream;

use crate::id::UserId;

/// Notifies the followers of a user's ledger that there may be new entries, which they read from the ledger.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
pub trait ChangeSignals: Send + Sync {
    /// Signals that `owner` has new entries. MUST NOT block.
    fn notify(&self, owner: UserId);

    /// Returns a stream that yields an item when entries may have been added since the previous item, or since this call.
    /// Commits of other processes MUST be signalled within 2 s. Signals that are not awaited MUST be merged into one. The
    /// stream ends at shutdown.
    fn subscribe(&self, owner: UserId) -> BoxStream<'static, ()>;
}

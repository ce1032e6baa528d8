//! Wakes the readers of the ledger.

use futures_util::stream::BoxStream;

use crate::id::UserId;

/// Tells whoever follows a user's ledger that there may be new entries. A signal carries no entry: readers read the ledger.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
pub trait ChangeSignals: Send + Sync {
    /// Signals that `owner` has new entries. MUST NOT wait for anybody.
    fn notify(&self, owner: UserId);

    /// Returns a stream that yields an item when entries may have come since the item before, or since this call. What
    /// another process commits MUST be signalled within 2 s. Signals that nobody awaits MUST be merged into one. The stream
    /// ends at shutdown.
    fn subscribe(&self, owner: UserId) -> BoxStream<'static, ()>;
}

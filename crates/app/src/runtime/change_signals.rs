//! Wakes the followers of the ledger: at once for commits of this process, and by polling for commits of others.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use domain::change::{ChangeSignals, Seq};
use domain::id::UserId;
use domain::system::SystemRepo;
use futures_util::stream::BoxStream;

use super::wakers::Wakers;

/// Time between two polls for commits of other processes.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// [`ChangeSignals`] of this process. [`poll`](Self::poll) adds those of other processes.
#[derive(Clone, Debug, Default)]
pub struct LocalChangeSignals(Wakers<UserId, Seq>);

impl LocalChangeSignals {
    /// Ends every subscription, including later ones.
    pub fn shut_down(&self) {
        self.0.shut_down();
    }

    /// The number of open subscriptions.
    pub fn readers(&self) -> usize {
        self.0.readers()
    }

    /// Time since the last poll that succeeded or had nothing to do; `None` before the first one.
    pub fn poll_age(&self) -> Option<Duration> {
        self.0.poll_age()
    }

    /// Polls for entries of other processes until [`shut_down`](Self::shut_down).
    pub async fn poll(self, system: Arc<dyn SystemRepo>) {
        let read = move |users: Vec<_>| {
            let system = system.clone();
            async move { system.change_heads(&users).await }
        };
        self.0.poll(POLL_INTERVAL, "changes", read).await;
    }
}

impl ChangeSignals for LocalChangeSignals {
    fn notify(&self, owner: UserId) {
        self.0.notify(owner);
    }

    fn subscribe(&self, owner: UserId) -> BoxStream<'static, ()> {
        self.0.subscribe(owner)
    }
}

//! Wakes the followers of the ledger: at once for commits of this process, and by polling for commits of others.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::change::{ChangeSignals, Seq};
use domain::id::UserId;
use domain::runtime::with_causes;
use domain::storage::StorageError;
use domain::system::SystemRepo;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::lock::lock;

/// Time between two polls for commits of other processes.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// [`ChangeSignals`] of this process. [`poll`](Self::poll) adds those of other processes.
#[derive(Clone, Debug, Default)]
pub struct LocalChangeSignals(Arc<Mutex<Followed>>);

/// The users whose ledgers are followed.
#[derive(Debug, Default)]
struct Followed {
    users: HashMap<UserId, FollowedUser>,
    is_shut_down: bool,
}

/// A user with at least one subscription.
#[derive(Debug, Default)]
struct FollowedUser {
    /// Number of open subscriptions.
    readers: usize,
    wake: watch::Sender<()>,
    /// The head of the ledger at the last poll; `None` before the first one.
    last_head: Option<Seq>,
}

impl LocalChangeSignals {
    /// Ends every subscription, including later ones.
    pub fn shut_down(&self) {
        let mut followed = self.locked();
        followed.is_shut_down = true;
        followed.users.clear();
    }

    /// Polls for entries of other processes until [`shut_down`](Self::shut_down). Of consecutive failures only the first
    /// is logged.
    pub async fn poll(self, system: Arc<dyn SystemRepo>) {
        let mut interval = tokio::time::interval(POLL_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_failing = false;
        while !self.locked().is_shut_down {
            interval.tick().await;
            let users: Vec<_> = self.locked().users.keys().copied().collect();
            if users.is_empty() {
                continue;
            }
            match (self.poll_once(system.as_ref(), &users).await, is_failing) {
                (Ok(()), false) | (Err(_), true) => {}
                (Ok(()), true) => {
                    is_failing = false;
                    tracing::info!("polling for changes of other processes has recovered");
                }
                (Err(error), false) => {
                    is_failing = true;
                    let error = with_causes(&error);
                    tracing::warn!(error, "polling for changes of other processes failed; retrying every second");
                }
            }
        }
    }

    async fn poll_once(&self, system: &dyn SystemRepo, users: &[UserId]) -> Result<(), StorageError> {
        let heads = system.change_heads(users).await?;
        let mut followed = self.locked();
        for (user, head) in heads {
            // The first poll of a user always wakes, because entries may have been added since the subscription.
            if let Some(user) = followed.users.get_mut(&user).filter(|user| user.last_head != Some(head)) {
                user.last_head = Some(head);
                user.wake.send_replace(());
            }
        }
        Ok(())
    }

    fn locked(&self) -> MutexGuard<'_, Followed> {
        lock(&self.0)
    }
}

impl ChangeSignals for LocalChangeSignals {
    fn notify(&self, owner: UserId) {
        if let Some(user) = self.locked().users.get(&owner) {
            user.wake.send_replace(());
        }
    }

    fn subscribe(&self, owner: UserId) -> BoxStream<'static, ()> {
        let mut followed = self.locked();
        if followed.is_shut_down {
            return stream::empty().boxed();
        }
        let user = followed.users.entry(owner).or_default();
        user.readers += 1;
        let subscription = Subscription { wakes: user.wake.subscribe(), owner, signals: self.clone() };
        stream::unfold(subscription, Subscription::next).boxed()
    }
}

/// One reader of a user's ledger. Dropping the last one removes the user.
struct Subscription {
    wakes: watch::Receiver<()>,
    owner: UserId,
    signals: LocalChangeSignals,
}

impl Subscription {
    /// Waits for the next signal. Signals since the last call are merged into one.
    async fn next(mut self) -> Option<((), Self)> {
        // Fails after a shutdown, which drops the sender.
        self.wakes.changed().await.ok()?;
        Some(((), self))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut followed = self.signals.locked();
        if let Some(user) = followed.users.get_mut(&self.owner) {
            user.readers -= 1;
            if user.readers == 0 {
                followed.users.remove(&self.owner);
            }
        }
    }
}

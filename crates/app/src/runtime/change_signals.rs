//! Wakes the readers of the ledger: at once for what this process commits, and by a query a second for what others do.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// Time between two looks at what other processes have committed.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// [`ChangeSignals`] within this process, completed by [`poll`](Self::poll).
#[derive(Clone, Debug, Default)]
pub struct LocalChangeSignals(Arc<Mutex<Followed>>);

/// The users whose ledgers are followed.
#[derive(Debug, Default)]
struct Followed {
    users: HashMap<UserId, FollowedUser>,
    is_shut_down: bool,
}

/// One user as long as somebody follows their ledger.
#[derive(Debug, Default)]
struct FollowedUser {
    /// Number of open subscriptions.
    readers: usize,
    wake: watch::Sender<()>,
    /// The head that the last poll found; `None` before the first one.
    seen: Option<Seq>,
}

impl LocalChangeSignals {
    /// Ends every subscription, those to come too.
    pub fn shut_down(&self) {
        let mut followed = self.locked();
        followed.is_shut_down = true;
        followed.users.clear();
    }

    /// Looks again and again for entries of other processes, until [`shut_down`](Self::shut_down). A failure is logged once
    /// until it is over, and tried again.
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
                    tracing::info!("changes of other processes are looked for again");
                }
                (Err(error), false) => {
                    is_failing = true;
                    let error = with_causes(&error);
                    tracing::warn!(error, "changes of other processes cannot be looked for; retrying every second");
                }
            }
        }
    }

    async fn poll_once(&self, system: &dyn SystemRepo, users: &[UserId]) -> Result<(), StorageError> {
        let heads = system.change_heads(users).await?;
        let mut followed = self.locked();
        for (user, head) in heads {
            // A user who is polled for the first time may have got entries since the subscription: seen is absent then.
            if let Some(user) = followed.users.get_mut(&user).filter(|user| user.seen != Some(head)) {
                user.seen = Some(head);
                user.wake.send_replace(());
            }
        }
        Ok(())
    }

    /// Nothing panics while it holds this lock.
    fn locked(&self) -> MutexGuard<'_, Followed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

/// One reader of a user's ledger. The user is forgotten with the last one.
struct Subscription {
    wakes: watch::Receiver<()>,
    owner: UserId,
    signals: LocalChangeSignals,
}

impl Subscription {
    /// Waits for the next signal; several that came meanwhile are one.
    async fn next(mut self) -> Option<((), Self)> {
        // It fails when the sender is gone, at shutdown.
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

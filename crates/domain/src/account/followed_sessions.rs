//! The sessions of open streams, whose tokens are checked periodically: their status is read for all of them at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::id::{SessionId, UserId};
use crate::runtime::Timer;
use crate::session::SessionStatus;

/// The sessions that are followed, with their status at the last refresh.
pub(super) struct FollowedSessions {
    timer: Arc<dyn Timer>,
    sessions: Mutex<HashMap<(UserId, SessionId), Followed>>,
}

#[derive(Default)]
struct Followed {
    followers: usize,
    /// The status, and when its read started; `None` before the first refresh, and if the session has ended.
    read: Option<(SessionStatus, Duration)>,
}

/// Keeps the status of a session up to date until it is dropped.
pub struct FollowedSession {
    all: Arc<FollowedSessions>,
    key: (UserId, SessionId),
}

impl FollowedSessions {
    /// Time between two refreshes.
    pub(super) const REFRESH_INTERVAL: Duration = Duration::from_secs(4);
    /// Maximum age of a status: two refreshes, so that one may be late.
    const TTL: Duration = Self::REFRESH_INTERVAL.saturating_mul(2);

    pub(super) fn new(timer: Arc<dyn Timer>) -> Self {
        Self { timer, sessions: Mutex::default() }
    }

    /// The time at which a read of storage starts.
    pub(super) fn start_read(&self) -> Duration {
        self.timer.elapsed()
    }

    /// Follows a session.
    pub(super) fn follow(self: &Arc<Self>, key: (UserId, SessionId)) -> FollowedSession {
        self.locked().entry(key).or_default().followers += 1;
        FollowedSession { all: Arc::clone(self), key }
    }

    /// Returns the status of a followed session, if it is known and recent.
    pub(super) fn status(&self, user: UserId, session: SessionId) -> Option<SessionStatus> {
        let (status, at) = self.locked().get(&(user, session))?.read?;
        (self.timer.elapsed().saturating_sub(at) < Self::TTL).then_some(status)
    }

    pub(super) fn keys(&self) -> Vec<(UserId, SessionId)> {
        self.locked().keys().copied().collect()
    }

    /// Stores what a read that started at `at` has found. A session that it did not find has ended.
    pub(super) fn store(&self, keys: &[(UserId, SessionId)], found: &HashMap<SessionId, SessionStatus>, at: Duration) {
        let mut sessions = self.locked();
        for key in keys {
            if let Some(followed) = sessions.get_mut(key) {
                followed.read = found.get(&key.1).map(|status| (*status, at));
            }
        }
    }

    /// The map is consistent after a panic too: each update is one assignment.
    fn locked(&self) -> MutexGuard<'_, HashMap<(UserId, SessionId), Followed>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FollowedSession {
    fn drop(&mut self) {
        let mut sessions = self.all.locked();
        if let Some(followed) = sessions.get_mut(&self.key) {
            followed.followers -= 1;
            if followed.followers == 0 {
                sessions.remove(&self.key);
            }
        }
    }
}

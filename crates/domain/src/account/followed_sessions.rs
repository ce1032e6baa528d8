//! The sessions of open streams, whose tokens are checked again and again: their status is read for all of them at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::AccountService;
use super::authentication::is_update_due;
use crate::id::{SessionId, UserId};
use crate::principal::Principal;
use crate::runtime::Timer;
use crate::session::SessionStatus;
use crate::storage::StorageError;

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
    /// Maximum age of a status: two refreshes, so that one may be late.
    const TTL: Duration = AccountService::REFRESH_INTERVAL.saturating_mul(2);

    pub(super) fn new(timer: Arc<dyn Timer>) -> Self {
        Self { timer, sessions: Mutex::default() }
    }

    /// Returns the status of a followed session, if it is known and recent.
    pub(super) fn status(&self, user: UserId, session: SessionId) -> Option<SessionStatus> {
        let (status, at) = self.locked().get(&(user, session))?.read?;
        (self.timer.elapsed().saturating_sub(at) < Self::TTL).then_some(status)
    }

    fn keys(&self) -> Vec<(UserId, SessionId)> {
        self.locked().keys().copied().collect()
    }

    /// Stores what a read that started at `at` has found. A session that it did not find has ended.
    fn store(&self, keys: &[(UserId, SessionId)], found: &HashMap<SessionId, SessionStatus>, at: Duration) {
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

impl AccountService {
    /// Time between two calls of [`refresh_followed`](Self::refresh_followed).
    pub const REFRESH_INTERVAL: Duration = Duration::from_secs(4);

    /// Follows the session of an access token; returns `None` for an API token.
    pub fn follow_session(&self, principal: &Principal) -> Option<FollowedSession> {
        let key = (principal.user, principal.session?);
        self.followed.locked().entry(key).or_default().followers += 1;
        Some(FollowedSession { all: self.followed.clone(), key })
    }

    /// Reads the status of all followed sessions and records their use. MUST be called every
    /// [`REFRESH_INTERVAL`](Self::REFRESH_INTERVAL); otherwise each of them is read by itself.
    ///
    /// # Errors
    /// If storage fails.
    pub async fn refresh_followed(&self) -> Result<(), StorageError> {
        let keys = self.followed.keys();
        if keys.is_empty() {
            return Ok(());
        }
        let (at, now) = (self.followed.timer.elapsed(), self.clock.now());
        let ids: Vec<_> = keys.iter().map(|(_, session)| *session).collect();
        let found: HashMap<_, _> = self.system.session_statuses(&ids, now).await?.into_iter().collect();
        self.followed.store(&keys, &found, at);
        let used = unrecorded(&found, now);
        if used.is_empty() { Ok(()) } else { self.system.touch_sessions(&used, now).await }
    }
}

/// The sessions whose last use has to be recorded.
fn unrecorded(found: &HashMap<SessionId, SessionStatus>, now: DateTime<Utc>) -> Vec<SessionId> {
    found.iter().filter(|(_, status)| is_update_due(Some(status.last_used_at), now)).map(|(id, _)| *id).collect()
}

//! A cache of verified tokens, so that most requests need no query.
//!
//! Revocations by this process take effect at once: every entry belongs to an epoch, and each revocation starts a new one,
//! after it is stored and before the caller is answered. A read of storage that started in an earlier epoch is never
//! used. Revocations by another process take effect after at most [`TokenCache::TTL`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::api_token::ApiTokenStatus;
use crate::id::{SessionId, UserId};
use crate::runtime::Timer;
use crate::secret::SecretHash;
use crate::session::SessionStatus;

/// The status of sessions and API tokens, as read from storage.
pub(super) struct TokenCache {
    timer: Arc<dyn Timer>,
    epoch: AtomicU64,
    sessions: Cache<(UserId, SessionId), Entry<SessionStatus>>,
    api_tokens: Cache<SecretHash, Entry<ApiTokenStatus>>,
}

/// The epoch and the time at which a read of storage started.
#[derive(Clone, Copy)]
pub(super) struct ReadStart {
    epoch: u64,
    at: Duration,
}

/// Starts a new epoch when it is dropped.
pub(super) struct InvalidateOnDrop<'a>(&'a TokenCache);

impl Drop for InvalidateOnDrop<'_> {
    fn drop(&mut self) {
        self.0.epoch.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Clone)]
struct Entry<T> {
    status: T,
    read: ReadStart,
}

impl TokenCache {
    /// Maximum age of an entry.
    pub(super) const TTL: Duration = Duration::from_secs(5);
    /// Maximum number of sessions, and of API tokens; about 150 bytes each.
    const CAPACITY: usize = 10_000;

    pub(super) fn new(timer: Arc<dyn Timer>) -> Self {
        let (sessions, api_tokens) = (Cache::new(Self::CAPACITY), Cache::new(Self::CAPACITY));
        Self { timer, epoch: AtomicU64::new(0), sessions, api_tokens }
    }

    /// MUST be called before storage is read.
    pub(super) fn start_read(&self) -> ReadStart {
        ReadStart { epoch: self.epoch.load(Ordering::SeqCst), at: self.timer.elapsed() }
    }

    /// Invalidates all entries when the guard is dropped. Held around a revocation, so that entries are invalidated even
    /// if the revocation fails half-way or its future is dropped.
    pub(super) fn invalidate_on_drop(&self) -> InvalidateOnDrop<'_> {
        InvalidateOnDrop(self)
    }

    pub(super) fn session(&self, user: UserId, id: SessionId) -> Option<SessionStatus> {
        self.valid(self.sessions.get(&(user, id))?)
    }

    pub(super) fn insert_session(&self, user: UserId, id: SessionId, status: SessionStatus, read: ReadStart) {
        self.sessions.insert((user, id), Entry { status, read });
    }

    pub(super) fn api_token(&self, hash: &SecretHash) -> Option<ApiTokenStatus> {
        self.valid(self.api_tokens.get(hash)?)
    }

    pub(super) fn insert_api_token(&self, hash: SecretHash, status: ApiTokenStatus, read: ReadStart) {
        self.api_tokens.insert(hash, Entry { status, read });
    }

    fn valid<T>(&self, Entry { status, read }: Entry<T>) -> Option<T> {
        let now = self.start_read();
        (read.epoch == now.epoch && now.at.saturating_sub(read.at) < Self::TTL).then_some(status)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use uuid::Uuid;

    use super::*;
    use crate::runtime::ManualClock;

    fn status() -> SessionStatus {
        let at: DateTime<Utc> = DateTime::UNIX_EPOCH;
        SessionStatus { token_version: 1, created_at: at, last_used_at: at, expires_at: at + TimeDelta::days(1) }
    }

    fn key() -> (UserId, SessionId) {
        (Uuid::from_u128(1).into(), Uuid::from_u128(2).into())
    }

    fn cache() -> (TokenCache, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::default());
        (TokenCache::new(clock.clone()), clock)
    }

    #[test]
    fn an_entry_expires_after_its_ttl() {
        let (cache, clock) = cache();
        let (user, session) = key();
        cache.insert_session(user, session, status(), cache.start_read());
        clock.advance(Duration::from_secs(4));
        assert_eq!(cache.session(user, session), Some(status()));
        assert_eq!(cache.session(user, Uuid::from_u128(3).into()), None);
        clock.advance(Duration::from_secs(1));
        assert_eq!(cache.session(user, session), None);
    }

    #[test]
    fn a_read_that_started_before_a_revocation_is_not_used() {
        let (cache, _) = cache();
        let (user, session) = key();
        let read = cache.start_read();
        drop(cache.invalidate_on_drop());
        cache.insert_session(user, session, status(), read);
        assert_eq!(cache.session(user, session), None);
    }

    #[test]
    fn the_number_of_entries_is_bounded() {
        let (cache, _) = cache();
        let (user, _) = key();
        for n in 0..100_000 {
            cache.insert_session(user, Uuid::from_u128(n).into(), status(), cache.start_read());
        }
        assert!(cache.sessions.len() <= TokenCache::CAPACITY, "{}", cache.sessions.len());
    }
}

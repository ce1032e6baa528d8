//! What is remembered of the tokens that were checked, so that a request need not ask storage again.
//!
//! What this process itself voids is void at once: every entry is good for one epoch, and whatever voids a token begins
//! the next one, after it is stored and before it is answered. An answer of storage that was asked for before then
//! belongs to the epoch before, and is never believed. What another process voids is noticed after
//! [`TokenCache::TTL`], and after the next question.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use quick_cache::sync::Cache;

use crate::api_token::ApiTokenStatus;
use crate::id::{SessionId, UserId};
use crate::secret::SecretHash;
use crate::session::SessionStatus;

/// What a check found, by what was checked.
pub(super) struct TokenCache {
    epoch: AtomicU64,
    sessions: Cache<(UserId, SessionId), Known<SessionStatus>>,
    api_tokens: Cache<SecretHash, Known<ApiTokenStatus>>,
}

/// A point in the order of what was voided: to be taken before storage is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch(u64);

/// Begins the next epoch when it is dropped.
pub(super) struct InvalidateOnDrop<'a>(&'a TokenCache);

impl Drop for InvalidateOnDrop<'_> {
    fn drop(&mut self) {
        self.0.epoch.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Clone)]
struct Known<T> {
    standing: T,
    epoch: Epoch,
    until: DateTime<Utc>,
}

impl TokenCache {
    /// How long something is remembered.
    pub(super) const TTL: TimeDelta = TimeDelta::seconds(5);
    /// The most sessions, and the most API tokens, that are remembered: some 150 bytes each.
    const CAPACITY: usize = 10_000;

    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::SeqCst))
    }

    /// Forgets everything when the guard is dropped: to be held around whatever voids a token, so that it is forgotten
    /// also if that fails half-way, or nobody waits for its end.
    pub(super) fn invalidate_on_drop(&self) -> InvalidateOnDrop<'_> {
        InvalidateOnDrop(self)
    }

    pub(super) fn session(&self, user: UserId, id: SessionId, now: DateTime<Utc>) -> Option<SessionStatus> {
        self.current(self.sessions.get(&(user, id))?, now)
    }

    pub(super) fn know_session(
        &self,
        user: UserId,
        id: SessionId,
        standing: SessionStatus,
        asked: (Epoch, DateTime<Utc>),
    ) {
        self.sessions.insert((user, id), known(standing, asked));
    }

    pub(super) fn api_token(&self, hash: &SecretHash, now: DateTime<Utc>) -> Option<ApiTokenStatus> {
        self.current(self.api_tokens.get(hash)?, now)
    }

    pub(super) fn know_api_token(&self, hash: SecretHash, standing: ApiTokenStatus, asked: (Epoch, DateTime<Utc>)) {
        self.api_tokens.insert(hash, known(standing, asked));
    }

    fn current<T>(&self, known: Known<T>, now: DateTime<Utc>) -> Option<T> {
        // A clock that was put back makes nothing good for longer.
        let fresh = now < known.until && known.until - now <= Self::TTL;
        (fresh && known.epoch == self.epoch()).then_some(known.standing)
    }
}

fn known<T>(standing: T, (epoch, at): (Epoch, DateTime<Utc>)) -> Known<T> {
    Known { standing, epoch, until: at + TokenCache::TTL }
}

impl Default for TokenCache {
    fn default() -> Self {
        Self { epoch: AtomicU64::new(0), sessions: Cache::new(Self::CAPACITY), api_tokens: Cache::new(Self::CAPACITY) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const AT: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn standing() -> SessionStatus {
        SessionStatus { token_version: 1, created_at: AT, last_used_at: AT, expires_at: AT + TimeDelta::days(1) }
    }

    fn key() -> (UserId, SessionId) {
        (Uuid::from_u128(1).into(), Uuid::from_u128(2).into())
    }

    fn seconds(seconds: i64) -> DateTime<Utc> {
        AT + TimeDelta::seconds(seconds)
    }

    #[test]
    fn what_was_found_is_remembered_for_its_time() {
        let token_cache = TokenCache::default();
        let (user, session) = key();
        token_cache.know_session(user, session, standing(), (token_cache.epoch(), AT));
        assert_eq!(token_cache.session(user, session, seconds(4)), Some(standing()));
        assert_eq!(token_cache.session(user, session, seconds(5)), None);
        assert_eq!(token_cache.session(user, session, seconds(-1)), None);
        assert_eq!(token_cache.session(user, Uuid::from_u128(3).into(), AT), None);
    }

    #[test]
    fn an_answer_that_was_asked_for_before_something_was_voided_is_never_believed() {
        let token_cache = TokenCache::default();
        let (user, session) = key();
        let asked = (token_cache.epoch(), AT);
        drop(token_cache.invalidate_on_drop());
        token_cache.know_session(user, session, standing(), asked);
        assert_eq!(token_cache.session(user, session, AT), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let token_cache = TokenCache::default();
        let (user, _) = key();
        for n in 0..100_000 {
            token_cache.know_session(user, Uuid::from_u128(n).into(), standing(), (token_cache.epoch(), AT));
        }
        assert!(token_cache.sessions.len() <= TokenCache::CAPACITY, "{}", token_cache.sessions.len());
    }
}

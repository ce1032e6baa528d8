//! How many streams a user may have open at once in this process: events, streamed answers and followed turns together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::id::UserId;
use futures_util::stream::{Stream, StreamExt as _};

/// Maximum number of open streams of one user.
pub(crate) const MAX_STREAMS: u8 = 8;

/// Counts the open streams of each user. A user without one takes no memory.
#[derive(Clone, Default)]
pub(crate) struct StreamLimit(Arc<Mutex<HashMap<UserId, u8>>>);

/// Permission for one open stream, which ends when it is dropped.
pub(crate) struct StreamPermit {
    limit: StreamLimit,
    user: UserId,
}

/// As many streams are open as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_STREAMS} streams of the user are open already")]
pub(crate) struct TooManyStreams;

impl StreamLimit {
    /// Permits one more stream of `user`.
    pub(crate) fn acquire(&self, user: UserId) -> Result<StreamPermit, TooManyStreams> {
        let mut open = self.open();
        let count = open.get(&user).copied().unwrap_or_default();
        if count >= MAX_STREAMS {
            return Err(TooManyStreams);
        }
        open.insert(user, count + 1);
        Ok(StreamPermit { limit: self.clone(), user })
    }

    /// A counter is whole between any two steps, so it is good after a panic too.
    fn open(&self) -> MutexGuard<'_, HashMap<UserId, u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamPermit {
    /// The stream, which keeps the permit until it is dropped.
    pub(crate) fn hold<S: Stream>(self, stream: S) -> impl Stream<Item = S::Item> {
        stream.inspect(move |_| {
            let _held = &self;
        })
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut open = self.limit.open();
        match open.get(&self.user).copied() {
            Some(count) if count > 1 => {
                open.insert(self.user, count - 1);
            }
            Some(_) | None => {
                open.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use uuid::Uuid;

    use super::*;

    fn user(number: u128) -> UserId {
        Uuid::from_u128(number).into()
    }

    #[test]
    fn a_ninth_stream_is_refused_until_one_is_dropped() {
        let limit = StreamLimit::default();
        let mut permits: Vec<_> = (0..MAX_STREAMS).map(|_| limit.clone().acquire(user(1)).unwrap()).collect();
        assert_eq!(limit.acquire(user(1)).err(), Some(TooManyStreams));
        assert!(limit.acquire(user(2)).is_ok(), "another user is not concerned");
        permits.pop();
        permits.push(limit.acquire(user(1)).unwrap());
        assert_eq!(limit.acquire(user(1)).err(), Some(TooManyStreams));
    }

    #[test]
    fn users_without_streams_leave_nothing_behind() {
        let limit = StreamLimit::default();
        for number in 0..1000 {
            let (first, second) = (limit.acquire(user(number)).unwrap(), limit.acquire(user(number)).unwrap());
            drop(first);
            assert_eq!(limit.open().get(&user(number)), Some(&1));
            drop(second);
        }
        assert!(limit.open().is_empty());
    }

    #[test]
    fn a_permit_lasts_as_long_as_its_stream() {
        let limit = StreamLimit::default();
        let held = limit.acquire(user(1)).unwrap().hold(stream::empty::<()>());
        assert_eq!(limit.open().len(), 1);
        drop(held);
        assert!(limit.open().is_empty());
    }

    #[test]
    fn threads_never_have_more_streams_than_the_limit() {
        let limit = StreamLimit::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let permits: Vec<_> = (0..4).filter_map(|_| limit.acquire(user(1)).ok()).collect();
                        assert!(limit.open().values().all(|count| *count <= MAX_STREAMS));
                        drop(permits);
                    }
                });
            }
        });
        assert!(limit.open().is_empty());
    }
}

//! The limit of open streams per user and process: change events, streamed answers and followed turns together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::id::UserId;
use futures_util::stream::{Stream, StreamExt as _};

/// Maximum number of open streams of one user.
pub(crate) const MAX_STREAMS: u8 = 8;

/// Counts the open streams of each user. Users without open streams take no memory.
#[derive(Clone, Default)]
pub(crate) struct StreamLimit(Arc<Mutex<HashMap<UserId, u8>>>);

/// A permit for one open stream, released on drop.
pub(crate) struct StreamPermit {
    limit: StreamLimit,
    user: UserId,
}

/// The user already has [`MAX_STREAMS`] open streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The user already has {MAX_STREAMS} open streams")]
pub(crate) struct TooManyStreams;

impl StreamLimit {
    /// Acquires a permit for another stream of `user`.
    pub(crate) fn acquire(&self, user: UserId) -> Result<StreamPermit, TooManyStreams> {
        let mut open = self.open();
        let count = open.get(&user).copied().unwrap_or_default();
        if count >= MAX_STREAMS {
            return Err(TooManyStreams);
        }
        open.insert(user, count + 1);
        Ok(StreamPermit { limit: self.clone(), user })
    }

    /// The counters are consistent after a panic too: each update is one assignment.
    fn open(&self) -> MutexGuard<'_, HashMap<UserId, u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamPermit {
    /// Wraps the stream so that it holds the permit until it is dropped.
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
        assert!(limit.acquire(user(2)).is_ok(), "other users are not affected");
        permits.pop();
        permits.push(limit.acquire(user(1)).unwrap());
        assert_eq!(limit.acquire(user(1)).err(), Some(TooManyStreams));
    }

    #[test]
    fn users_without_open_streams_take_no_memory() {
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
    fn a_permit_is_released_with_its_stream() {
        let limit = StreamLimit::default();
        let held = limit.acquire(user(1)).unwrap().hold(stream::empty::<()>());
        assert_eq!(limit.open().len(), 1);
        drop(held);
        assert!(limit.open().is_empty());
    }

    #[test]
    fn concurrent_threads_never_exceed_the_limit() {
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

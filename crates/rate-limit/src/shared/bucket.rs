//! The counts of one key: a leaky bucket that a script on the server fills and drains, by the server's clock. Whole buckets
//! and buckets of keys that are no longer used are deleted, so that the server's memory is bounded by the keys of the last
//! window.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisResult, Script};

use crate::limits::Limit;

/// A change of a bucket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Take = 1,
    GiveBack = -1,
}

/// A bucket after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Whether the action is allowed.
    pub(super) allowed: bool,
    /// The rest of the quota.
    pub(super) remaining: u32,
    /// Time until the whole quota is restored, or, if it is not allowed, until a retry is.
    pub(super) wait: Duration,
}

/// The script. The server gets its text once, and then its hash.
pub(super) struct BucketScript(Script);

impl BucketScript {
    pub(super) fn new() -> Self {
        Self(Script::new(include_str!("bucket.lua")))
    }

    /// Changes the bucket at `key`.
    pub(super) async fn run(
        &self,
        connection: &mut MultiplexedConnection,
        limit: &Limit,
        key: &str,
        change: Change,
    ) -> RedisResult<Bucket> {
        let mut invocation = self.0.key(key);
        invocation.arg(limit.quota.get()).arg(limit.per_minute.get()).arg(change as i8);
        // The client would wrap a negative number around.
        let (allowed, remaining, wait) = invocation.invoke_async::<(bool, i64, i64)>(connection).await?;
        let (Ok(remaining), Ok(wait)) = (remaining.try_into(), wait.try_into()) else {
            return Err((ErrorKind::UnexpectedReturnType, "the script returned a number that is out of range").into());
        };
        Ok(Bucket { allowed, remaining, wait: Duration::from_micros(wait) })
    }
}

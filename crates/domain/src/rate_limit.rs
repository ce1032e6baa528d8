//! How often somebody may do something: the port [`RateLimiter`]. How the counting works is its adapter's business.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use async_trait::async_trait;

use crate::id::UserId;
use crate::text::NormalizedText;

/// What is limited, and for whom it is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RateKey {
    /// Messages to the assistant, by their user.
    Chat(UserId),
    /// Every other request of a user.
    Api(UserId),
    /// Attempts to prove that one is an account's owner, by the account's folded address. Also addresses without an
    /// account are counted, so that nobody learns which there are.
    SignInAccount(NormalizedText),
    /// Attempts to sign in, by where they come from.
    SignInPeer(PeerNetwork),
}

/// Where a request comes from, as far as one party is likely to have it to itself: an IPv4 address, or the /64 of an
/// IPv6 address, which is what one subscriber gets at the least (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerNetwork(IpAddr);

impl From<IpAddr> for PeerNetwork {
    fn from(peer: IpAddr) -> Self {
        Self(match peer.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        })
    }
}

/// A limit, as clients are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RatePolicy {
    /// Its name, in lower-case letters and hyphens.
    pub name: &'static str,
    /// So many in one window. All of them may come at once; then one more is allowed each `window / quota`.
    pub quota: u32,
    /// The window, in whole seconds.
    pub window: Duration,
}

/// Whether something may be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateDecision {
    /// It is not limited.
    Unlimited,
    /// It may.
    Allowed {
        /// By this limit.
        policy: RatePolicy,
        /// So many more may come at once.
        remaining: u32,
        /// After this time without any the whole quota is there again.
        reset: Duration,
    },
    /// It may not.
    Refused {
        /// By this limit.
        policy: RatePolicy,
        /// When it may be tried again.
        retry_after: Duration,
    },
}

/// It was tried too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit '{}' is reached", policy.name)]
pub struct RateLimited {
    /// The limit.
    pub policy: RatePolicy,
    /// When it may be tried again.
    pub retry_after: Duration,
}

impl RateDecision {
    /// Fails if it may not be done.
    ///
    /// # Errors
    /// [`RateLimited`].
    pub fn permitted(self) -> Result<(), RateLimited> {
        match self {
            Self::Unlimited | Self::Allowed { .. } => Ok(()),
            Self::Refused { policy, retry_after } => Err(RateLimited { policy, retry_after }),
        }
    }
}

/// Counts what is limited.
///
/// An adapter MUST hold a bounded number of keys in memory, however many come.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Counts one more for `key`, if it is allowed. What is refused MUST NOT count.
    async fn take(&self, key: RateKey) -> RateDecision;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(peer: &str) -> PeerNetwork {
        PeerNetwork::from(peer.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn an_ipv6_subscriber_is_one_network_and_an_ipv4_address_is_its_own() {
        assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff:ffff:ffff:ffff"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }
}

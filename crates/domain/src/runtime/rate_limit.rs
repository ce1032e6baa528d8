//! The port for rate limits ([`RateLimiter`]).

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use async_trait::async_trait;

use crate::id::UserId;
use crate::text::NormalizedText;

/// A limited action and whom it is counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RateKey {
    /// Messages to the assistant, per user.
    Chat(UserId),
    /// Other requests, per user.
    Api(UserId),
    /// Failed requests without a token, per client network.
    SignInPeer(PeerNetwork),
    /// Wrong passwords at sign-in, per normalized email address and client network, if that is known. Addresses without an
    /// account are counted too, so that the limit does not reveal which accounts exist.
    SignInAccountPeer(NormalizedText, Option<PeerNetwork>),
    /// Wrong passwords at sign-in from all networks, per normalized email address.
    SignInAccount(NormalizedText),
    /// Registrations, per client network.
    Registration(PeerNetwork),
    /// Wrong passwords with which a signed-in user confirms a change of the account, per user.
    OwnPassword(UserId),
}

/// The network of a client: an IPv4 address, or the /64 of an IPv6 address, which is the smallest network that a subscriber
/// gets (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerNetwork(IpAddr);

impl PeerNetwork {
    /// The address of an IPv4 client, or the first one of an IPv6 network.
    pub fn address(self) -> IpAddr {
        self.0
    }
}

impl From<IpAddr> for PeerNetwork {
    fn from(peer: IpAddr) -> Self {
        Self(match peer.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        })
    }
}

/// A limit as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RatePolicy {
    /// Lower-case letters and hyphens.
    pub name: &'static str,
    /// Maximum number per window, all of which may be used at once; one is restored every `window / quota`.
    pub quota: u32,
    /// In whole seconds.
    pub window: Duration,
}

/// The decision on an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateDecision {
    /// Allowed and not counted: no limit applies, or the counts cannot be reached and the limiter is set to allow then.
    Unlimited,
    /// Allowed and counted.
    Allowed {
        /// The limit that applies.
        policy: RatePolicy,
        /// The rest of the quota.
        remaining: u32,
        /// Time until the whole quota is restored.
        reset: Duration,
    },
    /// Refused and not counted.
    Refused {
        /// The limit that applies.
        policy: RatePolicy,
        /// Time until a retry is allowed.
        retry_after: Duration,
    },
    /// Refused, because the counts cannot be reached and the limiter is set to refuse then.
    Unavailable,
}

/// An action was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateRefusal {
    /// A limit was exceeded.
    #[error(transparent)]
    Limited(#[from] RateLimited),
    /// The counts cannot be reached.
    #[error("the counts of the rate limits cannot be reached")]
    Unavailable,
}

/// A limit was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rate limit '{}' is exceeded", policy.name)]
pub struct RateLimited {
    /// The exceeded limit.
    pub policy: RatePolicy,
    /// Time until a retry is allowed.
    pub retry_after: Duration,
}

impl RateDecision {
    /// Fails if the action is refused.
    ///
    /// # Errors
    /// [`RateRefusal`].
    pub fn permitted(self) -> Result<(), RateRefusal> {
        match self {
            Self::Unlimited | Self::Allowed { .. } => Ok(()),
            Self::Refused { policy, retry_after } => Err(RateLimited { policy, retry_after }.into()),
            Self::Unavailable => Err(RateRefusal::Unavailable),
        }
    }

    /// Whether the action was counted, so that it can be given back.
    pub fn is_counted(self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

/// Counts and limits actions.
///
/// Where failures are limited, a try is taken before it is made and given back if it succeeds. Tries at the same time
/// therefore cannot exceed the limit.
///
/// An adapter MUST bound the number of keys in memory, and the time of a decision. Keys of different kinds MUST NOT share
/// counts.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Counts an action for `key` if it is allowed. A refused action MUST NOT count.
    async fn take(&self, key: RateKey) -> RateDecision;

    /// Gives back an action that was [counted](RateDecision::is_counted) for `key`. MUST NOT raise the rest above the quota, nor that of another key.
    async fn give_back(&self, key: RateKey);
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

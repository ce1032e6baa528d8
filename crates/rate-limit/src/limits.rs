//! The limits: how many actions of each kind are allowed at once, and how many are restored each minute.

use std::num::NonZeroU32;
use std::time::Duration;

use domain::runtime::rate_limit::{RateKey, RatePolicy};

/// Maximum wrong passwords at once, per account and network at sign-in, and per user who confirms a change.
const PASSWORDS: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// Wrong passwords that are restored each minute.
const PASSWORDS_PER_MINUTE: NonZeroU32 = NonZeroU32::MIN;
/// Maximum wrong passwords for an account at once, from all networks: those of ten networks. No more than 100 in a row are
/// recommended (NIST SP 800-63B-4, 3.2.2).
const ACCOUNT_PASSWORDS: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// Wrong passwords for an account that are restored each minute, from all networks.
const ACCOUNT_PASSWORDS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Maximum requests per minute; no limit if absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Messages of one user to the assistant.
    pub chat: Option<NonZeroU32>,
    /// Other requests of one user.
    pub api: Option<NonZeroU32>,
    /// Failed requests without a token from one network, and registrations from one network. If absent, wrong passwords are
    /// not limited either.
    pub sign_in: Option<NonZeroU32>,
}

/// The limit of one kind of action.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// The limit as clients see it.
    pub(crate) policy: RatePolicy,
    /// Maximum actions at once, a multiple of `per_minute`.
    pub(crate) quota: NonZeroU32,
    /// Actions that are restored each minute.
    pub(crate) per_minute: NonZeroU32,
}

/// What belongs to each kind of action that is limited.
pub(crate) struct ByKind<T> {
    chat: Option<T>,
    api: Option<T>,
    sign_in_peer: Option<T>,
    sign_in_account_peer: Option<T>,
    sign_in_account: Option<T>,
    registration: Option<T>,
    own_password: Option<T>,
}

impl RateLimits {
    /// A limit that restores an action almost at once, to check a store of counts.
    pub(crate) const CHECK: Limit = Limit {
        policy: RatePolicy { name: "check", quota: 1, window: Duration::ZERO },
        quota: NonZeroU32::MIN,
        per_minute: NonZeroU32::new(1_000_000).unwrap(),
    };

    /// Makes what belongs to each limit.
    pub(crate) fn map<T>(self, make: impl Fn(Limit) -> T) -> ByKind<T> {
        let limit = |name, quota: NonZeroU32, per_minute: NonZeroU32| {
            let window = Duration::from_mins(u64::from(quota.get() / per_minute));
            let policy = RatePolicy { name, quota: quota.get(), window };
            make(Limit { policy, quota, per_minute })
        };
        let requests = |name, per_minute: Option<NonZeroU32>| Some(limit(name, per_minute?, per_minute?));
        let passwords = |name, quota, per_minute| self.sign_in.map(|_| limit(name, quota, per_minute));
        ByKind {
            chat: requests("chat", self.chat),
            api: requests("api", self.api),
            sign_in_peer: requests("sign-in-peer", self.sign_in),
            sign_in_account_peer: passwords("sign-in-account-peer", PASSWORDS, PASSWORDS_PER_MINUTE),
            sign_in_account: passwords("sign-in-account", ACCOUNT_PASSWORDS, ACCOUNT_PASSWORDS_PER_MINUTE),
            registration: requests("registration", self.sign_in),
            own_password: passwords("own-password", PASSWORDS, PASSWORDS_PER_MINUTE),
        }
    }
}

impl<T> ByKind<T> {
    /// What belongs to the limit of `key`, if there is one.
    pub(crate) fn find(&self, key: &RateKey) -> Option<&T> {
        let found = match key {
            RateKey::Chat(_) => &self.chat,
            RateKey::Api(_) => &self.api,
            RateKey::SignInPeer(_) => &self.sign_in_peer,
            RateKey::SignInAccountPeer(..) => &self.sign_in_account_peer,
            RateKey::SignInAccount(_) => &self.sign_in_account,
            RateKey::Registration(_) => &self.registration,
            RateKey::OwnPassword(_) => &self.own_password,
        };
        found.as_ref()
    }
}

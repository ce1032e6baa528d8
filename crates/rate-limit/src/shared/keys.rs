//! The names of keys on the server: `doable:rate:<limit>:<hash>`. The hash is keyed (HMAC-SHA256): access to the
//! server's keys reveals no email address or network, and does not allow to test whether one of them has a key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::runtime::rate_limit::RateKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::limits::Limit;

/// What the names of all keys begin with.
pub(super) const PREFIX: &str = "doable:rate:";

/// Length of a hash in bytes: no two keys have the same one by chance, nor can a client find such keys.
const HASH_LENGTH: usize = 16;

/// Size of a block of SHA-256 in bytes.
const BLOCK: usize = 64;

/// Names keys. It has to be the same in all processes, so a name does not depend on the platform or the compiler.
pub(super) struct KeyNames(Hmac<Sha256>);

impl KeyNames {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        // HMAC pads a key with zeros (RFC 2104, 2).
        let mut block = [0; BLOCK];
        block[..secret.len()].copy_from_slice(secret);
        Self(Hmac::new(&block.into()))
    }

    /// The name of `key`, whose limit is `limit`.
    pub(super) fn name(&self, limit: &Limit, key: &RateKey) -> String {
        let kind = limit.policy.name;
        let mac = self.0.clone().chain_update(kind).chain_update([0]);
        let mac = match key {
            RateKey::Chat(user) | RateKey::Api(user) | RateKey::OwnPassword(user) => mac.chain_update(user.to_string()),
            RateKey::SignInPeer(network) | RateKey::Registration(network) => {
                mac.chain_update(network.address().to_string())
            }
            RateKey::SignInAccount(email) => mac.chain_update(email.as_str()),
            // No address has a NUL, and the email is the last part.
            RateKey::SignInAccountPeer(email, network) => {
                let network = network.map(|network| network.address().to_string());
                mac.chain_update(network.unwrap_or_default()).chain_update([0]).chain_update(email.as_str())
            }
        };
        let hash = mac.finalize().into_bytes();
        format!("{PREFIX}{kind}:{}", URL_SAFE_NO_PAD.encode(&hash[..HASH_LENGTH]))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::IpAddr;
    use std::num::NonZeroU32;

    use domain::runtime::rate_limit::PeerNetwork;
    use domain::text::NormalizedText;
    use uuid::Uuid;

    use super::*;
    use crate::limits::RateLimits;

    fn name(secret: [u8; 32], key: &RateKey) -> String {
        let per_minute = NonZeroU32::new(20);
        let limits = RateLimits { chat: per_minute, api: per_minute, sign_in: per_minute }.map(|limit| limit);
        KeyNames::new(&secret).name(limits.find(key).unwrap(), key)
    }

    fn network(text: &str) -> PeerNetwork {
        text.parse::<IpAddr>().unwrap().into()
    }

    fn keys() -> Vec<RateKey> {
        let text = |text| NormalizedText::new(text);
        let mut keys = Vec::new();
        for user in [1, 2].map(|number| Uuid::from_u128(number).into()) {
            keys.extend([RateKey::Chat(user), RateKey::Api(user), RateKey::OwnPassword(user)]);
        }
        for address in ["192.0.2.1", "::", "2001:db8::"].map(network) {
            keys.extend([RateKey::SignInPeer(address), RateKey::Registration(address)]);
            keys.push(RateKey::SignInAccountPeer(text("ada@example.com"), Some(address)));
        }
        for email in ["ada@example.com", "eve@example.com", "192.0.2.1", ""] {
            keys.extend([RateKey::SignInAccount(text(email)), RateKey::SignInAccountPeer(text(email), None)]);
        }
        keys
    }

    #[test]
    fn every_key_has_a_name_of_its_own() {
        let names: BTreeSet<String> = keys().iter().map(|key| name([1; 32], key)).collect();
        assert_eq!(names.len(), keys().len(), "{names:#?}");
    }

    #[test]
    fn a_name_says_the_limit_and_nothing_about_the_key() {
        let key = RateKey::SignInAccount(NormalizedText::new("ada@example.com"));
        let long = RateKey::SignInAccount(NormalizedText::new(&"ada@example.com".repeat(1_000)));
        let hash = |key| name([1; 32], key).strip_prefix("doable:rate:sign-in-account:").unwrap().to_owned();
        assert_eq!((hash(&key).len(), hash(&long).len()), (22, 22));
    }

    #[test]
    fn a_name_depends_on_the_secret_only() {
        // Computed by `printf 'sign-in-peer\000192.0.2.1' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101…01`. Another
        // value means that processes of the last release and of this one do not share their counts.
        let key = RateKey::SignInPeer(network("192.0.2.1"));
        assert_eq!(name([1; 32], &key), "doable:rate:sign-in-peer:TFmICzR-eKDfgLCOxg5YgQ");
        assert_ne!(name([2; 32], &key), name([1; 32], &key));
    }
}

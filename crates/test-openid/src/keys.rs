//! The provider's keys: two RSA keys of 2048 bits for the process, of which one is published at a time, and one on the
//! curve P-256.

use std::sync::OnceLock;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::elliptic_curve::Generate as _;
use rsa::pkcs8::{EncodePublicKey as _, LineEnding};
use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts as _;
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};

/// The fewest bits that RS256 is defined for (RFC 7518, 3.3).
const BITS: usize = 2048;

/// Found once: it takes a while.
fn rsa_keys() -> anyhow::Result<&'static [RsaPrivateKey; 2]> {
    static KEYS: OnceLock<rsa::Result<[RsaPrivateKey; 2]>> = OnceLock::new();
    let key = || RsaPrivateKey::new(&mut OsRng, BITS);
    let keys = KEYS.get_or_init(|| Ok([key()?, key()?]));
    keys.as_ref().map_err(|error| anyhow!("no RSA key can be made: {error}"))
}

#[derive(Clone)]
pub(crate) struct Keys {
    rsa: &'static [RsaPrivateKey; 2],
    p256: p256::ecdsa::SigningKey,
    /// How often the keys were changed.
    generation: usize,
}

impl Keys {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let p256 = p256::ecdsa::SigningKey::try_generate().context("no key on P-256 can be made")?;
        Ok(Self { rsa: rsa_keys()?, p256, generation: 0 })
    }

    /// Publishes the other RSA key, under another name.
    pub(crate) fn rotate(&mut self) {
        self.generation += 1;
    }

    /// The RSA key that is published.
    pub(crate) fn published(&self) -> &RsaPrivateKey {
        &self.rsa[self.generation % 2]
    }

    /// The one that is not.
    pub(crate) fn unpublished(&self) -> &RsaPrivateKey {
        &self.rsa[(self.generation + 1) % 2]
    }

    pub(crate) fn p256(&self) -> &p256::ecdsa::SigningKey {
        &self.p256
    }

    /// The name of the published RSA key: `kid`.
    pub(crate) fn rsa_id(&self) -> String {
        format!("rsa-{}", self.generation)
    }

    /// The published RSA key as a PEM file would have it.
    pub(crate) fn pem(&self) -> anyhow::Result<String> {
        Ok(RsaPublicKey::from(self.published()).to_public_key_pem(LineEnding::LF)?)
    }

    /// The published RSA key's modulus, in bytes.
    pub(crate) fn modulus(&self) -> Vec<u8> {
        self.published().n().to_bytes_be()
    }

    /// What is published (RFC 7517).
    pub(crate) fn set(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        // 0x04, x, y (SEC 1, 2.3.3).
        let point = self.p256.verifying_key().to_sec1_bytes();
        let (x, y) = point[1..].split_at(point.len() / 2);
        json!({ "keys": [
            {
                "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.rsa_id(),
                "n": encode(&self.modulus()), "e": encode(&self.published().e().to_bytes_be()),
            },
            { "kty": "EC", "use": "sig", "alg": "ES256", "kid": "p256", "crv": "P-256", "x": encode(x), "y": encode(y) },
        ] })
    }
}

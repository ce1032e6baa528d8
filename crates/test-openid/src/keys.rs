//! The provider's keys: a P-256 key, and two RSA keys per process, of which one is published at a time.

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

/// Minimum size of keys for RS256 (RFC 7518, 3.3).
const BITS: usize = 2048;

/// Generated once per process, because it is slow.
fn rsa_keys() -> anyhow::Result<&'static [RsaPrivateKey; 2]> {
    static KEYS: OnceLock<rsa::Result<[RsaPrivateKey; 2]>> = OnceLock::new();
    let key = || RsaPrivateKey::new(&mut OsRng, BITS);
    let keys = KEYS.get_or_init(|| Ok([key()?, key()?]));
    keys.as_ref().map_err(|error| anyhow!("cannot generate an RSA key: {error}"))
}

#[derive(Clone)]
pub(crate) struct Keys {
    rsa: &'static [RsaPrivateKey; 2],
    p256: p256::ecdsa::SigningKey,
    /// Number of rotations.
    rotations: usize,
}

impl Keys {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let p256 = p256::ecdsa::SigningKey::try_generate().context("cannot generate a P-256 key")?;
        Ok(Self { rsa: rsa_keys()?, p256, rotations: 0 })
    }

    /// Publishes the other RSA key with a new id.
    pub(crate) fn rotate(&mut self) {
        self.rotations += 1;
    }

    pub(crate) fn published(&self) -> &RsaPrivateKey {
        &self.rsa[self.rotations % 2]
    }

    pub(crate) fn unpublished(&self) -> &RsaPrivateKey {
        &self.rsa[(self.rotations + 1) % 2]
    }

    pub(crate) fn p256(&self) -> &p256::ecdsa::SigningKey {
        &self.p256
    }

    /// `kid` of the published RSA key.
    pub(crate) fn rsa_id(&self) -> String {
        format!("rsa-{}", self.rotations)
    }

    /// PEM of the published RSA key.
    pub(crate) fn pem(&self) -> anyhow::Result<String> {
        Ok(RsaPublicKey::from(self.published()).to_public_key_pem(LineEnding::LF)?)
    }

    /// Modulus of the published RSA key, big-endian.
    pub(crate) fn modulus(&self) -> Vec<u8> {
        self.published().n().to_bytes_be()
    }

    /// The published key set (RFC 7517).
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

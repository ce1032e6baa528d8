//! Id tokens, encoded and signed without a JWT library.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::ecdsa::Signature;
use p256::ecdsa::signature::Signer as _;
use rsa::Pkcs1v15Sign;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::keys::Keys;

/// An unsigned id token.
#[derive(Clone, Debug)]
pub struct IdToken {
    /// A JSON object. Its `alg` need not match `signer`.
    pub header: Value,
    /// A JSON object.
    pub claims: Value,
    /// Key and algorithm of the signature.
    pub signer: Signer,
}

/// Key and algorithm of a signature.
#[derive(Clone, Debug)]
pub enum Signer {
    /// The published RSA key, with RS256.
    Rsa,
    /// The published RSA key, over these claims instead of the claims of the token.
    RsaOver(Value),
    /// An unpublished RSA key, with RS256.
    UnpublishedRsa,
    /// The published P-256 key, with ES256.
    P256,
    /// HS256 with this key.
    Hmac(Vec<u8>),
    /// An empty signature.
    Unsigned,
}

impl IdToken {
    pub(crate) fn sign(&self, keys: &Keys) -> anyhow::Result<String> {
        let message = message(&self.header, &self.claims);
        let rs256 = Pkcs1v15Sign::new::<rsa::sha2::Sha256>();
        let signature = match &self.signer {
            Signer::Rsa => keys.published().sign(rs256, &Sha256::digest(&message))?,
            Signer::RsaOver(claims) => {
                keys.published().sign(rs256, &Sha256::digest(self::message(&self.header, claims)))?
            }
            Signer::UnpublishedRsa => keys.unpublished().sign(rs256, &Sha256::digest(&message))?,
            Signer::P256 => {
                let signature: Signature = keys.p256().sign(message.as_bytes());
                signature.to_bytes().to_vec()
            }
            Signer::Hmac(key) => {
                Hmac::<Sha256>::new_from_slice(key)?.chain_update(&message).finalize().into_bytes().to_vec()
            }
            Signer::Unsigned => Vec::new(),
        };
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn message(header: &Value, claims: &Value) -> String {
    [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
}

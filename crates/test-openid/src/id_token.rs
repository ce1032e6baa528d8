//! Id tokens, put together and signed by hand.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::ecdsa::Signature;
use p256::ecdsa::signature::Signer as _;
use rsa::Pkcs1v15Sign;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::keys::Keys;

/// An id token before it is signed: whatever a test wants it to be.
#[derive(Clone, Debug)]
pub struct IdToken {
    /// Its header, an object. What it names as its algorithm need not be how it is signed.
    pub header: Value,
    /// Its claims, an object.
    pub claims: Value,
    /// Who signs it.
    pub signer: Signer,
}

/// What an id token is signed with.
#[derive(Clone, Debug)]
pub enum Signer {
    /// The published RSA key, as RS256.
    Rsa,
    /// The same, over these claims and not over those that the token shows.
    RsaOver(Value),
    /// An RSA key that is not published, as RS256.
    UnpublishedRsa,
    /// The published key on P-256, as ES256.
    P256,
    /// HMAC with these bytes as the key, as HS256.
    Hmac(Vec<u8>),
    /// Nobody: the signature is empty.
    Nobody,
}

impl IdToken {
    pub(crate) fn signed(&self, keys: &Keys) -> anyhow::Result<String> {
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
            Signer::Nobody => Vec::new(),
        };
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn message(header: &Value, claims: &Value) -> String {
    [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
}

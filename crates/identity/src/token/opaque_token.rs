//! Opaque tokens: a prefix for the kind and 256 random bits in base64url (RFC 4648, 5), or as many that are derived from
//! an earlier token and a key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::account::TokenError;
use domain::secret::{NewSecret, SecretHash, SecretKind};
use jsonwebtoken::{Algorithm, EncodingKey};
use rand::TryRng as _;
use rand::rngs::SysRng;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

const RANDOM_BYTES: usize = 32;
/// Separates the derivation of tokens from the signatures of JWTs with the same key: the signing input of a JWT has no
/// colon (RFC 7515, 5.1).
const DERIVATION: &str = "next opaque token:";

pub(super) fn generate(kind: SecretKind) -> Result<NewSecret, TokenError> {
    let mut random = Zeroizing::new([0; RANDOM_BYTES]);
    SysRng.try_fill_bytes(random.as_mut_slice()).map_err(|error| TokenError::Signing(error.into()))?;
    Ok(new(kind, &Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice()))))
}

/// Derives the token that follows `text`: its HMAC-SHA-256 with `key`.
pub(super) fn next(kind: SecretKind, text: &str, key: &EncodingKey) -> Result<NewSecret, TokenError> {
    let message = Zeroizing::new(format!("{DERIVATION}{text}"));
    let code = jsonwebtoken::crypto::sign(message.as_bytes(), key, Algorithm::HS256);
    Ok(new(kind, &Zeroizing::new(code.map_err(|error| TokenError::Signing(error.into()))?)))
}

fn new(kind: SecretKind, encoded: &str) -> NewSecret {
    let text = SecretString::from(format!("{}{encoded}", kind.prefix()));
    let hash = digest(text.expose_secret());
    NewSecret { text, hash }
}

/// Returns the hash of `text`; `None` if it is no well-formed token of this kind.
pub(super) fn hash(kind: SecretKind, text: &str) -> Option<SecretHash> {
    let random = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.strip_prefix(kind.prefix())?).ok()?);
    (random.len() == RANDOM_BYTES).then(|| digest(text))
}

fn digest(text: &str) -> SecretHash {
    SecretHash::new(Sha256::digest(text).into())
}

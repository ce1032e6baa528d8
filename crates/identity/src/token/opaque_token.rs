//! Opaque tokens: a prefix for the kind and 256 random bits in base64url (RFC 4648, 5).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::account::TokenError;
use domain::secret::{NewSecret, SecretHash, SecretKind};
use rand::TryRng as _;
use rand::rngs::SysRng;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

const RANDOM_BYTES: usize = 32;

pub(super) fn generate(kind: SecretKind) -> Result<NewSecret, TokenError> {
    let mut random = Zeroizing::new([0; RANDOM_BYTES]);
    SysRng.try_fill_bytes(random.as_mut_slice()).map_err(|error| TokenError::Signing(error.into()))?;
    let text = SecretString::from(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(random.as_slice())));
    let hash = digest(text.expose_secret());
    Ok(NewSecret { text, hash })
}

/// Returns the hash of `text`; `None` if it is no well-formed token of this kind.
pub(super) fn hash(kind: SecretKind, text: &str) -> Option<SecretHash> {
    let random = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.strip_prefix(kind.prefix())?).ok()?);
    (random.len() == RANDOM_BYTES).then(|| digest(text))
}

fn digest(text: &str) -> SecretHash {
    SecretHash::new(Sha256::digest(text).into())
}

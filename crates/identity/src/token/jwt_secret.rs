//! The key that signs access tokens.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// Key that signs access tokens: a text of at least 32 bytes. `Debug` does not print it.
#[derive(Clone, Debug)]
pub struct JwtSecret(pub(super) SecretString);

impl JwtSecret {
    /// Minimum length in bytes: the output size of the hash (RFC 7518, 3.2).
    pub const MIN: usize = 32;

    /// Checks the length.
    ///
    /// # Errors
    /// [`JwtSecretTooShort`] if the text has fewer than [`MIN`](Self::MIN) bytes.
    pub fn new(secret: SecretString) -> Result<Self, JwtSecretTooShort> {
        if secret.expose_secret().len() < Self::MIN { Err(JwtSecretTooShort) } else { Ok(Self(secret)) }
    }

    /// Derives a key for another purpose: all processes with this secret get the same one, and it reveals nothing about the
    /// secret or the keys of other purposes (HKDF with SHA-256, RFC 5869, for one block).
    pub fn derive_key(&self, purpose: &str) -> [u8; 32] {
        let pseudorandom: [u8; 32] = mac(&[0; 32], &[self.0.expose_secret().as_bytes()]);
        mac(&pseudorandom, &[purpose.as_bytes(), &[1]])
    }
}

/// HMAC-SHA256 of the parts, one after the other.
fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The text is too short for a [`JwtSecret`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be at least 32 bytes long")]
pub struct JwtSecretTooShort;

//! The key that access tokens are signed with.

use secrecy::{ExposeSecret as _, SecretString};

/// The key that access tokens are signed with: a text of at least 32 bytes. It never prints itself.
#[derive(Clone, Debug)]
pub struct JwtSecret(pub(super) SecretString);

impl JwtSecret {
    /// The fewest bytes: as many as the hash has (RFC 7518, 3.2).
    pub const MIN: usize = 32;

    /// Wraps a key.
    ///
    /// # Errors
    /// [`JwtSecretTooShort`] if it has fewer than [`MIN`](Self::MIN) bytes.
    pub fn new(secret: SecretString) -> Result<Self, JwtSecretTooShort> {
        if secret.expose_secret().len() < Self::MIN { Err(JwtSecretTooShort) } else { Ok(Self(secret)) }
    }
}

/// The text is too short for a [`JwtSecret`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be at least 32 bytes long")]
pub struct JwtSecretTooShort;

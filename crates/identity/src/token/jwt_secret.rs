//! The key that signs access tokens.

use secrecy::{ExposeSecret as _, SecretString};

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
}

/// The text is too short for a [`JwtSecret`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be at least 32 bytes long")]
pub struct JwtSecretTooShort;

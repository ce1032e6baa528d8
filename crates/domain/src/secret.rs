//! Random secrets: refresh tokens, API tokens, one-time codes. Only their hashes are stored.

use std::fmt;

use secrecy::SecretString;

/// The kind of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// A refresh token: `dblr_…`
    RefreshToken,
    /// An API token: `dbl_…`
    ApiToken,
    /// A one-time code: `dblc_…`
    OneTimeCode,
    /// The state of an external sign-in: `dbls_…`
    State,
}

impl SecretKind {
    /// Returns the prefix of secrets of this kind, by which people and secret scanners recognize them.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::RefreshToken => "dblr_",
            Self::ApiToken => "dbl_",
            Self::OneTimeCode => "dblc_",
            Self::State => "dbls_",
        }
    }
}

/// The SHA-256 of a secret. A fast hash is sufficient for 256 random bits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Wraps a SHA-256 digest.
    pub fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Returns the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash([REDACTED])")
    }
}

/// A generated secret.
#[derive(Clone, Debug)]
pub struct NewSecret {
    /// For the client.
    pub text: SecretString,
    /// For storage.
    pub hash: SecretHash,
}

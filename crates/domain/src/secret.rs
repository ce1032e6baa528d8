//! Random texts that open something: refresh tokens, API tokens, one-time codes. Whoever has the text is let in, so only
//! its hash is stored.

use std::fmt;

use secrecy::SecretString;

/// What a random text opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// A refresh token: `dblr_…`
    RefreshToken,
    /// An API token: `dbl_…`
    ApiToken,
    /// A one-time code: `dblc_…`
    OneTimeCode,
    /// The state of an attempt to sign in elsewhere: `dbls_…`
    State,
}

impl SecretKind {
    /// What its texts begin with, so that a reader, and a scanner for leaked secrets, can tell what it has found.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::RefreshToken => "dblr_",
            Self::ApiToken => "dbl_",
            Self::OneTimeCode => "dblc_",
            Self::State => "dbls_",
        }
    }
}

/// The hash of such a text: its SHA-256. A fast hash is enough for 256 random bits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Wraps a SHA-256 digest.
    pub fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash([REDACTED])")
    }
}

/// A text that was just made.
#[derive(Clone, Debug)]
pub struct NewSecret {
    /// The text: for the client alone.
    pub text: SecretString,
    /// Its hash: for storage.
    pub hash: SecretHash,
}

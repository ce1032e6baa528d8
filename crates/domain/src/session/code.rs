//! One-time codes: what a browser carries in an address, where a token must never be, to be exchanged within moments.

use chrono::{DateTime, Utc};

use crate::id::{SessionId, UserId};
use crate::secret::SecretHash;

/// What a one-time code is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodePurpose {
    /// To begin a session.
    SignIn,
    /// To tie an account at an OpenID provider to the user whose session asked for it.
    Link,
}

impl CodePurpose {
    /// The purpose as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Link => "link",
        }
    }
}

/// A one-time code to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCode {
    /// The code's hash.
    pub hash: SecretHash,
    /// What it is good for.
    pub purpose: CodePurpose,
    /// The session that it ends with, if it was made in one.
    pub session: Option<SessionId>,
    /// When it is made.
    pub at: DateTime<Utc>,
    /// When it is over.
    pub expires_at: DateTime<Utc>,
}

/// Whose a redeemed code was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeOwner {
    /// The user.
    pub user: UserId,
    /// The session that it was made in, if it was.
    pub session: Option<SessionId>,
}

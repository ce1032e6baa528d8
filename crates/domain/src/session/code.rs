//! One-time codes, which a browser passes in a URL instead of a token.

use chrono::{DateTime, Utc};

use crate::id::{SessionId, UserId};
use crate::secret::SecretHash;

/// The purpose of a one-time code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodePurpose {
    /// Starts a session.
    SignIn,
    /// Links an external account to the user of a session.
    Link,
}

impl CodePurpose {
    /// Returns the name in storage.
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
    /// The hash of the code.
    pub hash: SecretHash,
    /// The purpose.
    pub purpose: CodePurpose,
    /// The session in which it was created, if any; the code ends with it.
    pub session: Option<SessionId>,
    /// The time of creation.
    pub at: DateTime<Utc>,
    /// The expiry.
    pub expires_at: DateTime<Utc>,
}

/// The owner of a redeemed code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeOwner {
    /// The user.
    pub user: UserId,
    /// The session in which the code was created, if any.
    pub session: Option<SessionId>,
}

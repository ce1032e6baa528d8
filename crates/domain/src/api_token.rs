//! API tokens: what lets a script or an agent in, for as much as its owner wants it to do ([`ApiTokenRepo`]).

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{ApiTokenId, SessionId, UserId};
use crate::page::{Page, PageRequest};
use crate::principal::Scopes;
use crate::secret::SecretHash;
use crate::storage::StorageError;
use crate::text;

/// What an API token is called: trimmed, 1 to 100 characters, no control characters, and not only invisible ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApiTokenName(String);

impl ApiTokenName {
    /// The longest name, in characters.
    pub const MAX: usize = 100;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no [`ApiTokenName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 100 characters, none of them a control character")]
pub struct ApiTokenNameError;

impl FromStr for ApiTokenName {
    type Err = ApiTokenNameError;
    fn from_str(raw: &str) -> Result<Self, ApiTokenNameError> {
        text::name(raw, Self::MAX).map(|name| Self(name.to_owned())).ok_or(ApiTokenNameError)
    }
}

impl TryFrom<String> for ApiTokenName {
    type Error = ApiTokenNameError;
    fn try_from(raw: String) -> Result<Self, ApiTokenNameError> {
        raw.parse()
    }
}

impl From<ApiTokenName> for String {
    fn from(name: ApiTokenName) -> Self {
        name.0
    }
}

impl fmt::Display for ApiTokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An API token as its owner sees it. The token itself is shown once, when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its id.
    pub id: ApiTokenId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is called.
    pub name: ApiTokenName,
    /// What it allows.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last seen to be used. Use is noted once a minute at the most.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it is over; `None` if it is good until it is deleted.
    pub expires_at: Option<DateTime<Utc>>,
}

/// An API token to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiToken {
    /// Its id.
    pub id: ApiTokenId,
    /// What it is called.
    pub name: ApiTokenName,
    /// What it allows.
    pub scopes: Scopes,
    /// Its hash.
    pub hash: SecretHash,
    /// When it is made.
    pub at: DateTime<Utc>,
    /// When it is over.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What whoever shows an API token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiTokenStatus {
    /// The token.
    pub id: ApiTokenId,
    /// In whose name.
    pub user: UserId,
    /// What it allows.
    pub scopes: Scopes,
    /// When it was last seen to be used.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it is over.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Why API tokens cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ApiTokenRepoError {
    /// The owner has no such token, or no such session.
    #[error("no such token")]
    NotFound,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Stores API tokens. Every call is scoped to one owner. (The look-up by hash, before an owner is known, is
/// [`SystemRepo`](crate::system::SystemRepo)'s.)
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait ApiTokenRepo: Send + Sync {
    /// Stores a token that was made in `session`. MUST return [`ApiTokenRepoError::NotFound`] when the owner has no such
    /// session that is alive when the token is made, also when it ends at the same time: a token must not outlive the
    /// password change that ended its session.
    async fn create(
        &self,
        owner: UserId,
        session: SessionId,
        token: NewApiToken,
    ) -> Result<ApiToken, ApiTokenRepoError>;

    /// The owner's tokens, those that are over too, the newest first.
    async fn list(
        &self,
        owner: UserId,
        page: PageRequest<ApiTokenId>,
    ) -> Result<Page<ApiToken, ApiTokenId>, ApiTokenRepoError>;

    /// MUST return [`ApiTokenRepoError::NotFound`] when the owner has no such token.
    async fn delete(&self, owner: UserId, id: ApiTokenId) -> Result<(), ApiTokenRepoError>;

    /// Notes that a token was used at `at`. One that is gone stays gone: no error. A note that comes late MUST leave a
    /// later one as it is.
    async fn touch(&self, owner: UserId, id: ApiTokenId, at: DateTime<Utc>) -> Result<(), ApiTokenRepoError>;
}

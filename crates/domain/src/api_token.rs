//! API tokens for scripts and agents, and their storage ([`ApiTokenRepo`]).

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

/// The name of an API token: trimmed, 1 to 100 characters, no control characters, at least one visible character.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApiTokenName(String);

impl ApiTokenName {
    /// Maximum length in characters.
    pub const MAX: usize = 100;

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not an [`ApiTokenName`].
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

/// An API token as its owner sees it. The token itself is shown only when it is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// The id, which is not secret.
    pub id: ApiTokenId,
    /// The owner.
    pub user_id: UserId,
    /// Chosen by the owner.
    pub name: ApiTokenName,
    /// The granted scopes.
    pub scopes: Scopes,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time of the last use, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The expiry; `None` if it does not expire.
    pub expires_at: Option<DateTime<Utc>>,
}

/// An API token to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiToken {
    /// The new id.
    pub id: ApiTokenId,
    /// Chosen by the owner.
    pub name: ApiTokenName,
    /// The granted scopes.
    pub scopes: Scopes,
    /// The hash of the token.
    pub hash: SecretHash,
    /// The time of creation.
    pub at: DateTime<Utc>,
    /// The expiry; `None` if it does not expire.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What determines whether an API token is valid, and what it permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiTokenStatus {
    /// The token's id.
    pub id: ApiTokenId,
    /// The owner.
    pub user: UserId,
    /// The granted scopes.
    pub scopes: Scopes,
    /// The time of the last use.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The expiry; `None` if it does not expire.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Reasons why API tokens cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ApiTokenRepoError {
    /// The owner has no such token, or no such session.
    #[error("no such token")]
    NotFound,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Stores API tokens. Every call is scoped to one owner. [`SystemRepo`](crate::system::SystemRepo) finds a token by hash,
/// before the owner is known.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait ApiTokenRepo: Send + Sync {
    /// Stores a token that was created in `session`. MUST return [`ApiTokenRepoError::NotFound`] when the owner has no such
    /// active session, also if it is ended concurrently: a token must not survive a change of the password that ended its
    /// session.
    async fn create(
        &self,
        owner: UserId,
        session: SessionId,
        token: NewApiToken,
    ) -> Result<ApiToken, ApiTokenRepoError>;

    /// Returns a page of the owner's tokens, including expired ones, newest first.
    async fn list(
        &self,
        owner: UserId,
        page: PageRequest<ApiTokenId>,
    ) -> Result<Page<ApiToken, ApiTokenId>, ApiTokenRepoError>;

    /// Deletes a token. MUST return [`ApiTokenRepoError::NotFound`] when the owner has no such token.
    async fn delete(&self, owner: UserId, id: ApiTokenId) -> Result<(), ApiTokenRepoError>;

    /// Records the use of a token at `at`. Has no effect if there is no such token, or a later use is recorded.
    async fn touch(&self, owner: UserId, id: ApiTokenId, at: DateTime<Utc>) -> Result<(), ApiTokenRepoError>;
}

//! Why a sign-in elsewhere comes to nothing.
//!
//! The library's errors hold whole answers, and an answer may repeat the code or the client's secret, or hold tokens. What
//! is kept of them is what a log may show.

use domain::account::IdentityProviderError;
use domain::user::ExternalAccountError;
use openidconnect::core::CoreErrorResponseType;
use openidconnect::{
    ClaimsVerificationError, DiscoveryError, RequestTokenError, SignatureVerificationError, StandardErrorResponse,
};
use serde_json::error::Category;

use super::http::HttpFailure;

/// Why a sign-in elsewhere comes to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the provider did not answer in time")]
    TooSlow,
    #[error("the provider cannot be asked")]
    Http(#[from] HttpFailure),
    #[error("what the provider publishes about itself is not as it has to be: {0}")]
    Published(String),
    #[error("the provider refused to redeem the code: {0}")]
    Code(String),
    #[error("the provider's answer cannot be read: {kind:?} error at line {line}, column {column}")]
    Unreadable { kind: Category, line: usize, column: usize },
    #[error("the provider's answer has no id token")]
    NoIdToken,
    #[error("the id token is not accepted")]
    IdToken(#[from] ClaimsVerificationError),
    #[error("the id token was made for another client")]
    AuthorizedParty,
    #[error("the id token names nobody")]
    Subject(#[from] ExternalAccountError),
}

impl Failure {
    /// Whether the id token names a key that is not known.
    pub(super) fn is_unknown_key(&self) -> bool {
        let unknown = SignatureVerificationError::NoMatchingKey;
        matches!(self, Self::IdToken(ClaimsVerificationError::SignatureVerification(error)) if *error == unknown)
    }
}

impl From<Failure> for IdentityProviderError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TooSlow | Failure::Http(HttpFailure::Request(_) | HttpFailure::Status(_)) => {
                Self::Unavailable(failure.into())
            }
            Failure::Http(HttpFailure::TooLong)
            | Failure::Published(_)
            | Failure::Code(_)
            | Failure::Unreadable { .. }
            | Failure::NoIdToken
            | Failure::IdToken(_)
            | Failure::AuthorizedParty
            | Failure::Subject(_) => Self::Refused(failure.into()),
        }
    }
}

impl From<DiscoveryError<HttpFailure>> for Failure {
    fn from(error: DiscoveryError<HttpFailure>) -> Self {
        match error {
            DiscoveryError::Request(error) => Self::Http(error),
            DiscoveryError::Parse(error) => Self::Published(error.to_string()),
            DiscoveryError::Response(_, _, why) => Self::Published(why),
            other => Self::Published(other.to_string()),
        }
    }
}

type TokenError = RequestTokenError<HttpFailure, StandardErrorResponse<CoreErrorResponseType>>;

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        match error {
            RequestTokenError::Request(error) => Self::Http(error),
            RequestTokenError::Parse(error, _) => {
                // Its text may quote the answer.
                let error = error.inner();
                Self::Unreadable { kind: error.classify(), line: error.line(), column: error.column() }
            }
            RequestTokenError::Other(why) => Self::Code(why),
            RequestTokenError::ServerResponse(response) => Self::Code(match response.error() {
                CoreErrorResponseType::Extension(_) => "for a reason of its own".to_owned(),
                known => known.to_string(),
            }),
        }
    }
}

//! Errors of an external sign-in, without secrets.
//!
//! The library's errors contain whole responses, and those may contain tokens, the code or the client secret. Only
//! parts that are safe to log are kept.

use domain::account::IdentityProviderError;
use domain::user::ExternalAccountError;
use openidconnect::core::CoreErrorResponseType;
use openidconnect::http::StatusCode;
use openidconnect::{
    ClaimsVerificationError, DiscoveryError, RequestTokenError, SignatureVerificationError, StandardErrorResponse,
};
use serde_json::error::Category;

use super::http_client::HttpError;

/// Reasons why an external sign-in fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum OidcError {
    #[error("the provider did not respond in time")]
    Timeout,
    #[error("request to the provider failed")]
    Http(#[from] HttpError),
    #[error("the provider's metadata is invalid: {0}")]
    Metadata(String),
    #[error("the provider refused the authorization code: {0}")]
    CodeRefused(String),
    #[error("malformed {what}: {kind:?} error at line {line}, column {column}")]
    Malformed { what: &'static str, kind: Category, line: usize, column: usize },
    #[error("the token endpoint returned no id token")]
    NoIdToken,
    #[error("invalid id token")]
    IdToken(#[from] ClaimsVerificationError),
    #[error("the id token was issued to another client")]
    AuthorizedParty,
    #[error("invalid subject in the id token")]
    Subject(#[from] ExternalAccountError),
    #[error("the access token cannot be sent in a header")]
    AccessToken(#[from] openidconnect::http::Error),
    #[error("the userinfo endpoint responded with status {0}")]
    UserInfoStatus(StatusCode),
    #[error("the userinfo endpoint responded with claims of another subject")]
    UserInfoSubject,
}

impl OidcError {
    /// Reads the position only: the message may quote the text.
    pub(super) fn malformed(what: &'static str, error: &serde_json::Error) -> Self {
        Self::Malformed { what, kind: error.classify(), line: error.line(), column: error.column() }
    }

    /// Whether no known key matches the header of the id token.
    pub(super) fn is_unknown_key(&self) -> bool {
        let unknown = SignatureVerificationError::NoMatchingKey;
        matches!(self, Self::IdToken(ClaimsVerificationError::SignatureVerification(error)) if *error == unknown)
    }
}

impl From<OidcError> for IdentityProviderError {
    fn from(error: OidcError) -> Self {
        match error {
            OidcError::Timeout | OidcError::Http(HttpError::Request(_) | HttpError::Status(_)) => {
                Self::Unavailable(error.into())
            }
            OidcError::Http(HttpError::TooLarge)
            | OidcError::Metadata(_)
            | OidcError::CodeRefused(_)
            | OidcError::Malformed { .. }
            | OidcError::NoIdToken
            | OidcError::IdToken(_)
            | OidcError::AuthorizedParty
            | OidcError::Subject(_)
            | OidcError::AccessToken(_)
            | OidcError::UserInfoStatus(_)
            | OidcError::UserInfoSubject => Self::Refused(error.into()),
        }
    }
}

impl From<DiscoveryError<HttpError>> for OidcError {
    fn from(error: DiscoveryError<HttpError>) -> Self {
        match error {
            DiscoveryError::Request(error) => Self::Http(error),
            DiscoveryError::Parse(error) => Self::Metadata(error.to_string()),
            DiscoveryError::Response(_, _, reason) => Self::Metadata(reason),
            other => Self::Metadata(other.to_string()),
        }
    }
}

type TokenError = RequestTokenError<HttpError, StandardErrorResponse<CoreErrorResponseType>>;

impl From<TokenError> for OidcError {
    fn from(error: TokenError) -> Self {
        match error {
            RequestTokenError::Request(error) => Self::Http(error),
            RequestTokenError::Parse(error, _) => Self::malformed("response of the token endpoint", error.inner()),
            RequestTokenError::Other(reason) => Self::CodeRefused(reason),
            RequestTokenError::ServerResponse(response) => Self::CodeRefused(match response.error() {
                CoreErrorResponseType::Extension(_) => "unknown error code".to_owned(),
                known => known.to_string(),
            }),
        }
    }
}

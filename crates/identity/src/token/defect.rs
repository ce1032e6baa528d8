//! What makes a correctly signed token invalid.

use domain::user::ExternalAccountError;

/// Reasons why a token is invalid although its signature is correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenDefect {
    #[error("unexpected token header")]
    Header,
    #[error("a time in the token is out of range")]
    TimeOutOfRange,
    #[error("the token is not yet valid")]
    NotYetValid,
    #[error(transparent)]
    Account(#[from] ExternalAccountError),
}

//! The events of accounts that operators see.

use super::{AccountError, AccountService, ExternalSignInError};
use crate::runtime::event_log::{LoggedEvent, SignInWay};

impl AccountService {
    /// Takes note of a sign-in that was refused.
    pub(super) fn note_refusal(&self, way: SignInWay, error: &AccountError) {
        if let Some(reason) = refusal(error) {
            self.events.record(LoggedEvent::SignInFailed { way, reason });
        }
    }
}

/// The reason for which a sign-in is refused; `None` if the server failed.
fn refusal(error: &AccountError) -> Option<&'static str> {
    Some(match error {
        AccountError::InvalidCredentials => "invalid_credentials",
        AccountError::RateLimited(_) => "rate_limited",
        AccountError::SignUpsClosed => "sign_ups_closed",
        AccountError::InvalidState => "invalid_state",
        AccountError::InvalidCode => "invalid_code",
        AccountError::External(ExternalSignInError::Denied) => "denied",
        AccountError::External(ExternalSignInError::EmailNotVerified) => "email_not_verified",
        AccountError::External(ExternalSignInError::AccountExists) => "account_exists",
        AccountError::External(ExternalSignInError::AlreadyLinked) => "already_linked",
        AccountError::External(ExternalSignInError::Provider(_)) => "provider",
        _ => return None,
    })
}

//! Accounts at OpenID providers.

use std::fmt;

/// An account at an OpenID provider: `iss` and `sub`, which together are unique and never reassigned (OpenID Connect Core
/// 1.0, 5.7), unlike email addresses.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExternalAccount {
    issuer: String,
    subject: String,
}

impl ExternalAccount {
    /// Maximum length of the issuer in bytes.
    pub const MAX_ISSUER: usize = 255;
    /// Maximum length of the subject in bytes (OpenID Connect Core 1.0, 2).
    pub const MAX_SUBJECT: usize = 255;

    /// Creates the account `subject` at `issuer`.
    ///
    /// # Errors
    /// [`ExternalAccountError`] if either is empty, too long, or contains a control character.
    pub fn new(issuer: &str, subject: &str) -> Result<Self, ExternalAccountError> {
        let is_valid = |text: &str, max: usize| (1..=max).contains(&text.len()) && !text.chars().any(char::is_control);
        if is_valid(issuer, Self::MAX_ISSUER) && is_valid(subject, Self::MAX_SUBJECT) {
            Ok(Self { issuer: issuer.to_owned(), subject: subject.to_owned() })
        } else {
            Err(ExternalAccountError)
        }
    }

    /// Returns the provider: `iss`.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the provider's id of the person: `sub`. Compared byte by byte.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// Omits the subject, which is personal data.
impl fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalAccount").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// The texts are not an [`ExternalAccount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("issuer and subject must be 1 to 255 bytes without control characters")]
pub struct ExternalAccountError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_account_is_an_issuer_and_a_subject_of_1_to_255_bytes() {
        let issuer = "https://accounts.example.com";
        let account = ExternalAccount::new(issuer, "248289761001").unwrap();
        assert_eq!((account.issuer(), account.subject()), (issuer, "248289761001"));
        for (issuer, subject) in
            [("", "1"), (issuer, ""), (issuer, "a\0"), (issuer, &"x".repeat(256)), (&"x".repeat(256), "1")]
        {
            assert_eq!(ExternalAccount::new(issuer, subject), Err(ExternalAccountError), "{issuer} {subject}");
        }
    }
}

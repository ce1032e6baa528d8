//! Passwords and their hashes.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;

/// A password, redacted in debug output.
///
/// NFKC-normalized (NIST SP 800-63B, 3.1.1.2), so that it does not depend on the keyboard that it is entered with.
#[derive(Clone)]
pub struct Password(SecretString);

impl Password {
    /// Minimum length of a new password in characters.
    pub const MIN: usize = 8;
    /// Maximum length of a new password in characters.
    pub const MAX: usize = 128;

    /// Creates a new password.
    ///
    /// # Errors
    /// [`PasswordError`] if it is shorter than [`MIN`](Self::MIN) or longer than [`MAX`](Self::MAX).
    pub fn new(raw: &str) -> Result<Self, PasswordError> {
        if (Self::MIN..=Self::MAX).contains(&raw.chars().count()) {
            Ok(Self::unvalidated(raw))
        } else {
            Err(PasswordError)
        }
    }

    /// Creates a password of any length, for verification.
    pub fn unvalidated(raw: &str) -> Self {
        Self(raw.nfkc().collect::<String>().into())
    }

    /// Returns the plain text, for the hasher only.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([REDACTED])")
    }
}

/// The text is too short or too long for a new [`Password`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 8 to 128 characters")]
pub struct PasswordError;

/// The hash of a password as a PHC string, redacted in debug output.
#[derive(Clone)]
pub struct PasswordHash(SecretString);

impl PasswordHash {
    /// Wraps a PHC string.
    pub fn new(phc: String) -> Self {
        Self(phc.into())
    }

    /// Returns the PHC string, for the hasher and the repository only.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_has_8_to_128_characters() {
        assert!(Password::new(&"é".repeat(8)).is_ok());
        assert!(Password::new(&"é".repeat(128)).is_ok());
        assert_eq!(Password::new("1234567").unwrap_err(), PasswordError);
        assert_eq!(Password::new(&"x".repeat(129)).unwrap_err(), PasswordError);
    }

    #[test]
    fn a_password_is_independent_of_unicode_composition() {
        assert_eq!(Password::unvalidated("cafe\u{301}").expose(), Password::unvalidated("café").expose());
    }

    #[test]
    fn debug_output_contains_neither_password_nor_hash() {
        let printed = format!("{:?} {:?}", Password::unvalidated("hunter2!"), PasswordHash::new("$argon2id$x".into()));
        assert!(!printed.contains("hunter2") && !printed.contains("argon2id"), "{printed}");
    }
}

//! Passwords, and what is kept of them.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;

/// A password. It never prints itself.
///
/// It is NFKC-normalised (NIST SP 800-63B, 3.1.1.2), so that the same password typed on another keyboard still fits.
#[derive(Clone)]
pub struct Password(SecretString);

impl Password {
    /// The shortest password that can be chosen, in characters.
    pub const MIN: usize = 8;
    /// The longest password that can be chosen, in characters.
    pub const MAX: usize = 128;

    /// A password that somebody chooses.
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

    /// A password that somebody types to sign in: any text, because a wrong one is wrong whatever its length.
    pub fn unvalidated(raw: &str) -> Self {
        Self(raw.nfkc().collect::<String>().into())
    }

    /// The password itself, for the hasher alone.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([REDACTED])")
    }
}

/// The text cannot be chosen as a [`Password`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 8 to 128 characters")]
pub struct PasswordError;

/// A password's hash as a PHC string. It never prints itself.
#[derive(Clone)]
pub struct PasswordHash(SecretString);

impl PasswordHash {
    /// Wraps a PHC string.
    pub fn new(phc: String) -> Self {
        Self(phc.into())
    }

    /// The PHC string, for the hasher and the repository alone.
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
    fn a_chosen_password_has_8_to_128_characters() {
        assert!(Password::new(&"é".repeat(8)).is_ok());
        assert!(Password::new(&"é".repeat(128)).is_ok());
        assert_eq!(Password::new("1234567").unwrap_err(), PasswordError);
        assert_eq!(Password::new(&"x".repeat(129)).unwrap_err(), PasswordError);
    }

    #[test]
    fn the_same_password_in_another_composition_is_the_same() {
        assert_eq!(Password::unvalidated("cafe\u{301}").expose(), Password::unvalidated("café").expose());
    }

    #[test]
    fn neither_password_nor_hash_prints_itself() {
        let printed = format!("{:?} {:?}", Password::unvalidated("hunter2!"), PasswordHash::new("$argon2id$x".into()));
        assert!(!printed.contains("hunter2") && !printed.contains("argon2id"), "{printed}");
    }
}

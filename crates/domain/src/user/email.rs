//! Email addresses.

use std::fmt;
use std::str::FromStr;

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Serialize};

use crate::text::NormalizedText;

/// An email address (the `addr-spec` of RFC 5322, internationalised by RFC 6531), trimmed, of at most 254 octets
/// (RFC 5321), whose domain contains a dot. Stored as entered, compared normalized.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl Email {
    /// Maximum length in octets.
    pub const MAX: usize = 254;

    /// Returns the address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the form for comparison.
    pub fn normalized(&self) -> NormalizedText {
        NormalizedText::new(&self.0)
    }

    /// Returns the part before the `@`.
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or(self.0.as_str(), |(local, _)| local)
    }

    /// Returns the part after the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// The text is not an [`Email`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a valid email address")]
pub struct EmailError;

impl FromStr for Email {
    type Err = EmailError;
    fn from_str(raw: &str) -> Result<Self, EmailError> {
        let email = raw.trim();
        let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
        let is_plain = email.len() <= Self::MAX && !email.chars().any(|c| c.is_control() || c.is_whitespace());
        if is_plain && EmailAddress::parse_with_options(email, options).is_ok() {
            Ok(Self(email.to_owned()))
        } else {
            Err(EmailError)
        }
    }
}

impl TryFrom<String> for Email {
    type Error = EmailError;
    fn try_from(raw: String) -> Result<Self, EmailError> {
        raw.parse()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_trimmed_and_compared_normalized() {
        let email: Email = " Ada@Example.COM ".parse().unwrap();
        assert_eq!(email.as_str(), "Ada@Example.COM");
        assert_eq!(email.normalized(), "ada@example.com".parse::<Email>().unwrap().normalized());
        assert_eq!((email.local_part(), email.domain()), ("Ada", "Example.COM"));
    }

    #[test]
    fn invalid_addresses_are_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        for text in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "a b@example.com",
            "a\0@example.com",
            "Ada <ada@example.com>",
            "ada@localhost",
            "ada@[127.0.0.1]",
            "a@b@example.com",
            &long,
        ] {
            assert_eq!(text.parse::<Email>(), Err(EmailError), "{text:?}");
        }
    }
}

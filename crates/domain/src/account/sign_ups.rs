//! Who may create an account ([`SignUps`]).

use std::str::FromStr;

use url::Host;

use crate::user::Email;

/// Who may create an account, by registration or by external sign-in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SignUps {
    /// Everybody.
    #[default]
    Open,
    /// Nobody.
    Closed,
    /// Email addresses of these domains, without their subdomains.
    Domains(Vec<MailDomain>),
}

impl SignUps {
    /// Returns whether an account with this address may be created.
    pub fn permit(&self, email: &Email) -> bool {
        match self {
            Self::Open => true,
            Self::Closed => false,
            Self::Domains(domains) => MailDomain::of(email).is_some_and(|domain| domains.contains(&domain)),
        }
    }
}

/// The text is not a [`SignUps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be open, closed or a list of mail domains")]
pub struct SignUpsError;

impl FromStr for SignUps {
    type Err = SignUpsError;

    /// Parses `open`, `closed` or domains that are separated by commas.
    fn from_str(raw: &str) -> Result<Self, SignUpsError> {
        match raw.trim() {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            domains => domains.split(',').map(str::parse).collect::<Result<_, _>>().map(Self::Domains),
        }
    }
}

/// The domain of email addresses, in the form in which domains are compared: lower case, and Punycode for characters that
/// are not ASCII (UTS #46).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailDomain(String);

impl MailDomain {
    /// Returns the domain of an address; `None` if no host can have it.
    fn of(email: &Email) -> Option<Self> {
        // The parser is that of URLs, where `%` begins an encoded byte.
        match Host::parse(Some(email.domain()).filter(|domain| !domain.contains('%'))?) {
            Ok(Host::Domain(domain)) => Some(Self(domain)),
            Ok(Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => None,
        }
    }
}

impl FromStr for MailDomain {
    type Err = SignUpsError;

    fn from_str(raw: &str) -> Result<Self, SignUpsError> {
        let email = format!("a@{}", raw.trim()).parse().map_err(|_invalid| SignUpsError)?;
        Self::of(&email).ok_or(SignUpsError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permit(sign_ups: &str, email: &str) -> bool {
        sign_ups.parse::<SignUps>().unwrap().permit(&email.parse().unwrap())
    }

    #[test]
    fn sign_ups_are_open_closed_or_limited_to_domains() {
        for email in ["ada@example.com", "ada@other.example"] {
            assert!(permit(" open ", email) && !permit("closed", email), "{email}");
        }
        let domains = "example.com, Example.ORG ,bücher.example";
        for email in ["ada@example.com", "ada@EXAMPLE.Com", "ada@example.org", "ada@bücher.example"] {
            assert!(permit(domains, email), "{email}");
        }
        for email in ["ada@BÜCHER.example", "ada@xn--bcher-kva.example"] {
            assert!(permit(domains, email) && permit("xn--bcher-kva.example", email), "{email}");
        }
    }

    #[test]
    fn domains_are_compared_whole() {
        for email in [
            "ada@mail.example.com",
            "ada@myexample.com",
            "ada@example.com.evil.example",
            "ada@example.co",
            "example.com@evil.example",
            "\"ada@example.com\"@evil.example",
            "ada@ex%61mple.com",
            "ada@127.0.0.1",
        ] {
            assert!(!permit("example.com,127.example", email), "{email}");
        }
        // A letter that is folded to another one in names is a different one in domains.
        assert!(!permit("strasse.example", "ada@straße.example"));
    }

    #[test]
    fn what_is_not_a_mail_domain_is_refused() {
        let long = format!("{}.example", "a".repeat(64));
        for text in [
            "",
            ",",
            "example.com,",
            "localhost",
            "Open",
            "open,example.com",
            "@example.com",
            "ada@example.com",
            "*.example.com",
            ".example.com",
            "example.com.",
            "https://example.com",
            "ex%61mple.com",
            "example .com",
            "127.0.0.1",
            "xn--a.example",
            &long,
        ] {
            assert_eq!(text.parse::<SignUps>(), Err(SignUpsError), "{text:?}");
        }
    }
}

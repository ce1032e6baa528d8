//! The provider and the client that is registered there.

use openidconnect::{ClientId, ClientSecret, IssuerUrl, RedirectUrl};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

/// The provider and the client that is registered there.
#[derive(Clone, Debug)]
pub struct OidcOptions {
    /// Issuer identifier, exactly as in the discovery document, including a trailing slash. An https URL without user,
    /// query and fragment (OpenID Connect Discovery 1.0, 2); http only on loopback.
    pub issuer: String,
    /// Must not be empty.
    pub client_id: String,
    /// Must not be empty.
    pub client_secret: SecretString,
    /// Callback URL, as registered at the provider.
    pub redirect_url: Url,
    /// Whether an email address counts as verified if the provider does not say whether it is.
    pub trust_email: bool,
}

impl OidcOptions {
    /// Issuer of Google (<https://accounts.google.com/.well-known/openid-configuration>).
    pub const GOOGLE: &str = "https://accounts.google.com";
}

/// Reasons why a client of a provider cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum OidcOptionsError {
    /// See [`OidcOptions::issuer`].
    #[error("the issuer must be an https URL (http only on loopback) without user, query and fragment")]
    Issuer,
    /// The client id is empty.
    #[error("the client id must not be empty")]
    ClientId,
    /// The client secret is empty.
    #[error("the client secret must not be empty")]
    ClientSecret,
    /// The HTTP client cannot be created, for example because TLS is not available.
    #[error("cannot create the HTTP client")]
    Client(#[from] reqwest::Error),
}

/// Validated [`OidcOptions`].
#[derive(Clone, Debug)]
pub(super) struct ClientRegistration {
    pub issuer: IssuerUrl,
    pub client_id: ClientId,
    pub client_secret: ClientSecret,
    pub redirect_url: RedirectUrl,
    pub trust_email: bool,
}

impl TryFrom<OidcOptions> for ClientRegistration {
    type Error = OidcOptionsError;

    fn try_from(options: OidcOptions) -> Result<Self, OidcOptionsError> {
        let OidcOptions { issuer, client_id, client_secret, redirect_url, trust_email } = options;
        let issuer = IssuerUrl::new(issuer).ok().filter(|issuer| is_issuer(issuer.url()));
        let client_secret = client_secret.expose_secret();
        if client_id.is_empty() {
            return Err(OidcOptionsError::ClientId);
        }
        if client_secret.is_empty() {
            return Err(OidcOptionsError::ClientSecret);
        }
        Ok(Self {
            issuer: issuer.ok_or(OidcOptionsError::Issuer)?,
            client_id: ClientId::new(client_id),
            client_secret: ClientSecret::new(client_secret.to_owned()),
            redirect_url: RedirectUrl::from_url(redirect_url),
            trust_email,
        })
    }
}

fn is_issuer(url: &Url) -> bool {
    let is_plain = url.query().is_none() && url.fragment().is_none();
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_loopback_host(url);
    url.has_host() && is_plain && is_anonymous && is_safe
}

fn is_loopback_host(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(issuer: &str) -> OidcOptions {
        OidcOptions {
            issuer: issuer.to_owned(),
            client_id: "doable".to_owned(),
            client_secret: "the secret".into(),
            redirect_url: "http://127.0.0.1:8000/auth/google/callback".parse().unwrap(),
            trust_email: false,
        }
    }

    #[test]
    fn issuer_is_not_normalized() {
        for issuer in [OidcOptions::GOOGLE, "https://example.com/", "https://example.com/tenant", "http://127.0.0.1:1"]
        {
            assert_eq!(ClientRegistration::try_from(options(issuer)).unwrap().issuer.as_str(), issuer);
        }
    }

    #[test]
    fn issuer_is_https_or_loopback_without_user_query_and_fragment() {
        for issuer in ["http://localhost:9000", "http://[::1]:9000", "http://127.8.8.8"] {
            assert!(ClientRegistration::try_from(options(issuer)).is_ok(), "{issuer}");
        }
        for issuer in [
            "",
            "accounts.google.com",
            "http://example.com",
            "http://127.0.0.1.example.com",
            "ftp://example.com",
            "file:///etc/passwd",
            "https://user@example.com",
            "https://user:password@example.com",
            "https://example.com?tenant=1",
            "https://example.com/#tenant",
        ] {
            let result = ClientRegistration::try_from(options(issuer));
            assert!(matches!(result, Err(OidcOptionsError::Issuer)), "{issuer}");
        }
    }

    #[test]
    fn empty_client_id_or_secret_is_rejected() {
        let without_id = OidcOptions { client_id: String::new(), ..options(OidcOptions::GOOGLE) };
        assert!(matches!(ClientRegistration::try_from(without_id), Err(OidcOptionsError::ClientId)));
        let without_secret = OidcOptions { client_secret: "".into(), ..options(OidcOptions::GOOGLE) };
        assert!(matches!(ClientRegistration::try_from(without_secret), Err(OidcOptionsError::ClientSecret)));
    }

    #[test]
    fn debug_output_does_not_contain_the_client_secret() {
        let options = options(OidcOptions::GOOGLE);
        let printed = format!("{options:?} {:?}", ClientRegistration::try_from(options.clone()).unwrap());
        assert!(!printed.contains("the secret"), "{printed}");
    }
}

//! Which provider, and what we are there.

use openidconnect::{ClientId, ClientSecret, IssuerUrl, RedirectUrl};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

/// Which provider, and what we are there.
#[derive(Clone, Debug)]
pub struct OidcOptions {
    /// The provider's name for itself, letter for letter, with or without a slash at the end as it has it. An https
    /// address without user, query and fragment (OpenID Connect Discovery 1.0, 2); http only on this machine.
    pub issuer: String,
    /// The client's name there.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: SecretString,
    /// Where the provider sends the browser back to, as it is registered there.
    pub redirect_url: Url,
}

impl OidcOptions {
    /// Google's issuer (<https://accounts.google.com/.well-known/openid-configuration>).
    pub const GOOGLE: &str = "https://accounts.google.com";
}

/// Why there can be no client of a provider.
#[derive(Debug, thiserror::Error)]
pub enum OidcOptionsError {
    /// The issuer is no address that can be trusted.
    #[error("the issuer must be an https address (http only on this machine) without user, query and fragment")]
    Issuer,
    /// There is no client id.
    #[error("the client id must not be empty")]
    ClientId,
    /// There is no client secret.
    #[error("the client secret must not be empty")]
    ClientSecret,
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[from] reqwest::Error),
}

/// The options, read.
#[derive(Clone, Debug)]
pub(super) struct Registration {
    pub issuer: IssuerUrl,
    pub client_id: ClientId,
    pub client_secret: ClientSecret,
    pub redirect_url: RedirectUrl,
}

impl TryFrom<OidcOptions> for Registration {
    type Error = OidcOptionsError;

    fn try_from(options: OidcOptions) -> Result<Self, OidcOptionsError> {
        let OidcOptions { issuer, client_id, client_secret, redirect_url } = options;
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
        })
    }
}

fn is_issuer(url: &Url) -> bool {
    let is_plain = url.query().is_none() && url.fragment().is_none();
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_this_machine(url);
    url.has_host() && is_plain && is_anonymous && is_safe
}

fn is_this_machine(url: &Url) -> bool {
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

    fn with(issuer: &str) -> OidcOptions {
        OidcOptions {
            issuer: issuer.to_owned(),
            client_id: "doable".to_owned(),
            client_secret: "the secret".into(),
            redirect_url: "http://127.0.0.1:8000/auth/google/callback".parse().unwrap(),
        }
    }

    #[test]
    fn an_issuer_is_kept_letter_for_letter() {
        for issuer in [OidcOptions::GOOGLE, "https://example.com/", "https://example.com/tenant", "http://127.0.0.1:1"]
        {
            assert_eq!(Registration::try_from(with(issuer)).unwrap().issuer.as_str(), issuer);
        }
    }

    #[test]
    fn an_issuer_is_https_or_on_this_machine_and_names_no_user_query_or_fragment() {
        for issuer in ["http://localhost:9000", "http://[::1]:9000", "http://127.8.8.8"] {
            assert!(Registration::try_from(with(issuer)).is_ok(), "{issuer}");
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
            let refused = Registration::try_from(with(issuer));
            assert!(matches!(refused, Err(OidcOptionsError::Issuer)), "{issuer}");
        }
    }

    #[test]
    fn a_client_has_a_name_and_a_secret() {
        let nameless = OidcOptions { client_id: String::new(), ..with(OidcOptions::GOOGLE) };
        assert!(matches!(Registration::try_from(nameless), Err(OidcOptionsError::ClientId)));
        let open = OidcOptions { client_secret: "".into(), ..with(OidcOptions::GOOGLE) };
        assert!(matches!(Registration::try_from(open), Err(OidcOptionsError::ClientSecret)));
    }

    #[test]
    fn the_client_secret_does_not_print_itself() {
        let options = with(OidcOptions::GOOGLE);
        let printed = format!("{options:?} {:?}", Registration::try_from(options.clone()).unwrap());
        assert!(!printed.contains("the secret"), "{printed}");
    }
}

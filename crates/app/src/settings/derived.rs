//! What follows from several settings together: defaults that are taken from other settings, and settings that others
//! require.

use std::net::IpAddr;

use http_api::CorsOrigin;
use secrecy::SecretString;
use url::Url;

use super::assistant::AssistantChoice;
use super::jwt_secret::JwtSecretSource;
use super::problems::{Problems, SettingsError};
use super::value::{Environment, origin_of};
use super::{ServerSettings, Settings, SignInSettings};

/// The values that follow from several settings.
#[derive(Clone, Debug)]
pub struct DerivedSettings {
    /// `PUBLIC_URL`, or else `HOST` and `PORT`.
    pub public_url: Url,
    /// `CORS_ORIGINS`, or else the origin of `FRONTEND_URL`.
    pub cors_origins: Vec<CorsOrigin>,
    /// `JWT_SECRET`, or else, in development, a generated one.
    pub jwt_secret: JwtSecretSource,
    /// External sign-in, if `GOOGLE_CLIENT_ID` is set.
    pub oauth_client: Option<OAuthClient>,
    /// `LLM_PROVIDER` with `auto` resolved.
    pub assistant: AssistantChoice,
}

/// This server's registration at an OpenID provider.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    /// `GOOGLE_CLIENT_ID`.
    pub id: String,
    /// `GOOGLE_CLIENT_SECRET`.
    pub secret: SecretString,
    /// `GOOGLE_ISSUER_URL`, unchanged, because an issuer is compared character by character (OpenID Connect Core 1.0,
    /// 3.1.3.7).
    pub issuer: String,
    /// `OIDC_TRUST_EMAIL`.
    pub trust_email: bool,
    /// `OIDC_NAME`, or else a name that follows from the issuer.
    pub name: String,
}

/// Google's issuer.
const GOOGLE: &str = "https://accounts.google.com";

impl Settings {
    /// Derives the values that follow from several settings.
    ///
    /// # Errors
    /// [`SettingsError`] with every problem if a setting that others require is missing.
    pub fn derive(&self) -> Result<DerivedSettings, SettingsError> {
        let mut problems = Problems::default();
        let derived = self.collect(&mut problems);
        problems.finish(derived)
    }

    fn collect(&self, problems: &mut Problems) -> Option<DerivedSettings> {
        let Self { server, sign_in, assistant, process, .. } = self;
        // All are evaluated before the first `?`, so that every problem is found.
        let public_url = match &server.public_url {
            Some(url) => Some(url.clone()),
            None => server.local_url(),
        };
        let cors_origins = match server.cors_origins.as_slice() {
            [] => problems.check("FRONTEND_URL", origin_of(&server.frontend_url)).map(|origin| vec![origin]),
            origins => Some(origins.to_vec()),
        };
        let jwt_secret = jwt_secret(sign_in, process.environment, problems);
        let is_public_url_missing = server.public_url.is_none() && process.environment == Environment::Production;
        let oauth_client = oauth_client(sign_in, is_public_url_missing, problems);
        let assistant = assistant.choose(problems);
        Some(DerivedSettings {
            public_url: public_url?,
            cors_origins: cors_origins?,
            jwt_secret: jwt_secret?,
            oauth_client: oauth_client?,
            assistant: assistant?,
        })
    }
}

impl ServerSettings {
    /// The URL of the address that the server listens on; the loopback address if it listens on all.
    pub(crate) fn local_url(&self) -> Option<Url> {
        let host = match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1".to_owned(),
            Ok(IpAddr::V6(address)) if address.is_unspecified() => "[::1]".to_owned(),
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host.clone(),
        };
        Url::parse(&format!("http://{host}:{}", self.port)).ok()
    }
}

fn jwt_secret(settings: &SignInSettings, environment: Environment, problems: &mut Problems) -> Option<JwtSecretSource> {
    match (&settings.jwt_secret, environment) {
        (Some(secret), _) => Some(JwtSecretSource::Configured(secret.clone())),
        (None, Environment::Development) => Some(JwtSecretSource::default()),
        (None, Environment::Production) => {
            let when = "in production: at least 32 bytes, such as `openssl rand -base64 48` prints";
            problems.require("JWT_SECRET", None, when)
        }
    }
}

/// Returns `Some(None)` if external sign-in is disabled.
#[expect(clippy::option_option, reason = "the outer `None` stands for a missing setting, as in the other functions")]
fn oauth_client(
    settings: &SignInSettings,
    is_public_url_missing: bool,
    problems: &mut Problems,
) -> Option<Option<OAuthClient>> {
    let google = &settings.google;
    let Some(id) = google.google_client_id.clone() else { return Some(None) };
    let secret = google.google_client_secret.clone();
    let secret = problems.require("GOOGLE_CLIENT_SECRET", secret, "when GOOGLE_CLIENT_ID is set");
    let public_url = (!is_public_url_missing).then_some(());
    problems.require("PUBLIC_URL", public_url, "in production when GOOGLE_CLIENT_ID is set")?;
    let trust_email = google.oidc_trust_email;
    let issuer = google.google_issuer_url.clone();
    let name = google.oidc_name.clone().unwrap_or_else(|| provider_name(&issuer));
    Some(Some(OAuthClient { id, secret: secret?, issuer, trust_email, name }))
}

fn provider_name(issuer: &str) -> String {
    if issuer.trim_end_matches('/') == GOOGLE {
        return "Google".to_owned();
    }
    let host = Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_else(|| issuer.to_owned())
}

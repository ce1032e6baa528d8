//! Signing in elsewhere: what the texts of its settings mean.

use secrecy::SecretString;
use url::Url;

use super::{Environment, GoogleArgs, Problems, ValueError, value};

/// How people sign in with an account at Google, or at another OpenID provider.
#[derive(Clone, Debug)]
pub struct GoogleSettings {
    /// What the provider calls this server: `GOOGLE_CLIENT_ID`.
    pub client_id: String,
    /// What proves that it is this server: `GOOGLE_CLIENT_SECRET`.
    pub client_secret: SecretString,
    /// The provider, without a closing `/` that the setting has not: `GOOGLE_ISSUER_URL`.
    pub issuer: String,
}

/// The settings, if a client id is set.
///
/// # Errors
/// If something is missing or makes no sense; the problems say what.
pub(super) fn read(
    args: &GoogleArgs,
    public_url: Option<&str>,
    environment: Option<Environment>,
    problems: &mut Problems,
) -> Result<Option<GoogleSettings>, Unreadable> {
    let issuer = problems.read("GOOGLE_ISSUER_URL", issuer(&args.google_issuer_url));
    let client_id = problems.read("GOOGLE_CLIENT_ID", value::client_id(args.google_client_id.as_deref()));
    let client_secret =
        problems.read("GOOGLE_CLIENT_SECRET", value::client_secret(args.google_client_secret.as_deref()));
    let (Some(issuer), Some(client_id), Some(client_secret)) = (issuer, client_id, client_secret) else {
        return Err(Unreadable);
    };
    let Some(client_id) = client_id else { return Ok(None) };
    let missing = ValueError::Missing("GOOGLE_CLIENT_ID is set, and the provider wants both");
    let client_secret = problems.read("GOOGLE_CLIENT_SECRET", client_secret.ok_or(missing));
    let unknown = ValueError::Missing("in production the provider has to know where browsers reach this server");
    let reached = match (value::given(public_url), environment) {
        (None, Some(Environment::Production)) => problems.read("PUBLIC_URL", Err(unknown)),
        _ => Some(()),
    };
    match (client_secret, reached) {
        (Some(client_secret), Some(())) => Ok(Some(GoogleSettings { client_id, client_secret, issuer })),
        _ => Err(Unreadable),
    }
}

/// Something is missing or makes no sense, and is among the problems.
#[derive(Debug)]
pub(super) struct Unreadable;

/// An issuer is compared letter for letter (OpenID Connect Core 1.0, 3.1.3.7), so it stays as it is written.
fn issuer(text: &str) -> Result<String, ValueError> {
    let url: Url = value::web_address(text)?;
    value::safe(&url, text)?;
    Ok(text.trim().to_owned())
}

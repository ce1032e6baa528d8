//! The userinfo endpoint (OpenID Connect Core 1.0, 5.3).

use openidconnect::http::header::{ACCEPT, AUTHORIZATION};
use openidconnect::http::{Request, StatusCode};
use openidconnect::{AccessToken, UserInfoUrl};
use serde_json::{Map, Value};

use super::claims::Claims;
use super::error::OidcError;
use super::http_client::HttpClient;

/// Claims with their subject.
pub(super) struct UserInfo {
    subject: Option<String>,
    claims: Claims,
}

/// Fetches the claims of the person who granted `token`. Unsigned JSON is accepted, because the connection authenticates
/// the provider.
pub(super) async fn fetch(
    http: &HttpClient,
    endpoint: &UserInfoUrl,
    token: &AccessToken,
) -> Result<UserInfo, OidcError> {
    let request = Request::get(endpoint.as_str())
        .header(ACCEPT, "application/json")
        .header(AUTHORIZATION, format!("Bearer {}", token.secret()))
        .body(Vec::new())?;
    let response = http.send(request).await?;
    if response.status() != StatusCode::OK {
        return Err(OidcError::UserInfoStatus(response.status()));
    }
    let claims: Map<String, Value> = serde_json::from_slice(response.body())
        .map_err(|error| OidcError::malformed("response of the userinfo endpoint", &error))?;
    let subject = claims.get("sub").and_then(Value::as_str).map(str::to_owned);
    Ok(UserInfo { subject, claims: Claims::new(&claims) })
}

impl UserInfo {
    /// Returns the claims if they are about `subject`. They must not be used otherwise (OpenID Connect Core 1.0, 5.3.2).
    pub(super) fn of(self, subject: &str) -> Result<Claims, OidcError> {
        if self.subject.as_deref() == Some(subject) { Ok(self.claims) } else { Err(OidcError::UserInfoSubject) }
    }
}

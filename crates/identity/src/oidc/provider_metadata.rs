//! The validated part of a discovery document, with the provider's keys.

use std::time::Duration;

use openidconnect::core::{
    CoreClientAuthMethod, CoreJsonWebKeySet, CoreJsonWebKeyType, CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::{AuthType, AuthUrl, JsonWebKeySetUrl, JwsSigningAlgorithm as _, TokenUrl, UserInfoUrl};
use url::Url;

use super::error::OidcError;

#[derive(Clone, Debug)]
pub(super) struct ProviderMetadata {
    pub authorization_endpoint: AuthUrl,
    pub token_endpoint: TokenUrl,
    /// Optional, unlike the other endpoints.
    pub userinfo_endpoint: Option<UserInfoUrl>,
    pub jwks_uri: JsonWebKeySetUrl,
    /// How the client authenticates at the token endpoint.
    pub auth_type: AuthType,
    /// Accepted signature algorithms of id tokens, without symmetric ones: their key could be the client secret, or a
    /// public key that is mistaken for a shared one.
    pub algorithms: Vec<CoreJwsSigningAlgorithm>,
    pub keys: CoreJsonWebKeySet,
    /// Elapsed time of the [`Timer`](domain::runtime::Timer).
    pub fetched_at: Duration,
}

impl ProviderMetadata {
    /// Validates a discovery document. Its `issuer` must be checked already.
    pub(super) fn new(document: &CoreProviderMetadata, fetched_at: Duration) -> Result<Self, OidcError> {
        let issuer = document.issuer().url();
        let invalid = |reason: &str| OidcError::Metadata(reason.to_owned());
        let token_endpoint = document.token_endpoint().ok_or_else(|| invalid("no token endpoint"))?;
        let endpoints = [document.authorization_endpoint().url(), token_endpoint.url(), document.jwks_uri().url()];
        let userinfo_endpoint = document.userinfo_endpoint().cloned();
        let optional = document.userinfo_endpoint().into_iter().map(UserInfoUrl::url);
        if !endpoints.into_iter().chain(optional).all(|endpoint| is_as_secure(endpoint, issuer)) {
            return Err(invalid("an endpoint is not https"));
        }
        let algorithms = asymmetric_algorithms(document);
        if algorithms.is_empty() {
            return Err(invalid("no supported asymmetric signature algorithm for id tokens"));
        }
        Ok(Self {
            authorization_endpoint: document.authorization_endpoint().clone(),
            token_endpoint: token_endpoint.clone(),
            userinfo_endpoint,
            jwks_uri: document.jwks_uri().clone(),
            auth_type: auth_type(document).ok_or_else(|| invalid("no supported client authentication method"))?,
            algorithms,
            keys: document.jwks().clone(),
            fetched_at,
        })
    }
}

/// Whether an endpoint uses https, or http like its issuer. Endpoints receive secrets and supply keys.
fn is_as_secure(endpoint: &Url, issuer: &Url) -> bool {
    endpoint.scheme() == "https" || endpoint.scheme() == "http" && issuer.scheme() == "http"
}

fn asymmetric_algorithms(document: &CoreProviderMetadata) -> Vec<CoreJwsSigningAlgorithm> {
    let is_asymmetric = |algorithm: &&CoreJwsSigningAlgorithm| {
        algorithm.key_type().is_some_and(|kind| kind != CoreJsonWebKeyType::Symmetric)
    };
    document.id_token_signing_alg_values_supported().iter().filter(is_asymmetric).cloned().collect()
}

/// `Basic` is preferred, and the default (OpenID Connect Discovery 1.0, 3).
fn auth_type(document: &CoreProviderMetadata) -> Option<AuthType> {
    let Some(methods) = document.token_endpoint_auth_methods_supported() else { return Some(AuthType::BasicAuth) };
    if methods.contains(&CoreClientAuthMethod::ClientSecretBasic) {
        Some(AuthType::BasicAuth)
    } else if methods.contains(&CoreClientAuthMethod::ClientSecretPost) {
        Some(AuthType::RequestBody)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_is_https_unless_the_issuer_is_http() {
        let is_as_secure =
            |endpoint: &str, issuer: &str| is_as_secure(&endpoint.parse().unwrap(), &issuer.parse().unwrap());
        let (https, http) = ("https://example.com", "http://127.0.0.1:9000");
        assert!(is_as_secure("https://keys.example.com/all", https) && is_as_secure("https://example.com/token", http));
        assert!(is_as_secure("http://127.0.0.1:9000/token", http));
        for endpoint in ["http://example.com/token", "http://127.0.0.1/keys", "ftp://example.com", "file:///keys"] {
            assert!(!is_as_secure(endpoint, https), "{endpoint}");
        }
        assert!(!is_as_secure("file:///keys", http));
    }
}

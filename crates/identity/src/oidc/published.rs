//! What the provider publishes: where it is asked, how, and with which keys it signs.

use std::time::Duration;

use openidconnect::core::{
    CoreClientAuthMethod, CoreJsonWebKeySet, CoreJsonWebKeyType, CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::{AuthType, AuthUrl, JsonWebKeySetUrl, JwsSigningAlgorithm as _, TokenUrl};
use url::Url;

use super::failure::Failure;

/// What the provider publishes, as far as it concerns us.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub authorization: AuthUrl,
    pub token: TokenUrl,
    pub keys_at: JsonWebKeySetUrl,
    /// How the client shows its secret.
    pub auth_type: AuthType,
    /// The algorithms that id tokens may be signed with. Those with a shared key are none of them: whoever knows the
    /// client's secret, or takes a published key for one, could sign.
    pub algorithms: Vec<CoreJwsSigningAlgorithm>,
    pub keys: CoreJsonWebKeySet,
    /// Elapsed time of the [`Timer`](domain::runtime::Timer).
    pub fetched_at: Duration,
}

impl Published {
    /// Reads the discovery document with its keys, fetched at this time. That its `issuer` is the one it was asked of is
    /// known already.
    pub(super) fn new(metadata: &CoreProviderMetadata, fetched_at: Duration) -> Result<Self, Failure> {
        let issuer = metadata.issuer().url();
        let refused = |why: &str| Failure::Published(why.to_owned());
        let token = metadata.token_endpoint().ok_or_else(|| refused("there is no token endpoint"))?;
        let endpoints = [metadata.authorization_endpoint().url(), token.url(), metadata.jwks_uri().url()];
        if !endpoints.into_iter().all(|endpoint| is_as_safe(endpoint, issuer)) {
            return Err(refused("an endpoint is not https"));
        }
        let algorithms = algorithms(metadata);
        if algorithms.is_empty() {
            return Err(refused("there is no algorithm for id tokens that is known and has no shared key"));
        }
        Ok(Self {
            authorization: metadata.authorization_endpoint().clone(),
            token: token.clone(),
            keys_at: metadata.jwks_uri().clone(),
            auth_type: auth_type(metadata).ok_or_else(|| refused("there is no known way to show the client secret"))?,
            algorithms,
            keys: metadata.jwks().clone(),
            fetched_at,
        })
    }
}

/// The secret and the code go there, and keys come from there.
fn is_as_safe(endpoint: &Url, issuer: &Url) -> bool {
    endpoint.scheme() == "https" || endpoint.scheme() == "http" && issuer.scheme() == "http"
}

fn algorithms(metadata: &CoreProviderMetadata) -> Vec<CoreJwsSigningAlgorithm> {
    let has_key_pair = |algorithm: &&CoreJwsSigningAlgorithm| {
        algorithm.key_type().is_some_and(|kind| kind != CoreJsonWebKeyType::Symmetric)
    };
    metadata.id_token_signing_alg_values_supported().iter().filter(has_key_pair).cloned().collect()
}

/// In the header unless the provider takes it in the body alone (OpenID Connect Discovery 1.0, 3).
fn auth_type(metadata: &CoreProviderMetadata) -> Option<AuthType> {
    let Some(methods) = metadata.token_endpoint_auth_methods_supported() else { return Some(AuthType::BasicAuth) };
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
    fn an_endpoint_is_https_unless_the_issuer_is_on_this_machine() {
        let is_as_safe =
            |endpoint: &str, issuer: &str| is_as_safe(&endpoint.parse().unwrap(), &issuer.parse().unwrap());
        let (https, http) = ("https://example.com", "http://127.0.0.1:9000");
        assert!(is_as_safe("https://keys.example.com/all", https) && is_as_safe("https://example.com/token", http));
        assert!(is_as_safe("http://127.0.0.1:9000/token", http));
        for endpoint in ["http://example.com/token", "http://127.0.0.1/keys", "ftp://example.com", "file:///keys"] {
            assert!(!is_as_safe(endpoint, https), "{endpoint}");
        }
        assert!(!is_as_safe("file:///keys", http));
    }
}

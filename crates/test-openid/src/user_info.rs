//! The userinfo endpoint (OpenID Connect Core 1.0, 5.3), with bearer tokens in the header (RFC 6750, 2.1).

use serde_json::json;
use wiremock::Request;
use wiremock::http::Method;

use crate::endpoint::Response;
use crate::state::State;

pub(crate) fn user_info(state: &State, request: &Request) -> Response {
    let header = request.headers.get("Authorization").and_then(|value| value.to_str().ok());
    let token = header.and_then(|header| header.strip_prefix("Bearer ")).filter(|_| request.method == Method::GET);
    match token.and_then(|token| state.access_tokens.get(token)) {
        Some(end_user) => {
            let mut claims = json!({ "sub": end_user.subject });
            for (name, value) in &end_user.user_info {
                claims[name] = value.clone();
            }
            Response::json(200, &claims)
        }
        None => Response::json(401, &json!({ "error": "invalid_token" })),
    }
}

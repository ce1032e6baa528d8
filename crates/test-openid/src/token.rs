//! The token endpoint (OpenID Connect Core 1.0, 3.1.3). It checks the client, the code and the redirect URI (RFC 6749,
//! 4.1.3) and PKCE (RFC 7636, 4.6).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::form_urlencoded;
use wiremock::Request;

use crate::authorization::random_text;
use crate::endpoint::Response;
use crate::id_token::{IdToken, Signer};
use crate::state::{CLIENT_ID, CLIENT_SECRET, Grant, State, edited};

/// Lifetime of an id token in seconds.
const TTL: i64 = 300;

pub(crate) fn exchange(state: &mut State, issuer: &str, request: &Request) -> Response {
    let form: BTreeMap<String, String> = form_urlencoded::parse(&request.body).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str);
    if !is_authenticated(request, &form, &state.document(issuer)) {
        return error_response(401, "invalid_client");
    }
    if field("grant_type") != Some("authorization_code") {
        return error_response(400, "unsupported_grant_type");
    }
    // A code is used up even if the rest of the request is wrong.
    let grant = field("code").and_then(|code| state.codes.remove(code));
    let challenge = field("code_verifier").map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
    let matches = |grant: &Grant| {
        field("redirect_uri") == Some(&grant.redirect_uri) && challenge.as_deref() == Some(&grant.challenge)
    };
    let Some(grant) = grant.filter(matches) else { return error_response(400, "invalid_grant") };
    let tokens = id_token(state, issuer, &grant).sign(&state.keys).and_then(|id_token| Ok((id_token, random_text()?)));
    match tokens {
        Ok((id_token, access_token)) => {
            let body = json!({
                "access_token": access_token, "token_type": "Bearer", "expires_in": TTL, "id_token": id_token,
            });
            state.access_tokens.insert(access_token, grant.end_user);
            Response::json(200, &edited(body, state.token_response_edit.as_ref()))
        }
        Err(error) => {
            Response::json(500, &json!({ "error": "server_error", "error_description": format!("{error:#}") }))
        }
    }
}

/// Whether the client authenticates by exactly one method (RFC 6749, 2.3.1), which the discovery document lists.
fn is_authenticated(request: &Request, form: &BTreeMap<String, String>, document: &Value) -> bool {
    let methods = document["token_endpoint_auth_methods_supported"].as_array();
    // `client_secret_basic` is the default (OpenID Connect Discovery 1.0, 3).
    let supports = |method: &str| methods.map_or(method == "client_secret_basic", |all| all.contains(&method.into()));
    let in_form = (form.get("client_id"), form.get("client_secret"));
    let header = request.headers.get("Authorization").and_then(|value| value.to_str().ok());
    match (header, in_form) {
        (None, (Some(id), Some(secret))) => {
            supports("client_secret_post") && id == CLIENT_ID && secret == CLIENT_SECRET
        }
        (Some(header), (_, None)) => {
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let credentials = format!("{}:{}", encode(CLIENT_ID), encode(CLIENT_SECRET));
            supports("client_secret_basic") && header.strip_prefix("Basic ") == Some(&STANDARD.encode(credentials))
        }
        _ => false,
    }
}

fn error_response(status: u16, error: &str) -> Response {
    Response::json(status, &json!({ "error": error }))
}

/// Returns the id token of a grant, after the forgery of the test.
fn id_token(state: &State, issuer: &str, grant: &Grant) -> IdToken {
    let now = state.now().timestamp();
    let mut claims = json!({
        "iss": issuer, "sub": grant.end_user.subject, "aud": CLIENT_ID, "iat": now, "exp": now + TTL,
    });
    for (name, value) in &grant.end_user.claims {
        claims[name] = value.clone();
    }
    if let Some(nonce) = &grant.nonce {
        claims["nonce"] = Value::from(nonce.as_str());
    }
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": state.keys.rsa_id() });
    let mut token = IdToken { header, claims, signer: Signer::Rsa };
    if let Some(forge) = &state.forge {
        forge(&mut token);
    }
    token
}

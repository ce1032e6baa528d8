//! The token endpoint (OpenID Connect Core 1.0, 3.1.3): the client, the code, the redirect URI and PKCE are checked as
//! RFC 6749 (4.1.3) and RFC 7636 (4.6) ask.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::form_urlencoded;
use wiremock::Request;

use crate::authorization::{Grant, random};
use crate::id_token::{IdToken, Signer};
use crate::pages::Answer;
use crate::server::{CLIENT_ID, CLIENT_SECRET, State};

/// How long an id token is good, in seconds.
const LIFETIME: i64 = 300;

pub(crate) fn exchange(state: &mut State, issuer: &str, request: &Request) -> Answer {
    let form: BTreeMap<String, String> = form_urlencoded::parse(&request.body).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str);
    if !knows_client(request, &form, &state.document(issuer)) {
        return refusal(401, "invalid_client");
    }
    if field("grant_type") != Some("authorization_code") {
        return refusal(400, "unsupported_grant_type");
    }
    // Whatever else is wrong with it, a code that was shown is used up.
    let grant = field("code").and_then(|code| state.codes.remove(code));
    let challenge = field("code_verifier").map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
    let fits = |grant: &Grant| {
        field("redirect_uri") == Some(&grant.redirect_uri) && challenge.as_deref() == Some(&grant.challenge)
    };
    let Some(grant) = grant.filter(fits) else { return refusal(400, "invalid_grant") };
    let tokens = id_token(state, issuer, &grant).signed(&state.keys).and_then(|id_token| Ok((id_token, random()?)));
    match tokens {
        Ok((id_token, access_token)) => {
            let body = json!({
                "access_token": access_token, "token_type": "Bearer", "expires_in": LIFETIME, "id_token": id_token,
            });
            Answer::json(200, &body)
        }
        Err(error) => Answer::json(500, &json!({ "error": "server_error", "error_description": format!("{error:#}") })),
    }
}

/// Whether the client shows its secret in a way that the document has, and in no two at once (RFC 6749, 2.3.1).
fn knows_client(request: &Request, form: &BTreeMap<String, String>, document: &Value) -> bool {
    let methods = document["token_endpoint_auth_methods_supported"].as_array();
    // What holds where the document says nothing (OpenID Connect Discovery 1.0, 3).
    let takes = |method: &str| methods.map_or(method == "client_secret_basic", |all| all.contains(&method.into()));
    let in_form = (form.get("client_id"), form.get("client_secret"));
    let header = request.headers.get("Authorization").and_then(|value| value.to_str().ok());
    match (header, in_form) {
        (None, (Some(id), Some(secret))) => takes("client_secret_post") && id == CLIENT_ID && secret == CLIENT_SECRET,
        (Some(header), (_, None)) => {
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let credentials = format!("{}:{}", encode(CLIENT_ID), encode(CLIENT_SECRET));
            takes("client_secret_basic") && header.strip_prefix("Basic ") == Some(&STANDARD.encode(credentials))
        }
        _ => false,
    }
}

fn refusal(status: u16, error: &str) -> Answer {
    Answer::json(status, &json!({ "error": error }))
}

/// The right id token, unless the test forges it.
fn id_token(state: &State, issuer: &str, grant: &Grant) -> IdToken {
    let now = state.now().timestamp();
    let mut claims = json!({
        "iss": issuer, "sub": grant.person.subject, "aud": CLIENT_ID, "iat": now, "exp": now + LIFETIME,
    });
    for (name, value) in &grant.person.claims {
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

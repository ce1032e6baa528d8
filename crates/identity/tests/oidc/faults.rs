//! Failures of the provider, and invalid responses.

use std::net::{Ipv4Addr, TcpListener};

use domain::account::{IdentityProvider as _, IdentityProviderError};
use domain::runtime::with_causes;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use test_openid::{Endpoint, Fault};

use crate::fixture::{Fixture, assert_contains_no_secret, expect_refused, expect_unavailable};

/// Returns a URL of a port on which nothing listens.
fn unused_url() -> String {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}")
}

async fn with_document(edit: impl Fn(&mut Value) + Send + 'static) -> Fixture {
    let fixture = Fixture::new().await;
    fixture.server.edit_document(edit);
    fixture
}

/// Returns the error of a sign-in with a faulty endpoint.
async fn error_with_fault(endpoint: Endpoint, fault: Fault) -> IdentityProviderError {
    error_of(&Fixture::new().await, endpoint, fault).await
}

async fn error_of(fixture: &Fixture, endpoint: Endpoint, fault: Fault) -> IdentityProviderError {
    fixture.server.set_fault(endpoint, fault);
    match endpoint {
        Endpoint::Token | Endpoint::UserInfo => fixture.sign_in().await.unwrap_err(),
        Endpoint::Discovery | Endpoint::Keys | Endpoint::Authorization => fixture.begin().await.unwrap_err(),
    }
}

const ENDPOINTS: [Endpoint; 4] = [Endpoint::Discovery, Endpoint::Keys, Endpoint::Token, Endpoint::UserInfo];

#[tokio::test]
async fn closed_port_is_unavailable() {
    let fixture = Fixture::with(|options| options.issuer = unused_url()).await;
    assert!(expect_unavailable(fixture.begin().await).contains("Connection refused"));
    for field in ["jwks_uri", "token_endpoint", "userinfo_endpoint"] {
        let fixture = with_document(move |document| document[field] = unused_url().into()).await;
        let outcome = match field {
            "jwks_uri" => fixture.begin().await.map(drop),
            _ => fixture.sign_in().await.map(drop),
        };
        assert!(expect_unavailable(outcome).contains("Connection refused"));
    }
}

#[tokio::test]
async fn server_error_or_rate_limit_is_unavailable() {
    for endpoint in ENDPOINTS {
        let fixture = Fixture::new().await;
        for status in [500, 502, 503, 429] {
            let error = error_of(&fixture, endpoint, Fault::Status(status)).await;
            assert!(expect_unavailable(Err::<(), _>(error)).contains(&status.to_string()), "{endpoint:?}");
        }
    }
}

#[tokio::test]
async fn malformed_response_is_refused() {
    for endpoint in ENDPOINTS {
        let fixture = Fixture::new().await;
        for body in ["", "<html>", "{", "[]", "null", "{}", "{\"keys\": 7}", "\u{0}"] {
            expect_refused(Err::<(), _>(error_of(&fixture, endpoint, Fault::Body(200, body.to_owned())).await));
        }
        for status in [204, 400, 401, 403, 404] {
            expect_refused(Err::<(), _>(error_of(&fixture, endpoint, Fault::Status(status)).await));
        }
    }
}

#[tokio::test]
async fn response_larger_than_1_mib_is_refused() {
    for endpoint in ENDPOINTS {
        let message = expect_refused(Err::<(), _>(error_with_fault(endpoint, Fault::Oversized).await));
        assert!(message.contains("more than 1048576 bytes"), "{endpoint:?}: {message}");
    }
}

#[tokio::test]
async fn redirect_is_not_followed() {
    for endpoint in ENDPOINTS {
        let fixture = Fixture::new().await;
        // A request to the target would be counted.
        fixture.server.set_fault(endpoint, Fault::Redirect("/authorize".to_owned()));
        match endpoint {
            Endpoint::Token | Endpoint::UserInfo => expect_refused(fixture.sign_in().await.map(drop)),
            _ => expect_refused(fixture.begin().await.map(drop)),
        };
        assert_eq!(
            (fixture.server.request_count(endpoint), fixture.server.request_count(Endpoint::Authorization)),
            (1, 0),
            "{endpoint:?}"
        );
    }
}

#[tokio::test]
async fn document_of_another_issuer_is_refused() {
    for alter in
        [|_: &str| "https://evil.example.com".to_owned(), |issuer: &str| format!("{issuer}/"), |_: &str| String::new()]
    {
        let fixture = with_document(move |document| {
            document["issuer"] = alter(document["issuer"].as_str().unwrap()).into();
        });
        let message = expect_refused(fixture.await.begin().await);
        assert!(message.contains("unexpected issuer") || message.contains("relative URL"), "{message}");
    }
    // The issuer in the options must match exactly.
    let fixture = Fixture::with(|options| options.issuer.push('/')).await;
    assert!(expect_refused(fixture.begin().await).contains("unexpected issuer"));
}

#[tokio::test]
async fn document_without_a_required_field_is_refused() {
    for field in
        ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "id_token_signing_alg_values_supported"]
    {
        let fixture = with_document(move |document| {
            document.as_object_mut().unwrap().remove(field);
        });
        let message = expect_refused(fixture.await.begin().await);
        assert!(message.contains(&field.replace('_', " ")) || message.contains(field), "{field}: {message}");
    }
}

#[tokio::test]
async fn refusal_of_the_token_endpoint_is_reported_by_its_error_code() {
    for (error, reported) in
        [("invalid_grant", "invalid_grant"), ("invalid_client", "invalid_client"), ("CODE", "unknown error code")]
    {
        let fixture = Fixture::new().await;
        let (code, proof) = fixture.authorize().await;
        let secret = code.expose_secret().to_owned();
        let body = json!({
            "error": error.replace("CODE", &secret),
            "error_description": format!("no such code: {secret}"),
            "error_uri": format!("https://example.com/{secret}"),
        });
        fixture.server.set_fault(Endpoint::Token, Fault::Body(400, body.to_string()));
        let failure = fixture.provider.finish(code, proof).await.unwrap_err();
        assert_contains_no_secret(&failure, &[&secret]);
        assert!(with_causes(&failure).ends_with(reported), "{}", with_causes(&failure));
    }
}

#[tokio::test]
async fn malformed_response_is_not_quoted() {
    for body in [
        json!({ "access_token": "very secret", "token_type": "very secret", "expires_in": "very secret" }),
        json!({ "access_token": { "very secret": 1 }, "token_type": "Bearer" }),
        json!("very secret"),
        json!({ "access_token": "very secret", "token_type": "Bearer", "id_token": "very.secret" }),
    ] {
        for status in [200, 400] {
            let error = error_with_fault(Endpoint::Token, Fault::Body(status, body.to_string())).await;
            assert_contains_no_secret(&error, &["very secret", "very.secret"]);
            expect_refused(Err::<(), _>(error));
        }
    }
}

#[tokio::test]
async fn sign_in_succeeds_after_faults_are_cleared() {
    let fixture = Fixture::new().await;
    for endpoint in ENDPOINTS {
        fixture.server.set_fault(endpoint, Fault::Status(500));
    }
    expect_unavailable(fixture.begin().await);
    for endpoint in ENDPOINTS {
        fixture.server.clear_fault(endpoint);
    }
    fixture.sign_in().await.unwrap();
}

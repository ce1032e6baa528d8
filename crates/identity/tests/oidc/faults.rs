//! A provider that is down, ill, or somebody else.

use std::net::{Ipv4Addr, TcpListener};

use domain::account::{IdentityProvider as _, IdentityProviderError};
use domain::runtime::with_causes;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use test_openid::{Fault, Page};

use crate::fixture::{Fixture, assert_tells_nothing, refused, unavailable};

/// An address at which nobody listens.
fn nobody() -> String {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}")
}

async fn with_document(edit: impl Fn(&mut Value) + Send + 'static) -> Fixture {
    let fixture = Fixture::new().await;
    fixture.server.edit_document(edit);
    fixture
}

/// Signs in while a page fails.
async fn failing(page: Page, fault: Fault) -> IdentityProviderError {
    failing_at(&Fixture::new().await, page, fault).await
}

async fn failing_at(fixture: &Fixture, page: Page, fault: Fault) -> IdentityProviderError {
    fixture.server.fail(page, fault);
    match page {
        Page::Token => fixture.sign_in().await.unwrap_err(),
        Page::Discovery | Page::Keys | Page::Authorization => fixture.begin().await.unwrap_err(),
    }
}

const PAGES: [Page; 3] = [Page::Discovery, Page::Keys, Page::Token];

#[tokio::test]
async fn a_provider_that_is_down_is_unavailable() {
    let fixture = Fixture::with(|options| options.issuer = nobody()).await;
    assert!(unavailable(fixture.begin().await).contains("Connection refused"));
    for endpoint in ["jwks_uri", "token_endpoint"] {
        let fixture = with_document(move |document| document[endpoint] = nobody().into()).await;
        let outcome = match endpoint {
            "jwks_uri" => fixture.begin().await.map(drop),
            _ => fixture.sign_in().await.map(drop),
        };
        assert!(unavailable(outcome).contains("Connection refused"));
    }
}

#[tokio::test]
async fn a_provider_that_has_an_error_or_is_overloaded_is_unavailable() {
    for page in PAGES {
        let fixture = Fixture::new().await;
        for status in [500, 502, 503, 429] {
            let error = failing_at(&fixture, page, Fault::Status(status)).await;
            assert!(unavailable(Err::<(), _>(error)).contains(&status.to_string()), "{page:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_refused() {
    for page in PAGES {
        let fixture = Fixture::new().await;
        for body in ["", "<html>", "{", "[]", "null", "{}", "{\"keys\": 7}", "\u{0}"] {
            refused(Err::<(), _>(failing_at(&fixture, page, Fault::Body(200, body.to_owned())).await));
        }
        for status in [204, 400, 401, 403, 404] {
            refused(Err::<(), _>(failing_at(&fixture, page, Fault::Status(status)).await));
        }
    }
}

#[tokio::test]
async fn an_answer_of_more_than_a_mebibyte_is_refused_though_it_is_right() {
    for page in PAGES {
        let told = refused(Err::<(), _>(failing(page, Fault::Huge).await));
        assert!(told.contains("more than 1048576 bytes"), "{page:?}: {told}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for page in PAGES {
        let fixture = Fixture::new().await;
        // To a page that would be counted.
        fixture.server.fail(page, Fault::Redirect("/authorize".to_owned()));
        match page {
            Page::Token => refused(fixture.sign_in().await.map(drop)),
            _ => refused(fixture.begin().await.map(drop)),
        };
        assert_eq!((fixture.server.asked(page), fixture.server.asked(Page::Authorization)), (1, 0), "{page:?}");
    }
}

#[tokio::test]
async fn a_document_of_another_issuer_is_refused() {
    for alter in
        [|_: &str| "https://evil.example.com".to_owned(), |issuer: &str| format!("{issuer}/"), |_: &str| String::new()]
    {
        let fixture = with_document(move |document| {
            document["issuer"] = alter(document["issuer"].as_str().unwrap()).into();
        });
        let told = refused(fixture.await.begin().await);
        assert!(told.contains("unexpected issuer") || told.contains("relative URL"), "{told}");
    }
    // Nor is one asked that is the same but for a slash.
    let fixture = Fixture::with(|options| options.issuer.push('/')).await;
    assert!(refused(fixture.begin().await).contains("unexpected issuer"));
}

#[tokio::test]
async fn a_document_without_what_is_needed_is_refused() {
    for field in
        ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "id_token_signing_alg_values_supported"]
    {
        let fixture = with_document(move |document| {
            document.as_object_mut().unwrap().remove(field);
        });
        let told = refused(fixture.await.begin().await);
        assert!(told.contains(&field.replace('_', " ")) || told.contains(field), "{field}: {told}");
    }
}

#[tokio::test]
async fn what_the_token_endpoint_says_of_its_refusal_is_told_by_code_alone() {
    for (error, told) in
        [("invalid_grant", "invalid_grant"), ("invalid_client", "invalid_client"), ("CODE", "for a reason of its own")]
    {
        let fixture = Fixture::new().await;
        let (code, proof) = fixture.back().await;
        let secret = code.expose_secret().to_owned();
        let body = json!({
            "error": error.replace("CODE", &secret),
            "error_description": format!("no such code: {secret}"),
            "error_uri": format!("https://example.com/{secret}"),
        });
        fixture.server.fail(Page::Token, Fault::Body(400, body.to_string()));
        let failure = fixture.provider.finish(code, proof).await.unwrap_err();
        assert_tells_nothing(&failure, &[&secret]);
        assert!(with_causes(&failure).ends_with(told), "{}", with_causes(&failure));
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_quoted() {
    for body in [
        json!({ "access_token": "very secret", "token_type": "very secret", "expires_in": "very secret" }),
        json!({ "access_token": { "very secret": 1 }, "token_type": "Bearer" }),
        json!("very secret"),
        json!({ "access_token": "very secret", "token_type": "Bearer", "id_token": "very.secret" }),
    ] {
        for status in [200, 400] {
            let error = failing(Page::Token, Fault::Body(status, body.to_string())).await;
            assert_tells_nothing(&error, &["very secret", "very.secret"]);
            refused(Err::<(), _>(error));
        }
    }
}

#[tokio::test]
async fn a_provider_that_is_well_again_is_as_good_as_ever() {
    let fixture = Fixture::new().await;
    for page in PAGES {
        fixture.server.fail(page, Fault::Status(500));
    }
    unavailable(fixture.begin().await);
    for page in PAGES {
        fixture.server.mend(page);
    }
    fixture.sign_in().await.unwrap();
}

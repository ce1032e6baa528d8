//! `/about`.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::tests::support::{Ports, anonymous};

async fn about(change: impl FnOnce(&mut Ports)) -> Value {
    let mut ports = Ports::new();
    change(&mut ports);
    ports.send(anonymous(Method::GET, "/about")).await.ok(200)
}

#[actix_web::test]
async fn the_server_describes_itself_to_everybody() {
    let expected = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "signups": "open",
        "sign_in": [{"kind": "password", "url": "/auth/login"}],
        "assistant": {"kind": "scripted"},
    });
    assert_eq!(about(|_| ()).await, expected);
}

#[actix_web::test]
async fn the_addresses_are_those_of_the_public_url() {
    let described = about(|ports| {
        ports.options.public_url = "https://example.com/todo/".parse().unwrap();
        ports.options.openid_name = Some("Our company".to_owned());
    });
    let expected = json!([
        {"kind": "password", "url": "/todo/auth/login"},
        {"kind": "openid", "url": "https://example.com/todo/auth/google", "name": "Our company"},
    ]);
    assert_eq!(described.await["sign_in"], expected);
}

#[actix_web::test]
async fn the_domains_of_sign_ups_are_not_listed() {
    for (sign_ups, described) in [("closed", "closed"), ("example.com,example.org", "restricted")] {
        let body = about(|ports| ports.sign_ups = sign_ups.parse().unwrap()).await;
        assert_eq!(body["signups"], described);
        assert!(!body.to_string().contains("example"), "{body}");
    }
}

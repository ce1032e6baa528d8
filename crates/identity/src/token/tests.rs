//! Which access tokens are let in. The bad ones are built by hand, without the JWT library: it must not be its own judge.

mod attempt;
mod random_text;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SubsecRound as _, Utc};
use domain::runtime::{ManualClock, MockIdGenerator};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const USER: &str = "0198c0de-0000-7000-8000-000000000001";
const SESSION: &str = "0198c0de-0000-7000-8000-000000000002";
const TOKEN: &str = "0198c0de-0000-7000-8000-000000000003";
const HS256: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

/// The time of every test, with a part of a second.
fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00.654321Z".parse().unwrap()
}

fn issuer_with(secret: &str) -> JwtIssuer {
    issuer_at(secret, now())
}

fn issuer_at(secret: &str, now: DateTime<Utc>) -> JwtIssuer {
    let clock = ManualClock::at(now);
    let mut ids = MockIdGenerator::new();
    ids.expect_next().return_const(TOKEN.parse::<Uuid>().unwrap());
    JwtIssuer::new(&JwtSecret::new(secret.into()).unwrap(), Arc::new(clock), Arc::new(ids))
}

fn issuer() -> JwtIssuer {
    issuer_with(SECRET)
}

fn access_claims() -> AccessClaims {
    AccessClaims {
        user: USER.parse().unwrap(),
        session: SESSION.parse().unwrap(),
        token_version: 7,
        issued_at: now(),
        expires_at: now() + TimeDelta::hours(24),
    }
}

/// The claims of a good token.
fn good() -> Value {
    let seconds = now().timestamp();
    json!({
        "sub": USER, "sid": SESSION, "iss": "doable", "aud": "doable-api",
        "iat": seconds, "nbf": seconds, "exp": seconds + 86_400, "jti": TOKEN, "ver": 7,
    })
}

/// The claims of a good token, one of them changed or, with `null`, left out.
fn good_but(claim: &str, value: Value) -> Value {
    but(good(), claim, value)
}

fn but(mut claims: Value, claim: &str, value: Value) -> Value {
    let object = claims.as_object_mut().unwrap();
    if value.is_null() {
        object.remove(claim)
    } else {
        object.insert(claim.to_owned(), value)
    };
    claims
}

fn mac(key: &str, message: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap().chain_update(message);
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

fn signed_by(key: &str, header: &str, claims: &Value) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
    format!("{message}.{}", mac(key, &message))
}

fn signed(claims: &Value) -> String {
    signed_by(SECRET, HS256, claims)
}

#[track_caller]
fn assert_invalid(token: &str) {
    let verdict = issuer().verify(token);
    assert!(matches!(verdict, Err(TokenError::Invalid(_))), "{token}: {verdict:?}");
}

#[test]
fn a_token_says_what_it_was_issued_to_say_in_whole_seconds() {
    let issuer = issuer();
    let token = issuer.issue(&access_claims()).unwrap();
    let AccessClaims { issued_at, expires_at, .. } = access_claims();
    let whole = AccessClaims {
        issued_at: issued_at.trunc_subsecs(0),
        expires_at: expires_at.trunc_subsecs(0),
        ..access_claims()
    };
    assert_eq!(issuer.verify(token.expose_secret()).unwrap(), whole);
}

#[test]
fn a_token_on_the_wire_is_an_hs256_jwt_with_these_claims() {
    let token = issuer().issue(&access_claims()).unwrap();
    let (message, signature) = token.expose_secret().rsplit_once('.').unwrap();
    let parts: Vec<Value> = message
        .split('.')
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    assert_eq!(parts, [json!({"typ": "JWT", "alg": "HS256"}), good()]);
    assert_eq!(signature, mac(SECRET, message));
}

#[test]
fn a_token_built_by_hand_with_our_key_and_our_claims_is_let_in() {
    assert!(issuer().verify(&signed(&good())).is_ok());
}

#[test]
fn the_algorithm_none_is_refused_in_any_case() {
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({"typ": "JWT", "alg": none}).to_string();
        let signed = signed_by(SECRET, &header, &good());
        let (message, _) = signed.rsplit_once('.').unwrap();
        assert_invalid(&signed);
        assert_invalid(&format!("{message}."));
        assert_invalid(message);
    }
}

#[test]
fn an_algorithm_other_than_hs256_is_refused_whatever_the_signature() {
    for other in ["HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA", "hs256", "XX"] {
        let header = json!({"typ": "JWT", "alg": other}).to_string();
        assert_invalid(&signed_by(SECRET, &header, &good()));
    }
    assert_invalid(&signed_by(SECRET, r#"{"typ":"JWT"}"#, &good()));
}

#[test]
fn a_token_signed_with_another_key_is_refused() {
    let other = "fedcba9876543210fedcba9876543210";
    assert_invalid(&signed_by(other, HS256, &good()));
    assert_invalid(issuer_with(other).issue(&access_claims()).unwrap().expose_secret());
    // The key itself is not its own beginning or end.
    assert_invalid(&signed_by("", HS256, &good()));
    assert_invalid(&signed_by(&SECRET[..31], HS256, &good()));
}

#[test]
fn a_token_whose_claims_were_changed_after_signing_is_refused() {
    let token = signed(&good());
    let mut parts: Vec<&str> = token.split('.').collect();
    let forged = URL_SAFE_NO_PAD.encode(good_but("sub", SESSION.into()).to_string());
    parts[1] = &forged;
    assert_invalid(&parts.join("."));
    for cut in [token.len() - 1, token.len() - 43, token.len() - 44] {
        assert_invalid(&token[..cut]);
    }
}

#[test]
fn a_token_without_any_one_of_its_claims_is_refused() {
    for claim in ["sub", "sid", "iss", "aud", "iat", "nbf", "exp", "jti", "ver"] {
        assert_invalid(&signed(&good_but(claim, Value::Null)));
    }
}

#[test]
fn a_token_for_or_from_somebody_else_is_refused() {
    for (claim, value) in [
        ("iss", json!("somebody")),
        ("iss", json!("Doable")),
        ("iss", json!(["doable"])),
        ("iss", json!("")),
        ("aud", json!("somebody")),
        ("aud", json!(["doable-api", "somebody"])),
        ("aud", json!([])),
    ] {
        assert_invalid(&signed(&good_but(claim, value)));
    }
}

#[test]
fn a_token_of_another_type_or_with_an_extension_is_refused() {
    for header in [
        json!({"alg": "HS256"}),
        json!({"typ": "at+jwt", "alg": "HS256"}),
        json!({"typ": "refresh", "alg": "HS256"}),
        json!({"typ": "JWT", "alg": "HS256", "crit": ["exp"]}),
        json!({"typ": "JWT", "alg": "HS256", "kid": "../../dev/null"}),
        json!({"typ": "JWT", "alg": "HS256", "jku": "https://example.com/keys"}),
    ] {
        assert_invalid(&signed_by(SECRET, &header.to_string(), &good()));
    }
}

#[test]
fn a_token_is_not_good_before_its_time_beyond_5_seconds() {
    let at = |seconds| signed(&good_but("nbf", json!(now().timestamp() + seconds)));
    assert!(issuer().verify(&at(5)).is_ok());
    assert_invalid(&at(6));
    assert_invalid(&at(86_400));
    assert_invalid(&signed(&good_but("iat", json!(now().timestamp() + 60))));
}

#[test]
fn a_token_expires_at_its_time_and_5_seconds() {
    // It is 0.65 s past the second.
    let at = |seconds| issuer().verify(&signed(&good_but("exp", json!(now().timestamp() + seconds))));
    assert!(at(0).is_ok() && at(-4).is_ok());
    for over in [-5, -6, -30, -60, -86_400] {
        assert!(matches!(at(over), Err(TokenError::Expired)), "{over}");
    }
}

#[test]
fn an_expired_token_with_anything_else_wrong_is_not_called_expired() {
    let mut claims = good_but("exp", json!(now().timestamp() - 60));
    assert_invalid(&signed_by("fedcba9876543210fedcba9876543210", HS256, &claims));
    claims["aud"] = json!("somebody");
    assert_invalid(&signed(&claims));
    claims["aud"] = json!("doable-api");
    claims["nbf"] = json!(now().timestamp() + 60);
    assert_invalid(&signed(&claims));
}

#[test]
fn times_and_ids_that_are_none_are_refused() {
    for (claim, value) in [
        ("exp", json!(i64::MAX)),
        ("exp", json!(u64::MAX)),
        ("exp", json!("tomorrow")),
        ("exp", json!(1.5e300)),
        ("nbf", json!(i64::MIN)),
        ("nbf", json!(DateTime::<Utc>::MIN_UTC.timestamp())),
        ("exp", json!(DateTime::<Utc>::MAX_UTC.timestamp())),
        ("sub", json!("1")),
        ("sub", json!("")),
        ("sid", json!(7)),
        ("jti", json!("x")),
        ("ver", json!(-1)),
    ] {
        assert_invalid(&signed(&good_but(claim, value)));
    }
}

#[test]
fn what_is_no_jwt_is_refused() {
    for token in ["", ".", "..", "...", "a.b.c", "Bearer x", "\u{0}", "🔑.🔑.🔑"] {
        assert_invalid(token);
    }
}

#[test]
fn a_signing_secret_has_at_least_32_bytes() {
    assert!(JwtSecret::new("x".repeat(32).into()).is_ok());
    assert!(JwtSecret::new("é".repeat(16).into()).is_ok());
    for short in [String::new(), "x".repeat(31)] {
        assert_eq!(JwtSecret::new(short.into()).unwrap_err(), JwtSecretTooShort);
    }
}

#[test]
fn a_signing_secret_does_not_print_itself() {
    let printed = format!("{:?}", JwtSecret::new(SECRET.into()).unwrap());
    assert!(!printed.contains(SECRET), "{printed}");
}

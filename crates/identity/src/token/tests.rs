//! Access tokens. Invalid ones are built without the JWT library under test.

mod attempt;
mod link;
mod opaque_token;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use domain::runtime::{ManualClock, MockIdGenerator};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const USER: &str = "0198c0de-0000-7000-8000-000000000001";
const SESSION: &str = "0198c0de-0000-7000-8000-000000000002";
const TOKEN_ID: &str = "0198c0de-0000-7000-8000-000000000003";
const ACCESS_HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

/// The time of every test, with a fraction of a second.
fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00.654321Z".parse().unwrap()
}

fn issuer_with(secret: &str) -> JwtIssuer {
    issuer_at(secret, now())
}

fn issuer_at(secret: &str, now: DateTime<Utc>) -> JwtIssuer {
    let clock = ManualClock::at(now);
    let mut ids = MockIdGenerator::new();
    ids.expect_next().return_const(TOKEN_ID.parse::<Uuid>().unwrap());
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

/// Claims of a valid token.
fn valid_claims() -> Value {
    let seconds = now().timestamp();
    json!({
        "sub": USER, "sid": SESSION, "iss": "doable", "aud": "doable-api",
        "iat": seconds, "nbf": seconds, "exp": seconds + 86_400, "jti": TOKEN_ID, "ver": 7,
    })
}

/// Claims of a valid token with one replaced or, with `null`, removed.
fn valid_claims_with(claim: &str, value: Value) -> Value {
    with_claim(valid_claims(), claim, value)
}

fn with_claim(mut claims: Value, claim: &str, value: Value) -> Value {
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

fn sign_with(key: &str, header: &str, claims: &Value) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
    format!("{message}.{}", mac(key, &message))
}

fn sign(claims: &Value) -> String {
    sign_with(SECRET, ACCESS_HEADER, claims)
}

#[track_caller]
fn assert_invalid(token: &str) {
    let result = issuer().verify(token);
    assert!(matches!(result, Err(TokenError::Invalid(_))), "{token}: {result:?}");
}

#[test]
fn issued_token_verifies_to_its_claims_in_whole_seconds() {
    let issuer = issuer();
    let token = issuer.issue(&access_claims()).unwrap();
    let AccessClaims { issued_at, expires_at, .. } = access_claims();
    let expected = AccessClaims {
        issued_at: issued_at.trunc_subsecs(0),
        expires_at: expires_at.trunc_subsecs(0),
        ..access_claims()
    };
    assert_eq!(issuer.verify(token.expose_secret()).unwrap(), expected);
}

#[test]
fn token_is_an_hs256_jwt_with_the_documented_claims() {
    let token = issuer().issue(&access_claims()).unwrap();
    let (message, signature) = token.expose_secret().rsplit_once('.').unwrap();
    let parts: Vec<Value> = message
        .split('.')
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    assert_eq!(parts, [json!({"typ": "JWT", "alg": "HS256"}), valid_claims()]);
    assert_eq!(signature, mac(SECRET, message));
}

#[test]
fn token_built_without_the_library_is_accepted() {
    assert!(issuer().verify(&sign(&valid_claims())).is_ok());
}

#[test]
fn algorithm_none_is_rejected_in_any_case() {
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({"typ": "JWT", "alg": none}).to_string();
        let signed = sign_with(SECRET, &header, &valid_claims());
        let (message, _) = signed.rsplit_once('.').unwrap();
        assert_invalid(&signed);
        assert_invalid(&format!("{message}."));
        assert_invalid(message);
    }
}

#[test]
fn algorithm_other_than_hs256_is_rejected() {
    for algorithm in ["HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA", "hs256", "XX"] {
        let header = json!({"typ": "JWT", "alg": algorithm}).to_string();
        assert_invalid(&sign_with(SECRET, &header, &valid_claims()));
    }
    assert_invalid(&sign_with(SECRET, r#"{"typ":"JWT"}"#, &valid_claims()));
}

#[test]
fn token_signed_with_another_key_is_rejected() {
    let other = "fedcba9876543210fedcba9876543210";
    assert_invalid(&sign_with(other, ACCESS_HEADER, &valid_claims()));
    assert_invalid(issuer_with(other).issue(&access_claims()).unwrap().expose_secret());
    assert_invalid(&sign_with("", ACCESS_HEADER, &valid_claims()));
    assert_invalid(&sign_with(&SECRET[..31], ACCESS_HEADER, &valid_claims()));
}

#[test]
fn altered_or_truncated_token_is_rejected() {
    let token = sign(&valid_claims());
    let mut parts: Vec<&str> = token.split('.').collect();
    let forged = URL_SAFE_NO_PAD.encode(valid_claims_with("sub", SESSION.into()).to_string());
    parts[1] = &forged;
    assert_invalid(&parts.join("."));
    for length in [token.len() - 1, token.len() - 43, token.len() - 44] {
        assert_invalid(&token[..length]);
    }
}

#[test]
fn token_without_a_required_claim_is_rejected() {
    for claim in ["sub", "sid", "iss", "aud", "iat", "nbf", "exp", "jti", "ver"] {
        assert_invalid(&sign(&valid_claims_with(claim, Value::Null)));
    }
}

#[test]
fn token_of_another_issuer_or_audience_is_rejected() {
    for (claim, value) in [
        ("iss", json!("another")),
        ("iss", json!("Doable")),
        ("iss", json!(["doable"])),
        ("iss", json!("")),
        ("aud", json!("another")),
        ("aud", json!(["doable-api", "another"])),
        ("aud", json!([])),
    ] {
        assert_invalid(&sign(&valid_claims_with(claim, value)));
    }
}

#[test]
fn token_with_another_type_or_extra_header_is_rejected() {
    for header in [
        json!({"alg": "HS256"}),
        json!({"typ": "at+jwt", "alg": "HS256"}),
        json!({"typ": "refresh", "alg": "HS256"}),
        json!({"typ": "JWT", "alg": "HS256", "crit": ["exp"]}),
        json!({"typ": "JWT", "alg": "HS256", "kid": "../../dev/null"}),
        json!({"typ": "JWT", "alg": "HS256", "jku": "https://example.com/keys"}),
    ] {
        assert_invalid(&sign_with(SECRET, &header.to_string(), &valid_claims()));
    }
}

#[test]
fn token_is_rejected_more_than_5_seconds_before_it_is_valid() {
    let at = |seconds| sign(&valid_claims_with("nbf", json!(now().timestamp() + seconds)));
    assert!(issuer().verify(&at(5)).is_ok());
    assert_invalid(&at(6));
    assert_invalid(&at(86_400));
    assert_invalid(&sign(&valid_claims_with("iat", json!(now().timestamp() + 60))));
}

#[test]
fn token_expires_5_seconds_after_its_expiry() {
    // `now` is 0.65 s after the full second.
    let at = |seconds| issuer().verify(&sign(&valid_claims_with("exp", json!(now().timestamp() + seconds))));
    assert!(at(0).is_ok() && at(-4).is_ok());
    for seconds in [-5, -6, -30, -60, -86_400] {
        assert!(matches!(at(seconds), Err(TokenError::Expired)), "{seconds}");
    }
}

#[test]
fn expired_token_with_another_defect_is_invalid() {
    let mut claims = valid_claims_with("exp", json!(now().timestamp() - 60));
    assert_invalid(&sign_with("fedcba9876543210fedcba9876543210", ACCESS_HEADER, &claims));
    claims["aud"] = json!("another");
    assert_invalid(&sign(&claims));
    claims["aud"] = json!("doable-api");
    claims["nbf"] = json!(now().timestamp() + 60);
    assert_invalid(&sign(&claims));
}

#[test]
fn malformed_times_and_ids_are_rejected() {
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
        assert_invalid(&sign(&valid_claims_with(claim, value)));
    }
}

#[test]
fn text_that_is_no_jwt_is_rejected() {
    for token in ["", ".", "..", "...", "a.b.c", "Bearer x", "\u{0}", "🔑.🔑.🔑"] {
        assert_invalid(token);
    }
}

#[test]
fn secret_has_at_least_32_bytes() {
    assert!(JwtSecret::new("x".repeat(32).into()).is_ok());
    assert!(JwtSecret::new("é".repeat(16).into()).is_ok());
    for short in [String::new(), "x".repeat(31)] {
        assert_eq!(JwtSecret::new(short.into()).unwrap_err(), JwtSecretTooShort);
    }
}

#[test]
fn a_derived_key_is_that_of_hkdf_and_differs_by_secret_and_purpose() {
    let key = |secret: &str, purpose| JwtSecret::new(secret.repeat(32).into()).unwrap().derive_key(purpose);
    // HKDF-SHA256 without a salt, in Python's hmac: see RFC 5869, 2.2 and 2.3.
    let expected = 0xaf5e_96b2_33d5_f996_cd47_63df_7751_833f_u128;
    assert_eq!(key("k", "rate limits")[..16], expected.to_be_bytes());
    let expected = 0x9a32_8076_117a_90a6_3680_48bb_05cd_e9d4_u128;
    assert_eq!(key("k", "rate limits")[16..], expected.to_be_bytes());
    assert_ne!(key("k", "rate limits"), key("k", "other"));
    assert_ne!(key("k", "rate limits"), key("l", "rate limits"));
}

#[test]
fn debug_output_does_not_contain_the_secret() {
    let printed = format!("{:?}", JwtSecret::new(SECRET.into()).unwrap());
    assert!(!printed.contains(SECRET), "{printed}");
}

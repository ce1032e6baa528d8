//! Sealed attempts to sign in elsewhere: what opens, what does not, and that they never pass for access tokens.

use domain::account::SignInProof;

use super::*;

const SIGN_IN: &str = r#"{"typ":"sign-in+jwt","alg":"HS256"}"#;

fn begun() -> SignInAttempt {
    let proof = SignInProof { nonce: "the nonce".into(), pkce_verifier: "the verifier".into() };
    SignInAttempt {
        state: "the state".into(),
        proof,
        link: Some((USER.parse().unwrap(), SESSION.parse().unwrap())),
        issued_at: now(),
        expires_at: now() + TimeDelta::minutes(10),
    }
}

/// The claims of a good attempt.
fn claims() -> Value {
    let seconds = now().timestamp();
    json!({
        "iss": "doable", "aud": "doable-sign-in", "iat": seconds, "exp": seconds + 600,
        "state": "the state", "nonce": "the nonce", "verifier": "the verifier",
        "link": { "user": USER, "session": SESSION },
    })
}

fn sealed(claims: &Value) -> String {
    signed_by(SECRET, SIGN_IN, claims)
}

/// Everything that an attempt holds, secrets included.
fn told(attempt: &SignInAttempt) -> String {
    let SignInAttempt { state, proof, link, issued_at, expires_at } = attempt;
    let secrets = [state, &proof.nonce, &proof.pkce_verifier].map(secrecy::ExposeSecret::expose_secret);
    format!("{secrets:?} {link:?} {issued_at} {expires_at}")
}

#[track_caller]
fn assert_does_not_open(sealed: &str) {
    let verdict = issuer().open_attempt(sealed);
    assert!(matches!(verdict, Err(TokenError::Invalid(_))), "{sealed}: {verdict:?}");
}

#[test]
fn an_attempt_opens_to_what_was_sealed_in_whole_seconds() {
    for link in [begun().link, None] {
        let attempt = SignInAttempt { link, ..begun() };
        let sealed = issuer().seal_attempt(&attempt).unwrap();
        let opened = issuer().open_attempt(sealed.expose_secret()).unwrap();
        let whole = SignInAttempt {
            issued_at: attempt.issued_at.trunc_subsecs(0),
            expires_at: attempt.expires_at.trunc_subsecs(0),
            ..attempt
        };
        assert_eq!(told(&opened), told(&whole));
    }
}

#[test]
fn a_sealed_attempt_on_the_wire_is_a_jwt_of_its_own_type_with_these_claims() {
    let sealed = issuer().seal_attempt(&begun()).unwrap();
    let (message, signature) = sealed.expose_secret().rsplit_once('.').unwrap();
    let parts: Vec<Value> = message
        .split('.')
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    assert_eq!(parts, [json!({"typ": "sign-in+jwt", "alg": "HS256"}), claims()]);
    assert_eq!(signature, mac(SECRET, message));
}

#[test]
fn an_attempt_sealed_by_hand_with_our_key_and_our_claims_opens() {
    assert!(issuer().open_attempt(&sealed(&claims())).is_ok());
    assert!(issuer().open_attempt(&sealed(&but(claims(), "link", Value::Null))).is_ok());
}

#[test]
fn a_sealed_attempt_is_no_access_token() {
    assert_invalid(issuer().seal_attempt(&begun()).unwrap().expose_secret());
    // Not with the one thing put right, nor with the other.
    let mut both = good();
    both.as_object_mut().unwrap().extend(claims().as_object().unwrap().clone());
    for (header, audience) in [(HS256, "doable-sign-in"), (SIGN_IN, "doable-api"), (SIGN_IN, "doable-sign-in")] {
        assert_invalid(&signed_by(SECRET, header, &but(both.clone(), "aud", audience.into())));
    }
    assert_invalid(&signed(&but(both.clone(), "aud", json!(["doable-api", "doable-sign-in"]))));
    assert!(issuer().verify(&signed(&but(both, "aud", "doable-api".into()))).is_ok());
}

#[test]
fn an_access_token_is_no_sealed_attempt() {
    assert_does_not_open(issuer().issue(&access_claims()).unwrap().expose_secret());
    let mut both = good();
    both.as_object_mut().unwrap().extend(claims().as_object().unwrap().clone());
    for (header, audience) in [(HS256, "doable-sign-in"), (SIGN_IN, "doable-api"), (HS256, "doable-api")] {
        assert_does_not_open(&signed_by(SECRET, header, &but(both.clone(), "aud", audience.into())));
    }
    assert_does_not_open(&sealed(&but(both.clone(), "aud", json!(["doable-api", "doable-sign-in"]))));
    assert!(issuer().open_attempt(&sealed(&both)).is_ok());
}

#[test]
fn an_attempt_that_was_altered_or_cut_does_not_open() {
    let whole = sealed(&claims());
    let parts: Vec<&str> = whole.split('.').collect();
    let forged = URL_SAFE_NO_PAD.encode(but(claims(), "state", "another".into()).to_string());
    assert_does_not_open(&format!("{}.{forged}.{}", parts[0], parts[2]));
    assert_does_not_open(&format!("{}.{}.", parts[0], parts[1]));
    assert_does_not_open(&format!("{}.{}", parts[0], parts[1]));
    assert_does_not_open(&whole[..whole.len() - 1]);
    for broken in ["", "..", "dbls_AAAA"] {
        assert_does_not_open(broken);
    }
}

#[test]
fn an_attempt_sealed_with_another_key_or_none_does_not_open() {
    let other = "fedcba9876543210fedcba9876543210";
    assert_does_not_open(&signed_by(other, SIGN_IN, &claims()));
    assert_does_not_open(issuer_with(other).seal_attempt(&begun()).unwrap().expose_secret());
    for alg in ["none", "None", "NONE", "HS384", "RS256"] {
        let header = json!({"typ": "sign-in+jwt", "alg": alg}).to_string();
        assert_does_not_open(&signed_by(SECRET, &header, &claims()));
        let unsigned = [header, claims().to_string()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        assert_does_not_open(&format!("{unsigned}."));
    }
}

#[test]
fn an_attempt_without_any_one_of_its_claims_does_not_open() {
    for claim in ["iss", "aud", "iat", "exp", "state", "nonce", "verifier"] {
        assert_does_not_open(&sealed(&but(claims(), claim, Value::Null)));
    }
    for link in [json!({}), json!({"user": USER}), json!({"user": USER, "session": "1"}), json!(7)] {
        assert_does_not_open(&sealed(&but(claims(), "link", link)));
    }
    for (claim, value) in [("iss", "somebody"), ("aud", "somebody"), ("exp", "tomorrow"), ("iat", "")] {
        assert_does_not_open(&sealed(&but(claims(), claim, value.into())));
    }
}

#[test]
fn an_attempt_is_over_at_its_time_and_5_seconds_by_the_clock_port() {
    let sealed = issuer().seal_attempt(&begun()).unwrap();
    // `exp` is a whole second.
    let end = (now() + TimeDelta::minutes(10)).trunc_subsecs(0);
    let at = |time| issuer_at(SECRET, time).open_attempt(sealed.expose_secret());
    assert!(at(end).is_ok() && at(end + TimeDelta::seconds(5)).is_ok());
    for over in [TimeDelta::milliseconds(5_001), TimeDelta::seconds(6), TimeDelta::days(1)] {
        assert!(matches!(at(end + over), Err(TokenError::Expired)), "{over}");
    }
}

#[test]
fn an_attempt_from_the_future_beyond_5_seconds_does_not_open() {
    let at = |seconds| sealed(&but(claims(), "iat", json!(now().timestamp() + seconds)));
    assert!(issuer().open_attempt(&at(5)).is_ok());
    assert_does_not_open(&at(6));
    for time in [json!(i64::MAX), json!(DateTime::<Utc>::MAX_UTC.timestamp()), json!(1.5e300)] {
        assert_does_not_open(&sealed(&but(claims(), "exp", time)));
    }
}

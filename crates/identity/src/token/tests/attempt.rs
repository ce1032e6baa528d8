//! Sealed sign-in attempts.

use domain::account::SignInProof;

use super::*;

const SIGN_IN_HEADER: &str = r#"{"typ":"sign-in+jwt","alg":"HS256"}"#;

fn attempt() -> SignInAttempt {
    let proof = SignInProof { nonce: "the nonce".into(), pkce_verifier: "the verifier".into() };
    SignInAttempt {
        state: "the state".into(),
        proof,
        link: Some((USER.parse().unwrap(), SESSION.parse().unwrap())),
        issued_at: now(),
        expires_at: now() + TimeDelta::minutes(10),
    }
}

/// Claims of a valid attempt.
fn attempt_claims() -> Value {
    let seconds = now().timestamp();
    json!({
        "iss": "doable", "aud": "doable-sign-in", "iat": seconds, "exp": seconds + 600,
        "state": "the state", "nonce": "the nonce", "verifier": "the verifier",
        "link": { "user": USER, "session": SESSION },
    })
}

fn seal(claims: &Value) -> String {
    sign_with(SECRET, SIGN_IN_HEADER, claims)
}

/// Returns all fields, including the secrets, for comparison.
fn expose(attempt: &SignInAttempt) -> String {
    let SignInAttempt { state, proof, link, issued_at, expires_at } = attempt;
    let secrets = [state, &proof.nonce, &proof.pkce_verifier].map(secrecy::ExposeSecret::expose_secret);
    format!("{secrets:?} {link:?} {issued_at} {expires_at}")
}

#[track_caller]
fn assert_rejected(sealed: &str) {
    let result = issuer().open_attempt(sealed);
    assert!(matches!(result, Err(TokenError::Invalid(_))), "{sealed}: {result:?}");
}

#[test]
fn sealed_attempt_opens_to_its_fields_in_whole_seconds() {
    for link in [attempt().link, None] {
        let attempt = SignInAttempt { link, ..attempt() };
        let sealed = issuer().seal_attempt(&attempt).unwrap();
        let opened = issuer().open_attempt(sealed.expose_secret()).unwrap();
        let expected = SignInAttempt {
            issued_at: attempt.issued_at.trunc_subsecs(0),
            expires_at: attempt.expires_at.trunc_subsecs(0),
            ..attempt
        };
        assert_eq!(expose(&opened), expose(&expected));
    }
}

#[test]
fn sealed_attempt_is_a_jwt_of_its_own_type_with_the_documented_claims() {
    let sealed = issuer().seal_attempt(&attempt()).unwrap();
    let (message, signature) = sealed.expose_secret().rsplit_once('.').unwrap();
    let parts: Vec<Value> = message
        .split('.')
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    assert_eq!(parts, [json!({"typ": "sign-in+jwt", "alg": "HS256"}), attempt_claims()]);
    assert_eq!(signature, mac(SECRET, message));
}

#[test]
fn attempt_sealed_without_the_library_opens() {
    assert!(issuer().open_attempt(&seal(&attempt_claims())).is_ok());
    assert!(issuer().open_attempt(&seal(&with_claim(attempt_claims(), "link", Value::Null))).is_ok());
}

#[test]
fn sealed_attempt_is_rejected_as_an_access_token() {
    assert_invalid(issuer().seal_attempt(&attempt()).unwrap().expose_secret());
    // A token with all claims of both types needs the right header and the right audience.
    let mut both = valid_claims();
    both.as_object_mut().unwrap().extend(attempt_claims().as_object().unwrap().clone());
    for (header, audience) in
        [(ACCESS_HEADER, "doable-sign-in"), (SIGN_IN_HEADER, "doable-api"), (SIGN_IN_HEADER, "doable-sign-in")]
    {
        assert_invalid(&sign_with(SECRET, header, &with_claim(both.clone(), "aud", audience.into())));
    }
    assert_invalid(&sign(&with_claim(both.clone(), "aud", json!(["doable-api", "doable-sign-in"]))));
    assert!(issuer().verify(&sign(&with_claim(both, "aud", "doable-api".into()))).is_ok());
}

#[test]
fn access_token_is_rejected_as_a_sealed_attempt() {
    assert_rejected(issuer().issue(&access_claims()).unwrap().expose_secret());
    let mut both = valid_claims();
    both.as_object_mut().unwrap().extend(attempt_claims().as_object().unwrap().clone());
    for (header, audience) in
        [(ACCESS_HEADER, "doable-sign-in"), (SIGN_IN_HEADER, "doable-api"), (ACCESS_HEADER, "doable-api")]
    {
        assert_rejected(&sign_with(SECRET, header, &with_claim(both.clone(), "aud", audience.into())));
    }
    assert_rejected(&seal(&with_claim(both.clone(), "aud", json!(["doable-api", "doable-sign-in"]))));
    assert!(issuer().open_attempt(&seal(&both)).is_ok());
}

#[test]
fn altered_or_truncated_attempt_is_rejected() {
    let valid = seal(&attempt_claims());
    let parts: Vec<&str> = valid.split('.').collect();
    let forged = URL_SAFE_NO_PAD.encode(with_claim(attempt_claims(), "state", "another".into()).to_string());
    assert_rejected(&format!("{}.{forged}.{}", parts[0], parts[2]));
    assert_rejected(&format!("{}.{}.", parts[0], parts[1]));
    assert_rejected(&format!("{}.{}", parts[0], parts[1]));
    assert_rejected(&valid[..valid.len() - 1]);
    for malformed in ["", "..", "dbls_AAAA"] {
        assert_rejected(malformed);
    }
}

#[test]
fn attempt_with_another_key_or_algorithm_is_rejected() {
    let other = "fedcba9876543210fedcba9876543210";
    assert_rejected(&sign_with(other, SIGN_IN_HEADER, &attempt_claims()));
    assert_rejected(issuer_with(other).seal_attempt(&attempt()).unwrap().expose_secret());
    for alg in ["none", "None", "NONE", "HS384", "RS256"] {
        let header = json!({"typ": "sign-in+jwt", "alg": alg}).to_string();
        assert_rejected(&sign_with(SECRET, &header, &attempt_claims()));
        let unsigned = [header, attempt_claims().to_string()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        assert_rejected(&format!("{unsigned}."));
    }
}

#[test]
fn attempt_with_a_missing_or_malformed_claim_is_rejected() {
    for claim in ["iss", "aud", "iat", "exp", "state", "nonce", "verifier"] {
        assert_rejected(&seal(&with_claim(attempt_claims(), claim, Value::Null)));
    }
    for link in [json!({}), json!({"user": USER}), json!({"user": USER, "session": "1"}), json!(7)] {
        assert_rejected(&seal(&with_claim(attempt_claims(), "link", link)));
    }
    for (claim, value) in [("iss", "another"), ("aud", "another"), ("exp", "tomorrow"), ("iat", "")] {
        assert_rejected(&seal(&with_claim(attempt_claims(), claim, value.into())));
    }
}

#[test]
fn attempt_expires_5_seconds_after_its_expiry() {
    let sealed = issuer().seal_attempt(&attempt()).unwrap();
    // `exp` is in whole seconds.
    let expiry = (now() + TimeDelta::minutes(10)).trunc_subsecs(0);
    let at = |time| issuer_at(SECRET, time).open_attempt(sealed.expose_secret());
    assert!(at(expiry).is_ok() && at(expiry + TimeDelta::seconds(5)).is_ok());
    for late in [TimeDelta::milliseconds(5_001), TimeDelta::seconds(6), TimeDelta::days(1)] {
        assert!(matches!(at(expiry + late), Err(TokenError::Expired)), "{late}");
    }
}

#[test]
fn attempt_is_rejected_more_than_5_seconds_before_its_issue() {
    let at = |seconds| seal(&with_claim(attempt_claims(), "iat", json!(now().timestamp() + seconds)));
    assert!(issuer().open_attempt(&at(5)).is_ok());
    assert_rejected(&at(6));
    for time in [json!(i64::MAX), json!(DateTime::<Utc>::MAX_UTC.timestamp()), json!(1.5e300)] {
        assert_rejected(&seal(&with_claim(attempt_claims(), "exp", time)));
    }
}

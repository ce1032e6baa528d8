//! Sealed links.

use domain::user::ExternalAccount;

use super::*;

const LINK_HEADER: &str = r#"{"typ":"link+jwt","alg":"HS256"}"#;

fn link() -> PendingLink {
    PendingLink {
        id: "the id".into(),
        account: ExternalAccount::new("https://accounts.example.com", "248289761001").unwrap(),
        user: USER.parse().unwrap(),
        session: SESSION.parse().unwrap(),
        issued_at: now(),
        expires_at: now() + TimeDelta::minutes(1),
    }
}

/// Claims of a valid link.
fn link_claims() -> Value {
    let seconds = now().timestamp();
    json!({
        "iss": "doable", "aud": "doable-link", "iat": seconds, "exp": seconds + 60, "jti": "the id", "sub": USER,
        "sid": SESSION, "issuer": "https://accounts.example.com", "subject": "248289761001",
    })
}

fn seal(claims: &Value) -> String {
    sign_with(SECRET, LINK_HEADER, claims)
}

/// Returns all fields, including the secret, for comparison.
fn expose(link: &PendingLink) -> String {
    let PendingLink { id, account, user, session, issued_at, expires_at } = link;
    format!("{} {} {account:?} {user} {session} {issued_at} {expires_at}", id.expose_secret(), account.subject())
}

#[track_caller]
fn assert_rejected(sealed: &str) {
    let result = issuer().open_link(sealed);
    assert!(matches!(result, Err(TokenError::Invalid(_))), "{sealed}: {result:?}");
}

#[test]
fn sealed_link_opens_to_its_fields_in_whole_seconds() {
    let sealed = issuer().seal_link(&link()).unwrap();
    let expected =
        PendingLink { issued_at: now().trunc_subsecs(0), expires_at: link().expires_at.trunc_subsecs(0), ..link() };
    assert_eq!(expose(&issuer().open_link(sealed.expose_secret()).unwrap()), expose(&expected));
    // Sealed without the library.
    assert_eq!(expose(&issuer().open_link(&seal(&link_claims())).unwrap()), expose(&expected));
}

#[test]
fn sealed_link_is_accepted_as_no_other_token_and_no_other_token_as_a_link() {
    let sealed = issuer().seal_link(&link()).unwrap();
    assert_invalid(sealed.expose_secret());
    assert!(matches!(issuer().open_attempt(sealed.expose_secret()), Err(TokenError::Invalid(_))));
    assert_rejected(issuer().issue(&access_claims()).unwrap().expose_secret());
    // A token with all claims of both types needs the right header and the right audience.
    let mut both = valid_claims();
    both.as_object_mut().unwrap().extend(link_claims().as_object().unwrap().clone());
    for (header, audience) in
        [(LINK_HEADER, "doable-api"), (ACCESS_HEADER, "doable-link"), (LINK_HEADER, "doable-link")]
    {
        assert_invalid(&sign_with(SECRET, header, &with_claim(both.clone(), "aud", audience.into())));
    }
    for (header, audience) in [
        (LINK_HEADER, "doable-api"),
        (LINK_HEADER, "doable-sign-in"),
        (ACCESS_HEADER, "doable-link"),
        ("{}", "doable-link"),
    ] {
        assert_rejected(&sign_with(SECRET, header, &with_claim(both.clone(), "aud", audience.into())));
    }
    assert!(issuer().open_link(&seal(&both)).is_ok());
}

#[test]
fn altered_link_or_link_with_another_key_is_rejected() {
    let valid = seal(&link_claims());
    let parts: Vec<&str> = valid.split('.').collect();
    let forged = URL_SAFE_NO_PAD.encode(with_claim(link_claims(), "subject", "2".into()).to_string());
    assert_rejected(&format!("{}.{forged}.{}", parts[0], parts[2]));
    assert_rejected(&format!("{}.{}.", parts[0], parts[1]));
    assert_rejected(issuer_with("fedcba9876543210fedcba9876543210").seal_link(&link()).unwrap().expose_secret());
    for malformed in ["", "..", "dblc_AAAA"] {
        assert_rejected(malformed);
    }
}

#[test]
fn link_with_a_missing_or_malformed_claim_is_rejected() {
    for claim in ["iss", "aud", "iat", "exp", "jti", "sub", "sid", "issuer", "subject"] {
        assert_rejected(&seal(&with_claim(link_claims(), claim, Value::Null)));
    }
    for (claim, value) in [("iss", "another"), ("sub", "1"), ("sid", ""), ("subject", ""), ("issuer", "a\0")] {
        assert_rejected(&seal(&with_claim(link_claims(), claim, value.into())));
    }
}

#[test]
fn link_expires_5_seconds_after_its_expiry() {
    let sealed = seal(&link_claims());
    let at = |seconds| issuer_at(SECRET, now().trunc_subsecs(0) + TimeDelta::seconds(seconds)).open_link(&sealed);
    assert!(at(0).is_ok() && at(65).is_ok());
    assert!(matches!(at(66), Err(TokenError::Expired)));
    assert!(matches!(at(-6), Err(TokenError::Invalid(_))));
}

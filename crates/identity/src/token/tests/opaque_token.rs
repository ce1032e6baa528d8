//! Opaque tokens.

use super::*;

const KINDS: [(SecretKind, &str); 4] = [
    (SecretKind::RefreshToken, "dblr_"),
    (SecretKind::ApiToken, "dbl_"),
    (SecretKind::OneTimeCode, "dblc_"),
    (SecretKind::State, "dbls_"),
];

fn generate(kind: SecretKind) -> (String, SecretHash) {
    let NewSecret { text, hash } = issuer().new_secret(kind).unwrap();
    (text.expose_secret().to_owned(), hash)
}

#[test]
fn token_has_the_prefix_of_its_kind_and_256_random_bits() {
    for (kind, prefix) in KINDS {
        let ((text, hash), (other_text, other_hash)) = (generate(kind), generate(kind));
        assert_eq!(URL_SAFE_NO_PAD.decode(text.strip_prefix(prefix).unwrap()).unwrap().len(), 32);
        assert_ne!(text, other_text);
        assert_ne!(hash, other_hash);
    }
}

#[test]
fn hash_is_the_sha_256_of_the_whole_token() {
    for (kind, _) in KINDS {
        let (text, hash) = generate(kind);
        assert_eq!(issuer().hash_secret(kind, &text), Some(hash.clone()));
        assert_eq!(hash.as_bytes()[..], Sha256::digest(text)[..]);
    }
}

#[test]
fn token_of_another_kind_has_no_hash() {
    for (kind, _) in KINDS {
        let (text, _) = generate(kind);
        for (other, _) in KINDS.into_iter().filter(|(other, _)| *other != kind) {
            assert_eq!(issuer().hash_secret(other, &text), None, "{kind:?} as {other:?}");
        }
    }
}

#[test]
fn malformed_token_has_no_hash() {
    let (text, _) = generate(SecretKind::RefreshToken);
    let access = issuer().issue(&access_claims()).unwrap();
    for malformed in [
        String::new(),
        "dblr_".to_owned(),
        text[..text.len() - 1].to_owned(),
        format!("{text}A"),
        format!("{text}="),
        format!(" {text}"),
        text.to_uppercase(),
        text.replacen("dblr_", "", 1),
        access.expose_secret().to_owned(),
    ] {
        assert_eq!(issuer().hash_secret(SecretKind::RefreshToken, &malformed), None, "{malformed}");
    }
}

#[test]
fn opaque_token_is_rejected_as_an_access_token_and_as_a_sealed_attempt() {
    for (kind, _) in KINDS {
        let (text, _) = generate(kind);
        assert_invalid(&text);
        assert!(matches!(issuer().open_attempt(&text), Err(TokenError::Invalid(_))), "{kind:?}");
    }
}

#[test]
fn next_refresh_token_is_the_same_each_time_and_depends_on_token_and_key() {
    let next = |secret: &str, token: &str| {
        let NewSecret { text, hash } = issuer_with(secret).next_refresh_token(token).unwrap();
        assert_eq!(issuer().hash_secret(SecretKind::RefreshToken, text.expose_secret()), Some(hash));
        text.expose_secret().to_owned()
    };
    let ((token, _), (other, _)) = (generate(SecretKind::RefreshToken), generate(SecretKind::RefreshToken));
    let first = next(SECRET, &token);
    assert_eq!(next(SECRET, &token), first);
    let all = [token.clone(), first.clone(), next(SECRET, &other), next(&SECRET.to_uppercase(), &token)];
    let distinct: std::collections::BTreeSet<_> = all.iter().chain([&next(SECRET, &first)]).cloned().collect();
    assert_eq!(distinct.len(), 5, "{distinct:?}");
}

#[test]
fn next_refresh_token_is_a_code_of_its_own_and_no_signature_of_a_jwt() {
    let (token, _) = generate(SecretKind::RefreshToken);
    let code = |message: String| {
        let mut code = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        code.update(message.as_bytes());
        format!("dblr_{}", URL_SAFE_NO_PAD.encode(code.finalize().into_bytes()))
    };
    let next = issuer().next_refresh_token(&token).unwrap().text;
    assert_eq!(next.expose_secret(), code(format!("next opaque token:{token}")));
    assert_ne!(next.expose_secret(), code(token));
}

#[test]
fn debug_output_does_not_contain_the_token() {
    for (kind, prefix) in KINDS {
        let printed = format!("{:?}", issuer().new_secret(kind).unwrap());
        assert!(!printed.contains(prefix), "{printed}");
    }
}

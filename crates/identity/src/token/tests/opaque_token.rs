//! Random texts: what they look like, and which kind knows which again.

use super::*;

const KINDS: [(SecretKind, &str); 4] = [
    (SecretKind::RefreshToken, "dblr_"),
    (SecretKind::ApiToken, "dbl_"),
    (SecretKind::OneTimeCode, "dblc_"),
    (SecretKind::State, "dbls_"),
];

fn made(kind: SecretKind) -> (String, SecretHash) {
    let NewSecret { text, hash } = issuer().new_secret(kind).unwrap();
    (text.expose_secret().to_owned(), hash)
}

#[test]
fn a_text_has_the_prefix_of_its_kind_and_256_random_bits() {
    for (kind, prefix) in KINDS {
        let ((text, hash), (other_text, other_hash)) = (made(kind), made(kind));
        assert_eq!(URL_SAFE_NO_PAD.decode(text.strip_prefix(prefix).unwrap()).unwrap().len(), 32);
        assert_ne!(text, other_text);
        assert_ne!(hash, other_hash);
    }
}

#[test]
fn a_text_is_known_again_by_the_sha_256_of_all_of_it() {
    for (kind, _) in KINDS {
        let (text, hash) = made(kind);
        assert_eq!(issuer().hash_secret(kind, &text), Some(hash.clone()));
        assert_eq!(hash.as_bytes()[..], Sha256::digest(text)[..]);
    }
}

#[test]
fn a_text_of_one_kind_is_none_of_another() {
    for (kind, _) in KINDS {
        let (text, _) = made(kind);
        for (other, _) in KINDS.into_iter().filter(|(other, _)| *other != kind) {
            assert_eq!(issuer().hash_secret(other, &text), None, "{kind:?} as {other:?}");
        }
    }
}

#[test]
fn a_text_that_cannot_be_of_the_kind_has_no_hash() {
    let (text, _) = made(SecretKind::RefreshToken);
    let access = issuer().issue(&access_claims()).unwrap();
    for other in [
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
        assert_eq!(issuer().hash_secret(SecretKind::RefreshToken, &other), None, "{other}");
    }
}

#[test]
fn a_random_text_is_no_access_token_and_no_sealed_attempt() {
    for (kind, _) in KINDS {
        let (text, _) = made(kind);
        assert_invalid(&text);
        assert!(matches!(issuer().open_attempt(&text), Err(TokenError::Invalid(_))), "{kind:?}");
    }
}

#[test]
fn a_random_text_does_not_print_itself() {
    for (kind, prefix) in KINDS {
        let printed = format!("{:?}", issuer().new_secret(kind).unwrap());
        assert!(!printed.contains(prefix), "{printed}");
    }
}

//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), by which clients mark retries of the same request.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpRequest};
use domain::conversation::{Fingerprint, Idempotency, IdempotencyKey, KeyError, KeyReuse};
use sha2::{Digest as _, Sha256};

use crate::problem::{ApiError, RequestError};

/// The header with the key.
pub(crate) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The extractor of the key of a request, if it has one.
pub(crate) struct Key(Option<IdempotencyKey>);

impl Key {
    /// The idempotency of a request whose kind and whole content are in `texts`.
    pub(crate) fn of(self, texts: &[&str]) -> Option<Idempotency> {
        self.0.map(|key| Idempotency { key, fingerprint: fingerprint(texts), reuse: KeyReuse::Refuse })
    }
}

impl FromRequest for Key {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(key(request.headers()).map(Self).map_err(ApiError::from))
    }
}

/// Parses the key of a request, if it has one.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, RequestError> {
    let mut lines = headers.get_all(IDEMPOTENCY_KEY);
    let line = match (lines.next(), lines.next()) {
        (None, _) => return Ok(None),
        (Some(line), None) => line,
        (Some(_), Some(_)) => {
            return Err(RequestError::invalid(IDEMPOTENCY_KEY, format!("{IDEMPOTENCY_KEY} is given more than once")));
        }
    };
    let key = line.to_str().ok().and_then(|line| line.parse().ok());
    key.map(Some).ok_or_else(|| RequestError::invalid(IDEMPOTENCY_KEY, format!("{IDEMPOTENCY_KEY} {KeyError}")))
}

/// The fingerprint of a request: a hash of its content.
pub(crate) fn fingerprint(texts: &[&str]) -> Fingerprint {
    let mut digest = Sha256::new();
    for text in texts {
        // With their lengths, so that different lists of texts have different hashes.
        digest.update(text.len().to_be_bytes());
        digest.update(text);
    }
    Fingerprint(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_key_is_one_line_of_visible_characters() {
        let parse = |lines: &[&str]| {
            let request = lines
                .iter()
                .fold(TestRequest::default(), |request, line| request.append_header((IDEMPOTENCY_KEY, *line)));
            key(request.to_http_request().headers())
        };
        assert!(parse(&[]).is_ok_and(|key| key.is_none()));
        assert_eq!(parse(&["a b"]).unwrap().unwrap().as_str(), "a b");
        for lines in [&["a", "a"] as &[&str], &[""], &["é"], &[&"x".repeat(256)]] {
            assert!(parse(lines).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn different_texts_have_different_fingerprints() {
        assert_eq!(fingerprint(&["a", "bc"]), fingerprint(&["a", "bc"]));
        for other in [&["ab", "c"] as &[&str], &["abc"], &["a", "bc", ""], &["bc", "a"]] {
            assert_ne!(fingerprint(other), fingerprint(&["a", "bc"]), "{other:?}");
        }
    }
}

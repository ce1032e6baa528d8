//! The types of JWT. One key signs all, so header type and audience distinguish them (RFC 8725, 3.9 and 3.11).

use jsonwebtoken::{Algorithm, Header, Validation};

/// `iss` of all types.
pub(super) const ISSUER: &str = "doable";
/// `aud` of access tokens.
pub(super) const ACCESS_AUDIENCE: &str = "doable-api";
/// `aud` of sealed sign-in attempts.
pub(super) const SIGN_IN_AUDIENCE: &str = "doable-sign-in";
/// `aud` of sealed links.
pub(super) const LINK_AUDIENCE: &str = "doable-link";

/// Expected header and claims.
pub(super) struct TokenType {
    pub header: Header,
    pub validation: Validation,
}

impl TokenType {
    pub(super) fn access() -> Self {
        Self::new("JWT", ACCESS_AUDIENCE, &["iss", "aud", "sub", "exp", "nbf"])
    }

    pub(super) fn sign_in_attempt() -> Self {
        Self::new("sign-in+jwt", SIGN_IN_AUDIENCE, &["iss", "aud", "exp"])
    }

    pub(super) fn pending_link() -> Self {
        Self::new("link+jwt", LINK_AUDIENCE, &["iss", "aud", "exp"])
    }

    /// A claim with an expected value is also `required`, because the library accepts tokens without it otherwise.
    fn new(typ: &str, audience: &str, required: &[&str]) -> Self {
        let header = Header { typ: Some(typ.to_owned()), ..Header::new(Algorithm::HS256) };
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(required);
        // Checked in `time.rs` against the `Clock` port; the library would read the system clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { header, validation }
    }
}

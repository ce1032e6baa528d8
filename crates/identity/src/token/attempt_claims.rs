//! Claims of a sealed sign-in attempt: those of RFC 7519, 4.1, with the private claims `state`, `nonce`, `verifier` and
//! `link`.

use domain::account::{SignInAttempt, SignInProof};
use domain::id::{SessionId, UserId};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::defect::TokenDefect;
use super::time::from_timestamp;
use super::token_type::{ISSUER, SIGN_IN_AUDIENCE};

/// Every claim except `link` is required. Times are seconds since 1970.
#[derive(Serialize, Deserialize)]
pub(super) struct JwtAttemptClaims {
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
    state: String,
    nonce: String,
    /// PKCE verifier.
    verifier: String,
    /// User and session to link the account to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<Link>,
}

#[derive(Serialize, Deserialize)]
struct Link {
    user: UserId,
    session: SessionId,
}

impl JwtAttemptClaims {
    pub(super) fn new(attempt: &SignInAttempt) -> Self {
        let SignInAttempt { state, proof: SignInProof { nonce, pkce_verifier }, link, issued_at, expires_at } = attempt;
        Self {
            iss: ISSUER.to_owned(),
            aud: SIGN_IN_AUDIENCE.to_owned(),
            iat: issued_at.timestamp(),
            exp: expires_at.timestamp(),
            state: state.expose_secret().to_owned(),
            nonce: nonce.expose_secret().to_owned(),
            verifier: pkce_verifier.expose_secret().to_owned(),
            link: link.map(|(user, session)| Link { user, session }),
        }
    }
}

impl TryFrom<JwtAttemptClaims> for SignInAttempt {
    type Error = TokenDefect;

    fn try_from(claims: JwtAttemptClaims) -> Result<Self, TokenDefect> {
        let proof = SignInProof { nonce: claims.nonce.into(), pkce_verifier: claims.verifier.into() };
        Ok(Self {
            state: claims.state.into(),
            proof,
            link: claims.link.map(|Link { user, session }| (user, session)),
            issued_at: from_timestamp(claims.iat)?,
            expires_at: from_timestamp(claims.exp)?,
        })
    }
}

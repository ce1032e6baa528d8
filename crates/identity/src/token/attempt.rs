//! The claims of a sealed attempt to sign in elsewhere: those of RFC 7519, 4.1, with `state`, `nonce`, `verifier` and
//! `link` of our own.

use domain::account::{SignInAttempt, SignInProof};
use domain::id::{SessionId, UserId};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::claims::time;
use super::{ISSUER, Refusal, SIGN_IN_AUDIENCE};

/// Every claim but `link` is required. Times are seconds since 1970.
#[derive(Serialize, Deserialize)]
pub(super) struct AttemptClaims {
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
    state: String,
    nonce: String,
    /// The PKCE verifier.
    verifier: String,
    /// Whose account is to be tied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<Link>,
}

#[derive(Serialize, Deserialize)]
struct Link {
    user: UserId,
    session: SessionId,
}

impl AttemptClaims {
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

impl TryFrom<AttemptClaims> for SignInAttempt {
    type Error = Refusal;

    fn try_from(claims: AttemptClaims) -> Result<Self, Refusal> {
        let proof = SignInProof { nonce: claims.nonce.into(), pkce_verifier: claims.verifier.into() };
        Ok(Self {
            state: claims.state.into(),
            proof,
            link: claims.link.map(|Link { user, session }| (user, session)),
            issued_at: time(claims.iat)?,
            expires_at: time(claims.exp)?,
        })
    }
}

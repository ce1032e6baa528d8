//! Tokens: access tokens and sealed attempts to sign in elsewhere as JWTs signed with HS256 (RFC 7519, RFC 7518 3.2),
//! everything else that opens something as random text.
//!
//! Deliberately not here: whether the session of a token still lives, which is `domain::account`. The time comes from
//! the `Clock` port, never from the JWT library, which would read the system's.

mod attempt;
mod claims;
mod hmac_provider;
mod random_text;
mod secret;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::account::{AccessClaims, SignInAttempt, TokenError, TokenIssuer};
use domain::runtime::{Clock, IdGenerator};
use domain::secret::{NewSecret, SecretHash, SecretKind};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, TokenData, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use attempt::AttemptClaims;
use claims::Claims;
pub use secret::{JwtSecret, JwtSecretTooShort};

/// Who makes the tokens: `iss`.
const ISSUER: &str = "doable";
/// Whom access tokens are for: `aud`.
const ACCESS_AUDIENCE: &str = "doable-api";
/// What an access token's header says that it is: `typ`.
const ACCESS_TYPE: &str = "JWT";
/// Whom sealed attempts are for. One key signs both, so audience and type keep them apart (RFC 8725, 3.9 and 3.11).
const SIGN_IN_AUDIENCE: &str = "doable-sign-in";
/// What a sealed attempt's header says that it is.
const SIGN_IN_TYPE: &str = "sign-in+jwt";
/// How far the clocks of two instances may be apart.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// Makes and checks tokens.
pub struct JwtIssuer {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdGenerator>,
    signing_key: EncodingKey,
    checking_key: DecodingKey,
    access: TokenType,
    attempt: TokenType,
}

impl JwtIssuer {
    /// An issuer that signs with `secret` and names its access tokens (`jti`) by `ids`.
    pub fn new(secret: &JwtSecret, clock: Arc<dyn Clock>, ids: Arc<dyn IdGenerator>) -> Self {
        hmac_provider::install();
        let secret = secret.0.expose_secret().as_bytes();
        Self {
            clock,
            ids,
            signing_key: EncodingKey::from_secret(secret),
            checking_key: DecodingKey::from_secret(secret),
            access: TokenType::new(ACCESS_TYPE, ACCESS_AUDIENCE, &["iss", "aud", "sub", "exp", "nbf"]),
            attempt: TokenType::new(SIGN_IN_TYPE, SIGN_IN_AUDIENCE, &["iss", "aud", "exp"]),
        }
    }

    fn sign(&self, kind: &TokenType, claims: &impl Serialize) -> Result<SecretString, TokenError> {
        let token = jsonwebtoken::encode(&kind.header, claims, &self.signing_key);
        token.map(SecretString::from).map_err(|error| TokenError::Signing(error.into()))
    }

    /// What `token` says, if it is one of ours and of this type. Its times are not checked yet.
    fn read<C: DeserializeOwned>(&self, kind: &TokenType, token: &str) -> Result<C, TokenError> {
        let TokenData { header, claims } =
            jsonwebtoken::decode::<C>(token, &self.checking_key, &kind.validation).map_err(invalid)?;
        // Our headers are always the same. A header that names another type of token, or an extension that has to be
        // understood (`crit`), is not ours.
        if header == kind.header { Ok(claims) } else { Err(invalid(Refusal::Header)) }
    }

    fn check_times(&self, issued_at: DateTime<Utc>, expires_at: DateTime<Utc>) -> Result<(), TokenError> {
        let now = self.clock.now();
        if now < issued_at - LEEWAY {
            return Err(invalid(Refusal::NotYetGood));
        }
        if now > expires_at + LEEWAY { Err(TokenError::Expired) } else { Ok(()) }
    }
}

/// A type of token: what its header says, and what is asked of its claims.
struct TokenType {
    header: Header,
    validation: Validation,
}

impl TokenType {
    /// One algorithm, one issuer, one audience. Expected values alone would let a token through that names none, so the
    /// claims are `required` too.
    fn new(typ: &str, audience: &str, required: &[&str]) -> Self {
        let header = Header { typ: Some(typ.to_owned()), ..Header::new(Algorithm::HS256) };
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(required);
        // Checked in `check_times`, against the port.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { header, validation }
    }
}

impl TokenIssuer for JwtIssuer {
    fn issue(&self, claims: &AccessClaims) -> Result<SecretString, TokenError> {
        self.sign(&self.access, &Claims::new(claims, self.ids.next()))
    }

    fn verify(&self, token: &str) -> Result<AccessClaims, TokenError> {
        let claims = AccessClaims::try_from(self.read::<Claims>(&self.access, token)?).map_err(invalid)?;
        self.check_times(claims.issued_at, claims.expires_at)?;
        Ok(claims)
    }

    fn new_secret(&self, kind: SecretKind) -> Result<NewSecret, TokenError> {
        random_text::generate(kind)
    }

    fn hash_secret(&self, kind: SecretKind, text: &str) -> Option<SecretHash> {
        random_text::hash(kind, text)
    }

    fn seal_attempt(&self, attempt: &SignInAttempt) -> Result<SecretString, TokenError> {
        self.sign(&self.attempt, &AttemptClaims::new(attempt))
    }

    fn open_attempt(&self, sealed: &str) -> Result<SignInAttempt, TokenError> {
        let attempt = SignInAttempt::try_from(self.read::<AttemptClaims>(&self.attempt, sealed)?).map_err(invalid)?;
        self.check_times(attempt.issued_at, attempt.expires_at)?;
        Ok(attempt)
    }
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> TokenError {
    TokenError::Invalid(error.into())
}

/// What is wrong with a token that is signed with our key and not made by us, or not for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("the header is not the one of our tokens")]
    Header,
    #[error("a time in the token is out of range")]
    Time,
    #[error("the token is not good yet")]
    NotYetGood,
}

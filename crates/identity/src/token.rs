//! Tokens: access tokens as JWTs signed with HS256 (RFC 7519, RFC 7518 3.2), refresh tokens as random text.
//!
//! Deliberately not here: whether the session of a token still lives, which is `domain::account`. The time comes from
//! the `Clock` port, never from the JWT library, which would read the system's.

mod claims;
mod hmac_provider;
mod refresh;
mod secret;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chrono::TimeDelta;
use domain::account::{AccessClaims, NewRefreshToken, TokenError, TokenIssuer};
use domain::runtime::{Clock, IdGenerator};
use domain::session::RefreshTokenHash;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, TokenData, Validation};
use secrecy::{ExposeSecret as _, SecretString};

use claims::Claims;
pub use secret::{JwtSecret, JwtSecretTooShort};

/// Who makes the tokens: `iss`.
const ISSUER: &str = "doable";
/// Whom they are for: `aud`.
const AUDIENCE: &str = "doable-api";
/// How far the clocks of two instances may be apart.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// Makes and checks tokens.
pub struct JwtIssuer {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdGenerator>,
    signing_key: EncodingKey,
    checking_key: DecodingKey,
    header: Header,
    validation: Validation,
}

impl JwtIssuer {
    /// An issuer that signs with `secret` and names its tokens (`jti`) by `ids`.
    pub fn new(secret: &JwtSecret, clock: Arc<dyn Clock>, ids: Arc<dyn IdGenerator>) -> Self {
        hmac_provider::install();
        let secret = secret.0.expose_secret().as_bytes();
        Self {
            clock,
            ids,
            signing_key: EncodingKey::from_secret(secret),
            checking_key: DecodingKey::from_secret(secret),
            header: Header::new(Algorithm::HS256),
            validation: validation(),
        }
    }

    fn check_times(&self, claims: AccessClaims) -> Result<AccessClaims, TokenError> {
        let now = self.clock.now();
        if now < claims.issued_at - LEEWAY {
            return Err(TokenError::Invalid(Refusal::NotYetGood.into()));
        }
        if now > claims.expires_at + LEEWAY { Err(TokenError::Expired) } else { Ok(claims) }
    }
}

/// One algorithm, one issuer, one audience. Expected values alone would let a token through that names none, so the
/// claims are required too.
fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
    // Checked in `check_times`, against the port.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation
}

impl TokenIssuer for JwtIssuer {
    fn issue(&self, claims: &AccessClaims) -> Result<SecretString, TokenError> {
        let claims = Claims::new(claims, self.ids.next());
        let token = jsonwebtoken::encode(&self.header, &claims, &self.signing_key);
        token.map(SecretString::from).map_err(|error| TokenError::Signing(error.into()))
    }

    fn verify(&self, token: &str) -> Result<AccessClaims, TokenError> {
        let TokenData { header, claims } =
            jsonwebtoken::decode::<Claims>(token, &self.checking_key, &self.validation).map_err(invalid)?;
        // Our header is always the same. A header that names another type of token (RFC 8725, 3.11), or an
        // extension that has to be understood (`crit`), is not ours.
        if header != self.header {
            return Err(invalid(Refusal::Header));
        }
        self.check_times(AccessClaims::try_from(claims).map_err(invalid)?)
    }

    fn new_refresh_token(&self) -> Result<NewRefreshToken, TokenError> {
        refresh::generate()
    }

    fn hash_refresh_token(&self, token: &str) -> Option<RefreshTokenHash> {
        refresh::hash(token)
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

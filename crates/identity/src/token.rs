//! Access tokens, sealed sign-in attempts and sealed links as JWTs signed with HS256 (RFC 7519, RFC 7518 3.2), and opaque
//! tokens. Whether the session of a token is still active is checked in `domain::account`.

mod access_claims;
mod attempt_claims;
mod defect;
mod hmac_provider;
mod jwt_secret;
mod link_claims;
mod opaque_token;
#[cfg(test)]
mod tests;
mod time;
mod token_type;

use std::sync::Arc;

use domain::account::{AccessClaims, PendingLink, SignInAttempt, TokenError, TokenIssuer};
use domain::runtime::{Clock, IdGenerator};
use domain::secret::{NewSecret, SecretHash, SecretKind};
use jsonwebtoken::{DecodingKey, EncodingKey, TokenData};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use access_claims::JwtAccessClaims;
use attempt_claims::JwtAttemptClaims;
use defect::TokenDefect;
pub use jwt_secret::{JwtSecret, JwtSecretTooShort};
use link_claims::JwtLinkClaims;
use token_type::TokenType;

/// Issues and verifies tokens.
pub struct JwtIssuer {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdGenerator>,
    signing_key: EncodingKey,
    verification_key: DecodingKey,
    access: TokenType,
    attempt: TokenType,
    link: TokenType,
}

impl JwtIssuer {
    /// Creates an issuer that signs with `secret` and takes the `jti` of access tokens from `ids`.
    pub fn new(secret: &JwtSecret, clock: Arc<dyn Clock>, ids: Arc<dyn IdGenerator>) -> Self {
        hmac_provider::install();
        let secret = secret.0.expose_secret().as_bytes();
        Self {
            clock,
            ids,
            signing_key: EncodingKey::from_secret(secret),
            verification_key: DecodingKey::from_secret(secret),
            access: TokenType::access(),
            attempt: TokenType::sign_in_attempt(),
            link: TokenType::pending_link(),
        }
    }

    fn sign(&self, token_type: &TokenType, claims: &impl Serialize) -> Result<SecretString, TokenError> {
        let token = jsonwebtoken::encode(&token_type.header, claims, &self.signing_key);
        token.map(SecretString::from).map_err(|error| TokenError::Signing(error.into()))
    }

    /// Verifies everything except the times and returns the claims.
    fn decode<C: DeserializeOwned>(&self, token_type: &TokenType, token: &str) -> Result<C, TokenError> {
        let TokenData { header, claims } =
            jsonwebtoken::decode::<C>(token, &self.verification_key, &token_type.validation).map_err(invalid)?;
        // Headers of one type are all equal. This rejects other values of `typ`, and critical extensions (`crit`).
        if header == token_type.header { Ok(claims) } else { Err(invalid(TokenDefect::Header)) }
    }
}

impl TokenIssuer for JwtIssuer {
    fn issue(&self, claims: &AccessClaims) -> Result<SecretString, TokenError> {
        self.sign(&self.access, &JwtAccessClaims::new(claims, self.ids.next()))
    }

    fn verify(&self, token: &str) -> Result<AccessClaims, TokenError> {
        let claims: JwtAccessClaims = self.decode(&self.access, token)?;
        let claims = AccessClaims::try_from(claims).map_err(invalid)?;
        time::check_validity(self.clock.now(), claims.issued_at, claims.expires_at)?;
        Ok(claims)
    }

    fn new_secret(&self, kind: SecretKind) -> Result<NewSecret, TokenError> {
        opaque_token::generate(kind)
    }

    fn hash_secret(&self, kind: SecretKind, text: &str) -> Option<SecretHash> {
        opaque_token::hash(kind, text)
    }

    fn next_refresh_token(&self, token: &str) -> Result<NewSecret, TokenError> {
        opaque_token::next(SecretKind::RefreshToken, token, &self.signing_key)
    }

    fn seal_attempt(&self, attempt: &SignInAttempt) -> Result<SecretString, TokenError> {
        self.sign(&self.attempt, &JwtAttemptClaims::new(attempt))
    }

    fn open_attempt(&self, sealed: &str) -> Result<SignInAttempt, TokenError> {
        let claims: JwtAttemptClaims = self.decode(&self.attempt, sealed)?;
        let attempt = SignInAttempt::try_from(claims).map_err(invalid)?;
        time::check_validity(self.clock.now(), attempt.issued_at, attempt.expires_at)?;
        Ok(attempt)
    }

    fn seal_link(&self, link: &PendingLink) -> Result<SecretString, TokenError> {
        self.sign(&self.link, &JwtLinkClaims::new(link))
    }

    fn open_link(&self, sealed: &str) -> Result<PendingLink, TokenError> {
        let claims: JwtLinkClaims = self.decode(&self.link, sealed)?;
        let link = PendingLink::try_from(claims).map_err(invalid)?;
        time::check_validity(self.clock.now(), link.issued_at, link.expires_at)?;
        Ok(link)
    }
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> TokenError {
    TokenError::Invalid(error.into())
}

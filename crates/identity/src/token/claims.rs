//! An access token's claims on the wire: the names of RFC 7519, 4.1, with `sid` and `ver` of our own.

use chrono::{DateTime, Utc};
use domain::account::AccessClaims;
use domain::id::{SessionId, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ACCESS_AUDIENCE, ISSUER, Refusal};

/// Every claim is required: a token without one of them cannot be read. Times are seconds since 1970.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    /// The user.
    sub: UserId,
    /// The session.
    sid: SessionId,
    iss: String,
    aud: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    /// The token's own id.
    jti: Uuid,
    /// The user's token version.
    ver: u32,
}

impl Claims {
    pub(super) fn new(claims: &AccessClaims, id: Uuid) -> Self {
        let issued_at = claims.issued_at.timestamp();
        Self {
            sub: claims.user,
            sid: claims.session,
            iss: ISSUER.to_owned(),
            aud: ACCESS_AUDIENCE.to_owned(),
            iat: issued_at,
            nbf: issued_at,
            exp: claims.expires_at.timestamp(),
            jti: id,
            ver: claims.token_version,
        }
    }
}

impl TryFrom<Claims> for AccessClaims {
    type Error = Refusal;

    fn try_from(claims: Claims) -> Result<Self, Refusal> {
        // We make both the same; whoever else has the key must not make a token that is good before it was made.
        let issued_at = time(claims.iat.max(claims.nbf))?;
        let expires_at = time(claims.exp)?;
        Ok(Self { user: claims.sub, session: claims.sid, token_version: claims.ver, issued_at, expires_at })
    }
}

/// A claim's time, if it leaves room for the leeway on both sides.
pub(super) fn time(seconds: i64) -> Result<DateTime<Utc>, Refusal> {
    let time = DateTime::from_timestamp(seconds, 0).ok_or(Refusal::Time)?;
    let room = time.checked_add_signed(super::LEEWAY).is_some() && time.checked_sub_signed(super::LEEWAY).is_some();
    if room { Ok(time) } else { Err(Refusal::Time) }
}

//! Claims of an access token: those of RFC 7519, 4.1, with the private claims `sid` and `ver`.

use domain::account::AccessClaims;
use domain::id::{SessionId, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::defect::TokenDefect;
use super::time::from_timestamp;
use super::token_type::{ACCESS_AUDIENCE, ISSUER};

/// Every claim is required. Times are seconds since 1970.
#[derive(Serialize, Deserialize)]
pub(super) struct JwtAccessClaims {
    sub: UserId,
    sid: SessionId,
    iss: String,
    aud: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
    /// Token version of the user.
    ver: u32,
}

impl JwtAccessClaims {
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

impl TryFrom<JwtAccessClaims> for AccessClaims {
    type Error = TokenDefect;

    fn try_from(claims: JwtAccessClaims) -> Result<Self, TokenDefect> {
        // Equal in tokens of this issuer. For others with the same key, the later one counts.
        let issued_at = from_timestamp(claims.iat.max(claims.nbf))?;
        let expires_at = from_timestamp(claims.exp)?;
        Ok(Self { user: claims.sub, session: claims.sid, token_version: claims.ver, issued_at, expires_at })
    }
}

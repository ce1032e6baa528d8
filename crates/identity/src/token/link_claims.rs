//! Claims of a sealed link: those of RFC 7519, 4.1, with the private claims `issuer` and `subject` of the external account.

use domain::account::PendingLink;
use domain::id::{SessionId, UserId};
use domain::user::ExternalAccount;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::defect::TokenDefect;
use super::time::from_timestamp;
use super::token_type::{ISSUER, LINK_AUDIENCE};

/// Every claim is required. Times are seconds since 1970.
#[derive(Serialize, Deserialize)]
pub(super) struct JwtLinkClaims {
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
    jti: String,
    sub: UserId,
    sid: SessionId,
    issuer: String,
    subject: String,
}

impl JwtLinkClaims {
    pub(super) fn new(link: &PendingLink) -> Self {
        let PendingLink { id, account, user, session, issued_at, expires_at } = link;
        Self {
            iss: ISSUER.to_owned(),
            aud: LINK_AUDIENCE.to_owned(),
            iat: issued_at.timestamp(),
            exp: expires_at.timestamp(),
            jti: id.expose_secret().to_owned(),
            sub: *user,
            sid: *session,
            issuer: account.issuer().to_owned(),
            subject: account.subject().to_owned(),
        }
    }
}

impl TryFrom<JwtLinkClaims> for PendingLink {
    type Error = TokenDefect;

    fn try_from(claims: JwtLinkClaims) -> Result<Self, TokenDefect> {
        Ok(Self {
            id: claims.jti.into(),
            account: ExternalAccount::new(&claims.issuer, &claims.subject)?,
            user: claims.sub,
            session: claims.sid,
            issued_at: from_timestamp(claims.iat)?,
            expires_at: from_timestamp(claims.exp)?,
        })
    }
}

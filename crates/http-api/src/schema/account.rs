//! Accounts, and the tokens of a new session.

use chrono::{DateTime, Utc};
use domain::account::SignedIn;
use domain::user::User;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A session with its tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionBody {
    /// The access token, to be sent with every request: `Authorization: Bearer <access_token>`.
    access_token: String,
    /// The same as `access_token`, for clients of the Python API.
    token: String,
    /// Always `bearer`.
    #[schema(value_type = String, example = "bearer")]
    token_type: &'static str,
    /// The lifetime of the access token, in seconds.
    #[schema(minimum = 0, example = 86400)]
    expires_in: i64,
    /// The refresh token, which can be exchanged once for the next pair of tokens. Absent with `Session-Transport:
    /// cookie`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) refresh_token: Option<String>,
    /// The account.
    user: UserBody,
}

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserBody {
    /// The user's id: `user_id` in paths.
    id: Uuid,
    /// The email address.
    #[schema(format = Email, example = "ada@example.com")]
    email: String,
    /// The display name.
    #[schema(example = "Ada")]
    name: String,
    /// The IANA name of the user's time zone, which decides what "today" is.
    #[schema(value_type = String, example = "UTC")]
    time_zone: &'static str,
    /// The time of registration.
    created_at: DateTime<Utc>,
}

impl From<SignedIn> for SessionBody {
    fn from(signed_in: SignedIn) -> Self {
        let access_token = signed_in.access_token.expose_secret();
        Self {
            access_token: access_token.to_owned(),
            token: access_token.to_owned(),
            token_type: "bearer",
            expires_in: signed_in.expires_in.num_seconds(),
            refresh_token: Some(signed_in.refresh_token.expose_secret().to_owned()),
            user: signed_in.user.into(),
        }
    }
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id.as_uuid(),
            email: user.email.into(),
            name: user.name.into(),
            time_zone: user.time_zone.name(),
            created_at: user.created_at,
        }
    }
}

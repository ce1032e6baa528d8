//! `/auth`: registering, signing in and out, and one's own account.

use actix_web::HttpResponse;
use actix_web::web::{Data, ReqData};
use chrono::{DateTime, Utc};
use domain::account::{AccountService, Registration, SignedIn};
use domain::principal::Principal;
use domain::user::{DisplayName, Email, Password, TimeZone, User, UserPatch};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::body::{Json, chosen_password, secret, typed_password};
use crate::error::ApiError;

/// What somebody gives to register.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Registration)]
pub(crate) struct RegistrationBody {
    /// The address. It is trimmed, kept as written and compared without regard to case.
    #[schema(value_type = String, format = Email, max_length = 254, example = "ada@example.com")]
    email: Email,
    /// The password: 8 to 128 characters.
    #[serde(deserialize_with = "chosen_password")]
    #[schema(value_type = String, format = Password, write_only, min_length = 8, max_length = 128, example = "correct horse battery")]
    password: Password,
    /// What the person is called; by default the address's local part.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, example = "Ada")]
    name: Option<DisplayName>,
}

/// What somebody signs in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Credentials)]
pub(crate) struct CredentialsBody {
    /// The address. A text that is no address is answered as an unknown one.
    #[schema(example = "ada@example.com")]
    email: String,
    /// The password.
    #[serde(deserialize_with = "typed_password")]
    #[schema(value_type = String, format = Password, write_only, example = "correct horse battery")]
    password: Password,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RefreshToken)]
pub(crate) struct RefreshBody {
    /// The token, as a session gave it.
    #[serde(deserialize_with = "secret")]
    #[schema(value_type = String, write_only)]
    refresh_token: SecretString,
}

/// A change of one's account. What is absent or null stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserPatch)]
pub(crate) struct UserPatchBody {
    /// What the person is called.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, example = "Ada")]
    name: Option<DisplayName>,
    /// The IANA name of the time zone that "today" is in.
    #[schema(value_type = Option<String>, example = "Europe/Berlin")]
    time_zone: Option<TimeZone>,
}

/// A sign-in.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionBody {
    /// Shown with every request: `Authorization: Bearer <access_token>`.
    access_token: String,
    /// `bearer`.
    #[schema(value_type = String, example = "bearer")]
    token_type: &'static str,
    /// For how many seconds the access token is good.
    #[schema(minimum = 0, example = 86400)]
    expires_in: i64,
    /// Exchanged once for the next session tokens.
    refresh_token: String,
    /// Who signed in.
    user: UserBody,
}

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserBody {
    /// The user's id: `user_id` in paths.
    id: Uuid,
    /// The address.
    #[schema(format = Email, example = "ada@example.com")]
    email: String,
    /// What the person is called.
    #[schema(example = "Ada")]
    name: String,
    /// The IANA name of the time zone that "today" is in.
    #[schema(value_type = String, example = "UTC")]
    time_zone: &'static str,
    /// When the account was created.
    created_at: DateTime<Utc>,
}

impl From<SignedIn> for SessionBody {
    fn from(signed_in: SignedIn) -> Self {
        Self {
            access_token: signed_in.access_token.expose_secret().to_owned(),
            token_type: "bearer",
            expires_in: signed_in.expires_in.num_seconds(),
            refresh_token: signed_in.refresh_token.expose_secret().to_owned(),
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

/// Create an account and sign in.
#[utoipa::path(
    post, path = "/auth/register", tag = "Accounts", operation_id = "register", request_body = RegistrationBody,
    responses((status = 201, description = "The account is created and signed in.", body = SessionBody)),
)]
pub(crate) async fn register(
    accounts: Data<AccountService>,
    Json(body): Json<RegistrationBody>,
) -> Result<HttpResponse, ApiError> {
    let RegistrationBody { email, password, name } = body;
    let signed_in = accounts.register(Registration { email, password, name }).await?;
    Ok(HttpResponse::Created().json(SessionBody::from(signed_in)))
}

/// Sign in with email and password.
///
/// An unknown email and a wrong password are answered alike.
#[utoipa::path(
    post, path = "/auth/login", tag = "Accounts", operation_id = "login", request_body = CredentialsBody,
    responses((status = 200, description = "Signed in.", body = SessionBody)),
)]
pub(crate) async fn login(
    accounts: Data<AccountService>,
    Json(body): Json<CredentialsBody>,
) -> Result<HttpResponse, ApiError> {
    // A text that is no address is an address without an account: the same answer after the same time.
    let email: Option<Email> = body.email.parse().ok();
    let signed_in = accounts.login(email.as_ref(), body.password).await?;
    Ok(HttpResponse::Ok().json(SessionBody::from(signed_in)))
}

/// Exchange a refresh token for the next pair of tokens.
///
/// The old refresh token is spent. Using a spent one again ends the whole session.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "Accounts", operation_id = "refresh", request_body = RefreshBody,
    responses((status = 200, description = "The session goes on, with new tokens.", body = SessionBody)),
)]
pub(crate) async fn refresh(
    accounts: Data<AccountService>,
    Json(body): Json<RefreshBody>,
) -> Result<HttpResponse, ApiError> {
    let signed_in = accounts.refresh(body.refresh_token.expose_secret()).await?;
    Ok(HttpResponse::Ok().json(SessionBody::from(signed_in)))
}

/// End a session, its access tokens included.
///
/// A token that is none ends nothing, and that is no error (RFC 7009, 2.2).
#[utoipa::path(
    post, path = "/auth/logout", tag = "Accounts", operation_id = "logout", request_body = RefreshBody,
    responses((status = 204, description = "The session has ended.")),
)]
pub(crate) async fn logout(
    accounts: Data<AccountService>,
    Json(body): Json<RefreshBody>,
) -> Result<HttpResponse, ApiError> {
    accounts.logout(body.refresh_token.expose_secret()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Get one's own account.
#[utoipa::path(
    get, path = "/auth/me", tag = "Accounts", operation_id = "get_me",
    responses((status = 200, description = "The account.", body = UserBody)),
)]
pub(crate) async fn me(accounts: Data<AccountService>, who: ReqData<Principal>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(UserBody::from(accounts.me(&who).await?)))
}

/// Change one's own account. Absent fields stay.
#[utoipa::path(
    patch, path = "/auth/me", tag = "Accounts", operation_id = "update_me", request_body = UserPatchBody,
    responses((status = 200, description = "The account as it is now.", body = UserBody)),
)]
pub(crate) async fn update_me(
    accounts: Data<AccountService>,
    who: ReqData<Principal>,
    Json(body): Json<UserPatchBody>,
) -> Result<HttpResponse, ApiError> {
    let patch = UserPatch { name: body.name.into(), time_zone: body.time_zone.into() };
    Ok(HttpResponse::Ok().json(UserBody::from(accounts.update_me(&who, patch).await?)))
}

//! `/auth`: registering, signing in and out, and one's own account. Signing in elsewhere is [`crate::oauth`], sessions are
//! [`crate::session`], tokens [`crate::api_token`].

use actix_web::HttpResponse;
use actix_web::web::{Data, ReqData};
use chrono::{DateTime, Utc};
use domain::account::{AccountError, AccountService, Registration, SignedIn};
use domain::principal::Principal;
use domain::user::{DisplayName, Email, Password, TimeZone, User, UserPatch};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::body::{Json, OptionalJson, chosen_password, secret, typed_password};
use crate::client::Caller;
use crate::error::{ApiError, RequestError};

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

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasswordChange)]
pub(crate) struct PasswordChangeBody {
    /// The password that the account has. May be left out where it has none, within 10 minutes of signing in.
    #[serde(default, deserialize_with = "proof")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    current_password: Option<Password>,
    /// The password that it is to have: 8 to 128 characters.
    #[serde(deserialize_with = "chosen_password")]
    #[schema(value_type = String, format = Password, write_only, min_length = 8, max_length = 128, example = "battery staple horse")]
    new_password: Password,
}

/// What shows that it is the owner who deletes an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Deletion)]
pub(crate) struct DeletionBody {
    /// The account's password. May be left out where it has none, within 10 minutes of signing in.
    #[serde(default, deserialize_with = "proof")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    password: Option<Password>,
}

fn proof<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<Password>, D::Error> {
    Ok(Option::<String>::deserialize(input)?.map(|raw| Password::unvalidated(&raw)))
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
    Caller(client): Caller,
    Json(body): Json<RegistrationBody>,
) -> Result<HttpResponse, ApiError> {
    let RegistrationBody { email, password, name } = body;
    let signed_in = accounts.register(Registration { email, password, name }, client).await?;
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
    Caller(client): Caller,
    Json(body): Json<CredentialsBody>,
) -> Result<HttpResponse, ApiError> {
    // A text that is no address is an address without an account: the same answer after the same time.
    let email: Option<Email> = body.email.parse().ok();
    let signed_in = accounts.login(email.as_ref(), body.password, client).await?;
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
    Caller(client): Caller,
    Json(body): Json<RefreshBody>,
) -> Result<HttpResponse, ApiError> {
    let signed_in = accounts.refresh(body.refresh_token.expose_secret(), client).await?;
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

/// Change one's own password.
///
/// Every token that there is, API tokens too, is void at once, and a session begins anew.
#[utoipa::path(
    post, path = "/auth/password", tag = "Accounts", operation_id = "change_password", request_body = PasswordChangeBody,
    responses((status = 200, description = "The session that begins.", body = SessionBody)),
)]
pub(crate) async fn change_password(
    accounts: Data<AccountService>,
    who: ReqData<Principal>,
    Caller(client): Caller,
    Json(body): Json<PasswordChangeBody>,
) -> Result<HttpResponse, ApiError> {
    let PasswordChangeBody { current_password, new_password } = body;
    match accounts.change_password(&who, current_password, new_password, client).await {
        Ok(signed_in) => Ok(HttpResponse::Ok().json(SessionBody::from(signed_in))),
        Err(AccountError::PasswordRequired) => {
            Err(RequestError::invalid("current_password", "current_password is required").into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Delete one's own account, with everything in it.
#[utoipa::path(
    delete, path = "/auth/me", tag = "Accounts", operation_id = "delete_me",
    request_body(content = Option<DeletionBody>, description = "May be left out where the account has no password."),
    responses((status = 204, description = "The account is gone, and every row of it.")),
)]
pub(crate) async fn delete_me(
    accounts: Data<AccountService>,
    who: ReqData<Principal>,
    OptionalJson(body): OptionalJson<DeletionBody>,
) -> Result<HttpResponse, ApiError> {
    accounts.delete_me(&who, body.and_then(|body| body.password)).await?;
    Ok(HttpResponse::NoContent().finish())
}

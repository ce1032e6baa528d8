//! `/auth`: registration, sign-in, sign-out and the user's account. External sign-in is in [`super::oauth`], sessions are in
//! [`super::session`], API tokens in [`super::api_token`].

use actix_web::HttpResponse;
use actix_web::web::{Data, ReqData};
use domain::account::{AccountError, AccountService, Registration};
use domain::principal::Principal;
use domain::user::{DisplayName, Email, Password, TimeZone, UserPatch};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::extract::client::Caller;
use crate::extract::json::{Json, OptionalJson, new_password, optional_password, optional_secret, password};
use crate::extract::session_transport::SessionTransport;
use crate::middleware::rate_limit::StaysCounted;
use crate::problem::{ApiError, RequestError};
use crate::schema::account::{SessionBody, UserBody};

/// A registration.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Registration)]
pub(crate) struct RegistrationBody {
    /// The email address. It is trimmed, stored as written and compared case-insensitively.
    #[schema(value_type = String, format = Email, max_length = 254, example = "ada@example.com")]
    email: Email,
    /// The password: 8 to 128 characters.
    #[serde(deserialize_with = "new_password")]
    #[schema(value_type = String, format = Password, write_only, min_length = 8, max_length = 128, example = "correct horse battery")]
    password: Password,
    /// The display name; by default the local part of the email address.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, example = "Ada")]
    name: Option<DisplayName>,
}

/// The credentials of a sign-in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Credentials)]
pub(crate) struct CredentialsBody {
    /// The email address. An invalid one is answered like an unknown one.
    #[schema(example = "ada@example.com")]
    email: String,
    /// The password.
    #[serde(deserialize_with = "password")]
    #[schema(value_type = String, format = Password, write_only, example = "correct horse battery")]
    password: Password,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RefreshToken)]
pub(crate) struct RefreshBody {
    /// The refresh token of the session. Required, except with `Session-Transport: cookie`, where it must be absent.
    #[serde(default, deserialize_with = "optional_secret")]
    #[schema(value_type = Option<String>, write_only)]
    refresh_token: Option<SecretString>,
}

/// A change of the account. Absent and null fields keep their values.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserPatch)]
pub(crate) struct UserPatchBody {
    /// The display name.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, example = "Ada")]
    name: Option<DisplayName>,
    /// The IANA name of the user's time zone, which decides what "today" is.
    #[schema(value_type = Option<String>, example = "Europe/Berlin")]
    time_zone: Option<TimeZone>,
}

/// A change of the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasswordChange)]
pub(crate) struct PasswordChangeBody {
    /// The current password. Optional if the account has none, within 10 minutes of signing in.
    #[serde(default, deserialize_with = "optional_password")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    current_password: Option<Password>,
    /// The new password: 8 to 128 characters.
    #[serde(deserialize_with = "new_password")]
    #[schema(value_type = String, format = Password, write_only, min_length = 8, max_length = 128, example = "battery staple horse")]
    new_password: Password,
}

/// The confirmation of an account deletion.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Deletion)]
pub(crate) struct DeletionBody {
    /// The password. Optional if the account has none, within 10 minutes of signing in.
    #[serde(default, deserialize_with = "optional_password")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    password: Option<Password>,
}

/// Register an account and sign in.
#[utoipa::path(
    post, path = "/auth/register", tag = "Accounts", operation_id = "register", request_body = RegistrationBody,
    responses((status = 201, description = "The account is created, and its first session has started.", body = SessionBody)),
)]
pub(crate) async fn register(
    accounts: Data<AccountService>,
    transport: SessionTransport,
    Caller(client): Caller,
    Json(body): Json<RegistrationBody>,
) -> Result<HttpResponse, ApiError> {
    let RegistrationBody { email, password, name } = body;
    let registration = Registration { email, password, name };
    let signed_in = transport.accounts(&accounts).register(registration, client).await?;
    Ok(transport.signed_in(HttpResponse::Created(), signed_in))
}

/// Sign in with email and password.
///
/// An unknown email and a wrong password are answered alike.
#[utoipa::path(
    post, path = "/auth/login", tag = "Accounts", operation_id = "login", request_body = CredentialsBody,
    responses((status = 200, description = "A session has started.", body = SessionBody)),
)]
pub(crate) async fn login(
    accounts: Data<AccountService>,
    transport: SessionTransport,
    Caller(client): Caller,
    Json(body): Json<CredentialsBody>,
) -> Result<HttpResponse, ApiError> {
    // An invalid address is treated as an unknown one: the same response after the same time.
    let email: Option<Email> = body.email.parse().ok();
    let signed_in = transport.accounts(&accounts).login(email.as_ref(), body.password, client).await?;
    Ok(transport.signed_in(HttpResponse::Ok(), signed_in))
}

/// Exchange a refresh token for the next pair of tokens.
///
/// Each refresh token can be used once. For 30 s more it leads to the same next token, or to the one that has replaced
/// that; so nobody is signed out who refreshes in two tabs at once or has lost a response. A later use ends the whole
/// session.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "Accounts", operation_id = "refresh",
    request_body(content = Option<RefreshBody>, description = "Optional with `Session-Transport: cookie`."),
    responses((status = 200, description = "The new tokens of the session.", body = SessionBody)),
)]
pub(crate) async fn refresh(
    accounts: Data<AccountService>,
    transport: SessionTransport,
    Caller(client): Caller,
    OptionalJson(body): OptionalJson<RefreshBody>,
) -> Result<HttpResponse, ApiError> {
    let service = transport.accounts(&accounts);
    let token = transport.refresh_token(body.and_then(|body| body.refresh_token))?.ok_or(RequestError::TokenMissing)?;
    let signed_in = service.refresh(token.expose_secret(), client).await?;
    Ok(transport.signed_in(HttpResponse::Ok(), signed_in))
}

/// End a session and revoke its tokens.
///
/// An invalid token is not an error (RFC 7009, 2.2).
#[utoipa::path(
    post, path = "/auth/logout", tag = "Accounts", operation_id = "logout",
    request_body(content = Option<RefreshBody>, description = "Optional with `Session-Transport: cookie`."),
    responses((status = 204, description = "The session has ended.")),
)]
pub(crate) async fn logout(
    accounts: Data<AccountService>,
    transport: SessionTransport,
    OptionalJson(body): OptionalJson<RefreshBody>,
) -> Result<HttpResponse, ApiError> {
    let has_ended = match transport.refresh_token(body.and_then(|body| body.refresh_token))? {
        Some(token) => accounts.logout(token.expose_secret()).await?,
        None => false,
    };
    let mut response = transport.signed_out();
    if !has_ended {
        response.extensions_mut().insert(StaysCounted);
    }
    Ok(response)
}

/// Get the user's account.
#[utoipa::path(
    get, path = "/auth/me", tag = "Accounts", operation_id = "get_me",
    responses((status = 200, description = "The account.", body = UserBody)),
)]
pub(crate) async fn me(
    accounts: Data<AccountService>,
    principal: ReqData<Principal>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(UserBody::from(accounts.me(&principal).await?)))
}

/// Change the user's account. Absent fields keep their values.
#[utoipa::path(
    patch, path = "/auth/me", tag = "Accounts", operation_id = "update_me", request_body = UserPatchBody,
    responses((status = 200, description = "The changed account.", body = UserBody)),
)]
pub(crate) async fn update_me(
    accounts: Data<AccountService>,
    principal: ReqData<Principal>,
    Json(body): Json<UserPatchBody>,
) -> Result<HttpResponse, ApiError> {
    let patch = UserPatch { name: body.name.into(), time_zone: body.time_zone.into() };
    Ok(HttpResponse::Ok().json(UserBody::from(accounts.update_me(&principal, patch).await?)))
}

/// Change the user's password.
///
/// Revokes every token of the user at once, API tokens included, and starts a new session.
#[utoipa::path(
    post, path = "/auth/password", tag = "Accounts", operation_id = "change_password", request_body = PasswordChangeBody,
    responses((status = 200, description = "The new session.", body = SessionBody)),
)]
pub(crate) async fn change_password(
    accounts: Data<AccountService>,
    principal: ReqData<Principal>,
    transport: SessionTransport,
    Caller(client): Caller,
    Json(body): Json<PasswordChangeBody>,
) -> Result<HttpResponse, ApiError> {
    let PasswordChangeBody { current_password, new_password } = body;
    let service = transport.accounts(&accounts);
    match service.change_password(&principal, current_password, new_password, client).await {
        Ok(signed_in) => Ok(transport.signed_in(HttpResponse::Ok(), signed_in)),
        Err(AccountError::PasswordRequired) => {
            Err(RequestError::invalid("current_password", "current_password is required").into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Delete the user's account with all its data.
#[utoipa::path(
    delete, path = "/auth/me", tag = "Accounts", operation_id = "delete_me",
    request_body(content = Option<DeletionBody>, description = "Optional if the account has no password."),
    responses((status = 204, description = "The account and all its data are deleted.")),
)]
pub(crate) async fn delete_me(
    accounts: Data<AccountService>,
    principal: ReqData<Principal>,
    transport: SessionTransport,
    OptionalJson(body): OptionalJson<DeletionBody>,
) -> Result<HttpResponse, ApiError> {
    accounts.delete_me(&principal, body.and_then(|body| body.password)).await?;
    Ok(transport.signed_out())
}

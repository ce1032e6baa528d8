//! The errors of the API, and the one mapping of all errors to problems. The mapping is exhaustive: a new error of the
//! domain does not compile before it is mapped here.
#![warn(clippy::wildcard_enum_match_arm)]

use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use domain::account::{AccountError, ExternalSignInError, HashError, IdentityProviderError};
use domain::api_token::ApiTokenRepoError;
use domain::change::{ChangeError, IdempotencyError};
use domain::chat::ChatError;
use domain::chat::TurnFailure;
use domain::conversation::ConversationRepoError;
use domain::conversation::turn::FailureCode;
use domain::llm::LlmError;
use domain::principal::InsufficientScope;
use domain::runtime::rate_limit::RateRefusal;
use domain::runtime::readiness::NotReady;
use domain::session::SessionRepoError;
use domain::storage::{Cause, StorageError};
use domain::task::TaskError;

use super::code::Code;
use super::details::{Challenge, Problem};
use super::provider::{busy, model_retired, quota_exhausted};
use crate::stream_limit::TooManyStreams;

/// The message when a turn lost its lease.
const LEASE_LOST: &str = "The conversation was deleted, or another server process has taken over the turn";

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Task(#[from] TaskError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Chat(#[from] ChatError),
    #[error(transparent)]
    NotReady(#[from] NotReady),
    #[error(transparent)]
    Limited(#[from] RateRefusal),
    #[error(transparent)]
    TooManyStreams(#[from] TooManyStreams),
    /// A bug of this server, such as a panic in a handler or missing application data.
    #[error("internal error: {0}")]
    Internal(String),
}

impl ApiError {
    /// Converts the error of a request that names no row: "not found" then means that the account was deleted, so the
    /// token is no longer valid.
    pub(crate) fn account_deleted_if_not_found(error: impl Into<Self>) -> Self {
        let error = error.into();
        let not_found = matches!(error, Self::Task(TaskError::NotFound) | Self::Change(ChangeError::NotFound));
        if not_found { RequestError::AccountDeleted.into() } else { error }
    }
}

/// An error of the request itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("no such route")]
    RouteNotFound,
    #[error("the route allows {allow} only")]
    MethodNotAllowed {
        /// The value of `Allow`.
        allow: String,
    },
    #[error("no bearer token")]
    TokenMissing,
    #[error("malformed bearer token")]
    TokenMalformed,
    #[error("the account was deleted")]
    AccountDeleted,
    #[error("the path belongs to another user")]
    OtherUser,
    #[error("the page is of another origin")]
    CrossOrigin,
    #[error("not the id of a task")]
    TaskNotFound,
    #[error("not the id of a conversation")]
    ConversationNotFound,
    #[error("not the id of a session")]
    SessionNotFound,
    #[error("not the id of an API token")]
    ApiTokenNotFound,
    #[error("not the id or number of a change")]
    ChangeNotFound,
    #[error("not the id of a pending action")]
    NotPending,
    #[error("{message}")]
    Invalid {
        /// The invalid field, query parameter or header. `None` if the body or the query as a whole is invalid.
        field: Option<String>,
        /// The message for people. It never contains a value, which may be a secret.
        message: String,
    },
    #[error("the body is not JSON")]
    MalformedJson(#[source] Cause),
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge {
        /// Maximum size, in bytes.
        limit: usize,
    },
    #[error("the body was not received in time")]
    BodyTimeout,
    #[error("the body has another media type")]
    UnsupportedMediaType,
}

impl RequestError {
    /// `field` is invalid, as `message` explains.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid { field: Some(field.to_owned()), message: message.into() }
    }
}

/// The body is written by [`crate::middleware::problem::render`], which has the request id.
impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        Problem::from(self).status()
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

impl ResponseError for RequestError {
    fn status_code(&self) -> StatusCode {
        request(self).status()
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

impl From<&ApiError> for Problem {
    fn from(error: &ApiError) -> Self {
        match error {
            ApiError::Request(error) => request(error),
            ApiError::Account(error) => account(error),
            ApiError::Task(error) => task(error),
            ApiError::Change(error) => change(error),
            ApiError::Chat(error) => chat(error),
            ApiError::NotReady(error) => not_ready(error),
            ApiError::Limited(refusal) => rate_limited(refusal),
            ApiError::TooManyStreams(error) => {
                Problem::new(Code::RateLimited).with_message(error.to_string()).with_stream_limit()
            }
            ApiError::Internal(_) => Code::InternalError.into(),
        }
    }
}

fn request(error: &RequestError) -> Problem {
    match error {
        RequestError::RouteNotFound => Code::NotFound.into(),
        RequestError::MethodNotAllowed { allow } => Problem::new(Code::MethodNotAllowed).with_allow(allow),
        RequestError::TokenMissing => Problem::new(Code::Unauthorized).with_challenge(Challenge::TokenRequired),
        RequestError::TokenMalformed | RequestError::AccountDeleted => {
            Problem::new(Code::Unauthorized).with_challenge(Challenge::InvalidToken)
        }
        RequestError::OtherUser => Code::Forbidden.into(),
        RequestError::CrossOrigin => Code::CrossOrigin.into(),
        RequestError::TaskNotFound => Code::TaskNotFound.into(),
        RequestError::ConversationNotFound => Code::ConversationNotFound.into(),
        RequestError::SessionNotFound => Code::SessionNotFound.into(),
        RequestError::ApiTokenNotFound => Code::TokenNotFound.into(),
        RequestError::ChangeNotFound => change_not_found(),
        RequestError::NotPending => Code::NotPending.into(),
        RequestError::Invalid { field, message } => {
            Problem::new(Code::ValidationError).with_message(message.clone()).with_field(field.clone())
        }
        RequestError::MalformedJson(_) => Code::MalformedJson.into(),
        RequestError::BodyTooLarge { limit } => {
            Problem::new(Code::PayloadTooLarge).with_message(format!("The body is larger than {} KiB", limit / 1024))
        }
        RequestError::BodyTimeout => Code::RequestTimeout.into(),
        RequestError::UnsupportedMediaType => Code::UnsupportedMediaType.into(),
    }
}

fn account(error: &AccountError) -> Problem {
    match error {
        AccountError::InvalidCredentials => {
            Problem::new(Code::InvalidCredentials).with_challenge(Challenge::TokenRequired)
        }
        AccountError::WrongPassword => credentials("The password is wrong"),
        AccountError::RecentSignInRequired => credentials(
            "Sign in again first: the account has no password, and this sign-in is more than 10 minutes old",
        ),
        AccountError::EmailTaken => Problem::new(Code::EmailTaken).with_field(Some("email".to_owned())),
        AccountError::SignUpsClosed => Code::SignupsClosed.into(),
        AccountError::InvalidToken | AccountError::Sessions(SessionRepoError::NotFound | SessionRepoError::Reused) => {
            Problem::new(Code::Unauthorized).with_challenge(Challenge::InvalidToken)
        }
        AccountError::TokenExpired => Problem::new(Code::TokenExpired).with_challenge(Challenge::InvalidToken),
        AccountError::InsufficientScope(missing) => insufficient_scope(*missing),
        AccountError::RateLimited(refusal) => rate_limited(refusal),
        AccountError::SessionNotFound => Code::SessionNotFound.into(),
        AccountError::ApiTokens(ApiTokenRepoError::NotFound) => Code::TokenNotFound.into(),
        AccountError::PasswordRequired => invalid("password", "password is required"),
        AccountError::ExpiryInThePast => invalid("expires_at", "expires_at must be in the future"),
        AccountError::InvalidState => {
            invalid("state", "The sign-in was not started in this browser, or it has expired")
        }
        AccountError::InvalidCode => invalid("code", "code is invalid, expired or already used"),
        AccountError::OAuthNotConfigured => Code::OauthNotConfigured.into(),
        AccountError::External(error) => external(error),
        AccountError::Hash(HashError::Overloaded) => Code::Overloaded.into(),
        AccountError::Hash(HashError::Failed(_)) | AccountError::Token(_) => Code::InternalError.into(),
        AccountError::Sessions(SessionRepoError::Storage(error))
        | AccountError::ApiTokens(ApiTokenRepoError::Storage(error))
        | AccountError::Storage(error) => storage(error),
    }
}

fn credentials(message: &'static str) -> Problem {
    Problem::new(Code::InvalidCredentials).with_message(message).with_challenge(Challenge::TokenRequired)
}

fn invalid(field: &str, message: &'static str) -> Problem {
    Problem::new(Code::ValidationError).with_message(message).with_field(Some(field.to_owned()))
}

fn external(error: &ExternalSignInError) -> Problem {
    match error {
        ExternalSignInError::Denied => Code::OauthDenied.into(),
        ExternalSignInError::EmailNotVerified => Code::EmailNotVerified.into(),
        ExternalSignInError::AccountExists => Code::AccountExists.into(),
        ExternalSignInError::AlreadyLinked => Code::AlreadyLinked.into(),
        ExternalSignInError::Provider(IdentityProviderError::Unavailable(_)) => Code::OauthUnavailable.into(),
        ExternalSignInError::Provider(IdentityProviderError::Refused(_)) => Code::OauthFailed.into(),
    }
}

fn task(error: &TaskError) -> Problem {
    match error {
        TaskError::InsufficientScope(missing) => insufficient_scope(*missing),
        TaskError::NotFound => Code::TaskNotFound.into(),
        TaskError::Stale => Code::PreconditionFailed.into(),
        TaskError::Contention => contention(),
        // Only tool calls of turns have a lease.
        TaskError::LeaseLost => Code::InternalError.into(),
        TaskError::Purged => Problem::new(Code::TaskNotFound).with_message("The task of this request has been purged"),
        TaskError::Idempotency(error) => idempotency(error),
        TaskError::Storage(error) => storage(error),
    }
}

fn change(error: &ChangeError) -> Problem {
    match error {
        ChangeError::InsufficientScope(missing) => insufficient_scope(*missing),
        ChangeError::NotFound => change_not_found(),
        ChangeError::CursorExpired => Code::CursorExpired.into(),
        ChangeError::Conflicts(conflicts) => Problem::new(Code::UndoConflict).with_conflicts(conflicts),
        ChangeError::Contention => contention(),
        // Only tool calls of turns have a lease.
        ChangeError::LeaseLost => Code::InternalError.into(),
        ChangeError::Idempotency(error) => idempotency(error),
        ChangeError::Storage(error) => storage(error),
    }
}

fn idempotency(error: &IdempotencyError) -> Problem {
    match error {
        IdempotencyError::InProgress => Code::IdempotencyInProgress.into(),
        IdempotencyError::KeyReused => key_reused(),
        IdempotencyError::Storage(error) => storage(error),
    }
}

fn key_reused() -> Problem {
    Problem::new(Code::IdempotencyKeyReused).with_field(Some("Idempotency-Key".to_owned()))
}

fn change_not_found() -> Problem {
    Problem::new(Code::NotFound).with_message("Change not found")
}

fn contention() -> Problem {
    Problem::new(Code::Overloaded).with_message("The tasks are being changed by other requests, try again soon")
}

fn chat(error: &ChatError) -> Problem {
    match error {
        ChatError::InsufficientScope(missing) => insufficient_scope(*missing),
        ChatError::TokensUsedUp(limited) => Problem::new(Code::RateLimited)
            .with_message("The assistant's tokens of today are used up; the day ends at midnight (UTC)")
            .with_token_limit(limited),
        ChatError::Conversations(ConversationRepoError::NotFound) => Code::ConversationNotFound.into(),
        ChatError::Conversations(ConversationRepoError::TurnInProgress) => Code::TurnInProgress.into(),
        ChatError::Conversations(ConversationRepoError::NoTurn) => {
            no_turn("The assistant is not answering in this conversation")
        }
        ChatError::Conversations(ConversationRepoError::NotPending) => Code::NotPending.into(),
        ChatError::Conversations(ConversationRepoError::IdempotencyInProgress) => Code::IdempotencyInProgress.into(),
        ChatError::Conversations(ConversationRepoError::IdempotencyKeyReused) => key_reused(),
        ChatError::Idempotency(error) => idempotency(error),
        ChatError::Conversations(ConversationRepoError::Storage(error)) => storage(error),
        ChatError::Model { source, stored } => model(source).with_stored_turn(*stored),
        ChatError::Interrupted { source, stored } => storage(source).with_stored_turn(*stored),
        ChatError::LeaseLost { stored } => no_turn(LEASE_LOST).with_stored_turn(*stored),
        ChatError::Panicked { stored } => Problem::new(Code::InternalError).with_stored_turn(*stored),
        ChatError::ShutDown { stored } => shut_down().with_stored_turn(*stored),
        ChatError::Abandoned => Code::InternalError.into(),
    }
}

fn model(error: &LlmError) -> Problem {
    match error {
        LlmError::RateLimited { retry_after, .. } => busy(*retry_after),
        LlmError::QuotaExhausted(_) => quota_exhausted(),
        LlmError::Timeout(_) => Code::AiTimeout.into(),
        LlmError::ModelRetired { setting, .. } => model_retired(setting),
        LlmError::Unauthorized(_) | LlmError::Unavailable(_) | LlmError::BadReply(_) => Code::AiError.into(),
    }
}

/// The problem of a turn that failed after its stream had started: the same as if it had failed before, as far as it can
/// be derived from the stored failure.
pub(crate) fn turn_failure(failure: TurnFailure) -> Problem {
    match failure.code {
        FailureCode::RateLimited => busy(failure.retry_after),
        FailureCode::QuotaExhausted => quota_exhausted(),
        FailureCode::Timeout => Code::AiTimeout.into(),
        FailureCode::Unauthorized | FailureCode::ModelRetired | FailureCode::Unavailable | FailureCode::BadReply => {
            failure.setting.map_or_else(|| Code::AiError.into(), model_retired)
        }
        FailureCode::Storage => Code::DatabaseUnavailable.into(),
        FailureCode::Internal => Code::InternalError.into(),
        FailureCode::ShutDown => shut_down(),
        FailureCode::LeaseExpired => no_turn("The server stopped responding while the assistant was answering"),
        FailureCode::InstanceRestarted => no_turn("The server was restarted while the assistant was answering"),
        FailureCode::LeaseLost => no_turn(LEASE_LOST),
    }
}

fn no_turn(message: &'static str) -> Problem {
    Problem::new(Code::NoTurn).with_message(message)
}

fn shut_down() -> Problem {
    Problem::new(Code::Overloaded).with_message("The server is shutting down")
}

fn storage(error: &StorageError) -> Problem {
    match error {
        StorageError::Exhausted(_) => Code::Overloaded.into(),
        StorageError::Unavailable(_) => Code::DatabaseUnavailable.into(),
        StorageError::Full(_) => Code::StorageFull.into(),
        StorageError::Corrupt(_) | StorageError::Other(_) => Code::InternalError.into(),
    }
}

fn not_ready(error: &NotReady) -> Problem {
    match error {
        NotReady::Database(_) => Code::DatabaseUnavailable.into(),
        NotReady::Migrations => {
            Problem::new(Code::DatabaseUnavailable).with_message("The database migrations have not completed")
        }
        NotReady::ShuttingDown => shut_down(),
    }
}

fn rate_limited(refusal: &RateRefusal) -> Problem {
    match refusal {
        RateRefusal::Limited(limited) => Problem::new(Code::RateLimited).with_rate_limit(limited),
        RateRefusal::Unavailable => {
            Problem::new(Code::Overloaded).with_message("The rate limits cannot be checked right now")
        }
    }
}

fn insufficient_scope(InsufficientScope(missing): InsufficientScope) -> Problem {
    Problem::new(Code::InsufficientScope).with_challenge(Challenge::InsufficientScope(missing))
}

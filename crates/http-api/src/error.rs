//! Everything that can go wrong with a request, and the one mapping of it to HTTP. The mapping is exhaustive: a new
//! failure in the domain does not compile before it has an answer here.
//!
//! Deliberately not here: how the answer is written, which is [`crate::problem`].
#![warn(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use domain::account::{AccountError, ExternalSignInError, HashError, IdentityProviderError};
use domain::api_token::ApiTokenRepoError;
use domain::change::ChangeError;
use domain::chat::ChatError;
use domain::chat::TurnFailure;
use domain::conversation::ConversationRepoError;
use domain::health::NotReady;
use domain::llm::LlmError;
use domain::principal::InsufficientScope;
use domain::rate_limit::RateLimited;
use domain::session::SessionRepoError;
use domain::storage::{Cause, StorageError};
use domain::task::TaskError;
use domain::turn::FailureCode;

use crate::code::Code;
use crate::problem::{Challenge, Problem};
use crate::stream_limit::TooManyStreams;

/// When a provider that is asked too often may be asked again, if it does not say.
const AI_RETRY: Duration = Duration::from_secs(30);

/// Why a request has no good answer.
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
    Limited(#[from] RateLimited),
    #[error(transparent)]
    TooManyStreams(#[from] TooManyStreams),
    /// A defect of this server: a handler that panicked, a service that is not wired.
    #[error("a defect: {0}")]
    Defect(String),
}

impl ApiError {
    /// The error of a request that names no row. What was not found is the account, so the token is not good any more.
    pub(crate) fn of_account(error: impl Into<Self>) -> Self {
        let error = error.into();
        let account_is_gone = matches!(error, Self::Task(TaskError::NotFound) | Self::Change(ChangeError::NotFound));
        if account_is_gone { RequestError::NoAccount.into() } else { error }
    }
}

/// What is wrong with a request as such.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("no such route")]
    NoRoute,
    #[error("the route takes {allow} only")]
    Method {
        /// The methods that it takes, as they stand in `Allow`.
        allow: String,
    },
    #[error("no bearer token")]
    NoToken,
    #[error("the bearer token cannot be read")]
    BadToken,
    #[error("the account is gone")]
    NoAccount,
    #[error("another user's path")]
    OtherUser,
    #[error("the id is none of a task")]
    NoTask,
    #[error("the id is none of a conversation")]
    NoConversation,
    #[error("the id is none of a session")]
    NoSession,
    #[error("the id is none of a token")]
    NoApiToken,
    #[error("the id or number is none of a change")]
    NoChange,
    #[error("the id is none of a pending action")]
    NoPendingAction,
    #[error("{message}")]
    Invalid {
        /// What is wrong: a body's field, a query parameter or a header. Absent if it is the whole.
        field: Option<String>,
        /// What about it, in words for people. Never a secret's value.
        message: String,
    },
    #[error("the body cannot be read as JSON")]
    Malformed(#[source] Cause),
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// What the route takes, in bytes.
        limit: usize,
    },
    #[error("the body did not come in time")]
    TooSlow,
    #[error("the body is of another type")]
    MediaType,
}

impl RequestError {
    /// `message` about `field`.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid { field: Some(field.to_owned()), message: message.into() }
    }
}

/// The body is written by [`crate::problem::shape`], which knows the request.
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
            ApiError::Limited(limited) => rate_limited(limited),
            ApiError::TooManyStreams(error) => {
                Problem::new(Code::RateLimited).message(error.to_string()).streams_limited()
            }
            ApiError::Defect(_) => Code::InternalError.into(),
        }
    }
}

fn request(error: &RequestError) -> Problem {
    match error {
        RequestError::NoRoute => Code::NotFound.into(),
        RequestError::Method { allow } => Problem::new(Code::MethodNotAllowed).allow(allow),
        RequestError::NoToken => Problem::new(Code::Unauthorized).challenge(Challenge::Bare),
        RequestError::BadToken | RequestError::NoAccount => {
            Problem::new(Code::Unauthorized).challenge(Challenge::InvalidToken)
        }
        RequestError::OtherUser => Code::Forbidden.into(),
        RequestError::NoTask => Code::TaskNotFound.into(),
        RequestError::NoConversation => Code::ConversationNotFound.into(),
        RequestError::NoSession => Code::SessionNotFound.into(),
        RequestError::NoApiToken => Code::TokenNotFound.into(),
        RequestError::NoChange => no_change(),
        RequestError::NoPendingAction => Code::NotPending.into(),
        RequestError::Invalid { field, message } => {
            Problem::new(Code::ValidationError).message(message.clone()).field(field.clone())
        }
        RequestError::Malformed(_) => Code::MalformedJson.into(),
        RequestError::TooLarge { limit } => {
            Problem::new(Code::PayloadTooLarge).message(format!("The body is larger than {} KiB", limit / 1024))
        }
        RequestError::TooSlow => Code::RequestTimeout.into(),
        RequestError::MediaType => Code::UnsupportedMediaType.into(),
    }
}

fn account(error: &AccountError) -> Problem {
    match error {
        AccountError::InvalidCredentials => Problem::new(Code::InvalidCredentials).challenge(Challenge::Bare),
        AccountError::WrongPassword => credentials("The password is wrong"),
        AccountError::RecentSignInRequired => credentials(
            "Sign in again first: the account has no password, and this sign-in is more than 10 minutes old",
        ),
        AccountError::EmailTaken => Problem::new(Code::EmailTaken).field(Some("email".to_owned())),
        AccountError::InvalidToken | AccountError::Sessions(SessionRepoError::NotFound | SessionRepoError::Reused) => {
            Problem::new(Code::Unauthorized).challenge(Challenge::InvalidToken)
        }
        AccountError::TokenExpired => Problem::new(Code::TokenExpired).challenge(Challenge::InvalidToken),
        AccountError::InsufficientScope(missing) => insufficient_scope(*missing),
        AccountError::RateLimited(limited) => rate_limited(limited),
        AccountError::SessionNotFound => Code::SessionNotFound.into(),
        AccountError::ApiTokens(ApiTokenRepoError::NotFound) => Code::TokenNotFound.into(),
        AccountError::PasswordRequired => invalid("password", "password is required"),
        AccountError::ExpiryInThePast => invalid("expires_at", "expires_at must be in the future"),
        AccountError::InvalidState => invalid("state", "This sign-in was not begun in this browser, or it is over"),
        AccountError::InvalidCode => invalid("code", "code was used, is over, or never was good"),
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
    Problem::new(Code::InvalidCredentials).message(message).challenge(Challenge::Bare)
}

fn invalid(field: &str, message: &'static str) -> Problem {
    Problem::new(Code::ValidationError).message(message).field(Some(field.to_owned()))
}

fn external(error: &ExternalSignInError) -> Problem {
    match error {
        ExternalSignInError::Denied => Code::OauthDenied.into(),
        ExternalSignInError::EmailNotVerified => Code::EmailNotVerified.into(),
        ExternalSignInError::AccountExists => Code::AccountExists.into(),
        ExternalSignInError::AlreadyLinked => Code::AlreadyLinked.into(),
        ExternalSignInError::SessionEnded => Code::Unauthorized.into(),
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
        // No request is a turn's call.
        TaskError::LeaseLost => Code::InternalError.into(),
        TaskError::Storage(error) => storage(error),
    }
}

fn change(error: &ChangeError) -> Problem {
    match error {
        ChangeError::InsufficientScope(missing) => insufficient_scope(*missing),
        ChangeError::NotFound => no_change(),
        ChangeError::CursorExpired => Code::CursorExpired.into(),
        ChangeError::Conflicts(conflicts) => Problem::new(Code::UndoConflict).conflicts(conflicts),
        ChangeError::Contention => contention(),
        // No request is a turn's call.
        ChangeError::LeaseLost => Code::InternalError.into(),
        ChangeError::Storage(error) => storage(error),
    }
}

fn no_change() -> Problem {
    Problem::new(Code::NotFound).message("Change not found")
}

fn contention() -> Problem {
    Problem::new(Code::Overloaded).message("Others keep changing the same tasks, try again soon")
}

fn chat(error: &ChatError) -> Problem {
    match error {
        ChatError::InsufficientScope(missing) => insufficient_scope(*missing),
        ChatError::Conversations(ConversationRepoError::NotFound) => Code::ConversationNotFound.into(),
        ChatError::Conversations(ConversationRepoError::TurnInProgress) => Code::TurnInProgress.into(),
        ChatError::Conversations(ConversationRepoError::NoTurn) => {
            Problem::new(Code::NoTurn).message("The assistant is not answering in this conversation")
        }
        ChatError::Conversations(ConversationRepoError::NotPending) => Code::NotPending.into(),
        ChatError::Conversations(ConversationRepoError::IdempotencyInProgress) => Code::IdempotencyInProgress.into(),
        ChatError::Conversations(ConversationRepoError::IdempotencyKeyReused) => {
            Problem::new(Code::IdempotencyKeyReused).field(Some("Idempotency-Key".to_owned()))
        }
        ChatError::Conversations(ConversationRepoError::Storage(error)) => storage(error),
        ChatError::Model { source, stored } => model(source).stored(*stored),
        ChatError::Interrupted { source, stored } => storage(source).stored(*stored),
        ChatError::LeaseLost { stored } => Problem::new(Code::NoTurn).stored(*stored),
        ChatError::Panicked { stored } => Problem::new(Code::InternalError).stored(*stored),
        ChatError::ShutDown { stored } => shut_down().stored(*stored),
        ChatError::Abandoned => Code::InternalError.into(),
    }
}

fn model(error: &LlmError) -> Problem {
    match error {
        LlmError::RateLimited { retry_after, .. } => {
            Problem::new(Code::AiUnavailable).retry_after(retry_after.unwrap_or(AI_RETRY))
        }
        LlmError::Timeout(_) => Code::AiTimeout.into(),
        LlmError::ModelRetired { setting, .. } => no_model(setting),
        LlmError::Unauthorized(_) | LlmError::Unavailable(_) | LlmError::BadReply(_) => Code::AiError.into(),
    }
}

/// A turn that failed where the answer had already begun. It is the problem that an answer not yet begun would have been,
/// as far as a turn's record tells.
pub(crate) fn turn_failure(failure: TurnFailure) -> Problem {
    match failure.code {
        FailureCode::RateLimited => {
            Problem::new(Code::AiUnavailable).retry_after(failure.retry_after.unwrap_or(AI_RETRY))
        }
        FailureCode::Timeout => Code::AiTimeout.into(),
        FailureCode::Unauthorized | FailureCode::ModelRetired | FailureCode::Unavailable | FailureCode::BadReply => {
            failure.setting.map_or_else(|| Code::AiError.into(), no_model)
        }
        FailureCode::Storage => Code::DatabaseUnavailable.into(),
        FailureCode::Internal => Code::InternalError.into(),
        FailureCode::ShutDown => shut_down(),
        FailureCode::LeaseExpired | FailureCode::InstanceRestarted | FailureCode::LeaseLost => Code::NoTurn.into(),
    }
}

/// The setting is named, because only whoever runs the server can mend it.
fn no_model(setting: &str) -> Problem {
    Problem::new(Code::AiError)
        .message(format!("The assistant's model is not available; {setting} can name another one"))
}

fn shut_down() -> Problem {
    Problem::new(Code::Overloaded).message("The server is shutting down")
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
        NotReady::Migrations => Problem::new(Code::DatabaseUnavailable).message("The database is being prepared"),
        NotReady::ShuttingDown => shut_down(),
    }
}

fn rate_limited(limited: &RateLimited) -> Problem {
    Problem::new(Code::RateLimited).limited(limited)
}

fn insufficient_scope(InsufficientScope(missing): InsufficientScope) -> Problem {
    Problem::new(Code::InsufficientScope).challenge(Challenge::InsufficientScope(missing))
}

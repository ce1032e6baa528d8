//! The error codes, each with its status and its default message. [`super::error`] maps errors to them.

use actix_web::http::StatusCode;

/// An error code. The list is open: clients must expect unknown codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Code {
    ValidationError,
    MalformedJson,
    Unauthorized,
    TokenExpired,
    InvalidCredentials,
    Forbidden,
    CorsRefused,
    CrossOrigin,
    InsufficientScope,
    SignupsClosed,
    NotFound,
    TaskNotFound,
    ConversationNotFound,
    SessionNotFound,
    TokenNotFound,
    MethodNotAllowed,
    RequestTimeout,
    EmailTaken,
    EmailNotVerified,
    AccountExists,
    AlreadyLinked,
    TurnInProgress,
    NoTurn,
    IdempotencyInProgress,
    UndoConflict,
    NotPending,
    CursorExpired,
    PreconditionFailed,
    PayloadTooLarge,
    UnsupportedMediaType,
    IdempotencyKeyReused,
    RateLimited,
    InternalError,
    AiError,
    AiUnavailable,
    DatabaseUnavailable,
    Overloaded,
    OauthNotConfigured,
    OauthDenied,
    OauthFailed,
    OauthUnavailable,
    AiTimeout,
    StorageFull,
}

impl Code {
    /// The code as written in bodies.
    pub(crate) fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status of responses with this code.
    pub(crate) fn status(self) -> StatusCode {
        self.row().1
    }

    /// The message for people where there is no more specific one.
    pub(crate) fn message(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::ValidationError => ("VALIDATION_ERROR", StatusCode::BAD_REQUEST, "The request is not valid"),
            Self::MalformedJson => ("MALFORMED_JSON", StatusCode::BAD_REQUEST, "The body is not valid JSON"),
            Self::Unauthorized => ("UNAUTHORIZED", StatusCode::UNAUTHORIZED, "A valid token is required"),
            Self::TokenExpired => ("TOKEN_EXPIRED", StatusCode::UNAUTHORIZED, "The token has expired"),
            Self::InvalidCredentials => {
                ("INVALID_CREDENTIALS", StatusCode::UNAUTHORIZED, "The email or the password is wrong")
            }
            Self::Forbidden => ("FORBIDDEN", StatusCode::FORBIDDEN, "The path belongs to another user"),
            Self::CorsRefused => ("CORS_REFUSED", StatusCode::FORBIDDEN, "The CORS policy does not allow this request"),
            Self::CrossOrigin => {
                ("CROSS_ORIGIN", StatusCode::FORBIDDEN, "A cookie session needs the server's own origin")
            }
            Self::InsufficientScope => ("INSUFFICIENT_SCOPE", StatusCode::FORBIDDEN, "The token does not allow this"),
            Self::SignupsClosed => {
                ("SIGNUPS_CLOSED", StatusCode::FORBIDDEN, "This server does not accept new accounts with this email")
            }
            Self::NotFound => ("NOT_FOUND", StatusCode::NOT_FOUND, "There is nothing at this address"),
            Self::TaskNotFound => ("TASK_NOT_FOUND", StatusCode::NOT_FOUND, "Task not found"),
            Self::ConversationNotFound => ("CONVERSATION_NOT_FOUND", StatusCode::NOT_FOUND, "Conversation not found"),
            Self::SessionNotFound => ("SESSION_NOT_FOUND", StatusCode::NOT_FOUND, "Session not found"),
            Self::TokenNotFound => ("TOKEN_NOT_FOUND", StatusCode::NOT_FOUND, "Token not found"),
            Self::MethodNotAllowed => {
                ("METHOD_NOT_ALLOWED", StatusCode::METHOD_NOT_ALLOWED, "This address does not support this method")
            }
            Self::RequestTimeout => {
                ("REQUEST_TIMEOUT", StatusCode::REQUEST_TIMEOUT, "The body was not received within 30 seconds")
            }
            Self::EmailTaken => ("EMAIL_TAKEN", StatusCode::CONFLICT, "An account with this email already exists"),
            Self::EmailNotVerified => {
                ("EMAIL_NOT_VERIFIED", StatusCode::FORBIDDEN, "The provider has not verified the email")
            }
            Self::AccountExists => {
                ("ACCOUNT_EXISTS", StatusCode::CONFLICT, "An account with this email already exists")
            }
            Self::AlreadyLinked => {
                ("ALREADY_LINKED", StatusCode::CONFLICT, "The provider's account is linked to another account")
            }
            Self::TurnInProgress => {
                ("TURN_IN_PROGRESS", StatusCode::CONFLICT, "The assistant is still answering in this conversation")
            }
            Self::NoTurn => {
                ("NO_TURN", StatusCode::CONFLICT, "No turn of the assistant is running, or it was interrupted")
            }
            Self::IdempotencyInProgress => {
                ("IDEMPOTENCY_IN_PROGRESS", StatusCode::CONFLICT, "The same request is still being answered")
            }
            Self::UndoConflict => {
                ("UNDO_CONFLICT", StatusCode::CONFLICT, "The tasks have changed since, nothing was undone")
            }
            Self::NotPending => ("NOT_PENDING", StatusCode::CONFLICT, "The action is not waiting for confirmation"),
            Self::CursorExpired => (
                "CURSOR_EXPIRED",
                StatusCode::GONE,
                "The changes after this number are no longer stored, or the number is beyond the newest change: read the lists again",
            ),
            Self::PreconditionFailed => {
                ("PRECONDITION_FAILED", StatusCode::PRECONDITION_FAILED, "The task has changed in the meantime")
            }
            Self::PayloadTooLarge => (
                "PAYLOAD_TOO_LARGE",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is larger than 64 KiB, or than 1 MiB for a chat body with `messages`",
            ),
            Self::UnsupportedMediaType => (
                "UNSUPPORTED_MEDIA_TYPE",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be application/json and must not be compressed",
            ),
            Self::IdempotencyKeyReused => (
                "IDEMPOTENCY_KEY_REUSED",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The idempotency key was used for a different request",
            ),
            Self::RateLimited => ("RATE_LIMITED", StatusCode::TOO_MANY_REQUESTS, "Too many requests, try again later"),
            Self::InternalError => {
                ("INTERNAL_ERROR", StatusCode::INTERNAL_SERVER_ERROR, "An unexpected error occurred")
            }
            Self::AiError => ("AI_ERROR", StatusCode::BAD_GATEWAY, "The assistant could not answer"),
            Self::AiUnavailable => {
                ("AI_UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE, "The assistant is busy, try again later")
            }
            Self::DatabaseUnavailable => {
                ("DATABASE_UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE, "The database cannot be reached right now")
            }
            Self::Overloaded => {
                ("OVERLOADED", StatusCode::SERVICE_UNAVAILABLE, "The server is too busy, try again soon")
            }
            Self::OauthNotConfigured => {
                ("OAUTH_NOT_CONFIGURED", StatusCode::SERVICE_UNAVAILABLE, "External sign-in is not configured")
            }
            Self::OauthDenied => ("OAUTH_DENIED", StatusCode::FORBIDDEN, "The provider refused the sign-in"),
            Self::OauthFailed => ("OAUTH_FAILED", StatusCode::BAD_GATEWAY, "The provider's response is not valid"),
            Self::OauthUnavailable => {
                ("OAUTH_UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE, "The provider cannot be reached right now")
            }
            Self::AiTimeout => ("AI_TIMEOUT", StatusCode::GATEWAY_TIMEOUT, "The assistant did not answer in time"),
            Self::StorageFull => ("STORAGE_FULL", StatusCode::INSUFFICIENT_STORAGE, "There is no storage space left"),
        }
    }
}

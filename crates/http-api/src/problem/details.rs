//! Problem details (RFC 9457): what an error response contains.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use domain::change::Conflict;
use domain::chat::StoredTurn;
use domain::principal::Scope;
use domain::runtime::rate_limit::RateLimited;
use serde::Serialize;
use utoipa::ToSchema;

use super::code::Code;
use crate::rate_limit_headers;
use crate::schema::conflict::ConflictBody;

/// The media type of errors (RFC 9457, 6.1).
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// `Retry-After` of an overloaded server.
const OVERLOADED_RETRY_AFTER: Duration = Duration::from_secs(1);
/// `Retry-After` when too many streams are open: by then, closed connections are detected.
const STREAMS_RETRY_AFTER: Duration = Duration::from_secs(15);
/// `Retry-After` of an unreachable database.
const DATABASE_RETRY_AFTER: Duration = Duration::from_secs(5);

/// An error response before it is written.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    code: Code,
    message: Cow<'static, str>,
    field: Option<String>,
    stored: Option<StoredTurn>,
    conflicts: Vec<ConflictBody>,
    /// `Retry-After`, in seconds.
    retry_after: Option<u64>,
    headers: Vec<(HeaderName, String)>,
}

/// The challenge in `WWW-Authenticate` (RFC 6750, 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A token is required.
    TokenRequired,
    /// The token is malformed, expired or revoked.
    InvalidToken,
    /// The token lacks this scope.
    InsufficientScope(Scope),
}

impl Problem {
    /// The problem of `code`, with its default message.
    pub(crate) fn new(code: Code) -> Self {
        let problem = Self {
            code,
            message: code.message().into(),
            field: None,
            stored: None,
            conflicts: Vec::new(),
            retry_after: None,
            headers: Vec::new(),
        };
        match code {
            Code::Overloaded => problem.with_retry_after(OVERLOADED_RETRY_AFTER),
            Code::DatabaseUnavailable => problem.with_retry_after(DATABASE_RETRY_AFTER),
            _ => problem,
        }
    }

    /// Replaces the message.
    pub(crate) fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// Names the invalid field, query parameter or header.
    pub(crate) fn with_field(mut self, field: Option<String>) -> Self {
        self.field = field;
        self
    }

    /// Names the conversation and the message in which the turn is stored.
    pub(crate) fn with_stored_turn(mut self, stored: StoredTurn) -> Self {
        self.stored = Some(stored);
        self
    }

    /// Lists the conflicts of an undo.
    pub(crate) fn with_conflicts(mut self, conflicts: &[Conflict]) -> Self {
        self.conflicts = conflicts.iter().map(ConflictBody::from).collect();
        self
    }

    /// Adds `Allow`.
    pub(crate) fn with_allow(self, methods: &str) -> Self {
        self.header(header::ALLOW, methods.to_owned())
    }

    /// Sets `Retry-After`, rounded up to whole seconds (RFC 9110, 10.2.3).
    pub(crate) fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(rate_limit_headers::whole_seconds(after).max(1));
        self
    }

    /// Adds the headers of the exceeded rate limit.
    pub(crate) fn with_rate_limit(self, limited: &RateLimited) -> Self {
        let fields = rate_limit_headers::fields(&limited.policy, 0, limited.retry_after);
        fields.fold(self.with_retry_after(limited.retry_after), |problem, (name, value)| problem.header(name, value))
    }

    /// Adds the headers of the exceeded limit of tokens per day.
    pub(crate) fn with_token_limit(self, limited: &RateLimited) -> Self {
        let fields = rate_limit_headers::token_fields(&limited.policy, limited.retry_after);
        fields.fold(self.with_retry_after(limited.retry_after), |problem, (name, value)| problem.header(name, value))
    }

    /// Adds the headers of the limit of open streams.
    pub(crate) fn with_stream_limit(self) -> Self {
        let fields = rate_limit_headers::stream_fields(STREAMS_RETRY_AFTER);
        fields.fold(self.with_retry_after(STREAMS_RETRY_AFTER), |problem, (name, value)| problem.header(name, value))
    }

    /// Adds `WWW-Authenticate`.
    pub(crate) fn with_challenge(self, challenge: Challenge) -> Self {
        let value = match challenge {
            Challenge::TokenRequired => r#"Bearer realm="doable""#.to_owned(),
            Challenge::InvalidToken => r#"Bearer realm="doable", error="invalid_token""#.to_owned(),
            Challenge::InsufficientScope(scope) => {
                format!(r#"Bearer realm="doable", error="insufficient_scope", scope="{}""#, scope.as_str())
            }
        };
        self.header(header::WWW_AUTHENTICATE, value)
    }

    /// The error code.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// The message for people.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// `Retry-After`, in seconds.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.code.status()
    }

    fn header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// An example body for the OpenAPI document.
    pub(crate) fn example(&self) -> ProblemBody {
        self.body("0198c5a2-7f3e-7c11-9a52-6d1f0c9b3e44")
    }

    /// Writes the headers of the response.
    pub(crate) fn write_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            // The values are constants, methods, scopes and numbers, so all of them are valid.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name.clone(), value);
            }
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    }

    /// The body of the response.
    pub(crate) fn body(&self, request_id: &str) -> ProblemBody {
        ProblemBody {
            r#type: "about:blank",
            title: self.status().canonical_reason().unwrap_or("Error"),
            status: self.status().as_u16(),
            detail: self.message.to_string(),
            code: self.code.as_str(),
            message: self.message.to_string(),
            field: self.field.clone(),
            request_id: request_id.to_owned(),
            conversation_id: self.stored.map(|stored| stored.conversation.as_uuid()),
            message_id: self.stored.map(|stored| stored.message.as_uuid()),
            conflicts: self.conflicts.clone(),
        }
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

/// An error (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Always `about:blank`: `status` and `code` identify the kind of problem.
    #[schema(value_type = String, example = "about:blank")]
    r#type: &'static str,
    /// The reason phrase of the status.
    #[schema(value_type = String, example = "Not Found")]
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    status: u16,
    /// The error message for people.
    #[schema(example = "Task not found")]
    detail: String,
    /// The error code for programs. New codes may be added.
    #[schema(value_type = String, example = "TASK_NOT_FOUND")]
    code: &'static str,
    /// The same as `detail`.
    #[schema(example = "Task not found")]
    message: String,
    /// The invalid field, query parameter or header, if the error is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
    /// The id of the request, as in `X-Request-Id` and in the server's log.
    request_id: String,
    /// The conversation that contains the user's message, if a chat failed after the message was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    conversation_id: Option<uuid::Uuid>,
    /// The assistant's failed message, if a chat failed after the user's message was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message_id: Option<uuid::Uuid>,
    /// The conflicts of an undo (`UNDO_CONFLICT`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    conflicts: Vec<ConflictBody>,
}

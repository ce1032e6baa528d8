//! How errors are answered: `application/problem+json` (RFC 9457), whoever found the error. [`shape`] writes every
//! answer outside 2xx and 3xx, the framework's own included, and logs what is behind those that are our fault.

use std::borrow::Cow;
use std::time::Duration;

use actix_cors::CorsError;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _};
use domain::change::{Conflict, RequestId};
use domain::chat::StoredTurn;
use domain::principal::Scope;
use domain::rate_limit::RateLimited;
use domain::runtime::with_causes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::code::Code;
use crate::conflict::ConflictBody;
use crate::error::{ApiError, RequestError};
use crate::limit;

/// The media type of errors (RFC 9457, 6.1).
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// When a server that is too busy may be asked again.
const BUSY_RETRY: Duration = Duration::from_secs(1);
/// When a user who has as many streams open as may be may try again: by then, a connection that is gone is noticed.
const STREAMS_RETRY: Duration = Duration::from_secs(15);
/// When a database that is away may be back.
const DATABASE_RETRY: Duration = Duration::from_secs(5);

/// An error as it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    code: Code,
    message: Cow<'static, str>,
    field: Option<String>,
    stored: Option<StoredTurn>,
    conflicts: Vec<ConflictBody>,
    /// In seconds.
    retry_after: Option<u64>,
    headers: Vec<(HeaderName, String)>,
}

/// What `WWW-Authenticate` says (RFC 6750, 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A token is needed.
    Bare,
    /// The token that was shown is none, or no longer one.
    InvalidToken,
    /// The token does not allow this.
    InsufficientScope(Scope),
}

impl Problem {
    /// The problem that `code` names.
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
            Code::Overloaded => problem.retry_after(BUSY_RETRY),
            Code::DatabaseUnavailable => problem.retry_after(DATABASE_RETRY),
            _ => problem, // the others say when to come back themselves, or not at all
        }
    }

    /// Says it in other words.
    pub(crate) fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// Names what is wrong.
    pub(crate) fn field(mut self, field: Option<String>) -> Self {
        self.field = field;
        self
    }

    /// Says where the turn is kept.
    pub(crate) fn stored(mut self, stored: StoredTurn) -> Self {
        self.stored = Some(stored);
        self
    }

    /// Says what stands in the way.
    pub(crate) fn conflicts(mut self, conflicts: &[Conflict]) -> Self {
        self.conflicts = conflicts.iter().map(ConflictBody::from).collect();
        self
    }

    /// Says which methods there are.
    pub(crate) fn allow(self, methods: &str) -> Self {
        self.header(header::ALLOW, methods.to_owned())
    }

    /// Says when to try again, in whole seconds (RFC 9110, 10.2.3).
    pub(crate) fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(limit::whole_seconds(after).max(1));
        self
    }

    /// Says which limit is reached, and when to try again.
    pub(crate) fn limited(self, limited: &RateLimited) -> Self {
        let fields = limit::fields(&limited.policy, 0, limited.retry_after);
        fields.fold(self.retry_after(limited.retry_after), |problem, (name, value)| problem.header(name, value))
    }

    /// Says that as many streams are open as may be, and when to try again.
    pub(crate) fn streams_limited(self) -> Self {
        let fields = limit::stream_fields(STREAMS_RETRY);
        fields.fold(self.retry_after(STREAMS_RETRY), |problem, (name, value)| problem.header(name, value))
    }

    /// Says how to authenticate.
    pub(crate) fn challenge(self, challenge: Challenge) -> Self {
        let value = match challenge {
            Challenge::Bare => r#"Bearer realm="doable""#.to_owned(),
            Challenge::InvalidToken => r#"Bearer realm="doable", error="invalid_token""#.to_owned(),
            Challenge::InsufficientScope(scope) => {
                format!(r#"Bearer realm="doable", error="insufficient_scope", scope="{}""#, scope.as_str())
            }
        };
        self.header(header::WWW_AUTHENTICATE, value)
    }

    /// The code.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// What it says to people.
    pub(crate) fn words(&self) -> &str {
        &self.message
    }

    /// When to try again, in seconds, if it says so.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after
    }

    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        self.code.status()
    }

    fn header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What an answer that the framework gave means.
    fn of_framework(status: StatusCode, error: Option<&Error>) -> Self {
        if let Some(refused) = error.and_then(|error| error.as_error::<CorsError>()) {
            return Self::new(Code::ValidationError).message(refused.to_string());
        }
        match status {
            StatusCode::NOT_FOUND => Self::new(Code::NotFound),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(Code::MethodNotAllowed),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(Code::PayloadTooLarge),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::new(Code::UnsupportedMediaType),
            status if status.is_client_error() => Self::new(Code::ValidationError),
            _ => Self::new(Code::InternalError),
        }
    }

    /// The body as the document shows it.
    pub(crate) fn example(&self) -> ProblemBody {
        self.body("0198c5a2-7f3e-7c11-9a52-6d1f0c9b3e44")
    }

    fn write_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            // All of them are made of our own words, methods, scopes and numbers.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name.clone(), value);
            }
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    }

    fn body(&self, request_id: &str) -> ProblemBody {
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

/// What went wrong (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// `about:blank`: the status and the code say what kind of problem it is.
    #[schema(value_type = String, example = "about:blank")]
    r#type: &'static str,
    /// The status in words.
    #[schema(value_type = String, example = "Not Found")]
    title: &'static str,
    /// The status.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    status: u16,
    /// What went wrong, for people.
    #[schema(example = "Task not found")]
    detail: String,
    /// What went wrong, for programs. New codes may come.
    #[schema(value_type = String, example = "TASK_NOT_FOUND")]
    code: &'static str,
    /// The same as `detail`.
    #[schema(example = "Task not found")]
    message: String,
    /// The field, query parameter or header that is wrong, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
    /// The request's id, as in `X-Request-Id` and in the server's log.
    request_id: String,
    /// The conversation that keeps the user's message, if a chat failed after the message was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    conversation_id: Option<uuid::Uuid>,
    /// The assistant's message that says that it failed, if a chat failed after the user's message was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message_id: Option<uuid::Uuid>,
    /// What stands in the way of an undo (`UNDO_CONFLICT`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    conflicts: Vec<ConflictBody>,
}

/// Middleware: gives every error its shape, and logs the cause of those that are the server's, once.
pub(crate) async fn shape<B>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<BoxBody>, Error>
where
    B: MessageBody + 'static,
{
    let response = next.call(request).await?;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return Ok(response.map_into_boxed_body());
    }
    let problem = match response.response().error() {
        Some(error) => from_error(status, error),
        None => Problem::of_framework(status, None),
    };
    if problem.status().is_server_error() {
        log(&problem, response.response().error());
    }
    let (request, response) = response.into_parts();
    let body = match request.extensions().get::<RequestId>() {
        Some(id) => problem.body(id.as_str()),
        None => problem.body(""),
    };
    let mut response = response.set_body(BoxBody::new(serde_json::to_vec(&body)?));
    *response.status_mut() = problem.status();
    problem.write_headers(response.headers_mut());
    Ok(ServiceResponse::new(request, response))
}

fn from_error(status: StatusCode, error: &Error) -> Problem {
    if let Some(error) = error.as_error::<ApiError>() {
        Problem::from(error)
    } else {
        Problem::of_framework(status, Some(error))
    }
}

fn log(problem: &Problem, error: Option<&Error>) {
    let cause = match error {
        Some(error) => match error.as_error::<ApiError>() {
            Some(error) => with_causes(error),
            None => error.to_string(),
        },
        None => "no cause is known".to_owned(),
    };
    tracing::error!(code = problem.code.as_str(), cause, "a request failed");
}

/// Requests that no route takes.
pub(crate) async fn no_route() -> Result<&'static str, ApiError> {
    Err(RequestError::NoRoute.into())
}

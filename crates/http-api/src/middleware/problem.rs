//! Renders every error response as a problem (RFC 9457), those of the framework included, and logs server errors.

use actix_cors::CorsError;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ContentType, TryIntoHeaderValue as _};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _};
use domain::change::RequestId;
use domain::runtime::with_causes;

use crate::extract::accept;
use crate::problem::{ApiError, Code, Problem};

/// Middleware: replaces every response outside 2xx and 3xx by its problem, and logs the cause of server errors once.
pub(crate) async fn render<B>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<BoxBody>, Error>
where
    B: MessageBody + 'static,
{
    let response = next.call(request).await?;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return Ok(response.map_into_boxed_body());
    }
    let error = response.response().error();
    let problem = problem(status, error);
    if problem.status().is_server_error() {
        log(&problem, error);
    }
    let (request, response) = response.into_parts();
    let body = match request.extensions().get::<RequestId>() {
        Some(id) => problem.body(id.as_str()),
        None => problem.body(""),
    };
    let mut response = response.set_body(BoxBody::new(serde_json::to_vec(&body)?));
    response.extensions_mut().insert(problem.code());
    *response.status_mut() = problem.status();
    problem.write_headers(response.headers_mut());
    if accept::names_only_plain_json(&request) {
        response.headers_mut().insert(CONTENT_TYPE, ContentType::json().try_into_value()?);
    }
    Ok(ServiceResponse::new(request, response))
}

fn problem(status: StatusCode, error: Option<&Error>) -> Problem {
    if let Some(error) = error.and_then(|error| error.as_error::<ApiError>()) {
        return Problem::from(error);
    }
    if let Some(error) = error.and_then(|error| error.as_error::<CorsError>()) {
        return cors(error);
    }
    Problem::new(match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
        status if status.is_client_error() => Code::ValidationError,
        _ => Code::InternalError,
    })
}

/// The problem of a refused preflight request.
fn cors(error: &CorsError) -> Problem {
    match error {
        CorsError::OriginNotAllowed => Problem::new(Code::CorsRefused).with_message("The origin is not allowed"),
        CorsError::MethodNotAllowed => Problem::new(Code::CorsRefused).with_message("The method is not allowed"),
        CorsError::HeadersNotAllowed => {
            Problem::new(Code::CorsRefused).with_message("One or more request headers are not allowed")
        }
        malformed => Problem::new(Code::ValidationError).with_message(malformed.to_string()),
    }
}

fn log(problem: &Problem, error: Option<&Error>) {
    let cause = match error {
        Some(error) => match error.as_error::<ApiError>() {
            Some(error) => with_causes(error),
            None => error.to_string(),
        },
        None => "unknown".to_owned(),
    };
    tracing::error!(code = problem.code().as_str(), cause, "request failed");
}

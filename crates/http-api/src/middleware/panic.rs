//! Turns panics in handlers into internal errors, so that the connection and the server stay up.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use futures_util::FutureExt as _;

use crate::problem::ApiError;

/// Middleware of a route: catches panics. It cannot wrap the whole application, because actix-web cannot route a request
/// that has another owner.
pub(crate) async fn catch(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let owned = request.request().clone();
    // Unwind safe: the state of a request is dropped with it, and services hold no locks across calls.
    match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(answer) => answer,
        Err(payload) => Ok(ServiceResponse::from_err(
            ApiError::Internal(format!("a handler panicked: {}", message(payload.as_ref()))),
            owned,
        )),
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(message) = payload.downcast_ref::<&str>() {
        message
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message
    } else {
        "no message"
    }
}

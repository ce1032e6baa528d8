//! Panics in handlers: answered like any other failure of ours, so that the connection and the server live on.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use futures_util::FutureExt as _;

use crate::error::ApiError;

/// Middleware of a route: catches panics. It cannot stand further out, because a request that is held on to there can
/// no longer be routed.
pub(crate) async fn catch(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let kept = request.request().clone();
    // Nothing that the handler held is used again: every request has its own, and services lock nothing of theirs here.
    match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(answer) => answer,
        Err(payload) => Ok(ServiceResponse::from_err(
            ApiError::Defect(format!("a handler panicked: {}", words(payload.as_ref()))),
            kept,
        )),
    }
}

fn words(payload: &(dyn Any + Send)) -> &str {
    if let Some(words) = payload.downcast_ref::<&str>() {
        words
    } else if let Some(words) = payload.downcast_ref::<String>() {
        words
    } else {
        "without words"
    }
}

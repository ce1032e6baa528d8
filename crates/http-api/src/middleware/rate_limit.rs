//! Enforces the rate limit of a route, and adds the headers that describe it.
//!
//! A response describes one limit: the exceeded one if the request was refused, else the route's. A sign-in attempt also
//! counts for its account; that limit is described only when it is exceeded.

use std::net::IpAddr;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderValue;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};
use domain::id::UserId;
use domain::principal::Principal;
use domain::runtime::rate_limit::{RateDecision, RateKey, RateLimiter};

use crate::peer::Peer;
use crate::problem::ApiError;
use crate::rate_limit_headers;

/// The limit that applies to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Messages to the assistant, per user.
    Chat,
    /// Other requests, per user.
    Api,
    /// Sign-in attempts, per peer address.
    SignIn,
}

/// The decision of the route's limit, in the request's extensions.
#[derive(Clone, Copy)]
struct Counted(RateDecision);

/// Middleware: counts a request, and refuses it if the limit is exceeded. It must run after authentication, so that a
/// request cannot use up another user's limit.
pub(crate) async fn enforce(
    request: ServiceRequest,
    next: Next<BoxBody>,
    limit: Limit,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match decide(&request, limit).await {
        Ok(decision) => {
            request.extensions_mut().insert(Counted(decision));
            next.call(request).await
        }
        Err(error) => Ok(request.error_response(error)),
    }
}

async fn decide(request: &ServiceRequest, limit: Limit) -> Result<RateDecision, ApiError> {
    let Some(limiter) = request.app_data::<web::Data<dyn RateLimiter>>() else {
        return Err(ApiError::Internal("the rate limiter is missing in the application data".to_owned()));
    };
    let key = match limit {
        Limit::Chat => RateKey::Chat(user(request)?),
        Limit::Api => RateKey::Api(user(request)?),
        Limit::SignIn => match peer(request) {
            Some(peer) => RateKey::SignInPeer(peer.into()),
            None => return Ok(RateDecision::Unlimited),
        },
    };
    let decision = limiter.take(key).await;
    decision.permitted()?;
    Ok(decision)
}

fn user(request: &ServiceRequest) -> Result<UserId, ApiError> {
    let user = request.extensions().get::<Principal>().map(|principal| principal.user);
    user.ok_or_else(|| ApiError::Internal("the rate limit of a user was checked before authentication".to_owned()))
}

/// The peer address; `None` if the request did not arrive on a socket.
fn peer(request: &ServiceRequest) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|peer| peer.0).filter(|peer| !peer.is_unspecified())
}

/// Middleware: adds the headers of the route's limit to every response to a counted request. It must be the outermost of
/// a route, so that the response to a panic has them too.
pub(crate) async fn add_headers(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut response = next.call(request).await?;
    let counted = response.request().extensions().get::<Counted>().copied();
    if let Some(Counted(RateDecision::Allowed { policy, remaining, reset })) = counted {
        for (name, value) in rate_limit_headers::fields(&policy, remaining, reset) {
            // The value consists of a policy's name and numbers, so it is always valid.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
    }
    Ok(response)
}

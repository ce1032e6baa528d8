//! Enforces the rate limit of a route, and adds the headers that describe it.
//!
//! A response describes one limit: the exceeded one if the request was refused, else the route's, before a try is given
//! back. A sign-in also counts for its account; that limit is described only when it is exceeded.

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
    /// Requests without a token that fail, per peer address.
    SignIn,
}

/// In the extensions of a response: the request stays counted, although the response is a success.
pub(crate) struct StaysCounted;

/// The decision of the route's limit, in the request's extensions.
#[derive(Clone, Copy)]
struct Counted(RateDecision);

/// Middleware: counts a request, and refuses it if the limit is exceeded. It must run after authentication, so that a
/// request cannot use up another user's limit. A successful request without a token is given back afterwards.
pub(crate) async fn enforce(
    request: ServiceRequest,
    next: Next<BoxBody>,
    limit: Limit,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let taken = match take(&request, limit).await {
        Ok(taken) => taken,
        Err(error) => return Ok(request.error_response(error)),
    };
    let Some((limiter, key)) = taken else { return next.call(request).await };
    let response = next.call(request).await?;
    let stays_counted = response.response().extensions().contains::<StaysCounted>();
    if limit == Limit::SignIn && response.status().is_success() && !stays_counted {
        limiter.give_back(key).await;
    }
    Ok(response)
}

/// Counts a request. Returns the limiter and the key that it is counted for, if it is.
async fn take(
    request: &ServiceRequest,
    limit: Limit,
) -> Result<Option<(web::Data<dyn RateLimiter>, RateKey)>, ApiError> {
    let Some(limiter) = request.app_data::<web::Data<dyn RateLimiter>>() else {
        return Err(ApiError::Internal("the rate limiter is missing in the application data".to_owned()));
    };
    let key = match limit {
        Limit::Chat => RateKey::Chat(user(request)?),
        Limit::Api => RateKey::Api(user(request)?),
        Limit::SignIn => match peer(request) {
            Some(peer) => RateKey::SignInPeer(peer.into()),
            None => return Ok(None),
        },
    };
    let decision = limiter.take(key.clone()).await;
    decision.permitted()?;
    request.extensions_mut().insert(Counted(decision));
    Ok(decision.is_counted().then(|| (limiter.clone(), key)))
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

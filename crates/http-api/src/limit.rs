//! How often somebody may ask: what is counted for a route, and what an answer tells of it, in the header fields of the
//! IETF's draft about them (draft-ietf-httpapi-ratelimit-headers-11).
//!
//! An answer tells of one limit: the one that refused, or else the route's. That an attempt to sign in counts for its
//! account besides is told when the account's limit refuses it.
//! Deliberately not here: how many, and the counting. Those are the [`RateLimiter`]'s.

use std::net::IpAddr;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};
use domain::id::UserId;
use domain::principal::Principal;
use domain::rate_limit::{RateDecision, RateKey, RateLimiter, RatePolicy};
use sfv::{ItemSerializer, KeyRef, RefBareItem, StringRef};

use crate::error::ApiError;
use crate::peer::Peer;
use crate::stream_limit::MAX_STREAMS;

/// What is left of a limit.
pub(crate) const LEFT: HeaderName = HeaderName::from_static("ratelimit");
/// What the limit is.
pub(crate) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What is counted for a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// A user's messages to the assistant.
    Chat,
    /// A user's other requests.
    Api,
    /// Attempts to sign in, by where they come from.
    SignIn,
}

/// What the limit of the route said to a request.
#[derive(Clone, Copy)]
struct Counted(RateDecision);

/// Middleware: counts a request, and lets it through if its limit does. It has to stand behind the check of the token,
/// so that nobody uses up what is somebody else's.
pub(crate) async fn count(
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
        return Err(ApiError::Defect("the rate limiter is not wired".to_owned()));
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
    user.ok_or_else(|| ApiError::Defect("a user's limit stands before the check of the token".to_owned()))
}

/// Where a request comes from; nowhere if it came by no network.
fn peer(request: &ServiceRequest) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|peer| peer.0).filter(|peer| !peer.is_unspecified())
}

/// Middleware: tells of the route's limit in every answer to a request that was counted. It stands around everything, so
/// that the answer to a panic tells of it too.
pub(crate) async fn tell(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut response = next.call(request).await?;
    let counted = response.request().extensions().get::<Counted>().copied();
    if let Some(Counted(RateDecision::Allowed { policy, remaining, reset })) = counted {
        for (name, value) in fields(&policy, remaining, reset) {
            // It is made of a policy's name and of numbers.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
    }
    Ok(response)
}

/// The header fields that tell of a limit, as structured fields (RFC 9651): `RateLimit: "chat";r=19;t=3`, which is 19
/// more within the next 3 seconds, and `RateLimit-Policy: "chat";q=20;w=60`, which is 20 within a minute.
pub(crate) fn fields(
    policy: &RatePolicy,
    remaining: u32,
    within: Duration,
) -> impl Iterator<Item = (HeaderName, String)> {
    let left = field(policy.name, [("r", remaining.into()), ("t", seconds(within))]);
    let whole = field(policy.name, [("q", policy.quota.into()), ("w", seconds(policy.window))]);
    [left.map(|left| (LEFT, left)), whole.map(|whole| (POLICY, whole))].into_iter().flatten()
}

/// The header fields that tell that a user has as many streams open as may be: what is limited is not how many are asked
/// for in a time, but how many there are at once.
pub(crate) fn stream_fields(retry_after: Duration) -> impl Iterator<Item = (HeaderName, String)> {
    let unit = StringRef::from_str("concurrent-requests").map(RefBareItem::from);
    let left = field("streams", [("r", 0_u32.into()), ("t", seconds(retry_after))]);
    let whole = unit.ok().and_then(|unit| field("streams", [("q", MAX_STREAMS.into()), ("qu", unit)]));
    [left.map(|left| (LEFT, left)), whole.map(|whole| (POLICY, whole))].into_iter().flatten()
}

/// A limit's name with parameters.
fn field(name: &str, parameters: [(&str, RefBareItem<'_>); 2]) -> Option<String> {
    // A policy's name is a string of that kind, and so are our keys.
    let item = ItemSerializer::new().bare_item(StringRef::from_str(name).ok()?);
    let item = parameters.into_iter().try_fold(item, |item, (key, value)| {
        let key = KeyRef::from_str(key).ok()?;
        Some(item.parameter(key, value))
    });
    item.map(sfv::ParameterSerializer::finish)
}

fn seconds(time: Duration) -> RefBareItem<'static> {
    u32::try_from(whole_seconds(time)).unwrap_or(u32::MAX).into()
}

/// A time in whole seconds, none of it left out.
pub(crate) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

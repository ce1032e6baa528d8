//! The `RateLimit` and `RateLimit-Policy` headers (draft-ietf-httpapi-ratelimit-headers-11), as structured fields
//! (RFC 9651).

use std::time::Duration;

use actix_web::http::header::HeaderName;
use domain::runtime::rate_limit::RatePolicy;
use sfv::{ItemSerializer, KeyRef, RefBareItem, StringRef};

use crate::stream_limit::MAX_STREAMS;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The headers of a rate limit. `RateLimit: "chat";r=19;t=3` is 19 remaining requests within the next 3 seconds,
/// `RateLimit-Policy: "chat";q=20;w=60` is a quota of 20 requests per minute.
pub(crate) fn fields(
    policy: &RatePolicy,
    remaining: u32,
    within: Duration,
) -> impl Iterator<Item = (HeaderName, String)> {
    let limit = field(policy.name, [("r", remaining.into()), ("t", seconds(within))]);
    let policy = field(policy.name, [("q", policy.quota.into()), ("w", seconds(policy.window))]);
    headers(limit, policy)
}

/// The headers of a limit of tokens that are used up, which are another unit than requests.
pub(crate) fn token_fields(policy: &RatePolicy, retry_after: Duration) -> impl Iterator<Item = (HeaderName, String)> {
    let limit = field(policy.name, [("r", 0_u32.into()), ("t", seconds(retry_after))]);
    let unit = StringRef::from_str("tokens").map(RefBareItem::from);
    let (quota, window) = (policy.quota.into(), seconds(policy.window));
    headers(limit, unit.ok().and_then(|unit| field(policy.name, [("q", quota), ("qu", unit), ("w", window)])))
}

/// The headers of the limit of open streams, which is a quota of concurrent requests instead of one per time window.
pub(crate) fn stream_fields(retry_after: Duration) -> impl Iterator<Item = (HeaderName, String)> {
    let unit = StringRef::from_str("concurrent-requests").map(RefBareItem::from);
    let limit = field("streams", [("r", 0_u32.into()), ("t", seconds(retry_after))]);
    let policy = unit.ok().and_then(|unit| field("streams", [("q", MAX_STREAMS.into()), ("qu", unit)]));
    headers(limit, policy)
}

fn headers(limit: Option<String>, policy: Option<String>) -> impl Iterator<Item = (HeaderName, String)> {
    [limit.map(|limit| (RATE_LIMIT, limit)), policy.map(|policy| (RATE_LIMIT_POLICY, policy))].into_iter().flatten()
}

/// Serializes a policy's name with parameters. `None` if the name is not ASCII, which no policy's is.
fn field<const N: usize>(name: &str, parameters: [(&str, RefBareItem<'_>); N]) -> Option<String> {
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

/// The duration in whole seconds, rounded up.
pub(crate) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

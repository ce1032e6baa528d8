//! Rate limits: the counts of one process ([`GovernorRateLimiter`]), or those of all processes on one Redis or Valkey
//! server ([`RedisRateLimiter`]). What is limited is in `limits`.

mod in_process;
mod limits;
mod shared;

pub use in_process::GovernorRateLimiter;
pub use limits::RateLimits;
pub use shared::{RateLimitFallback, RedisOptions, RedisOptionsError, RedisRateLimiter, RedisUrl, RedisUrlError};

//! Decorators of ports that observe what passes through them.

mod events;
mod llm;
mod rate_limiter;
mod spans;
mod tools;

pub(crate) use events::ObservedEvents;
pub(crate) use llm::ObservedLlm;
pub(crate) use rate_limiter::ObservedRateLimiter;
pub(crate) use tools::ObservedTools;

//! Tests of sign-in against a faulty OpenID provider on loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod claims;
mod code_flow;
mod faults;
mod fixture;
mod metadata_cache;
mod signature;
mod timeout;
mod types;
mod user_info;

//! Signing in at an OpenID provider, against one on loopback that can do everything wrong.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod begin;
mod claims;
mod deadline;
mod directory;
mod fixture;
mod signature;
mod trouble;

//! Signing in: passwords as Argon2id hashes ([`Argon2Hasher`]), access tokens as JWTs and everything else that opens
//! something as random text ([`JwtIssuer`]), accounts at an OpenID provider ([`OidcProvider`]).
//!
//! Deliberately not here: who may sign in and what a session is, which is `domain::account`, and storage.

mod oidc;
mod password;
mod token;

pub use oidc::{OidcOptions, OidcOptionsError, OidcProvider};
pub use password::{Argon2Cost, Argon2Hasher, HashingLimits, InvalidCost, NoHasher};
pub use token::{JwtIssuer, JwtSecret, JwtSecretTooShort};

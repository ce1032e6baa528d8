//! Signing in: passwords as Argon2id hashes ([`Argon2Hasher`]), access tokens as JWTs and refresh tokens as random
//! text ([`JwtIssuer`]).
//!
//! Deliberately not here: who may sign in and what a session is, which is `domain::account`, and storage.

mod password;
mod token;

pub use password::{Argon2Cost, Argon2Hasher, HashingLimits, InvalidCost};
pub use token::{JwtIssuer, JwtSecret, JwtSecretTooShort};

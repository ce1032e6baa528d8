//! Adapters for authentication: Argon2id password hashes ([`Argon2Hasher`]), access tokens as JWTs and opaque random
//! tokens ([`JwtIssuer`]), sign-in at an OpenID provider ([`OidcProvider`]). The rules are in `domain::account`.

mod oidc;
mod password;
mod token;

pub use oidc::{OidcOptions, OidcOptionsError, OidcProvider};
pub use password::{Argon2Cost, Argon2Hasher, HasherError, HashingLimits, InvalidCost};
pub use token::{JwtIssuer, JwtSecret, JwtSecretTooShort};

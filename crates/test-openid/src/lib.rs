//! An OpenID provider for tests, on loopback: discovery, keys, the authorization endpoint (which sends the browser
//! straight back) and the token endpoint, with RSA keys that are made when the process needs them.
//!
//! It checks what a provider has to check: the client's secret, PKCE, the redirect URI, that a code is used once. Its id
//! tokens are put together and signed by hand, so that a test can make every bad one ([`OpenIdServer::forge`]); nothing
//! of the library that the tested code uses is in here.
//! Deliberately not here: sessions, consent and the userinfo endpoint. `tests/openid` starts a provider that has them.

mod authorization;
mod discovery;
mod exchange;
mod id_token;
mod keys;
mod pages;
mod person;
mod server;

pub use id_token::{IdToken, Signer};
pub use pages::{Fault, Page};
pub use person::Person;
pub use server::{CLIENT_ID, CLIENT_SECRET, OpenIdServer};

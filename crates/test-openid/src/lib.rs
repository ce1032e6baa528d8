//! An OpenID provider for tests, on loopback: discovery, keys, and the endpoints for authorization, tokens and userinfo.
//!
//! It checks the client secret, PKCE, the redirect URI, and that a code is used once. Its id tokens are assembled and
//! signed without the library under test, so that a test can forge any token ([`OpenIdServer::forge`]). A provider with
//! login and consent pages is in `tests/openid`.

mod authorization;
mod discovery;
mod end_user;
mod endpoint;
mod id_token;
mod keys;
mod server;
mod state;
mod token;
mod user_info;

pub use end_user::EndUser;
pub use endpoint::{Endpoint, Fault};
pub use id_token::{IdToken, Signer};
pub use server::OpenIdServer;
pub use state::{CLIENT_ID, CLIENT_SECRET};

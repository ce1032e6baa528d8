//! The client of a request, for the list of sessions. Its device comes from a header that anyone can forge, so nothing
//! may depend on it.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::USER_AGENT;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use domain::session::{Client, Device};

use crate::peer::Peer;
use crate::problem::ApiError;

/// The extractor of a [`Client`].
pub(crate) struct Caller(pub(crate) Client);

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(client(request))))
    }
}

/// The client that sent `request`.
pub(crate) fn client(request: &HttpRequest) -> Client {
    let agent = request.headers().get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
    Client {
        device: agent.and_then(|agent| Device::new(&agent)),
        peer: request.extensions().get::<Peer>().map(|peer| peer.0).filter(|peer| !peer.is_unspecified()),
    }
}

//! Who sends a request, as people recognise it in the list of their sessions. Nothing depends on it: a header says what
//! whoever sends it wants.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::USER_AGENT;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use domain::session::{Client, Device};

use crate::error::ApiError;
use crate::peer::Peer;

/// The extractor of a [`Client`].
pub(crate) struct Caller(pub(crate) Client);

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(client(request))))
    }
}

/// Who sends `request`.
pub(crate) fn client(request: &HttpRequest) -> Client {
    let agent = request.headers().get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
    Client {
        device: agent.and_then(|agent| Device::new(&agent)),
        peer: request.extensions().get::<Peer>().map(|peer| peer.0).filter(|peer| !peer.is_unspecified()),
    }
}

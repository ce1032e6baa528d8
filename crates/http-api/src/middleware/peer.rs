//! Determines the client's address of every request.

use std::net::Ipv4Addr;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};

use crate::peer::{Peer, TrustedProxies};

/// Middleware: inserts the [`Peer`] into the request's extensions.
pub(crate) async fn identify<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    // Requests that did not arrive on a socket share one peer.
    let socket = request.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |address| address.ip());
    let peer = match request.app_data::<web::Data<TrustedProxies>>() {
        Some(proxies) => {
            proxies.warn_of_unknown(socket, request.headers());
            proxies.client(socket, request.headers())
        }
        None => socket.to_canonical(),
    };
    request.extensions_mut().insert(Peer(peer));
    next.call(request).await
}

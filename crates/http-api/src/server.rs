//! The API on sockets: HTTP/1.1, bounded in number here and in time by [`crate::connection`].
//!
//! Two more bounds are the framework's own parser's: a head has at most 128 KiB and 96 headers.
//! Deliberately not here: TLS, which is a proxy's, and when to stop, which is `app`'s.

use std::future::ready;
use std::io;
use std::net::{TcpListener, ToSocketAddrs as _};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol};
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::{AppConfig, Server};
use actix_web::rt::net::TcpStream;

use crate::connection::{Connection, LINGER};
use crate::stream_limit::StreamLimit;
use crate::{HttpOptions, Services};

/// So many connections one worker has at once, and there is a worker for each CPU. Further ones wait to be accepted.
const CONNECTIONS: usize = 1000;

/// Listens on every address that `host` stands for.
///
/// # Errors
/// If it stands for none, or none can be listened on.
pub fn listen(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut refused = None;
    for address in (host, port).to_socket_addrs()? {
        match TcpListener::bind(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

/// Serves the API on `listeners`. It stops when it is told to, and waits for at most `patience`, in whole seconds, for
/// requests that are being answered then.
///
/// # Errors
/// If a listener cannot be used.
///
/// # Panics
/// If there are no listeners.
pub fn serve(
    listeners: Vec<TcpListener>,
    services: &Services,
    options: &HttpOptions,
    patience: Duration,
) -> io::Result<Server> {
    let mut server = Server::build();
    let streams = StreamLimit::default();
    for listener in listeners {
        let (services, options, streams) = (services.clone(), options.clone(), streams.clone());
        let shutdown = server.graceful_shutdown_signal();
        server = server.listen("http", listener, move || {
            let (timer, shutdown) = (services.timer.clone(), shutdown.clone());
            let app = crate::app(services.clone(), &options, streams.clone()).into_factory();
            let app = app.map_err(|error| error.as_response_error().error_response());
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let shutdown = shutdown.clone();
                    async move { shutdown.notified().await }
                })
                // `Connection` has its own times for these two.
                .keep_alive(KeepAlive::Os)
                .client_request_timeout(Duration::ZERO)
                .client_disconnect_timeout(LINGER)
                .on_connect_ext(|connection: &Connection<TcpStream>, data| {
                    data.insert(connection.activity());
                })
                .finish(map_config(app, |()| AppConfig::default()));
            fn_service(move |socket: TcpStream| {
                let peer = socket.peer_addr().map_err(DispatchError::Io);
                let connection = Connection::new(socket, timer.clone());
                ready(peer.map(|peer| (connection, Protocol::Http1, Some(peer))))
            })
            .and_then(http)
        })?;
    }
    Ok(server.max_concurrent_connections(CONNECTIONS).disable_signals().shutdown_timeout(patience.as_secs()).run())
}

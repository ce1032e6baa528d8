//! The HTTP/1.1 server on its sockets. It limits the number of connections; [`crate::connection`] has their timeouts, and
//! actix-http limits a request's head to 128 KiB and 96 headers.

use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol};
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::{AppConfig, Server};
use actix_web::rt::net::TcpStream;
use domain::runtime::Timer;

use crate::app::{HttpOptions, Services, app};
use crate::connection::{Connection, LINGER_TIMEOUT};
use crate::endpoint::Endpoint;
use crate::routes;
use crate::stream_limit::StreamLimit;

/// Maximum number of open connections of readers of the metrics.
const MAX_METRICS_CONNECTIONS: u32 = 20;
/// Maximum time that a shutdown waits for readers of the metrics.
const METRICS_TIMEOUT: Duration = Duration::from_secs(1);

/// Listens on every address to which `host` resolves.
///
/// # Errors
/// If `host` does not resolve, or none of its addresses can be bound.
pub fn listen(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut failure = None;
    for address in (host, port).to_socket_addrs()? {
        match TcpListener::bind(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

/// Serves the API on `listeners` until the returned server is stopped. It then waits at most `shutdown_timeout`, in whole
/// seconds, for open requests.
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
    shutdown_timeout: Duration,
) -> io::Result<Server> {
    // The limit is for each worker, of which there is one for each CPU.
    let workers = available_parallelism().map_or(1, NonZeroUsize::get);
    run(listeners, services, options, routes::table, workers, shutdown_timeout)
}

/// Serves the metrics alone on `listeners`, until the returned server is stopped. It has a worker and connections of its
/// own, so that it answers when those of the API are in use.
///
/// # Errors
/// If a listener cannot be used.
///
/// # Panics
/// If there are no listeners.
pub fn serve_metrics(listeners: Vec<TcpListener>, services: &Services, options: &HttpOptions) -> io::Result<Server> {
    let options = HttpOptions { max_connections: MAX_METRICS_CONNECTIONS, ..options.clone() };
    run(listeners, services, &options, routes::metrics_table, 1, METRICS_TIMEOUT)
}

fn run(
    listeners: Vec<TcpListener>,
    services: &Services,
    options: &HttpOptions,
    table: fn() -> Vec<Endpoint>,
    workers: usize,
    shutdown_timeout: Duration,
) -> io::Result<Server> {
    let mut server = Server::build().workers(workers);
    let streams = StreamLimit::default();
    for listener in listeners {
        let (services, options, streams) = (services.clone(), options.clone(), streams.clone());
        let shutdown = server.graceful_shutdown_signal();
        server = server.listen("http", listener, move || {
            let (timer, shutdown, keep_alive) = (services.timer.clone(), shutdown.clone(), options.keep_alive);
            let service = app(table(), services.clone(), &options, streams.clone()).into_factory();
            let service = service.map_err(|error| error.as_response_error().error_response());
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let shutdown = shutdown.clone();
                    async move { shutdown.notified().await }
                })
                // `Connection` has its own timeouts for these two.
                .keep_alive(KeepAlive::Os)
                .client_request_timeout(Duration::ZERO)
                .client_disconnect_timeout(LINGER_TIMEOUT)
                .on_connect_ext(|connection: &Connection<TcpStream>, data| {
                    data.insert(connection.activity());
                })
                .finish(map_config(service, |()| AppConfig::default()));
            fn_service(move |socket: TcpStream| {
                let accepted = accept(socket, timer.clone(), keep_alive).map_err(DispatchError::Io);
                ready(accepted.map(|(connection, peer)| (connection, Protocol::Http1, Some(peer))))
            })
            .and_then(http)
        })?;
    }
    Ok(server
        .max_concurrent_connections((options.max_connections as usize).div_ceil(workers))
        .disable_signals()
        .shutdown_timeout(shutdown_timeout.as_secs())
        .run())
}

/// Sets up an accepted socket. Returns it with the address of the client.
pub(crate) fn accept(
    socket: TcpStream,
    timer: Arc<dyn Timer>,
    keep_alive: Duration,
) -> io::Result<(Connection<TcpStream>, SocketAddr)> {
    // Without it, the last packet of a response may wait for the client's delayed acknowledgement.
    socket.set_nodelay(true)?;
    let peer = socket.peer_addr()?;
    Ok((Connection::new(socket, timer, keep_alive), peer))
}

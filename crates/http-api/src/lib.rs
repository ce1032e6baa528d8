//! The HTTP API: routes, bodies, errors, headers and their OpenAPI document, on actix-web.
//!
//! A handler parses the request, calls one service of `domain` and writes the response. TLS is terminated by a proxy.
//!
//! | module | content |
//! |---|---|
//! | `routes` | the route table, and one module of handlers and request bodies per noun |
//! | `endpoint` | the builder of a route table's rows, which adds the middleware of each route |
//! | `openapi` | the OpenAPI document, completed from the route table |
//! | `extract` | extractors and parsers: bodies, query parameters, path parameters, request headers |
//! | `middleware` | authentication, rate limits, CORS, request ids, security headers, problem bodies |
//! | `problem` | error codes, problem bodies (RFC 9457) and the mapping from errors to them |
//! | `schema` | response bodies that several routes and streams share |
//! | `stream` | server-sent events and the AI SDK's UI message stream |
//! | `monitor` | the observer of requests and streams, which renders the metrics |
//! | `rate_limit_headers`, `stream_limit`, `peer` | what errors, middleware and routes share |
//! | `app`, `server`, `connection`, `draining` | the actix-web application, its sockets, their timeouts and their end |

mod app;
mod connection;
mod draining;
mod endpoint;
mod extract;
mod middleware;
mod monitor;
mod openapi;
mod peer;
mod problem;
mod rate_limit_headers;
mod routes;
mod schema;
mod server;
mod stream;
mod stream_limit;
#[cfg(test)]
mod tests;

pub use app::{HttpOptions, Services};
pub use draining::Draining;
pub use middleware::cors::{CorsOrigin, CorsOriginError};
pub use monitor::{ABANDONED, CLIENT_CLOSED_REQUEST, FinishedRequest, Monitor, StreamEnding, UNMATCHED};
pub use peer::{TrustedProxies, TrustedProxy, TrustedProxyError};
pub use routes::metrics::MetricsAccess;
pub use server::{listen, serve, serve_metrics};

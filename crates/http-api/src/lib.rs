//! The HTTP API: routes, bodies, errors, headers and their documentation, on actix-web.
//!
//! A handler parses, calls the one service that it needs and writes the answer. Deliberately not here: what is allowed
//! and what happens (`domain`), when to start and to stop (`app`), TLS, which is a proxy's.
//!
//! | module | what it holds |
//! |---|---|
//! | `route` | the table of routes, which everything else follows |
//! | `account`, `session`, `api_token`, `oauth`, `task`, `trash`, `change`, `undo`, `events`, `chat`, `turn`, `conversation`, `message`, `usage`, `health`, `docs` | the handlers and bodies of each noun |
//! | `receipt`, `conflict` | bodies that several of them have in common |
//! | `stream` | answers that come while a turn runs |
//! | `sse`, `stream_limit` | server-sent events, and how many streams a user may have |
//! | `body`, `query`, `accept`, `idempotency`, `validation`, `page`, `etag` | reading requests |
//! | `error`, `code`, `problem` | what can go wrong, and how it is answered |
//! | `peer`, `request_id`, `headers`, `cors`, `principal`, `limit`, `client`, `panic` | what stands before the handlers |
//! | `server`, `connection` | sockets, and what a client may take of them |
//! | `openapi` | the document |

mod accept;
mod account;
mod api_token;
mod body;
mod change;
mod chat;
mod client;
mod code;
mod conflict;
mod connection;
mod conversation;
mod cors;
mod docs;
mod error;
mod etag;
mod events;
mod headers;
mod health;
mod idempotency;
mod limit;
mod message;
mod oauth;
mod openapi;
mod page;
mod panic;
mod peer;
mod principal;
mod problem;
mod query;
mod receipt;
mod request_id;
mod route;
mod server;
mod session;
mod sse;
mod stream;
mod stream_limit;
mod task;
#[cfg(test)]
mod tests;
mod trash;
mod turn;
mod undo;
mod usage;
mod validation;

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, Error};
use domain::account::AccountService;
use domain::change::ChangeService;
use domain::chat::ChatService;
use domain::health::Readiness;
use domain::rate_limit::RateLimiter;
use domain::runtime::{Clock, IdGenerator, Timer};
use domain::task::TaskService;
use url::Url;

pub use cors::{CorsOrigin, CorsOriginError};
pub use peer::{TrustedProxy, TrustedProxyError};
pub use server::{listen, serve};

use crate::headers::StrictTransport;
use crate::oauth::Addresses;
use crate::peer::TrustedProxies;
use crate::stream_limit::StreamLimit;

/// What the routes call.
#[derive(Clone)]
pub struct Services {
    /// Accounts and tokens.
    pub accounts: AccountService,
    /// Tasks.
    pub tasks: TaskService,
    /// The ledger of changes: reading, following and undoing them.
    pub changes: ChangeService,
    /// The assistant, conversations and messages.
    pub chat: ChatService,
    /// How often somebody may ask.
    pub limiter: Arc<dyn RateLimiter>,
    /// Whether the server can do its work.
    pub readiness: Arc<dyn Readiness>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Measures the timeouts of connections and bodies, and the intervals of streams.
    pub timer: Arc<dyn Timer>,
    /// Ids of requests that bring none.
    pub ids: Arc<dyn IdGenerator>,
}

/// What can be set.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Where browsers reach this server.
    pub public_url: Url,
    /// Where the frontend is.
    pub frontend_url: Url,
    /// The web pages that may use the API from a browser.
    pub cors_origins: Vec<CorsOrigin>,
    /// The proxies that may say who their clients are.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// Whether this is production, reached by TLS alone: browsers are told to stay with it
    /// (`Strict-Transport-Security`).
    pub production: bool,
}

/// The whole API with all its middleware. [`serve`] puts it on sockets. All workers of a process share `streams`.
fn app(
    services: Services,
    options: &HttpOptions,
    streams: StreamLimit,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    let table = route::table();
    let methods: BTreeSet<String> =
        table.iter().flat_map(route::Endpoint::methods).map(|method| method.as_str().to_owned()).collect();
    let methods = methods.iter().filter_map(|method| method.parse::<Method>().ok());
    App::new()
        .app_data(Data::new(services.accounts))
        .app_data(Data::new(services.tasks))
        .app_data(Data::new(services.changes))
        .app_data(Data::new(services.chat))
        .app_data(Data::new(streams))
        .app_data(Data::from(services.limiter))
        .app_data(Data::from(services.readiness))
        .app_data(Data::from(services.clock))
        .app_data(Data::from(services.timer))
        .app_data(Data::from(services.ids))
        .app_data(Data::new(Addresses::new(&options.public_url, &options.frontend_url)))
        .app_data(Data::new(StrictTransport(options.production)))
        .app_data(Data::new(TrustedProxies(options.trusted_proxies.clone())))
        .configure(|config| {
            for endpoint in table {
                config.service(endpoint.into_resource());
            }
        })
        .default_service(web::to(problem::no_route))
        // The last one is the outermost.
        .wrap(cors::middleware(&options.cors_origins, methods))
        .wrap(from_fn(problem::shape))
        .wrap(from_fn(headers::secure))
        .wrap(from_fn(request_id::trace))
        .wrap(from_fn(peer::find))
        .wrap(from_fn(connection::watch))
}

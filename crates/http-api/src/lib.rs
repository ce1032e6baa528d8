//! The HTTP API: routes, bodies, errors, headers and their documentation, on actix-web.
//!
//! A handler parses, calls the one service that it needs and writes the answer. Deliberately not here: what is allowed
//! and what happens (`domain`), sockets, timeouts, TLS and shutting down (`app`).
//!
//! | module | what it holds |
//! |---|---|
//! | `route` | the table of routes, which everything else follows |
//! | `account`, `task`, `chat`, `turn`, `conversation`, `message`, `usage`, `health`, `docs` | the handlers and bodies of each noun |
//! | `stream` | answers that come while a turn runs |
//! | `body`, `query`, `accept`, `idempotency`, `validation`, `page`, `etag` | reading requests |
//! | `error`, `code`, `problem` | what can go wrong, and how it is answered |
//! | `request_id`, `headers`, `cors`, `principal`, `panic` | what stands before the handlers |
//! | `openapi` | the document |

mod accept;
mod account;
mod body;
mod chat;
mod code;
mod conversation;
mod cors;
mod docs;
mod error;
mod etag;
mod headers;
mod health;
mod idempotency;
mod message;
mod openapi;
mod page;
mod panic;
mod principal;
mod problem;
mod query;
mod request_id;
mod route;
mod stream;
mod task;
#[cfg(test)]
mod tests;
mod turn;
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
use domain::chat::ChatService;
use domain::health::Readiness;
use domain::runtime::{Clock, IdGenerator};
use domain::task::TaskService;

pub use cors::{CorsOrigin, CorsOriginError};

use crate::headers::StrictTransport;

/// What the routes call.
#[derive(Clone)]
pub struct Services {
    /// Accounts and tokens.
    pub accounts: AccountService,
    /// Tasks.
    pub tasks: TaskService,
    /// The assistant, conversations and messages.
    pub chat: ChatService,
    /// Whether the server can do its work.
    pub readiness: Arc<dyn Readiness>,
    /// Time, for what keeps a stream's connection alive.
    pub clock: Arc<dyn Clock>,
    /// Ids of requests that bring none.
    pub ids: Arc<dyn IdGenerator>,
}

/// What can be set.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// The web pages that may use the API from a browser.
    pub cors_origins: Vec<CorsOrigin>,
    /// Whether this is production, reached by TLS alone: browsers are told to stay with it
    /// (`Strict-Transport-Security`).
    pub production: bool,
}

/// The whole API with all its middleware, for `HttpServer::new(move || http_api::app(services.clone(), &options))`.
pub fn app(
    services: Services,
    options: &HttpOptions,
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
        .app_data(Data::new(services.chat))
        .app_data(Data::from(services.readiness))
        .app_data(Data::from(services.clock))
        .app_data(Data::from(services.ids))
        .app_data(Data::new(StrictTransport(options.production)))
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
}

//! The actix-web application: the routes with all their middleware.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, Error};
use domain::account::AccountService;
use domain::change::ChangeService;
use domain::chat::ChatService;
use domain::runtime::rate_limit::RateLimiter;
use domain::runtime::readiness::Readiness;
use domain::runtime::{Clock, IdGenerator, Timer};
use domain::task::TaskService;
use url::{Origin, Url};

use crate::draining::Draining;
use crate::endpoint::Endpoint;
use crate::extract::public_path::PublicPath;
use crate::extract::session_transport::CookieScope;
use crate::middleware::cors::CorsOrigin;
use crate::middleware::security_headers::StrictTransport;
use crate::middleware::{cors, peer, problem, request_id, security_headers, server_span, trailing_slash};
use crate::monitor::Monitor;
use crate::peer::TrustedProxies;
use crate::problem::{ApiError, RequestError};
use crate::routes::about::AboutBody;
use crate::routes::docs::Document;
use crate::routes::metrics::MetricsAccess;
use crate::routes::oauth::Addresses;
use crate::stream_limit::StreamLimit;
use crate::{connection, draining, openapi, routes};

/// The OpenAPI document as it is served, rendered once per process.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi::document(&routes::table()).to_string());

/// The services and ports that the routes call.
#[derive(Clone)]
pub struct Services {
    /// Accounts, sessions and tokens.
    pub accounts: AccountService,
    /// Tasks and the trash.
    pub tasks: TaskService,
    /// The ledger of changes: listing, following and undoing them.
    pub changes: ChangeService,
    /// The assistant, conversations and messages.
    pub chat: ChatService,
    /// Rate limits per user and peer address.
    pub limiter: Arc<dyn RateLimiter>,
    /// The readiness check behind `/health/ready`.
    pub readiness: Arc<dyn Readiness>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Measures the timeouts of connections and bodies, and the intervals of streams.
    pub timer: Arc<dyn Timer>,
    /// Generates ids for requests that have no `X-Request-Id`.
    pub ids: Arc<dyn IdGenerator>,
    /// Observes requests and streams, and renders the metrics.
    pub monitor: Arc<dyn Monitor>,
}

/// The settings of the HTTP API.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// The base URL at which browsers reach this server.
    pub public_url: Url,
    /// The origin of the base URL if one is configured. Otherwise the server's own origin is that of a request's `Host`.
    pub own_origin: Option<Origin>,
    /// The base URL of the frontend.
    pub frontend_url: Url,
    /// The origins whose pages may use the API from a browser.
    pub cors_origins: Vec<CorsOrigin>,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: TrustedProxies,
    /// The name of the OpenID provider for people; `None` without external sign-in.
    pub openid_name: Option<String>,
    /// The maximum number of open connections of the process. Further ones wait in the backlog.
    pub max_connections: u32,
    /// The maximum time that a connection waits for its next request.
    pub keep_alive: Duration,
    /// Whether the server is about to stop.
    pub draining: Draining,
    /// Whether this is production, reached by TLS only: answers then carry `Strict-Transport-Security`.
    pub production: bool,
    /// Who may read the metrics.
    pub metrics: MetricsAccess,
}

/// Builds the application of these endpoints with all its middleware, once per worker. All workers of a process share
/// `streams`.
pub(crate) fn app(
    table: Vec<Endpoint>,
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
    let methods: BTreeSet<String> =
        table.iter().flat_map(Endpoint::methods).map(|method| method.as_str().to_owned()).collect();
    let methods = methods.iter().filter_map(|method| method.parse::<Method>().ok());
    let openid = options.openid_name.clone();
    let about = AboutBody::new(&services.accounts, &services.chat, &options.public_url, openid);
    App::new()
        .app_data(Data::new(about))
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
        .app_data(Data::from(services.monitor))
        .app_data(Data::new(options.metrics.clone()))
        .app_data(Data::new(Document(&DOCUMENT)))
        .app_data(Data::new(PublicPath::of(&options.public_url)))
        .app_data(Data::new(Addresses::new(&options.public_url, &options.frontend_url)))
        .app_data(Data::new(CookieScope::new(&options.public_url, options.own_origin.as_ref())))
        .app_data(Data::new(StrictTransport(options.production)))
        .app_data(Data::new(options.trusted_proxies.clone()))
        .app_data(Data::new(options.draining.clone()))
        .configure(|config| {
            // The router tries them in turn, and most requests are for the API.
            let (api, others): (Vec<_>, Vec<_>) =
                table.into_iter().partition(|endpoint| endpoint.path().starts_with("/api/{user_id}/"));
            for endpoint in api.into_iter().chain(others) {
                config.service(endpoint.into_resource());
            }
        })
        .default_service(web::to(route_not_found))
        // The last middleware is the outermost.
        .wrap(from_fn(trailing_slash::remove))
        .wrap(cors::middleware(&options.cors_origins, methods))
        .wrap(from_fn(cors::check_headers))
        .wrap(from_fn(problem::render))
        .wrap(from_fn(security_headers::add))
        .wrap(from_fn(request_id::trace))
        .wrap(from_fn(server_span::record))
        .wrap(from_fn(peer::identify))
        .wrap(from_fn(draining::close_connections))
        .wrap(from_fn(connection::track_request))
}

async fn route_not_found() -> Result<&'static str, ApiError> {
    Err(RequestError::RouteNotFound.into())
}

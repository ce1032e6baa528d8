//! The table of routes. Each path says its methods once; `HEAD`, `Allow`, the sign-in, the refusal of unknown query
//! parameters and the document follow from it, so none of them can be forgotten for a new route.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, FromRequest, Handler, Resource, Responder, Route, web};

use crate::error::{ApiError, RequestError};
use crate::query::{self, NoParameters};
use crate::{account, chat, conversation, docs, health, message, panic, principal, task, turn, usage};

/// A path and what it takes.
pub(crate) struct Endpoint {
    path: &'static str,
    protected: bool,
    routes: Vec<(Method, Route)>,
}

/// Every route of the server.
pub(crate) fn table() -> Vec<Endpoint> {
    vec![
        Endpoint::open("/auth/register").on(Method::POST, account::register),
        Endpoint::open("/auth/login").on(Method::POST, account::login),
        Endpoint::open("/auth/refresh").on(Method::POST, account::refresh),
        Endpoint::open("/auth/logout").on(Method::POST, account::logout),
        Endpoint::protected("/auth/me").on(Method::GET, account::me).on(Method::PATCH, account::update_me),
        Endpoint::protected("/api/{user_id}/tasks").list(task::list).on(Method::POST, task::create),
        Endpoint::protected("/api/{user_id}/tasks/{task_id}")
            .on(Method::GET, task::get)
            .on(Method::PUT, task::replace)
            .on(Method::PATCH, task::update)
            .on(Method::DELETE, task::delete),
        Endpoint::protected("/api/{user_id}/tasks/{task_id}/complete").on(Method::PATCH, task::complete),
        Endpoint::protected("/api/{user_id}/chat").on(Method::POST, chat::send),
        Endpoint::protected("/api/{user_id}/conversations").list(conversation::list),
        Endpoint::protected("/api/{user_id}/conversations/{id}")
            .on(Method::GET, conversation::get)
            .on(Method::PATCH, conversation::update)
            .on(Method::DELETE, conversation::delete),
        Endpoint::protected("/api/{user_id}/conversations/{id}/messages").list(message::list),
        Endpoint::protected("/api/{user_id}/conversations/{id}/stream").on(Method::GET, turn::follow),
        Endpoint::protected("/api/{user_id}/conversations/{id}/stop").on(Method::POST, turn::stop),
        Endpoint::protected("/api/{user_id}/usage").list(usage::list),
        Endpoint::open("/health").on(Method::GET, health::up),
        Endpoint::open("/health/live").on(Method::GET, health::live),
        Endpoint::open("/health/ready").on(Method::GET, health::ready),
        Endpoint::open("/openapi.json").on(Method::GET, docs::openapi),
        Endpoint::open("/docs").on(Method::GET, docs::page),
        Endpoint::open("/docs/{file}").on(Method::GET, docs::file),
    ]
}

impl Endpoint {
    /// A path that needs no token.
    fn open(path: &'static str) -> Self {
        Self { path, protected: false, routes: Vec::new() }
    }

    /// A path that needs a token; if it has a `{user_id}`, that user's.
    fn protected(path: &'static str) -> Self {
        Self { path, protected: true, routes: Vec::new() }
    }

    /// Takes `method`, without query parameters. `GET` brings `HEAD`.
    fn on<F, Args>(self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.add(method, handler, |route| route.wrap(from_fn(refuse_parameters)))
    }

    /// Takes `GET` with query parameters, which the handler reads with [`query::Query`].
    fn list<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.add(Method::GET, handler, |route| route)
    }

    fn add<F, Args>(self, method: Method, handler: F, parameters: impl Fn(Route) -> Route) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        if method == Method::GET {
            let this = self.push(method, parameters(web::get().to(handler.clone())));
            this.push(Method::HEAD, parameters(web::head().to(handler)))
        } else {
            let route = parameters(web::method(method.clone()).to(handler));
            self.push(method, route)
        }
    }

    /// Puts what stands before every handler around one. The last one is the outermost.
    fn push(mut self, method: Method, mut route: Route) -> Self {
        if self.protected {
            route = route.wrap(from_fn(principal::authenticate));
        }
        self.routes.push((method, route.wrap(from_fn(panic::catch))));
        self
    }

    /// The path, with its variables in braces.
    pub(crate) fn path(&self) -> &'static str {
        self.path
    }

    /// Whether it needs a token.
    pub(crate) fn is_protected(&self) -> bool {
        self.protected
    }

    /// The methods that it takes.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &Method> {
        self.routes.iter().map(|(method, _)| method)
    }

    /// The framework's form of it. Every other method is answered with those that there are.
    pub(crate) fn into_resource(self) -> Resource {
        let allow = self.methods().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let refuse = move || {
            let allow = allow.clone();
            async { Err::<&str, _>(ApiError::from(RequestError::Method { allow })) }
        };
        let resource = web::resource(self.path).default_service(web::to(refuse));
        self.routes.into_iter().fold(resource, |resource, (_, route)| resource.route(route))
    }
}

/// Middleware: lets no query parameter through.
async fn refuse_parameters(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    match query::parse::<NoParameters>(request.query_string()) {
        Ok(NoParameters {}) => next.call(request).await,
        Err(error) => Ok(request.error_response(ApiError::from(error))),
    }
}

//! The rows of the route table. `HEAD`, `Allow`, authentication, rate limits, the refusal of unknown query parameters and
//! the OpenAPI document are derived from them.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, FromRequest, Handler, Resource, Responder, Route, web};
use domain::principal::Scope;

use crate::extract::query::{self, NoParameters};
use crate::middleware::authentication::OWNER_PARAMETER;
use crate::middleware::rate_limit::Limit;
use crate::middleware::{authentication, panic, rate_limit};
use crate::problem::{ApiError, Code, RequestError};

/// A path with its operations.
pub(crate) struct Endpoint {
    path: String,
    alias_of: Option<&'static str>,
    access: Access,
    operations: Vec<Operation>,
}

/// The path of the endpoint that a request matched, in the request's application data.
#[derive(Clone, Debug)]
pub(crate) struct RoutePattern(Arc<str>);

impl RoutePattern {
    /// The path, with its parameters in braces.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// No token and no rate limit.
    Open,
    /// No token; failures are rate limited by peer address.
    SignIn,
    /// A token is required, rate limited by user.
    Protected,
}

/// A method of a path, with its handler. `GET` includes `HEAD`.
pub(crate) struct Operation {
    method: Method,
    scope: Option<Scope>,
    limit: Limit,
    takes_query: bool,
    takes_transport: bool,
    may_fail: &'static [Code],
    route: Route,
    /// The route for `HEAD`, if `method` is `GET`.
    head: Option<Route>,
}

/// Further paths of the endpoint at `path`: clients of the Python API call those of accounts under `/api/auth`.
pub(crate) fn aliases(path: &str) -> impl Iterator<Item = String> + use<> {
    let of_python = match path {
        "/auth/register" => Some("/api/auth/signup"),
        "/auth/login" => Some("/api/auth/signin"),
        _ => None,
    };
    let under_api = path.starts_with("/auth/").then(|| format!("/api{path}"));
    under_api.into_iter().chain(of_python.map(str::to_owned))
}

impl Endpoint {
    /// A path without authentication and without a rate limit.
    pub(crate) fn open(path: String) -> Self {
        Self::new(path, Access::Open)
    }

    /// A path without authentication whose requests count for the peer address unless they succeed.
    pub(crate) fn sign_in(path: String) -> Self {
        Self::new(path, Access::SignIn)
    }

    /// A path that requires a token. If it contains `{user_id}`, the token must belong to that user.
    pub(crate) fn protected(path: String) -> Self {
        Self::new(path, Access::Protected)
    }

    fn new(path: String, access: Access) -> Self {
        Self { path, alias_of: None, access, operations: Vec::new() }
    }

    /// Adds an operation.
    pub(crate) fn on(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// The path, with its parameters in braces.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Marks this as an endpoint with the same operations as the one at `path`.
    pub(crate) fn with_alias_of(self, path: &'static str) -> Self {
        Self { alias_of: Some(path), ..self }
    }

    /// The path of the endpoint with the same operations, if this is an alias.
    pub(crate) fn alias_of(&self) -> Option<&'static str> {
        self.alias_of
    }

    /// Whether a token is required.
    pub(crate) fn is_protected(&self) -> bool {
        self.access == Access::Protected
    }

    /// Whether requests are rate limited.
    pub(crate) fn is_limited(&self) -> bool {
        self.access != Access::Open
    }

    /// The operations, `HEAD` aside.
    pub(crate) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The allowed methods, with `HEAD`.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &Method> {
        self.operations.iter().flat_map(|operation| {
            std::iter::once(&operation.method).chain(operation.head.as_ref().map(|_| &Method::HEAD))
        })
    }

    /// Whether requests may have an `Idempotency-Key`, so that a retry has no second effect.
    pub(crate) fn takes_key(&self, operation: &Operation) -> bool {
        operation.method == Method::POST && self.has_owner()
    }

    fn has_owner(&self) -> bool {
        self.path.contains(&format!("{{{OWNER_PARAMETER}}}"))
    }

    /// The error codes of `operation` that the route table determines. Those of reading a body are not among them.
    pub(crate) fn codes(&self, operation: &Operation) -> BTreeSet<Code> {
        // Every operation refuses unknown query parameters.
        let mut codes = BTreeSet::from([Code::ValidationError]);
        if self.access != Access::Open {
            codes.extend([Code::RateLimited, Code::InternalError, Code::DatabaseUnavailable, Code::Overloaded]);
            if !operation.method.is_safe() {
                codes.insert(Code::StorageFull);
            }
        }
        if self.access == Access::Protected {
            codes.extend([Code::Unauthorized, Code::TokenExpired]);
        }
        if operation.scope.is_some() {
            codes.insert(Code::InsufficientScope);
        }
        if operation.takes_transport {
            codes.insert(Code::CrossOrigin);
        }
        if self.has_owner() {
            codes.insert(Code::Forbidden);
        }
        if self.takes_key(operation) {
            codes.extend([Code::IdempotencyInProgress, Code::IdempotencyKeyReused]);
        }
        codes.extend(operation.may_fail);
        codes
    }

    /// Builds the actix-web resource. Methods without an operation are answered 405 with `Allow`.
    pub(crate) fn into_resource(self) -> Resource {
        let allow = self.methods().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let refuse = move || {
            let allow = allow.clone();
            async { Err::<&str, _>(ApiError::from(RequestError::MethodNotAllowed { allow })) }
        };
        let pattern = RoutePattern(self.path.as_str().into());
        let resource = web::resource(self.path).app_data(pattern).default_service(web::to(refuse));
        self.operations.into_iter().fold(resource, |resource, operation| {
            let Operation { scope, limit, takes_query, route, head, .. } = operation;
            let wrap = |route| wrap(route, self.access, scope, limit, takes_query);
            let resource = resource.route(wrap(route));
            head.into_iter().fold(resource, |resource, head| resource.route(wrap(head)))
        })
    }
}

impl Operation {
    /// An operation without query parameters.
    pub(crate) fn new<F, Args>(method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let head = (method == Method::GET).then(|| web::head().to(handler.clone()));
        let route = web::method(method.clone()).to(handler);
        let (takes_query, takes_transport) = (false, false);
        Self { method, scope: None, limit: Limit::Api, takes_query, takes_transport, may_fail: &[], route, head }
    }

    /// Requires a token with this scope.
    pub(crate) fn scope(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// Counts as a message to the assistant instead of as another request of the user.
    pub(crate) fn limited_as_chat(self) -> Self {
        Self { limit: Limit::Chat, ..self }
    }

    /// Takes query parameters, which the handler reads with [`query::Query`].
    pub(crate) fn with_query(self) -> Self {
        Self { takes_query: true, ..self }
    }

    /// Takes the header `Session-Transport`, which the handler reads with
    /// [`SessionTransport`](crate::extract::session_transport::SessionTransport).
    pub(crate) fn with_transport(self) -> Self {
        Self { takes_transport: true, ..self }
    }

    /// Declares error codes beyond those that follow from the path, the scope and the body.
    pub(crate) fn may_fail(self, codes: &'static [Code]) -> Self {
        Self { may_fail: codes, ..self }
    }

    /// The method.
    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// Whether it takes the header `Session-Transport`.
    pub(crate) fn takes_transport(&self) -> bool {
        self.takes_transport
    }

    /// The scope that the token needs.
    pub(crate) fn required_scope(&self) -> Option<Scope> {
        self.scope
    }
}

/// Wraps a handler in the middleware of its route. The last one is the outermost.
fn wrap(mut route: Route, access: Access, scope: Option<Scope>, limit: Limit, takes_query: bool) -> Route {
    let limit = match access {
        Access::Open => None,
        Access::SignIn => Some(Limit::SignIn),
        Access::Protected => Some(limit),
    };
    if !takes_query {
        route = route.wrap(from_fn(refuse_parameters));
    }
    if let Some(limit) = limit {
        route = route.wrap(from_fn(move |request, next| rate_limit::enforce(request, next, limit)));
    }
    if access == Access::Protected {
        route = route.wrap(from_fn(move |request, next| authentication::authenticate(request, next, scope)));
    }
    route = route.wrap(from_fn(panic::catch));
    if limit.is_some() {
        route = route.wrap(from_fn(rate_limit::add_headers));
    }
    route
}

/// Middleware: refuses query parameters.
async fn refuse_parameters(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    match query::parse::<NoParameters>(request.query_string()) {
        Ok(NoParameters {}) => next.call(request).await,
        Err(error) => Ok(request.error_response(ApiError::from(error))),
    }
}

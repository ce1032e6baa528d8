//! The table of routes. Each path says its methods once; `HEAD`, `Allow`, the sign-in, the limits, the refusal of unknown
//! query parameters and the document follow from it, so none of them can be forgotten for a new route.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, FromRequest, Handler, Resource, Responder, Route, web};
use domain::principal::Scope;

use crate::error::{ApiError, RequestError};
use crate::limit::{self, Limit};
use crate::query::{self, NoParameters};
use crate::{
    account, api_token, change, chat, conversation, docs, events, health, message, oauth, panic, principal, session,
    task, trash, turn, undo, usage,
};

/// A path and what it takes.
pub(crate) struct Endpoint {
    path: &'static str,
    protected: bool,
    /// What is counted.
    limit: Option<Limit>,
    /// What a token has to allow for the routes that are added next.
    scope: Option<Scope>,
    routes: Vec<(Method, Option<Scope>, Route)>,
}

/// Every route of the server.
pub(crate) fn table() -> Vec<Endpoint> {
    vec![
        Endpoint::sign_in("/auth/register").on(Method::POST, account::register),
        Endpoint::sign_in("/auth/login").on(Method::POST, account::login),
        Endpoint::sign_in("/auth/refresh").on(Method::POST, account::refresh),
        Endpoint::sign_in("/auth/logout").on(Method::POST, account::logout),
        Endpoint::sign_in("/auth/google").list(oauth::begin),
        Endpoint::sign_in("/auth/google/callback").list(oauth::callback),
        Endpoint::protected("/auth/google/link").needs(Scope::Account).on(Method::POST, oauth::link),
        Endpoint::sign_in("/auth/exchange").on(Method::POST, oauth::exchange),
        // Whoever has a token may know whose it is.
        Endpoint::protected("/auth/me")
            .on(Method::GET, account::me)
            .needs(Scope::Account)
            .on(Method::PATCH, account::update_me)
            .on(Method::DELETE, account::delete_me),
        Endpoint::protected("/auth/password").needs(Scope::Account).on(Method::POST, account::change_password),
        Endpoint::protected("/auth/sessions")
            .needs(Scope::Account)
            .list(session::list)
            .on(Method::DELETE, session::end_all),
        Endpoint::protected("/auth/sessions/{id}").needs(Scope::Account).on(Method::DELETE, session::end),
        Endpoint::protected("/auth/tokens")
            .needs(Scope::Account)
            .list(api_token::list)
            .on(Method::POST, api_token::create),
        Endpoint::protected("/auth/tokens/{id}").needs(Scope::Account).on(Method::DELETE, api_token::delete),
        Endpoint::protected("/api/{user_id}/tasks")
            .needs(Scope::TasksRead)
            .list(task::list)
            .needs(Scope::TasksWrite)
            .on(Method::POST, task::create),
        Endpoint::protected("/api/{user_id}/tasks/{task_id}")
            .needs(Scope::TasksRead)
            .on(Method::GET, task::get)
            .needs(Scope::TasksWrite)
            .on(Method::PUT, task::replace)
            .on(Method::PATCH, task::update)
            .on(Method::DELETE, task::delete),
        Endpoint::protected("/api/{user_id}/tasks/{task_id}/complete")
            .needs(Scope::TasksWrite)
            .on(Method::PATCH, task::complete),
        Endpoint::protected("/api/{user_id}/tasks/{task_id}/restore")
            .needs(Scope::TasksWrite)
            .on(Method::POST, trash::restore),
        Endpoint::protected("/api/{user_id}/trash")
            .needs(Scope::TasksRead)
            .list(trash::list)
            .needs(Scope::TasksWrite)
            .on(Method::DELETE, trash::empty),
        Endpoint::protected("/api/{user_id}/trash/{task_id}").needs(Scope::TasksWrite).on(Method::DELETE, trash::purge),
        Endpoint::protected("/api/{user_id}/changes").needs(Scope::TasksRead).list(change::list),
        Endpoint::protected("/api/{user_id}/events").needs(Scope::TasksRead).list(events::follow),
        Endpoint::protected("/api/{user_id}/changes/{seq}/undo")
            .needs(Scope::TasksWrite)
            .on(Method::POST, undo::change),
        Endpoint::protected("/api/{user_id}/operations/{operation_id}/undo")
            .needs(Scope::TasksWrite)
            .on(Method::POST, undo::operation),
        Endpoint::protected("/api/{user_id}/conversations/{conversation_id}/messages/{message_id}/undo")
            .needs(Scope::TasksWrite)
            .on(Method::POST, undo::turn),
        Endpoint::protected("/api/{user_id}/chat").limited(Limit::Chat).needs(Scope::Chat).on(Method::POST, chat::send),
        Endpoint::protected("/api/{user_id}/conversations").needs(Scope::Chat).list(conversation::list),
        Endpoint::protected("/api/{user_id}/conversations/{id}")
            .needs(Scope::Chat)
            .on(Method::GET, conversation::get)
            .on(Method::PATCH, conversation::update)
            .on(Method::DELETE, conversation::delete),
        Endpoint::protected("/api/{user_id}/conversations/{id}/messages").needs(Scope::Chat).list(message::list),
        Endpoint::protected("/api/{user_id}/conversations/{id}/stream")
            .needs(Scope::Chat)
            .on(Method::GET, turn::follow),
        Endpoint::protected("/api/{user_id}/conversations/{id}/stop").needs(Scope::Chat).on(Method::POST, turn::stop),
        Endpoint::protected("/api/{user_id}/usage").needs(Scope::Chat).list(usage::list),
        Endpoint::open("/health").on(Method::GET, health::up),
        Endpoint::open("/health/live").on(Method::GET, health::live),
        Endpoint::open("/health/ready").on(Method::GET, health::ready),
        Endpoint::open("/openapi.json").on(Method::GET, docs::openapi),
        Endpoint::open("/docs").on(Method::GET, docs::page),
        Endpoint::open("/docs/{file}").on(Method::GET, docs::file),
    ]
}

impl Endpoint {
    /// A path that needs no token, and is not limited.
    fn open(path: &'static str) -> Self {
        Self { path, protected: false, limit: None, scope: None, routes: Vec::new() }
    }

    /// A path that needs no token, because one is to be had there, or to be given back.
    fn sign_in(path: &'static str) -> Self {
        Self::open(path).limited(Limit::SignIn)
    }

    /// A path that needs a token; if it has a `{user_id}`, that user's.
    fn protected(path: &'static str) -> Self {
        Self { path, protected: true, limit: Some(Limit::Api), scope: None, routes: Vec::new() }
    }

    /// What is counted for the routes that follow, instead of what usually is.
    fn limited(self, limit: Limit) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// The routes that follow need a token with this scope.
    fn needs(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
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
        let (scope, limit) = (self.scope, self.limit);
        if let Some(limit) = limit {
            route = route.wrap(from_fn(move |request, next| limit::count(request, next, limit)));
        }
        if self.protected {
            route = route.wrap(from_fn(move |request, next| principal::authenticate(request, next, scope)));
        }
        route = route.wrap(from_fn(panic::catch));
        if limit.is_some() {
            route = route.wrap(from_fn(limit::tell));
        }
        self.routes.push((method, scope, route));
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

    /// Whether it is limited how often it may be asked.
    pub(crate) fn is_limited(&self) -> bool {
        self.limit.is_some()
    }

    /// The methods that it takes.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &Method> {
        self.routes.iter().map(|(method, ..)| method)
    }

    /// What a token has to allow for `method`.
    pub(crate) fn scope(&self, method: &Method) -> Option<Scope> {
        self.routes.iter().find(|(known, ..)| known == method).and_then(|(_, scope, _)| *scope)
    }

    /// The framework's form of it. Every other method is answered with those that there are.
    pub(crate) fn into_resource(self) -> Resource {
        let allow = self.methods().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let refuse = move || {
            let allow = allow.clone();
            async { Err::<&str, _>(ApiError::from(RequestError::Method { allow })) }
        };
        let resource = web::resource(self.path).default_service(web::to(refuse));
        self.routes.into_iter().fold(resource, |resource, (.., route)| resource.route(route))
    }
}

/// Middleware: lets no query parameter through.
async fn refuse_parameters(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    match query::parse::<NoParameters>(request.query_string()) {
        Ok(NoParameters {}) => next.call(request).await,
        Err(error) => Ok(request.error_response(ApiError::from(error))),
    }
}

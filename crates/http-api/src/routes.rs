//! The route table, and the handlers and request bodies of each noun.
//!
//! A new route is a handler with its `#[utoipa::path]` and a row of [`table`].
#![expect(unused_qualifications, reason = "`utoipa::path` qualifies the types of parameters")]

pub(crate) mod about;
pub(crate) mod account;
pub(crate) mod api_token;
pub(crate) mod change;
pub(crate) mod chat;
pub(crate) mod conversation;
pub(crate) mod docs;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod message;
pub(crate) mod metrics;
pub(crate) mod oauth;
pub(crate) mod session;
pub(crate) mod task;
pub(crate) mod trash;
pub(crate) mod turn;
pub(crate) mod undo;
pub(crate) mod usage;

use actix_web::http::Method;
use domain::principal::Scope;
use utoipa::OpenApi;

use crate::endpoint::{Endpoint, Operation, aliases};
use crate::problem::Code;

/// Declares the table, and [`Operations`] with the same handlers.
///
/// A row is `METHOD noun::handler: modifier(…).modifier(…);`, where the modifiers are methods of [`Operation`].
macro_rules! routes {
    ($($access:ident $path:literal {
        $($method:ident $noun:ident::$handler:ident $(: $($modifier:ident($($argument:tt)*)).+)?;)+
    })+) => {
        /// Every route of the server, aliases included.
        pub(crate) fn table() -> Vec<Endpoint> {
            let mut table = Vec::new();
            $(
                let endpoint = |path: String| {
                    Endpoint::$access(path)
                        $(.on(Operation::new(Method::$method, $noun::$handler)$($(.$modifier($($argument)*))+)?))+
                };
                table.push(endpoint($path.to_owned()));
                table.extend(aliases($path).map(|alias| endpoint(alias).with_alias_of($path)));
            )+
            table
        }

        /// The descriptions of the handlers in the table.
        #[derive(OpenApi)]
        #[openapi(paths($($($noun::$handler),+),+))]
        pub(crate) struct Operations;
    };
}

routes! {
    sign_in "/auth/register" {
        POST account::register: with_transport().may_fail(&[Code::EmailTaken, Code::SignupsClosed]);
    }
    sign_in "/auth/login" {
        POST account::login: with_transport().may_fail(&[Code::InvalidCredentials]);
    }
    sign_in "/auth/refresh" {
        POST account::refresh: with_transport().may_fail(&[Code::Unauthorized, Code::TokenExpired]);
    }
    sign_in "/auth/logout" {
        POST account::logout: with_transport().may_fail(&[Code::Unauthorized]);
    }
    sign_in "/auth/google" {
        GET oauth::begin: with_query().may_fail(&[Code::OauthNotConfigured]);
    }
    sign_in "/auth/google/callback" {
        GET oauth::callback: with_query().may_fail(&[Code::OauthNotConfigured]);
    }
    protected "/auth/google/link" {
        POST oauth::link: scope(Scope::Account).may_fail(&[Code::OauthNotConfigured]);
    }
    protected "/auth/google/link/complete" {
        POST oauth::complete_link: scope(Scope::Account).may_fail(&[Code::OauthNotConfigured, Code::AlreadyLinked]);
    }
    sign_in "/auth/exchange" {
        POST oauth::exchange: with_transport();
    }
    protected "/auth/me" {
        // Requires no scope: every client needs the id of its user.
        GET account::me;
        PATCH account::update_me: scope(Scope::Account);
        DELETE account::delete_me: scope(Scope::Account).with_transport().may_fail(&[Code::InvalidCredentials]);
    }
    protected "/auth/password" {
        POST account::change_password: scope(Scope::Account).with_transport().may_fail(&[Code::InvalidCredentials]);
    }
    protected "/auth/sessions" {
        GET session::list: scope(Scope::Account).with_query();
        DELETE session::end_all: scope(Scope::Account).with_transport();
    }
    protected "/auth/sessions/{id}" {
        DELETE session::end: scope(Scope::Account).with_transport().may_fail(&[Code::SessionNotFound]);
    }
    protected "/auth/tokens" {
        GET api_token::list: scope(Scope::Account).with_query();
        POST api_token::create: scope(Scope::Account);
    }
    protected "/auth/tokens/{id}" {
        DELETE api_token::delete: scope(Scope::Account).may_fail(&[Code::TokenNotFound]);
    }
    protected "/api/{user_id}/tasks" {
        GET task::list: scope(Scope::TasksRead).with_query();
        // Not found: the task of an earlier answer was purged.
        POST task::create: scope(Scope::TasksWrite).may_fail(&[Code::TaskNotFound]);
    }
    protected "/api/{user_id}/tasks/{task_id}" {
        GET task::get: scope(Scope::TasksRead).may_fail(&[Code::TaskNotFound]);
        PUT task::replace: scope(Scope::TasksWrite).may_fail(&[Code::TaskNotFound, Code::PreconditionFailed]);
        PATCH task::update: scope(Scope::TasksWrite).may_fail(&[Code::TaskNotFound, Code::PreconditionFailed]);
        DELETE task::delete: scope(Scope::TasksWrite).may_fail(&[Code::TaskNotFound, Code::PreconditionFailed]);
    }
    protected "/api/{user_id}/tasks/{task_id}/complete" {
        PATCH task::complete: scope(Scope::TasksWrite).may_fail(&[Code::TaskNotFound, Code::PreconditionFailed]);
    }
    protected "/api/{user_id}/tasks/{task_id}/restore" {
        POST trash::restore: scope(Scope::TasksWrite).may_fail(&[Code::TaskNotFound]);
    }
    protected "/api/{user_id}/trash" {
        GET trash::list: scope(Scope::TasksRead).with_query();
        DELETE trash::empty: scope(Scope::TasksWrite);
    }
    protected "/api/{user_id}/trash/{task_id}" {
        DELETE trash::purge: scope(Scope::TasksWrite).may_fail(&[Code::TaskNotFound]);
    }
    protected "/api/{user_id}/changes" {
        GET change::list: scope(Scope::TasksRead).with_query().may_fail(&[Code::CursorExpired]);
    }
    protected "/api/{user_id}/events" {
        GET events::follow: scope(Scope::TasksRead).with_query().may_fail(&[Code::CursorExpired]);
    }
    protected "/api/{user_id}/changes/{seq}/undo" {
        POST undo::change: scope(Scope::TasksWrite).may_fail(&[Code::NotFound, Code::UndoConflict]);
    }
    protected "/api/{user_id}/operations/{operation_id}/undo" {
        POST undo::operation: scope(Scope::TasksWrite).may_fail(&[Code::NotFound, Code::UndoConflict]);
    }
    protected "/api/{user_id}/conversations/{conversation_id}/messages/{message_id}/undo" {
        POST undo::turn: scope(Scope::TasksWrite).may_fail(&[Code::NotFound, Code::UndoConflict]);
    }
    protected "/api/{user_id}/chat" {
        POST chat::send: scope(Scope::Chat).limited_as_chat().may_fail(chat::CODES);
    }
    protected "/api/{user_id}/chat/{conversation_id}/stream" {
        GET turn::resume: scope(Scope::Chat);
    }
    protected "/api/{user_id}/conversations" {
        GET conversation::list: scope(Scope::Chat).with_query();
    }
    protected "/api/{user_id}/conversations/{id}" {
        GET conversation::get: scope(Scope::Chat).may_fail(&[Code::ConversationNotFound]);
        PATCH conversation::update: scope(Scope::Chat).may_fail(&[Code::ConversationNotFound]);
        DELETE conversation::delete: scope(Scope::Chat).may_fail(&[Code::ConversationNotFound]);
    }
    protected "/api/{user_id}/conversations/{id}/messages" {
        GET message::list: scope(Scope::Chat).with_query().may_fail(&[Code::ConversationNotFound]);
    }
    protected "/api/{user_id}/conversations/{id}/stream" {
        GET turn::follow: scope(Scope::Chat).may_fail(&[Code::ConversationNotFound]);
    }
    protected "/api/{user_id}/conversations/{id}/stop" {
        POST turn::stop: scope(Scope::Chat).may_fail(&[Code::ConversationNotFound, Code::NoTurn]);
    }
    protected "/api/{user_id}/usage" {
        GET usage::list: scope(Scope::Chat).with_query();
    }
    open "/about" {
        GET about::about;
    }
    open "/health" {
        GET health::up;
    }
    open "/health/live" {
        GET health::live;
    }
    open "/health/ready" {
        GET health::ready: may_fail(&[Code::DatabaseUnavailable, Code::Overloaded]);
    }
    open "/metrics" {
        GET metrics::scrape: may_fail(&[Code::NotFound, Code::Unauthorized, Code::InternalError]);
    }
    open "/openapi.json" {
        GET docs::openapi;
    }
    open "/docs" {
        GET docs::page;
    }
    open "/docs/{file}" {
        GET docs::file: may_fail(&[Code::NotFound]);
    }
}

/// The routes of an address for metrics alone.
pub(crate) fn metrics_table() -> Vec<Endpoint> {
    table().into_iter().filter(|endpoint| endpoint.path() == metrics::PATH).collect()
}

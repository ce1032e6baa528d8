//! The requests that are measured.

use bytes::Bytes;
use clap::ValueEnum;
use http_body_util::Full;
use hyper::Method;

use crate::account::Account;
use crate::client::Request;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// The newest 20 tasks
    List,
    /// One task
    Get,
    /// A new title of a task
    Update,
    /// A message to the built-in assistant that adds a task
    Chat,
    /// A new task
    Create,
}

impl Mode {
    /// Returns the name, as on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "get",
            Self::Update => "update",
            Self::Chat => "chat",
            Self::Create => "create",
        }
    }

    /// Returns the request of an account.
    ///
    /// # Errors
    /// If the account has no task.
    pub(crate) fn request(self, account: &Account) -> anyhow::Result<Request> {
        let task = format!("tasks/{}", account.task);
        match self {
            Self::List => account.request(Method::GET, "tasks?limit=20", ""),
            Self::Get => account.request(Method::GET, &task, ""),
            Self::Update => account.request(Method::PATCH, &task, &new_title(0)),
            Self::Chat => account.request(Method::POST, "chat", r#"{"message":"add milk"}"#),
            Self::Create => account.request(Method::POST, "tasks", r#"{"title":"write it down"}"#),
        }
    }

    /// Returns a copy of `request` for its next use. An update gets another title, because it would change nothing.
    pub(crate) fn repeat(self, request: &Request, number: u64) -> Request {
        let mut request = request.clone();
        if self == Self::Update {
            *request.body_mut() = Full::new(Bytes::from(new_title(number)));
        }
        request
    }
}

fn new_title(number: u64) -> String {
    format!(r#"{{"title":"title {number}"}}"#)
}

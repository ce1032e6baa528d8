//! Accounts of the server under measurement.

use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use http_body_util::Full;
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use serde_json::{Value, json};

use crate::client::{Connection, Request};

/// The password of every account.
const PASSWORD: &str = "correct horse battery";

/// Number of accounts that register concurrently.
const CONCURRENT_REGISTRATIONS: usize = 8;

/// An account that has signed in.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    id: String,
    authorization: HeaderValue,
    /// One of its tasks; empty without tasks.
    pub(crate) task: String,
}

impl Account {
    /// Registers `count` accounts and gives each `tasks` tasks.
    ///
    /// # Errors
    /// If the server refuses.
    pub(crate) async fn register(address: SocketAddr, count: usize, tasks: usize) -> anyhow::Result<Vec<Self>> {
        let accounts = (0..count).map(|number| Self::register_one(address, number, tasks));
        stream::iter(accounts).buffered(CONCURRENT_REGISTRATIONS).try_collect().await
    }

    async fn register_one(address: SocketAddr, number: usize, tasks: usize) -> anyhow::Result<Self> {
        let mut connection = Connection::open(address).await?;
        let session = connection.json(sign_in_request("/auth/register", number)?).await?;
        let id = text(&session["user"]["id"])?;
        let authorization = HeaderValue::try_from(format!("Bearer {}", text(&session["access_token"])?))?;
        let mut account = Self { id, authorization, task: String::new() };
        for number in 0..tasks {
            let body = json!({"title": format!("task {number}")});
            let task = connection.json(account.request(Method::POST, "tasks", &body.to_string())?).await?;
            account.task = text(&task["id"])?;
        }
        Ok(account)
    }

    /// Returns a request for a path below `/api/{user_id}/`. The body is JSON, or empty.
    ///
    /// # Errors
    /// If the path is invalid.
    pub(crate) fn request(&self, method: Method, path: &str, body: &str) -> anyhow::Result<Request> {
        let mut request = request(method, &format!("/api/{}/{path}", self.id), body)?;
        request.headers_mut().insert(AUTHORIZATION, self.authorization.clone());
        Ok(request)
    }
}

/// Returns the request that registers or signs in account `number`.
///
/// # Errors
/// If the path is invalid.
pub(crate) fn sign_in_request(path: &str, number: usize) -> anyhow::Result<Request> {
    let body = json!({"email": format!("user{number}@example.com"), "password": PASSWORD});
    request(Method::POST, path, &body.to_string())
}

/// Returns a request without credentials. The body is JSON, or empty.
///
/// # Errors
/// If the path is invalid.
pub(crate) fn request(method: Method, path: &str, body: &str) -> anyhow::Result<Request> {
    let builder = hyper::Request::builder().method(method).uri(path).header(HOST, "127.0.0.1");
    let builder = if body.is_empty() { builder } else { builder.header(CONTENT_TYPE, "application/json") };
    Ok(builder.body(Full::new(Bytes::copy_from_slice(body.as_bytes())))?)
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).context("a field of the response is missing")
}

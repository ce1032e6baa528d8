//! Somebody who uses the server: registered, signed in, with a client of their own.

use anyhow::{Context as _, bail, ensure};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

/// What the server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// Reads a response to its end. The events of a user have none before their token's, so those are left unread.
    pub(crate) async fn read(response: Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status(), response.headers().clone());
        let is_endless = status == StatusCode::OK && response.url().path().ends_with("/events");
        let text = if is_endless { String::new() } else { response.text().await? };
        Ok(Self { status, headers, text })
    }

    /// The body as JSON; `null` if there is none.
    ///
    /// # Errors
    /// If the body is no JSON.
    pub fn json(&self) -> anyhow::Result<Value> {
        if self.text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&self.text).with_context(|| format!("no JSON: {}", self.text))
    }

    /// A header's value; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Where the next page of the list is; nothing on the last one.
    pub fn next_page(&self) -> Option<&str> {
        Some(self.header("link").strip_prefix('<')?.split_once(">; rel=\"next\"")?.0)
    }

    /// Checks the status and returns the body.
    ///
    /// # Errors
    /// If the status is another one.
    pub fn expect(&self, status: u16) -> anyhow::Result<Value> {
        ensure!(self.status.as_u16() == status, "{} instead of {status}: {}", self.status, self.text);
        self.json()
    }

    /// Checks that this is a problem of the usual shape, with this status, code and field, and returns the body.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn expect_problem(&self, status: u16, code: &str, field: Option<&str>) -> anyhow::Result<Value> {
        let problem = self.expect(status)?;
        ensure!(self.header("content-type").starts_with("application/problem+json"), "{:?}", self.headers);
        ensure!(problem["code"] == code, "{problem} instead of {code}");
        ensure!(problem["status"] == status, "{problem}");
        ensure!(problem["message"] == problem["detail"] && problem["message"].is_string(), "{problem}");
        ensure!(problem["type"].is_string() && problem["title"].is_string(), "{problem}");
        ensure!(problem["request_id"] == self.header("x-request-id"), "{problem}");
        ensure!(problem.get("field").and_then(Value::as_str) == field, "{problem} instead of field {field:?}");
        Ok(problem)
    }

    /// The body without what differs between any two requests.
    ///
    /// # Errors
    /// If the body is no JSON.
    pub fn without_request_id(&self) -> anyhow::Result<Value> {
        let mut body = self.json()?;
        if let Some(fields) = body.as_object_mut() {
            fields.remove("request_id");
        }
        Ok(body)
    }
}

/// Somebody who uses the server.
#[derive(Clone, Debug)]
pub struct TestUser {
    pub(crate) client: reqwest::Client,
    pub(crate) address: String,
    /// Their id.
    pub id: String,
    /// Their address.
    pub email: String,
    /// Their access token.
    pub access_token: String,
    /// Their refresh token.
    pub refresh_token: String,
}

impl TestUser {
    /// The same person with another access token; without any if it is empty.
    #[must_use]
    pub fn with_token(&self, access_token: &str) -> Self {
        Self { access_token: access_token.to_owned(), ..self.clone() }
    }

    /// Sends a request in this user's name. `{me}` in the path becomes their id.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        self.send_with(method, path, body, &[]).await
    }

    /// As [`send`](Self::send), with further headers.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn send_with(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        Ok(Answer::read(self.request(method, path, body, headers)?.send().await?).await?)
    }

    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<RequestBuilder> {
        let url = format!("{}{}", self.address, path.replace("{me}", &self.id));
        let mut request = self.client.request(method, url);
        if !self.access_token.is_empty() {
            request = request.bearer_auth(&self.access_token);
        }
        for (name, value) in headers {
            request = request.header(HeaderName::try_from(*name)?, HeaderValue::from_str(value)?);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Ok(request)
    }

    /// GET.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, None).await
    }

    /// POST.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn post(&self, path: &str, body: Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, Some(&body)).await
    }

    /// PATCH.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn patch(&self, path: &str, body: Value) -> anyhow::Result<Answer> {
        self.send(Method::PATCH, path, Some(&body)).await
    }

    /// DELETE.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::DELETE, path, None).await
    }

    /// The rows of all pages of a list, from the one at `path`.
    ///
    /// # Errors
    /// If a page does not come.
    pub async fn all_pages(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let (mut rows, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let page = self.get(&path).await?;
            let Value::Array(more) = page.expect(200)? else { bail!("no array: {}", page.text) };
            rows.extend(more);
            next = page.next_page().map(str::to_owned);
        }
        Ok(rows)
    }

    /// Creates a task and returns it.
    ///
    /// # Errors
    /// If it is not created.
    pub async fn add(&self, title: &str) -> anyhow::Result<Value> {
        self.post("/api/{me}/tasks", json!({"title": title})).await?.expect(201)
    }

    /// The titles of this user's tasks, newest first.
    ///
    /// # Errors
    /// If they are not listed.
    pub async fn titles(&self) -> anyhow::Result<Vec<String>> {
        let tasks = self.get("/api/{me}/tasks").await?.expect(200)?;
        let titles = tasks.as_array().context("an array")?.iter();
        Ok(titles.filter_map(|task| task["title"].as_str().map(str::to_owned)).collect())
    }

    /// Says something, in a conversation or in a new one, and returns the answer.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn say(&self, message: &str, conversation: Option<&str>) -> anyhow::Result<Answer> {
        self.post("/api/{me}/chat", Self::words(message, conversation)).await
    }

    /// As [`say`](Self::say), under an idempotency key.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn say_once(&self, key: &str, message: &str, conversation: Option<&str>) -> anyhow::Result<Answer> {
        let body = Self::words(message, conversation);
        self.send_with(Method::POST, "/api/{me}/chat", Some(&body), &[("idempotency-key", key)]).await
    }

    /// Confirms a pending action by request.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn confirm(&self, pending: &str, conversation: &str) -> anyhow::Result<Answer> {
        self.post("/api/{me}/chat", json!({"confirm": pending, "conversation_id": conversation})).await
    }

    /// The changes after the one with this number, oldest first.
    ///
    /// # Errors
    /// If they are not listed.
    pub async fn changes(&self, after: u64) -> anyhow::Result<Vec<Value>> {
        let (mut changes, mut last) = (Vec::new(), after);
        loop {
            let page = self.get(&format!("/api/{{me}}/changes?after={last}")).await?.expect(200)?;
            let Value::Array(page) = page else { bail!("no array: {page}") };
            let Some(newest) = page.last() else { return Ok(changes) };
            last = newest["seq"].as_u64().context("a number")?;
            changes.extend(page);
        }
    }

    /// The titles in this user's trash, last deleted first.
    ///
    /// # Errors
    /// If they are not listed.
    pub async fn trash(&self) -> anyhow::Result<Vec<String>> {
        let tasks = self.all_pages("/api/{me}/trash").await?;
        Ok(tasks.iter().filter_map(|task| task["title"].as_str().map(str::to_owned)).collect())
    }

    pub(crate) fn words(message: &str, conversation: Option<&str>) -> Value {
        let mut body = json!({"message": message});
        if let Some(id) = conversation {
            body["conversation_id"] = id.into();
        }
        body
    }
}

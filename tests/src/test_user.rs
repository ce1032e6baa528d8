//! A client of the server with the credentials of a user.

use anyhow::{Context as _, bail, ensure};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, LINK, LOCATION};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::{Value, json};

/// A response, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body; empty for an open stream of events.
    pub text: String,
}

impl Answer {
    /// Reads a response to its end, except a stream of events, which ends only with its token.
    pub(crate) async fn read(response: Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status(), response.headers().clone());
        let is_endless = status == StatusCode::OK && response.url().path().ends_with("/events");
        let text = if is_endless { String::new() } else { response.text().await? };
        Ok(Self { status, headers, text })
    }

    /// Removes the path of the base URL `address` from `Location` and `Link`, so that tests do not depend on it.
    ///
    /// # Errors
    /// If one of them is path-absolute and lacks it.
    fn remove_path(&mut self, address: &str) -> anyhow::Result<()> {
        let address: Url = address.parse()?;
        let base = address.path().trim_end_matches('/');
        for (name, prefix) in [(LOCATION, ""), (LINK, "<")] {
            let value = self.header(name.as_str());
            if let Some(path) = value.strip_prefix(prefix).filter(|path| path.starts_with('/')) {
                let path = path.strip_prefix(base).with_context(|| format!("{name} {value:?} without {base}"))?;
                let value = HeaderValue::try_from(format!("{prefix}{path}"))?;
                self.headers.insert(name, value);
            }
        }
        Ok(())
    }

    /// The body as JSON; `null` if there is none.
    ///
    /// # Errors
    /// If the body is not JSON.
    pub fn json(&self) -> anyhow::Result<Value> {
        if self.text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&self.text).with_context(|| format!("not JSON: {}", self.text))
    }

    /// A header's value; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Path of the next page; `None` on the last one.
    pub fn next_page(&self) -> Option<&str> {
        Some(self.header("link").strip_prefix('<')?.split_once(">; rel=\"next\"")?.0)
    }

    /// Checks the status and returns the body.
    ///
    /// # Errors
    /// If the status differs.
    pub fn expect(&self, status: u16) -> anyhow::Result<Value> {
        ensure!(self.status.as_u16() == status, "status {} instead of {status}: {}", self.status, self.text);
        self.json()
    }

    /// Checks that this is a problem with this status, code and field, and returns the body.
    ///
    /// # Errors
    /// If it is not.
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

    /// The body without the request id.
    ///
    /// # Errors
    /// If the body is not JSON.
    pub fn without_request_id(&self) -> anyhow::Result<Value> {
        let mut body = self.json()?;
        if let Some(fields) = body.as_object_mut() {
            fields.remove("request_id");
        }
        Ok(body)
    }
}

/// A client of the server, with or without credentials.
#[derive(Clone, Debug)]
pub struct TestUser {
    pub(crate) client: reqwest::Client,
    pub(crate) address: String,
    /// Id of the user; empty without an account.
    pub id: String,
    /// Email address; empty without an account.
    pub email: String,
    /// Access token; no `Authorization` is sent if it is empty.
    pub access_token: String,
    /// Refresh token; empty without an account.
    pub refresh_token: String,
}

impl TestUser {
    /// Password of every account.
    pub const PASSWORD: &'static str = "correct horse battery";

    /// A client without credentials.
    pub(crate) fn anonymous(client: reqwest::Client, address: &str) -> Self {
        Self {
            client,
            address: address.to_owned(),
            id: String::new(),
            email: String::new(),
            access_token: String::new(),
            refresh_token: String::new(),
        }
    }

    /// Registers `<name>@example.com` at the server with this address.
    ///
    /// # Errors
    /// If the server refuses it.
    pub async fn register(address: &str, name: &str) -> anyhow::Result<Self> {
        Self::anonymous(crate::http_client(), address).sign_in("/auth/register", name, 201).await
    }

    /// Registers or signs in `<name>@example.com`.
    pub(crate) async fn sign_in(self, path: &str, name: &str, status: u16) -> anyhow::Result<Self> {
        let email = format!("{name}@example.com");
        let body = json!({"email": email, "password": Self::PASSWORD});
        let session = self.post(path, body).await?.expect(status)?;
        let text =
            |field: &str| session[field].as_str().map(str::to_owned).with_context(|| format!("{field}: {session}"));
        Ok(Self {
            id: session["user"]["id"].as_str().context("a session without a user id")?.to_owned(),
            email,
            access_token: text("access_token")?,
            refresh_token: text("refresh_token")?,
            ..self
        })
    }

    /// The same user with another access token.
    #[must_use]
    pub fn with_token(&self, access_token: &str) -> Self {
        Self { access_token: access_token.to_owned(), ..self.clone() }
    }

    /// The same user at another server on the same database.
    #[must_use]
    pub fn at(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    /// Sends a request with the user's token. `{me}` in the path stands for the user's id.
    ///
    /// # Errors
    /// If there is no response.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        self.send_with(method, path, body, &[]).await
    }

    /// Like [`send`](Self::send), with additional headers.
    ///
    /// # Errors
    /// If there is no response.
    pub async fn send_with(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let mut answer = Answer::read(self.request(method, path, body, headers)?.send().await?).await?;
        answer.remove_path(&self.address)?;
        Ok(answer)
    }

    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<RequestBuilder> {
        let url = format!("{}{}", self.address, path.replace("{me}", &self.id));
        let sends_length = method == Method::POST;
        let mut request = self.client.request(method, url);
        if !self.access_token.is_empty() {
            request = request.bearer_auth(&self.access_token);
        }
        for (name, value) in headers {
            request = request.header(HeaderName::try_from(*name)?, HeaderValue::from_str(value)?);
        }
        match body {
            Some(body) => request = request.json(body),
            // Browsers send the length of an empty body too, and HTTP/1.0 requires it (RFC 1945, 7.2.2).
            None if sends_length => request = request.header(CONTENT_LENGTH, 0),
            None => {}
        }
        Ok(request)
    }

    /// Sends a GET request.
    ///
    /// # Errors
    /// If there is no response.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, None).await
    }

    /// Sends a POST request.
    ///
    /// # Errors
    /// If there is no response.
    pub async fn post(&self, path: &str, body: Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, Some(&body)).await
    }

    /// Sends a PATCH request.
    ///
    /// # Errors
    /// If there is no response.
    pub async fn patch(&self, path: &str, body: Value) -> anyhow::Result<Answer> {
        self.send(Method::PATCH, path, Some(&body)).await
    }

    /// Sends a DELETE request.
    ///
    /// # Errors
    /// If there is no response.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::DELETE, path, None).await
    }

    /// The rows of all pages of a list, starting with the page at `path`.
    ///
    /// # Errors
    /// If a page is not an array.
    pub async fn all_pages(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let (mut rows, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let page = self.get(&path).await?;
            let Value::Array(more) = page.expect(200)? else { bail!("not an array: {}", page.text) };
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
    /// If they cannot be listed.
    pub async fn titles(&self) -> anyhow::Result<Vec<String>> {
        let tasks = self.get("/api/{me}/tasks").await?.expect(200)?;
        let titles = tasks.as_array().context("not an array")?.iter();
        Ok(titles.filter_map(|task| task["title"].as_str().map(str::to_owned)).collect())
    }

    /// Sends a message, in a conversation or in a new one.
    ///
    /// # Errors
    /// If there is no response.
    pub async fn say(&self, message: &str, conversation: Option<&str>) -> anyhow::Result<Answer> {
        self.post("/api/{me}/chat", Self::chat_body(message, conversation)).await
    }

    /// Like [`say`](Self::say), with an idempotency key.
    ///
    /// # Errors
    /// If there is no response.
    pub async fn say_once(&self, key: &str, message: &str, conversation: Option<&str>) -> anyhow::Result<Answer> {
        let body = Self::chat_body(message, conversation);
        self.send_with(Method::POST, "/api/{me}/chat", Some(&body), &[("idempotency-key", key)]).await
    }

    /// Confirms a pending action.
    ///
    /// # Errors
    /// If there is no response.
    pub async fn confirm(&self, pending: &str, conversation: &str) -> anyhow::Result<Answer> {
        self.post("/api/{me}/chat", json!({"confirm": pending, "conversation_id": conversation})).await
    }

    /// The newest message of a conversation.
    ///
    /// # Errors
    /// If the messages cannot be listed.
    pub async fn last_message(&self, conversation: &str) -> anyhow::Result<Value> {
        let path = format!("/api/{{me}}/conversations/{conversation}/messages?order=desc&limit=1");
        Ok(self.get(&path).await?.expect(200)?[0].take())
    }

    /// Waits until no turn is running in a conversation.
    ///
    /// # Errors
    /// If a turn is running after [`WAIT_TIMEOUT`](crate::WAIT_TIMEOUT).
    pub async fn wait_for_turn_end(&self, conversation: &str) -> anyhow::Result<()> {
        let path = format!("/api/{{me}}/conversations/{conversation}");
        let has_ended = async || Ok(self.get(&path).await?.expect(200)?["active_turn"].is_null());
        crate::wait_until("the end of the turn", has_ended).await
    }

    /// The changes after number `after`, oldest first.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub async fn changes(&self, after: u64) -> anyhow::Result<Vec<Value>> {
        let (mut changes, mut last) = (Vec::new(), after);
        loop {
            let page = self.get(&format!("/api/{{me}}/changes?after={last}")).await?.expect(200)?;
            let Value::Array(page) = page else { bail!("not an array: {page}") };
            let Some(newest) = page.last() else { return Ok(changes) };
            last = newest["seq"].as_u64().context("a change without a number")?;
            changes.extend(page);
        }
    }

    /// The titles in this user's trash, last deleted first.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub async fn trash(&self) -> anyhow::Result<Vec<String>> {
        let tasks = self.all_pages("/api/{me}/trash").await?;
        Ok(tasks.iter().filter_map(|task| task["title"].as_str().map(str::to_owned)).collect())
    }

    pub(crate) fn chat_body(message: &str, conversation: Option<&str>) -> Value {
        let mut body = json!({"message": message});
        if let Some(id) = conversation {
            body["conversation_id"] = id.into();
        }
        body
    }
}

//! Sends requests with secrets in every part to the operations of a server's document, and looks for secrets in the
//! responses.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, RequestBuilder, Response, redirect};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::document::{Operation, invalid_bodies, valid_body};
use super::marks::{Marks, is_secret};
use crate::server::http_client_builder;

/// A signed-in user.
pub struct Account {
    pub id: String,
    pub email: String,
    pub password: String,
    pub access: String,
    pub refresh: String,
}

/// A response, read to its end.
pub struct Answer {
    pub status: u16,
    pub location: String,
    pub cookie: String,
    pub text: String,
}

/// Sends requests and records the secrets in the responses.
pub struct Walk {
    http: reqwest::Client,
    address: String,
    pub marks: Marks,
    /// Number of responses.
    pub responses: usize,
    /// Number of operations whose valid request succeeded.
    pub succeeded: usize,
    /// Responses that contain a secret of the test, or repeat an issued one in an error.
    pub leaks: Vec<String>,
    accounts: usize,
}

impl Walk {
    pub fn new(address: &str, marks: Marks) -> anyhow::Result<Self> {
        let http = http_client_builder().redirect(redirect::Policy::none()).build()?;
        let address = address.to_owned();
        Ok(Self { http, address, marks, responses: 0, succeeded: 0, leaks: Vec::new(), accounts: 0 })
    }

    pub fn request(&self, method: &Method, path: &str) -> RequestBuilder {
        self.http.request(method.clone(), format!("{}{path}", self.address))
    }

    /// Sends a request. `what` describes it in errors.
    pub async fn send(&mut self, what: &str, request: RequestBuilder) -> anyhow::Result<Answer> {
        let response = request.send().await.with_context(|| what.to_owned())?;
        self.responses += 1;
        let (status, headers) = (response.status().as_u16(), format!("{:?}", response.headers()));
        let header = |name| header(&response, name);
        let (location, cookie) = (header(LOCATION), header(SET_COOKIE));
        // A stream of events ends only with its token.
        let is_endless = status == 200 && response.url().path().ends_with("/events");
        let body = if is_endless { Vec::new() } else { response.bytes().await?.into() };
        let text = String::from_utf8_lossy(&body).into_owned();
        for part in [&headers, &text] {
            let repeated = status >= 400 && self.marks.found_in(part).next().is_some();
            if repeated || Marks::created_in(part) {
                self.leaks.push(format!("{what}: {status} {headers} {text}"));
            }
        }
        self.marks.record_issued(&text);
        self.marks.record_issued(&location);
        if let Some(value) = cookie.split(['=', ';']).nth(1).filter(|value| value.len() > 20) {
            self.marks.add(value);
        }
        Ok(Answer { status, location, cookie, text })
    }

    pub async fn register(&mut self) -> anyhow::Result<Account> {
        self.accounts += 1;
        let email = format!("ada{}@example.com", self.accounts);
        let password = self.marks.create("password");
        let body = json!({ "email": email, "password": password });
        let answer = self.send("register", self.request(&Method::POST, "/auth/register").json(&body)).await?;
        let session: Value = serde_json::from_str(&answer.text)?;
        let text = |value: &Value| value.as_str().map(str::to_owned).with_context(|| answer.text.clone());
        Ok(Account {
            id: text(&session["user"]["id"])?,
            email,
            password,
            access: text(&session["access_token"])?,
            refresh: text(&session["refresh_token"])?,
        })
    }

    /// Sends all requests to one operation, with a new account, because the operation may delete it.
    pub async fn send_all(&mut self, operation: &Operation, all: &[Operation]) -> anyhow::Result<()> {
        let account = self.register().await?;
        let path = self.path_of(operation, all, &account).await?;
        self.send_queries(operation, &path, &account).await?;
        self.send_tokens(operation, &path, &account).await?;
        self.send_paths(operation, &account).await?;
        self.send_invalid_bodies(operation, &path, &account).await?;
        let answer = self.send_valid(operation, &path, &account).await?;
        self.succeeded += usize::from(answer.status < 400);
        Ok(())
    }

    /// The path of the operation with rows of the account. They are created by the operations that the document has for
    /// it, and their ids are taken from its lists.
    async fn path_of(&mut self, operation: &Operation, all: &[Operation], account: &Account) -> anyhow::Result<String> {
        let mut path = operation.path.replace("{user_id}", &account.id);
        let creates = |other: &&Operation| {
            let listed = operation.path.starts_with(&format!("{}/{{", other.path));
            let nested = other.variables().eq(["{user_id}"]) && !other.bodies.is_empty();
            other.method == Method::POST && other.protected && (listed || (nested && path.starts_with("/api/")))
        };
        let creators: Vec<_> = all.iter().filter(|other| path.contains("/{") && creates(other)).collect();
        for creator in creators {
            self.send_valid(creator, &creator.path.replace("{user_id}", &account.id), account).await?;
        }
        while let Some((collection, rest)) = path.split_once("/{") {
            let (variable, rest) = rest.split_once('}').context("unclosed variable")?;
            let id = self.id_of(collection, variable, all, account).await?;
            path = format!("{collection}/{id}{rest}");
        }
        Ok(path)
    }

    /// The id of the first row in `collection`, or a field named like the variable in the first row of another list.
    async fn id_of(
        &mut self,
        collection: &str,
        variable: &str,
        all: &[Operation],
        account: &Account,
    ) -> anyhow::Result<String> {
        let is_list = |other: &&Operation| {
            other.method == Method::GET && other.variables().eq(["{user_id}"]) && !other.path.ends_with("/events")
        };
        let mut lists = vec![(collection.to_owned(), "id")];
        lists.push((collection.to_owned(), variable));
        lists.extend(all.iter().filter(is_list).map(|list| (list.path.replace("{user_id}", &account.id), variable)));
        for (list, field) in lists {
            let rows = self.request(&Method::GET, &list).bearer_auth(&account.access);
            let rows: Value = serde_json::from_str(&self.send(&list, rows).await?.text).unwrap_or_default();
            match &rows[0][field] {
                Value::String(id) => return Ok(id.clone()),
                Value::Number(number) => return Ok(number.to_string()),
                _ => {}
            }
        }
        Ok("0198c0de-0000-7000-8000-000000000001".to_owned())
    }

    /// Sends valid requests: a valid token and body, and secrets in the other headers and in the query.
    async fn send_valid(&mut self, operation: &Operation, path: &str, account: &Account) -> anyhow::Result<Answer> {
        let what = format!("{} {path}", operation.method);
        let mut last = None;
        let mut bodies: Vec<_> =
            operation.bodies.iter().map(|schema| valid_body(schema, account, &mut self.marks)).collect();
        if bodies.is_empty() && !matches!(operation.method, Method::GET | Method::HEAD) {
            bodies.push([("password".to_owned(), json!(self.marks.create("unexpected")))].into_iter().collect());
        }
        // The email of the account is taken for a registration.
        let mut other = bodies.first().cloned().unwrap_or_default();
        if !operation.protected && other.contains_key("email") {
            self.accounts += 1;
            other.insert("email".to_owned(), json!(format!("ada{}@example.com", self.accounts)));
            bodies.insert(0, other);
        }
        let secret = operation.query.iter().filter(|(name, schema)| is_secret(name, schema));
        let query: Vec<_> = secret.map(|(name, _)| (name.clone(), self.marks.create(name))).collect();
        let accepted: &[_] = if operation.streams { &["text/event-stream", "application/json"] } else { &["*/*"] };
        let bodies: Vec<_> = if bodies.is_empty() { vec![None] } else { bodies.iter().map(Some).collect() };
        for (body, accept) in bodies.iter().flat_map(|body| accepted.iter().map(move |accept| (body, accept))) {
            let (key, cookie, extra) =
                (self.marks.create("key"), self.marks.create("cookie"), self.marks.create("header"));
            let mut request = self.request(&operation.method, &with_query(path, &query)).bearer_auth(&account.access);
            request = request.header(ACCEPT, *accept).header("Idempotency-Key", key).header("X-Api-Key", extra);
            request = request.header(COOKIE, format!("sid={cookie}; doable_sign_in={cookie}"));
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = self.send(&what, request).await?;
            last = last.filter(|last: &Answer| last.status < 400).or(Some(answer));
        }
        last.context("no request")
    }

    /// Secrets in unknown and in known query parameters.
    async fn send_queries(&mut self, operation: &Operation, path: &str, account: &Account) -> anyhow::Result<()> {
        let unknown =
            ["access_token", "password", "code", "state", "token"].map(|name| (name, self.marks.create(name)));
        let mut queries = vec![unknown.map(|(name, mark)| (name.to_owned(), mark)).to_vec()];
        for (name, _) in operation.query.iter().filter(|(name, _)| name != "search") {
            let mark = self.marks.create(name);
            let cut = format!("{} at line 1, expected `{}`", self.marks.create(name), self.marks.create(name));
            queries.push(vec![(name.clone(), mark.clone())]);
            queries.push(vec![(name.clone(), cut)]);
            queries.push(vec![(name.clone(), mark.clone()), (name.clone(), mark)]);
        }
        for query in queries {
            let request = self.request(&operation.method, &with_query(path, &query)).bearer_auth(&account.access);
            self.send(&format!("{} {path} {query:?}", operation.method), request).await?;
        }
        Ok(())
    }

    /// Secrets as invalid tokens in `Authorization`.
    async fn send_tokens(&mut self, operation: &Operation, path: &str, account: &Account) -> anyhow::Result<()> {
        let basic = STANDARD.encode(format!("ada:{}", self.marks.create("basic")));
        // A valid token with another signature.
        let forged =
            account.access.rsplit_once('.').map(|(signed, _)| format!("{signed}.{}", self.marks.create("forged")));
        self.marks.add(&basic);
        let mut lines = vec![
            vec![format!("Bearer {}", self.marks.create("bearer"))],
            vec![format!("Bearer {}", forged.context("not a JWT")?)],
            vec![format!("Bearer {}", account.refresh)],
            vec![format!("Basic {basic}")],
            vec![self.marks.create("authorization")],
            vec![format!("Bearer {} {}", self.marks.create("one"), self.marks.create("two"))],
            vec![format!("Bearer {}", self.marks.create("first")), format!("Bearer {}", self.marks.create("second"))],
        ];
        for prefix in ["dbl_", "dblr_", "dblc_", "dbls_", "sk-"] {
            lines.push(vec![format!("Bearer {prefix}{}", self.marks.create("prefixed"))]);
        }
        for lines in lines {
            let request = self.request(&operation.method, path);
            let request = lines.iter().fold(request, |request, line| request.header(AUTHORIZATION, line));
            self.send(&format!("{} {path} {lines:?}", operation.method), request).await?;
        }
        Ok(())
    }

    /// Tokens instead of ids in the path.
    async fn send_paths(&mut self, operation: &Operation, account: &Account) -> anyhow::Result<()> {
        for variable in operation.variables() {
            for token in [format!("dbl_{}", self.marks.create("path")), account.refresh.clone(), account.access.clone()]
            {
                let path = operation.path.replace(variable, &token).replace("{user_id}", &account.id);
                let request = self.request(&operation.method, &path).bearer_auth(&account.access);
                self.send(&format!("{} {path}", operation.method), request).await?;
            }
        }
        Ok(())
    }

    /// Invalid bodies, which error messages describe.
    async fn send_invalid_bodies(
        &mut self,
        operation: &Operation,
        path: &str,
        account: &Account,
    ) -> anyhow::Result<()> {
        const JSON: &str = "application/json";
        let mut bodies = Vec::new();
        for schema in &operation.bodies {
            let valid = valid_body(schema, account, &mut self.marks);
            bodies.extend(invalid_bodies(schema, &valid, &mut self.marks).into_iter().map(|body| (JSON, body)));
            let form = format!("password={}&code={}", self.marks.create("form"), self.marks.create("form"));
            bodies.push(("application/x-www-form-urlencoded", form.into_bytes()));
            bodies.push(("text/plain", json!(valid).to_string().into_bytes()));
        }
        for (kind, body) in bodies {
            let what = format!("{} {path} {}", operation.method, String::from_utf8_lossy(&body));
            let request = self.request(&operation.method, path).bearer_auth(&account.access);
            self.send(&what, request.header(CONTENT_TYPE, kind).body(body)).await?;
        }
        Ok(())
    }
}

fn with_query(path: &str, query: &[(String, String)]) -> String {
    if query.is_empty() {
        return path.to_owned();
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("{path}?{query}")
}

fn header(response: &Response, name: reqwest::header::HeaderName) -> String {
    let value = response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    value.unwrap_or_default()
}

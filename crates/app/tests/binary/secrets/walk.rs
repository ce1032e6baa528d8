//! Walks the operations of a server's document with secrets in everything that a request has, and looks for them in every
//! answer.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, RequestBuilder, Response, redirect};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::document::{Operation, fitting, misfits};
use super::marks::{Marks, is_secret};
use crate::server::http_client_builder;

/// Somebody who is signed in.
pub struct Account {
    pub id: String,
    pub email: String,
    pub password: String,
    pub access: String,
    pub refresh: String,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: u16,
    pub location: String,
    pub cookie: String,
    pub text: String,
}

/// Asks, and remembers what was found in the answers.
pub struct Walk {
    http: reqwest::Client,
    address: String,
    pub marks: Marks,
    /// How many requests were answered.
    pub answered: usize,
    /// How many operations answered well for whom they are meant.
    pub succeeded: usize,
    /// Where an answer told a secret that it must not tell.
    pub told: Vec<String>,
    accounts: usize,
}

impl Walk {
    pub fn new(address: &str, marks: Marks) -> anyhow::Result<Self> {
        let http = http_client_builder().redirect(redirect::Policy::none()).build()?;
        let address = address.to_owned();
        Ok(Self { http, address, marks, answered: 0, succeeded: 0, told: Vec::new(), accounts: 0 })
    }

    pub fn request(&self, method: &Method, path: &str) -> RequestBuilder {
        self.http.request(method.clone(), format!("{}{path}", self.address))
    }

    /// Sends a request. `what` tells it from the others.
    pub async fn send(&mut self, what: &str, request: RequestBuilder) -> anyhow::Result<Answer> {
        let response = request.send().await.with_context(|| what.to_owned())?;
        self.answered += 1;
        let (status, headers) = (response.status().as_u16(), format!("{:?}", response.headers()));
        let header = |name| header(&response, name);
        let (location, cookie) = (header(LOCATION), header(SET_COOKIE));
        // The events of an account end with its token.
        let is_endless = status == 200 && response.url().path().ends_with("/events");
        let body = if is_endless { Vec::new() } else { response.bytes().await?.into() };
        let text = String::from_utf8_lossy(&body).into_owned();
        for told in [&headers, &text] {
            let known = status >= 400 && self.marks.found_in(told).next().is_some();
            if known || Marks::made_in(told) {
                self.told.push(format!("{what}: {status} {headers} {text}"));
            }
        }
        self.marks.issued_in(&text);
        self.marks.issued_in(&location);
        if let Some(value) = cookie.split(['=', ';']).nth(1).filter(|value| value.len() > 20) {
            self.marks.add(value);
        }
        Ok(Answer { status, location, cookie, text })
    }

    pub async fn register(&mut self) -> anyhow::Result<Account> {
        self.accounts += 1;
        let email = format!("ada{}@example.com", self.accounts);
        let password = self.marks.make("password");
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

    /// Everything that can be asked of one operation. It may be the account's last, so each has an account of its own.
    pub async fn all_of(&mut self, operation: &Operation, all: &[Operation]) -> anyhow::Result<()> {
        let account = self.register().await?;
        let path = self.path_of(operation, all, &account).await?;
        self.queries(operation, &path, &account).await?;
        self.tokens(operation, &path, &account).await?;
        self.paths(operation, &account).await?;
        self.misfits(operation, &path, &account).await?;
        let answer = self.as_it_should_be(operation, &path, &account).await?;
        self.succeeded += usize::from(answer.status < 400);
        Ok(())
    }

    /// The operation's path, with rows of the account in it: they are made where the document says that rows of that kind
    /// are made, and taken from where it says that they are listed.
    async fn path_of(&mut self, operation: &Operation, all: &[Operation], account: &Account) -> anyhow::Result<String> {
        let mut path = operation.path.replace("{user_id}", &account.id);
        let is_maker = |other: &&Operation| {
            let listed = operation.path.starts_with(&format!("{}/{{", other.path));
            let nested = other.variables().eq(["{user_id}"]) && !other.bodies.is_empty();
            other.method == Method::POST && other.protected && (listed || (nested && path.starts_with("/api/")))
        };
        let makers: Vec<_> = all.iter().filter(|maker| path.contains("/{") && is_maker(maker)).collect();
        for maker in makers {
            self.as_it_should_be(maker, &maker.path.replace("{user_id}", &account.id), account).await?;
        }
        while let Some((collection, rest)) = path.split_once("/{") {
            let (variable, rest) = rest.split_once('}').context("a variable's end")?;
            let id = self.id_of(collection, variable, all, account).await?;
            path = format!("{collection}/{id}{rest}");
        }
        Ok(path)
    }

    /// The id of a row: of the first in `collection`, or the first that any other list names as the path's variable does.
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

    /// A request that whoever sends it means: a good token and a body that fits, and secrets wherever else there is room.
    async fn as_it_should_be(
        &mut self,
        operation: &Operation,
        path: &str,
        account: &Account,
    ) -> anyhow::Result<Answer> {
        let what = format!("{} {path}", operation.method);
        let mut last = None;
        let mut bodies: Vec<_> =
            operation.bodies.iter().map(|schema| fitting(schema, account, &mut self.marks)).collect();
        if bodies.is_empty() && !matches!(operation.method, Method::GET | Method::HEAD) {
            bodies.push([("password".to_owned(), json!(self.marks.make("needless")))].into_iter().collect());
        }
        // Where somebody has the address already, another is as good.
        let mut other = bodies.first().cloned().unwrap_or_default();
        if !operation.protected && other.contains_key("email") {
            self.accounts += 1;
            other.insert("email".to_owned(), json!(format!("ada{}@example.com", self.accounts)));
            bodies.insert(0, other);
        }
        let secret = operation.query.iter().filter(|(name, schema)| is_secret(name, schema));
        let query: Vec<_> = secret.map(|(name, _)| (name.clone(), self.marks.make(name))).collect();
        let accepted: &[_] = if operation.streams { &["text/event-stream", "application/json"] } else { &["*/*"] };
        let bodies: Vec<_> = if bodies.is_empty() { vec![None] } else { bodies.iter().map(Some).collect() };
        for (body, accept) in bodies.iter().flat_map(|body| accepted.iter().map(move |accept| (body, accept))) {
            let (key, cookie, extra) = (self.marks.make("key"), self.marks.make("cookie"), self.marks.make("header"));
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

    /// Secrets in the query: in parameters that are not known, and in those that are.
    async fn queries(&mut self, operation: &Operation, path: &str, account: &Account) -> anyhow::Result<()> {
        let unknown = ["access_token", "password", "code", "state", "token"].map(|name| (name, self.marks.make(name)));
        let mut queries = vec![unknown.map(|(name, mark)| (name.to_owned(), mark)).to_vec()];
        for (name, _) in operation.query.iter().filter(|(name, _)| name != "search") {
            let mark = self.marks.make(name);
            let cut = format!("{} at line 1, expected `{}`", self.marks.make(name), self.marks.make(name));
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

    /// Secrets in `Authorization` that are no good tokens there.
    async fn tokens(&mut self, operation: &Operation, path: &str, account: &Account) -> anyhow::Result<()> {
        let basic = STANDARD.encode(format!("ada:{}", self.marks.make("basic")));
        // A good token with another signature.
        let forged =
            account.access.rsplit_once('.').map(|(signed, _)| format!("{signed}.{}", self.marks.make("forged")));
        self.marks.add(&basic);
        let mut lines = vec![
            vec![format!("Bearer {}", self.marks.make("bearer"))],
            vec![format!("Bearer {}", forged.context("a JWT")?)],
            vec![format!("Bearer {}", account.refresh)],
            vec![format!("Basic {basic}")],
            vec![self.marks.make("authorization")],
            vec![format!("Bearer {} {}", self.marks.make("one"), self.marks.make("two"))],
            vec![format!("Bearer {}", self.marks.make("first")), format!("Bearer {}", self.marks.make("second"))],
        ];
        for prefix in ["dbl_", "dblr_", "dblc_", "dbls_", "sk-"] {
            lines.push(vec![format!("Bearer {prefix}{}", self.marks.make("prefixed"))]);
        }
        for lines in lines {
            let request = self.request(&operation.method, path);
            let request = lines.iter().fold(request, |request, line| request.header(AUTHORIZATION, line));
            self.send(&format!("{} {path} {lines:?}", operation.method), request).await?;
        }
        Ok(())
    }

    /// Tokens in the path, where somebody took them for ids.
    async fn paths(&mut self, operation: &Operation, account: &Account) -> anyhow::Result<()> {
        for variable in operation.variables() {
            for token in [format!("dbl_{}", self.marks.make("path")), account.refresh.clone(), account.access.clone()] {
                let path = operation.path.replace(variable, &token).replace("{user_id}", &account.id);
                let request = self.request(&operation.method, &path).bearer_auth(&account.access);
                self.send(&format!("{} {path}", operation.method), request).await?;
            }
        }
        Ok(())
    }

    /// Bodies that do not fit: what an error tells, it tells of them.
    async fn misfits(&mut self, operation: &Operation, path: &str, account: &Account) -> anyhow::Result<()> {
        const JSON: &str = "application/json";
        let mut bodies = Vec::new();
        for schema in &operation.bodies {
            let fitting = fitting(schema, account, &mut self.marks);
            bodies.extend(misfits(schema, &fitting, &mut self.marks).into_iter().map(|body| (JSON, body)));
            let form = format!("password={}&code={}", self.marks.make("form"), self.marks.make("form"));
            bodies.push(("application/x-www-form-urlencoded", form.into_bytes()));
            bodies.push(("text/plain", json!(fitting).to_string().into_bytes()));
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

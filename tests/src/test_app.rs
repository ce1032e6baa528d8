//! A server of its own for one test.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use app::cli::Cli;
use app::settings::{Settings, Variables};
use app::{Application, Overrides, StatementObserver};
use async_trait::async_trait;
use chrono::TimeDelta;
use domain::llm::{LlmClient, LlmError, LlmRequest, LlmStream, ScriptedLlm, Step};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use test_database::{Kind, TestDatabase};
use test_openid::OpenIdServer;

use crate::fake_provider::FakeProvider;
use crate::movable_clock::MovableClock;
use crate::{Answer, TestUser};

/// A server of its own for one test. It is gone when this value is dropped.
pub struct TestApp {
    address: String,
    client: reqwest::Client,
    assistant: Arc<SwitchedLlm>,
    clock: Arc<MovableClock>,
    statements: Statements,
    database: Arc<TestDatabase>,
}

impl TestApp {
    /// The password of everybody who is [registered](Self::register).
    pub const PASSWORD: &'static str = "correct horse battery";

    /// Starts a server on an empty database of this kind; `None` where a test on it has to be skipped.
    ///
    /// # Errors
    /// If it cannot be started, or must not be skipped.
    pub async fn spawn(kind: Kind, test: &str) -> anyhow::Result<Option<Self>> {
        Self::spawn_with(kind, test, &[]).await
    }

    /// As [`spawn`](Self::spawn), with these flags.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub async fn spawn_with(kind: Kind, test: &str, flags: &[&str]) -> anyhow::Result<Option<Self>> {
        let assistant = Arc::new(SwitchedLlm::default());
        Self::start(kind, test, Some(assistant), flags).await
    }

    /// As [`spawn`](Self::spawn), with the assistant that a person gets who sets Cohere at `provider`'s address, and
    /// these flags besides.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub async fn spawn_on(
        kind: Kind,
        test: &str,
        provider: &FakeProvider,
        flags: &[&str],
    ) -> anyhow::Result<Option<Self>> {
        let url = provider.url();
        let mut all = vec!["--cohere-api-key", "a-key-for-tests", "--cohere-base-url", &url];
        all.extend(flags);
        Self::start(kind, test, None, &all).await
    }

    /// As [`spawn`](Self::spawn), with people who sign in at `provider`, by way of <http://doable.test>.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub async fn spawn_with_openid(kind: Kind, test: &str, provider: &OpenIdServer) -> anyhow::Result<Option<Self>> {
        let (issuer, client) = (provider.issuer(), test_openid::CLIENT_ID);
        let mut flags = vec!["--google-client-id", client, "--google-client-secret", test_openid::CLIENT_SECRET];
        flags.extend(["--google-issuer-url", &issuer, "--public-url", "http://doable.test"]);
        Self::start(kind, test, Some(Arc::default()), &flags).await
    }

    async fn start(
        kind: Kind,
        test: &str,
        assistant: Option<Arc<SwitchedLlm>>,
        flags: &[&str],
    ) -> anyhow::Result<Option<Self>> {
        let Some(database) = TestDatabase::create_or_skip(kind, test).await? else { return Ok(None) };
        Self::serve(Arc::new(database), assistant, TimeDelta::zero(), flags).await.map(Some)
    }

    /// Starts another server on the same database, with these flags and with a clock that is this much ahead.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn another(&self, ahead: TimeDelta, flags: &[&str]) -> anyhow::Result<Self> {
        Self::serve(self.database.clone(), Some(Arc::default()), ahead, flags).await
    }

    async fn serve(
        database: Arc<TestDatabase>,
        assistant: Option<Arc<SwitchedLlm>>,
        ahead: TimeDelta,
        flags: &[&str],
    ) -> anyhow::Result<Self> {
        let clock = Arc::new(MovableClock::default());
        clock.advance(ahead);
        let statements = Statements::default();
        let settings = settings(database.url(), flags)?;
        let overrides = Overrides {
            assistant: assistant.clone().map(|assistant| assistant as Arc<dyn LlmClient>),
            on_statement: Some(statements.recorder()),
            clock: Some(clock.clone()),
            cheap_passwords: true,
        };
        let application = Application::build(settings, overrides).await?;
        let address = application.address();
        tokio::spawn(application.run_until_stopped(std::future::pending()));
        let assistant = assistant.unwrap_or_default();
        Ok(Self { address, client: crate::http_client(), assistant, clock, statements, database })
    }

    /// Somebody without an account.
    pub fn nobody(&self) -> TestUser {
        TestUser {
            client: self.client.clone(),
            address: self.address.clone(),
            id: String::new(),
            email: String::new(),
            access_token: String::new(),
            refresh_token: String::new(),
        }
    }

    /// Registers `<name>@example.com`.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn register(&self, name: &str) -> anyhow::Result<TestUser> {
        self.sign_in("/auth/register", name, 201).await
    }

    /// Signs `<name>@example.com` in again.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn login(&self, name: &str) -> anyhow::Result<TestUser> {
        self.sign_in("/auth/login", name, 200).await
    }

    async fn sign_in(&self, path: &str, name: &str, status: u16) -> anyhow::Result<TestUser> {
        let nobody = self.nobody();
        let email = format!("{name}@example.com");
        let body = json!({"email": email, "password": Self::PASSWORD});
        let session = nobody.post(path, body).await?.expect(status)?;
        let text =
            |field: &str| session[field].as_str().map(str::to_owned).with_context(|| format!("{field}: {session}"));
        Ok(TestUser {
            id: session["user"]["id"].as_str().context("an id")?.to_owned(),
            email,
            access_token: text("access_token")?,
            refresh_token: text("refresh_token")?,
            ..nobody
        })
    }

    /// From now on the assistant does these steps, instead of what the built-in one would do.
    pub fn script(&self, steps: impl IntoIterator<Item = Step>) -> Arc<ScriptedLlm> {
        let script = Arc::new(ScriptedLlm::new(steps));
        *locked(&self.assistant.script) = Some(script.clone());
        script
    }

    /// Moves the server's clock forward.
    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// The statements that the database was sent.
    pub fn statements(&self) -> &Statements {
        &self.statements
    }

    /// Where it listens, as a URL without a path.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends bytes as they are, in the user's name. `{me}` in the path becomes their id.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn raw(
        &self,
        user: &TestUser,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Answer> {
        let url = format!("{}{}", self.address, path.replace("{me}", &user.id));
        let request = self.client.request(method, url).bearer_auth(&user.access_token);
        Ok(Answer::read(request.header(CONTENT_TYPE, content_type).body(body).send().await?).await?)
    }
}

/// What a person who sets no more than the database gets, on a free port.
fn settings(database_url: &str, flags: &[&str]) -> anyhow::Result<Settings> {
    let secret = "a secret for tests, of more than 32 bytes";
    let mut arguments = vec!["app", "--port", "0", "--database-url", database_url, "--jwt-secret", secret];
    arguments.extend(flags);
    Ok(Cli::read(arguments, &Variables::default())?.settings)
}

/// The statements that a database was sent.
#[derive(Clone, Default)]
pub struct Statements(Arc<Mutex<Vec<String>>>);

impl Statements {
    /// All of them since the last [`clear`](Self::clear), in order.
    pub fn all(&self) -> Vec<String> {
        locked(&self.0).clone()
    }

    fn recorder(&self) -> StatementObserver {
        let statements = self.0.clone();
        Arc::new(move |statement| locked(&statements).push(statement.to_string()))
    }

    /// Forgets them.
    pub fn clear(&self) {
        locked(&self.0).clear();
    }
}

/// The assistant of a server under test: the built-in one until there is a script.
#[derive(Default)]
struct SwitchedLlm {
    script: Mutex<Option<Arc<ScriptedLlm>>>,
}

impl SwitchedLlm {
    fn current(&self) -> Arc<dyn LlmClient> {
        match locked(&self.script).as_ref() {
            Some(script) => script.clone(),
            None => app::built_in_assistant(),
        }
    }
}

#[async_trait]
impl LlmClient for SwitchedLlm {
    fn provider(&self) -> &'static str {
        "switched"
    }

    fn model(&self) -> &'static str {
        "switched"
    }

    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError> {
        self.current().respond(request).await
    }
}

/// A test that panicked while it held the lock has failed already.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! A server for one test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app::cli::Cli;
use app::settings::{Settings, Variables};
use app::{Application, Overrides, StatementObserver};
use async_trait::async_trait;
use chrono::TimeDelta;
use domain::llm::{LlmClient, LlmError, LlmRequest, LlmStream, ScriptedLlm, Step};
use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use test_database::{Kind, Pooler, TestDatabase};
use test_openid::OpenIdServer;

use crate::fake_provider::FakeProvider;
use crate::movable_clock::MovableClock;
use crate::nginx::{Nginx, NginxPort};
use crate::{Answer, TestUser};

/// A server with its own database, in the process of the test.
pub struct TestApp {
    address: String,
    metrics_address: Option<SocketAddr>,
    client: reqwest::Client,
    assistant: Arc<SwitchedLlm>,
    clock: Arc<MovableClock>,
    statements: Statements,
    database: Arc<TestDatabase>,
    /// nginx in front of the server, if the test uses it.
    _nginx: Option<Nginx>,
}

impl TestApp {
    /// Password of every [registered](Self::register) user.
    pub const PASSWORD: &'static str = TestUser::PASSWORD;

    /// Starts a server with these flags on an empty database of this kind; `None` if the test must be skipped because
    /// there is none.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn spawn(kind: Kind, test: &str, flags: &[&str]) -> anyhow::Result<Option<Self>> {
        Self::start(kind, test, Some(Arc::default()), flags).await
    }

    /// Like [`spawn`](Self::spawn), with a connection pooler before the database, or `None` if it is not installed.
    ///
    /// # Errors
    /// Like [`spawn`](Self::spawn).
    pub async fn spawn_behind_pooler(test: &str) -> anyhow::Result<Option<(Self, Pooler)>> {
        let Some((database, pooler)) = TestDatabase::create_behind_pooler_or_skip(test).await? else { return Ok(None) };
        let app = Self::serve(Arc::new(database), Some(Arc::default()), TimeDelta::zero(), &[], None).await?;
        Ok(Some((app, pooler)))
    }

    /// Like [`spawn`](Self::spawn), with Cohere at `provider` as the assistant.
    ///
    /// # Errors
    /// Like [`spawn`](Self::spawn).
    pub async fn spawn_on(
        kind: Kind,
        test: &str,
        provider: &FakeProvider,
        flags: &[&str],
    ) -> anyhow::Result<Option<Self>> {
        let url = provider.url();
        let mut arguments = vec!["--cohere-api-key", "a-key-for-tests", "--cohere-base-url", &url];
        arguments.extend(flags);
        Self::start(kind, test, None, &arguments).await
    }

    /// Like [`spawn`](Self::spawn), with `provider` for external sign-in and the public URL <http://doable.test>.
    ///
    /// # Errors
    /// Like [`spawn`](Self::spawn).
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
        // A test with a public URL of its own is not about nginx's.
        let nginx = if flags.contains(&"--public-url") { None } else { NginxPort::from_environment()? };
        Self::serve(Arc::new(database), assistant, TimeDelta::zero(), flags, nginx).await.map(Some)
    }

    /// Like [`spawn`](Self::spawn) on SQLite, behind nginx; `None` also if nginx is not installed.
    ///
    /// # Errors
    /// Like [`spawn`](Self::spawn).
    pub async fn spawn_behind_nginx(test: &str, flags: &[&str]) -> anyhow::Result<Option<Self>> {
        let Some(nginx) = NginxPort::free_or_skip(test)? else { return Ok(None) };
        let database = Arc::new(TestDatabase::create(Kind::Sqlite).await?);
        Self::serve(database, Some(Arc::default()), TimeDelta::zero(), flags, Some(nginx)).await.map(Some)
    }

    /// Starts another server on the same database, with these flags and a clock that is `ahead` of the system's.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn another(&self, ahead: TimeDelta, flags: &[&str]) -> anyhow::Result<Self> {
        Self::serve(self.database.clone(), Some(Arc::default()), ahead, flags, None).await
    }

    async fn serve(
        database: Arc<TestDatabase>,
        assistant: Option<Arc<SwitchedLlm>>,
        ahead: TimeDelta,
        flags: &[&str],
        nginx: Option<NginxPort>,
    ) -> anyhow::Result<Self> {
        let public_url = nginx.as_ref().map(NginxPort::url);
        let mut flags = flags.to_vec();
        if let Some(url) = &public_url {
            flags.extend(["--public-url", url]);
        }
        let clock = Arc::new(MovableClock::default());
        clock.advance(ahead);
        let statements = Statements::default();
        let settings = settings(database.url(), &flags)?;
        let overrides = Overrides {
            assistant: assistant.clone().map(|assistant| assistant as Arc<dyn LlmClient>),
            on_statement: Some(statements.recorder()),
            clock: Some(clock.clone()),
            cheap_passwords: true,
        };
        let application = Application::build(settings, overrides).await?;
        let (address, metrics_address) = (application.address(), application.metrics_address());
        tokio::spawn(application.run_until_stopped(futures_util::stream::pending()));
        let nginx = match nginx {
            Some(port) => Some(port.serve(&address).await?),
            None => None,
        };
        let address = public_url.unwrap_or(address);
        let assistant = assistant.unwrap_or_default();
        Ok(Self {
            address,
            metrics_address,
            client: crate::http_client(),
            assistant,
            clock,
            statements,
            database,
            _nginx: nginx,
        })
    }

    /// A client without an account.
    pub fn anonymous(&self) -> TestUser {
        TestUser::anonymous(self.client.clone(), &self.address)
    }

    /// Registers `<name>@example.com`.
    ///
    /// # Errors
    /// If the server refuses it.
    pub async fn register(&self, name: &str) -> anyhow::Result<TestUser> {
        self.anonymous().sign_in("/auth/register", name, 201).await
    }

    /// Signs `<name>@example.com` in.
    ///
    /// # Errors
    /// If the server refuses it.
    pub async fn login(&self, name: &str) -> anyhow::Result<TestUser> {
        self.anonymous().sign_in("/auth/login", name, 200).await
    }

    /// Replaces the built-in assistant by these steps.
    pub fn script(&self, steps: impl IntoIterator<Item = Step>) -> Arc<ScriptedLlm> {
        let script = Arc::new(ScriptedLlm::new(steps));
        *locked(&self.assistant.script) = Some(script.clone());
        script
    }

    /// Moves the server's clock forward.
    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// The statements sent to the database.
    pub fn statements(&self) -> &Statements {
        &self.statements
    }

    /// The database.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// Base URL without a path.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Base URL of the address that serves the metrics alone, if there is one.
    pub fn metrics_address(&self) -> Option<String> {
        self.metrics_address.map(|address| format!("http://{address}"))
    }

    /// Sends a body as it is. `{me}` in the path stands for the user's id.
    ///
    /// # Errors
    /// If there is no response.
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
        let request = request.header(CONTENT_TYPE, content_type).header(CONTENT_LENGTH, body.len()).body(body);
        Ok(Answer::read(request.send().await?).await?)
    }
}

/// The default settings with these flags, on a free port.
fn settings(database_url: &str, flags: &[&str]) -> anyhow::Result<Settings> {
    let secret = "a secret for tests, of more than 32 bytes";
    let mut arguments = vec!["app", "--port", "0", "--database-url", database_url, "--jwt-secret", secret];
    arguments.extend(flags);
    Ok(Cli::read(arguments, &Variables::default())?.settings)
}

/// The statements sent to a database.
#[derive(Clone, Default)]
pub struct Statements(Arc<Mutex<Vec<String>>>);

impl Statements {
    /// The statements since the last [`clear`](Self::clear), in order.
    pub fn all(&self) -> Vec<String> {
        locked(&self.0).clone()
    }

    fn recorder(&self) -> StatementObserver {
        let statements = self.0.clone();
        Arc::new(move |statement| locked(&statements).push(statement.to_string()))
    }

    /// Removes the recorded statements.
    pub fn clear(&self) {
        locked(&self.0).clear();
    }
}

/// The built-in assistant until a script is set.
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

    fn source(&self) -> String {
        "switched".to_owned()
    }

    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError> {
        self.current().respond(request).await
    }
}

/// Locks in spite of poisoning: a test that panicked while holding the lock has already failed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

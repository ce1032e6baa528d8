//! The application on mocked ports.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::test::{self, TestRequest};
use chrono::{DateTime, TimeDelta, Utc};
use domain::account::{
    AccessClaims, AccountPorts, AccountService, IdentityProvider, MockIdentityProvider, MockPasswordHasher,
    MockTokenIssuer, SignUps, TokenError, TokenLifetimes,
};
use domain::api_token::{ApiTokenStatus, MockApiTokenRepo};
use domain::change::{ChangeService, Head, Ledger, MockChangeRepo, MockChangeSignals, Seq};
use domain::chat::{ChatOptions, ChatPorts, ChatService};
use domain::conversation::MockConversationRepo;
use domain::id::UserId;
use domain::llm::ScriptedLlm;
use domain::principal::Scopes;
use domain::runtime::event_log::RecordedEvents;
use domain::runtime::rate_limit::{MockRateLimiter, RateDecision};
use domain::runtime::readiness::MockReadiness;
use domain::runtime::{Background, Clock, FailureLog, IdGenerator, ManualClock, Timer};
use domain::secret::{SecretHash, SecretKind};
use domain::session::{MockSessionRepo, SessionStatus};
use domain::system::MockSystemRepo;
use domain::task::{MockTaskRepo, Task, TaskService, Version};
use domain::tool::MockToolExecutor;
use domain::user::{MockUserRepo, User};
use futures_util::future::{self, BoxFuture};
use uuid::Uuid;

use super::monitor::RecordingMonitor;
use super::test_response::TestResponse;
use super::turn_signals::FakeTurnSignals;
use crate::stream_limit::StreamLimit;
use crate::{Draining, HttpOptions, MetricsAccess, Services, TrustedProxies};

/// Maximum time that a connection waits for a request.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The user that [`TOKEN`] belongs to.
pub(crate) const ME: &str = "00000000-0000-7000-8000-000000000007";
pub(crate) const OTHER: &str = "00000000-0000-7000-8000-000000000008";
pub(crate) const TASK: &str = "00000000-0000-7000-8000-0000000000aa";
pub(crate) const CONVERSATION: &str = "00000000-0000-7000-8000-0000000000cc";
pub(crate) const MESSAGE: &str = "00000000-0000-7000-8000-0000000000ee";
pub(crate) const OPERATION: &str = "00000000-0000-7000-8000-0000000000bb";
pub(crate) const TOKEN: &str = "valid-token";
/// An API token.
pub(crate) const API_TOKEN: &str = "dbl_script";

pub(crate) fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00.123456Z".parse().unwrap()
}

#[derive(Default)]
struct CountingIds(AtomicU64);

impl IdGenerator for CountingIds {
    fn next(&self) -> Uuid {
        Uuid::from_u128(0x1000 + u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

struct NoopFailureLog;

impl FailureLog for NoopFailureLog {
    fn record(&self, _what: &'static str, _error: &dyn std::error::Error) {}
}

struct SpawnedTasks;

impl Background for SpawnedTasks {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        actix_web::rt::spawn(work);
    }
}

/// The mocked ports. [`TOKEN`] is valid for [`ME`]; everything else is set by the test.
pub(crate) struct Ports {
    pub(crate) tasks: MockTaskRepo,
    pub(crate) changes: MockChangeRepo,
    pub(crate) change_signals: MockChangeSignals,
    pub(crate) users: MockUserRepo,
    pub(crate) sessions: MockSessionRepo,
    pub(crate) api_tokens: MockApiTokenRepo,
    pub(crate) system: MockSystemRepo,
    pub(crate) hasher: MockPasswordHasher,
    pub(crate) tokens: MockTokenIssuer,
    pub(crate) provider: Option<MockIdentityProvider>,
    pub(crate) limiter: MockRateLimiter,
    pub(crate) sign_ups: SignUps,
    pub(crate) conversations: MockConversationRepo,
    pub(crate) tools: MockToolExecutor,
    pub(crate) llm: ScriptedLlm,
    pub(crate) chat_options: ChatOptions,
    pub(crate) readiness: MockReadiness,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) options: HttpOptions,
    pub(crate) monitor: Arc<RecordingMonitor>,
}

impl Ports {
    pub(crate) fn new() -> Self {
        let mut ports = Self {
            tasks: MockTaskRepo::new(),
            changes: MockChangeRepo::new(),
            change_signals: MockChangeSignals::new(),
            users: MockUserRepo::new(),
            sessions: MockSessionRepo::new(),
            api_tokens: MockApiTokenRepo::new(),
            system: MockSystemRepo::new(),
            hasher: MockPasswordHasher::new(),
            tokens: MockTokenIssuer::new(),
            provider: None,
            limiter: MockRateLimiter::new(),
            sign_ups: SignUps::Open,
            conversations: MockConversationRepo::new(),
            tools: MockToolExecutor::new(),
            llm: ScriptedLlm::default(),
            chat_options: ChatOptions::default(),
            readiness: MockReadiness::new(),
            clock: Arc::new(ManualClock::at(now())),
            options: HttpOptions {
                public_url: "http://127.0.0.1:8000".parse().unwrap(),
                own_origin: None,
                frontend_url: "http://localhost:3000".parse().unwrap(),
                cors_origins: vec!["http://localhost:3000".parse().unwrap()],
                trusted_proxies: TrustedProxies::default(),
                openid_name: None,
                max_connections: 1000,
                keep_alive: KEEP_ALIVE,
                draining: Draining::default(),
                production: false,
                metrics: MetricsAccess::Everybody,
            },
            monitor: Arc::default(),
        };
        ports.tokens.expect_verify().returning(|token| match token {
            TOKEN => Ok(AccessClaims {
                user: me(),
                session: Uuid::from_u128(9).into(),
                token_version: 0,
                issued_at: now(),
                expires_at: now() + TimeDelta::hours(1),
            }),
            "expired-token" => Err(TokenError::Expired),
            _ => Err(TokenError::Invalid("marked cause".into())),
        });
        ports.sessions.expect_status().returning(|_, _, _| Ok(session_status()));
        ports
    }

    /// Makes [`API_TOKEN`] valid for [`ME`] with `scopes`.
    pub(crate) fn with_api_token(mut self, scopes: &'static [&'static str]) -> Self {
        self.tokens.expect_hash_secret().returning(|kind, text| {
            (kind == SecretKind::ApiToken && text == API_TOKEN).then(|| SecretHash::new([7; 32]))
        });
        self.system.expect_api_token().returning(move |_| {
            let scopes = Scopes::granted(scopes.iter().copied()).unwrap();
            let id = Uuid::from_u128(11).into();
            Ok(Some(ApiTokenStatus { id, user: me(), scopes, last_used_at: Some(now()), expires_at: None }))
        });
        self
    }

    pub(crate) fn services(mut self) -> (Services, HttpOptions) {
        // Defaults: expectations of the test take precedence.
        self.limiter.expect_take().return_const(RateDecision::Unlimited);
        self.limiter.expect_give_back().return_const(());
        self.changes.expect_head().returning(|_| Ok(head()));
        self.changes.expect_find().returning(|_, _| Ok(Vec::new()));
        self.changes.expect_undo_links().returning(|_, _| Ok(Vec::new()));
        self.change_signals.expect_notify().return_const(());
        let limiter = Arc::new(self.limiter);
        let (clock, timer): (Arc<dyn Clock>, Arc<dyn Timer>) = (self.clock.clone(), self.clock);
        let ids: Arc<dyn IdGenerator> = Arc::new(CountingIds::default());
        let users = Arc::new(self.users);
        let accounts = AccountPorts {
            users,
            sessions: Arc::new(self.sessions),
            api_tokens: Arc::new(self.api_tokens),
            system: Arc::new(self.system),
            hasher: Arc::new(self.hasher),
            tokens: Arc::new(self.tokens),
            provider: self.provider.map(|provider| Arc::new(provider) as Arc<dyn IdentityProvider>),
            limiter: limiter.clone(),
            background: Arc::new(SpawnedTasks),
            failures: Arc::new(NoopFailureLog),
            events: Arc::new(RecordedEvents::default()),
            clock: clock.clone(),
            timer: timer.clone(),
            ids: ids.clone(),
        };
        let tasks = Arc::new(self.tasks);
        let ledger = Ledger {
            repo: Arc::new(self.changes),
            signals: Arc::new(self.change_signals),
            clock: clock.clone(),
            ids: ids.clone(),
        };
        let changes = ChangeService::new(ledger.clone(), tasks.clone());
        let chat = ChatPorts {
            conversations: Arc::new(self.conversations),
            llm: Arc::new(self.llm),
            tools: Arc::new(self.tools),
            changes: changes.clone(),
            background: Arc::new(SpawnedTasks),
            signals: Arc::new(FakeTurnSignals::default()),
            failures: Arc::new(NoopFailureLog),
            events: Arc::new(RecordedEvents::default()),
            clock: clock.clone(),
            timer: timer.clone(),
            ids: ids.clone(),
            instance: "test".parse().unwrap(),
        };
        let lifetimes = TokenLifetimes { access: TimeDelta::hours(24), refresh: TimeDelta::days(30) };
        let services = Services {
            accounts: AccountService::new(accounts, lifetimes, self.sign_ups),
            tasks: TaskService::new(tasks, ledger),
            changes,
            chat: ChatService::new(chat, self.chat_options),
            limiter,
            readiness: Arc::new(self.readiness),
            clock,
            timer,
            ids,
            monitor: self.monitor,
        };
        (services, self.options)
    }

    /// Sends a request.
    pub(crate) async fn send(self, request: TestRequest) -> TestResponse {
        self.send_all([request]).await.remove(0)
    }

    /// Sends requests one after the other.
    pub(crate) fn send_all(
        self,
        requests: impl IntoIterator<Item = TestRequest>,
    ) -> impl Future<Output = Vec<TestResponse>> {
        let requests: Vec<TestRequest> = requests.into_iter().collect();
        async move {
            let (services, options) = self.services();
            let app =
                test::init_service(crate::app::app(crate::routes::table(), services, &options, StreamLimit::default()))
                    .await;
            let mut responses = Vec::new();
            for request in requests {
                responses.push(TestResponse::read(test::call_service(&app, request.to_request()).await).await);
            }
            responses
        }
    }

    /// Sends requests, and reads the responses after all of them have started.
    pub(crate) async fn send_concurrently(self, requests: impl IntoIterator<Item = TestRequest>) -> Vec<TestResponse> {
        let (services, options) = self.services();
        let app =
            test::init_service(crate::app::app(crate::routes::table(), services, &options, StreamLimit::default()))
                .await;
        let mut started = Vec::new();
        for request in requests {
            started.push(test::call_service(&app, request.to_request()).await);
        }
        future::join_all(started.into_iter().map(TestResponse::read)).await
    }
}

/// A request with [`TOKEN`].
pub(crate) fn signed_in(method: Method, path: &str) -> TestRequest {
    anonymous(method, path).insert_header((header::AUTHORIZATION, format!("Bearer {TOKEN}")))
}

pub(crate) fn anonymous(method: Method, path: &str) -> TestRequest {
    TestRequest::default().method(method).uri(&fill_path(path))
}

/// Returns the path with its parameters filled in.
pub(crate) fn fill_path(path: &str) -> String {
    path.replace("{user_id}", ME)
        .replace("{task_id}", TASK)
        .replace("{seq}", "5")
        .replace("{operation_id}", OPERATION)
        .replace("{conversation_id}", CONVERSATION)
        .replace("{message_id}", MESSAGE)
        .replace("{id}", CONVERSATION)
        .replace("{file}", "swagger-ui.css")
}

pub(crate) fn json(request: TestRequest, body: impl Into<String>) -> TestRequest {
    request.insert_header((header::CONTENT_TYPE, "application/json")).set_payload(body.into())
}

pub(crate) fn session_status() -> SessionStatus {
    SessionStatus { token_version: 0, created_at: now(), last_used_at: now(), expires_at: now() + TimeDelta::days(30) }
}

pub(crate) fn me() -> UserId {
    ME.parse().unwrap()
}

pub(crate) fn user() -> User {
    User {
        id: me(),
        email: "Ada@example.com".parse().unwrap(),
        name: "Ada".parse().unwrap(),
        time_zone: domain::user::TimeZone::default(),
        token_version: 0,
        created_at: now(),
        updated_at: now(),
    }
}

pub(crate) fn head() -> Head {
    Head { seq: Seq(41), time_zone: domain::user::TimeZone::default() }
}

pub(crate) fn task(version: u32) -> Task {
    Task {
        id: TASK.parse().unwrap(),
        user_id: me(),
        title: "Buy milk".parse().unwrap(),
        completed_at: None,
        deleted_at: None,
        version: Version::new(version).unwrap(),
        created_at: now(),
        updated_at: now(),
    }
}

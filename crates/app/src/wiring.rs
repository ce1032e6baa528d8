//! The composition root: creates the adapters and passes them to the services.

#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::account::{AccountPorts, AccountService, IdentityProvider, TokenLifetimes};
use domain::change::{ChangeService, Ledger};
use domain::chat::{ChatOptions, ChatPorts, ChatService};
use domain::conversation::turn::InstanceId;
use domain::llm::LlmClient;
use domain::runtime::rate_limit::RateLimiter;
use domain::runtime::{Clock, IdGenerator, Timer};
use domain::system::SystemRepo;
use domain::task::TaskService;
use domain::tool::TaskTools;
use http_api::Services;
use identity::{Argon2Cost, Argon2Hasher, HashingLimits, JwtIssuer, OidcOptions, OidcProvider};
use llm::{Cohere, CohereClient, FallbackClient, OpenAiClient, ResilienceOptions, ResilientClient, Timeouts};
use persistence::{
    Database, SeaApiTokenRepo, SeaChangeRepo, SeaConversationRepo, SeaSessionRepo, SeaSystemRepo, SeaTaskRepo,
    SeaUserRepo,
};
use rate_limit::{GovernorRateLimiter, RateLimits, RedisOptions, RedisRateLimiter};

use crate::metrics::{self, HttpMonitor, Metrics};
use crate::observed::{ObservedEvents, ObservedLlm, ObservedRateLimiter, ObservedTools};
use crate::readiness::DatabaseReadiness;
use crate::runtime::{BackgroundTasks, LocalChangeSignals, LocalTurnSignals, TracedFailures, UuidGenerator};
use crate::settings::{
    AssistantChoice, AssistantSettings, DerivedSettings, Fallback, LimitSettings, ModelSettings, OAuthClient, Settings,
};
use crate::upkeep::Upkeep;

/// Time that a chat turn waits for a reply beyond `LLM_TIMEOUT`, so that the fallback can answer after it.
const FALLBACK_GRACE: Duration = Duration::from_secs(10);

/// The services, and the adapters that the lifecycle of the application uses itself.
pub(crate) struct Wired {
    pub services: Services,
    pub system: Arc<dyn SystemRepo>,
    pub upkeep: Upkeep,
    pub background: Arc<BackgroundTasks>,
    pub turn_signals: LocalTurnSignals,
    pub change_signals: LocalChangeSignals,
    pub instance: InstanceId,
    pub readiness: DatabaseReadiness,
    /// The limiter whose connection has to be kept up, if `REDIS_URL` is set.
    pub shared_limiter: Option<RedisRateLimiter>,
}

/// The adapters that exist before the wiring, because tests replace some of them.
pub(crate) struct Chosen {
    pub database: Database,
    pub assistant: Arc<dyn LlmClient>,
    pub clock: Arc<dyn Clock>,
    pub timer: Arc<dyn Timer>,
    pub cost: Argon2Cost,
    pub metrics: Metrics,
}

/// Creates all adapters and services.
pub(crate) fn wire(settings: &Settings, derived: &DerivedSettings, chosen: Chosen) -> anyhow::Result<Wired> {
    let Chosen { database, assistant, clock, timer, cost, metrics } = chosen;
    let ids: Arc<dyn IdGenerator> = Arc::new(UuidGenerator);
    let background = Arc::new(BackgroundTasks::new(tokio::runtime::Handle::current()));
    let (turn_signals, change_signals) = (LocalTurnSignals::default(), LocalChangeSignals::default());
    let instance = match &settings.process.instance_id {
        Some(instance) => instance.clone(),
        None => UuidGenerator.instance_id()?,
    };
    let secret = derived.jwt_secret.obtain().context("JWT_SECRET")?;
    let ledger = Ledger {
        repo: Arc::new(SeaChangeRepo::new(database.clone())),
        signals: Arc::new(change_signals.clone()),
        clock: clock.clone(),
        ids: ids.clone(),
    };
    let tasks = Arc::new(SeaTaskRepo::new(database.clone()));
    let task_service = TaskService::new(tasks.clone(), ledger.clone());
    let changes = ChangeService::new(ledger.clone(), tasks.clone());
    let conversations = Arc::new(SeaConversationRepo::new(database.clone()));
    let users = Arc::new(SeaUserRepo::new(database.clone()));
    let system = Arc::new(SeaSystemRepo::new(database.clone()));
    let readiness = DatabaseReadiness::new(database.clone());
    let shared_limiter = shared_limiter(&settings.limits, secret.derive_key("rate limits"), &timer)?;
    let limiter: Arc<dyn RateLimiter> = match &shared_limiter {
        Some(limiter) => Arc::new(limiter.clone()),
        None => Arc::new(GovernorRateLimiter::new(rate_limits(&settings.limits), &timer)),
    };
    let limiter: Arc<dyn RateLimiter> = Arc::new(ObservedRateLimiter::new(limiter, metrics.clone()));

    let events = Arc::new(ObservedEvents(metrics.clone()));

    let accounts = AccountPorts {
        users,
        sessions: Arc::new(SeaSessionRepo::new(database.clone())),
        api_tokens: Arc::new(SeaApiTokenRepo::new(database.clone())),
        system: system.clone(),
        hasher: Arc::new(Argon2Hasher::new(cost, HashingLimits::default())?),
        tokens: Arc::new(JwtIssuer::new(&secret, clock.clone(), ids.clone())),
        provider: identity_provider(derived, &clock, &timer)?,
        limiter: limiter.clone(),
        background: background.clone(),
        failures: Arc::new(TracedFailures),
        events: events.clone(),
        clock: clock.clone(),
        timer: timer.clone(),
        ids: ids.clone(),
    };
    let chat = ChatPorts {
        conversations: conversations.clone(),
        llm: assistant,
        tools: Arc::new(ObservedTools::new(Arc::new(TaskTools::new(tasks, conversations, ledger)), metrics.clone())),
        changes: changes.clone(),
        background: background.clone(),
        signals: Arc::new(turn_signals.clone()),
        failures: Arc::new(TracedFailures),
        events,
        clock: clock.clone(),
        timer: timer.clone(),
        ids: ids.clone(),
        instance: instance.clone(),
    };
    let options = ChatOptions {
        history_tokens: settings.assistant.llm_history_tokens,
        model_deadline: settings.assistant.llm_timeout + FALLBACK_GRACE,
        confirm_above: settings.assistant.chat_confirm_above,
        tokens_per_day: NonZeroU32::new(settings.limits.chat_tokens_per_day),
    };
    let upkeep = Upkeep {
        system: system.clone(),
        tasks: task_service.clone(),
        clock: clock.clone(),
        ids: ids.clone(),
        retention: settings.retention,
    };
    let lifetimes =
        TokenLifetimes { access: settings.sign_in.access_token_ttl, refresh: settings.sign_in.refresh_token_ttl };
    let services = Services {
        accounts: AccountService::new(accounts, lifetimes, settings.sign_in.signups.clone()),
        tasks: task_service,
        changes,
        chat: ChatService::new(chat, options),
        limiter,
        readiness: Arc::new(readiness.clone()),
        clock,
        timer,
        ids,
        monitor: Arc::new(HttpMonitor::new(metrics.clone())),
    };
    let wired = Wired {
        services,
        system,
        upkeep,
        background,
        turn_signals,
        change_signals,
        instance,
        readiness,
        shared_limiter,
    };
    add_readings(&metrics, &database, &wired)?;
    Ok(wired)
}

/// Adds the metrics that are read where their values are kept.
fn add_readings(metrics: &Metrics, database: &Database, wired: &Wired) -> anyhow::Result<()> {
    metrics::database(metrics, database)?;
    metrics::runtime(metrics, wired.turn_signals.clone(), wired.change_signals.clone(), wired.background.clone())?;
    metrics::build(metrics, database.backend_name())?;
    if let Some(limiter) = &wired.shared_limiter {
        metrics::shared_limiter(metrics, limiter)?;
    }
    #[cfg(target_os = "linux")]
    metrics::process(metrics)?;
    Ok(())
}

/// Creates the limiter that counts at `REDIS_URL`, if that is set. Sends nothing.
pub(crate) fn shared_limiter(
    settings: &LimitSettings,
    key_secret: [u8; 32],
    timer: &Arc<dyn Timer>,
) -> anyhow::Result<Option<RedisRateLimiter>> {
    let Some(url) = settings.redis_url.clone() else { return Ok(None) };
    let options = RedisOptions {
        url,
        limits: rate_limits(settings),
        fallback: settings.rate_limit_fallback,
        key_secret,
        deadline: RedisOptions::DEADLINE,
        retry_interval: RedisOptions::RETRY_INTERVAL,
        check_interval: RedisOptions::CHECK_INTERVAL,
    };
    RedisRateLimiter::new(&options, timer).map(Some).context("REDIS_URL")
}

/// 0 is no limit.
fn rate_limits(settings: &LimitSettings) -> RateLimits {
    RateLimits {
        chat: NonZeroU32::new(settings.chat_requests_per_minute),
        api: NonZeroU32::new(settings.api_requests_per_minute),
        sign_in: NonZeroU32::new(settings.sign_in_requests_per_minute),
    }
}

/// Creates the client of the OpenID provider if external sign-in is enabled. Sends no request.
pub(crate) fn identity_provider(
    settings: &DerivedSettings,
    clock: &Arc<dyn Clock>,
    timer: &Arc<dyn Timer>,
) -> anyhow::Result<Option<Arc<dyn IdentityProvider>>> {
    let Some(OAuthClient { id, secret, issuer, trust_email, name: _ }) = settings.oauth_client.clone() else {
        return Ok(None);
    };
    let mut redirect_url = settings.public_url.clone();
    redirect_url.set_path(&format!("{}/auth/google/callback", redirect_url.path().trim_end_matches('/')));
    let options = OidcOptions { issuer, client_id: id, client_secret: secret, redirect_url, trust_email };
    let provider = OidcProvider::new(options, clock.clone(), timer.clone(), Arc::new(TracedFailures));
    let provider = provider.context("GOOGLE_ISSUER_URL")?;
    Ok(Some(Arc::new(provider)))
}

/// Creates the chosen assistant with timeouts, retries, circuit breaker and fallback. Sends no request.
///
/// # Errors
/// If its HTTP client cannot be created.
pub(crate) fn assistant(
    settings: &AssistantSettings,
    choice: &AssistantChoice,
    timer: &Arc<dyn Timer>,
    metrics: &Metrics,
) -> anyhow::Result<Arc<dyn LlmClient>> {
    let observed = |client: Arc<dyn LlmClient>| -> Arc<dyn LlmClient> {
        Arc::new(ObservedLlm::new(client, metrics.clone(), timer.clone()))
    };
    if let AssistantChoice::Cohere(ModelSettings { model, .. }) = choice
        && let Some(successor) = Cohere::successor_of(model)
    {
        tracing::warn!(
            "COHERE_MODEL: Cohere removed {model} on 2025-09-15, using {successor}; set COHERE_MODEL={successor}"
        );
    }
    let Some(provider) = provider(choice)? else { return Ok(observed(built_in_assistant())) };
    let options =
        ResilienceOptions { timeouts: Timeouts::from_total(settings.llm_timeout), ..ResilienceOptions::default() };
    let resilient = Arc::new(ResilientClient::new(provider, timer.clone(), options));
    metrics::breaker(metrics, resilient.provider().to_owned(), resilient.clone())?;
    let resilient = observed(resilient);
    Ok(match settings.llm_fallback {
        Fallback::None => resilient,
        Fallback::Offline => Arc::new(FallbackClient::new(resilient, observed(built_in_assistant()))),
    })
}

/// Creates the client of the chosen provider, without anything around it; `None` for the built-in assistant.
///
/// # Errors
/// If its HTTP client cannot be created.
pub(crate) fn provider(choice: &AssistantChoice) -> anyhow::Result<Option<Arc<dyn LlmClient>>> {
    Ok(match choice {
        AssistantChoice::Offline => None,
        AssistantChoice::Cohere(model) => Some(Arc::new(CohereClient::new(model.into()).context("cohere")?)),
        AssistantChoice::OpenAi(model) => Some(Arc::new(OpenAiClient::new(model.into()).context("openai")?)),
    })
}

impl From<&ModelSettings> for llm::HttpOptions {
    fn from(settings: &ModelSettings) -> Self {
        let ModelSettings { base_url, key, model, temperature } = settings.clone();
        Self { base_url, key, model, temperature, connect_timeout: Self::CONNECT_TIMEOUT }
    }
}

/// Creates the built-in assistant, which needs no key and no network.
pub fn built_in_assistant() -> Arc<dyn LlmClient> {
    Arc::new(assistant::BuiltInAssistant::new())
}

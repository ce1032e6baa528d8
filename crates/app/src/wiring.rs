//! Which adapter fills which port: the whole wiring, on one screen, and the only place where two adapters meet.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::account::{AccountPorts, AccountService, IdentityProvider};
use domain::change::{ChangeService, Ledger};
use domain::chat::{ChatOptions, ChatPorts, ChatService};
use domain::llm::LlmClient;
use domain::rate_limit::RateLimiter;
use domain::runtime::{Clock, IdGenerator, Timer};
use domain::system::SystemRepo;
use domain::task::TaskService;
use domain::tool::TaskTools;
use domain::turn::InstanceId;
use http_api::Services;
use identity::{Argon2Cost, Argon2Hasher, HashingLimits, JwtIssuer, OidcOptions, OidcProvider};
use llm::{Cohere, CohereClient, Deadlines, FallbackClient, OpenAiClient, ResilienceOptions, ResilientClient};
use persistence::{
    Database, SeaApiTokenRepo, SeaChangeRepo, SeaConversationRepo, SeaSessionRepo, SeaSystemRepo, SeaTaskRepo,
    SeaUserRepo,
};

use crate::readiness::DatabaseReadiness;
use crate::runtime::{
    BackgroundTasks, GovernorRateLimiter, LocalChangeSignals, LocalTurnSignals, TracedFailures, UuidGenerator,
};
use crate::settings::{AssistantChoice, AssistantSettings, Fallback, GoogleSettings, ModelSettings, Settings};
use crate::upkeep::Upkeep;

/// So much longer than the assistant's own deadline a chat turn waits for a reply, so that one that stands in then has
/// its time.
const FALLBACK_GRACE: Duration = Duration::from_secs(10);

/// The services, and what `app` itself needs of what is behind them.
pub(crate) struct Wired {
    pub services: Services,
    pub system: Arc<dyn SystemRepo>,
    pub upkeep: Upkeep,
    pub background: Arc<BackgroundTasks>,
    pub turn_signals: LocalTurnSignals,
    pub change_signals: LocalChangeSignals,
    pub instance: InstanceId,
    pub readiness: DatabaseReadiness,
}

/// Fills every port and builds the services over them.
pub(crate) fn wire(
    settings: &Settings,
    database: &Database,
    assistant: Arc<dyn LlmClient>,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    cost: Argon2Cost,
) -> anyhow::Result<Wired> {
    let ids: Arc<dyn IdGenerator> = Arc::new(UuidGenerator);
    let background = Arc::new(BackgroundTasks::new(tokio::runtime::Handle::current()));
    let (turn_signals, change_signals) = (LocalTurnSignals::default(), LocalChangeSignals::default());
    let instance = match &settings.instance {
        Some(instance) => instance.clone(),
        None => UuidGenerator.instance_id()?,
    };
    let secret = settings.sign_in.jwt_secret.obtain().context("JWT_SECRET")?;
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
    let limiter: Arc<dyn RateLimiter> = Arc::new(GovernorRateLimiter::new(settings.limits, &timer));

    let accounts = AccountPorts {
        users: users.clone(),
        sessions: Arc::new(SeaSessionRepo::new(database.clone())),
        api_tokens: Arc::new(SeaApiTokenRepo::new(database.clone())),
        system: system.clone(),
        hasher: Arc::new(Argon2Hasher::new(cost, HashingLimits::default())?),
        tokens: Arc::new(JwtIssuer::new(&secret, clock.clone(), ids.clone())),
        provider: identity_provider(settings, &clock, &timer)?,
        limiter: limiter.clone(),
        background: background.clone(),
        failures: Arc::new(TracedFailures),
        clock: clock.clone(),
        timer: timer.clone(),
        ids: ids.clone(),
    };
    let chat = ChatPorts {
        conversations: conversations.clone(),
        users,
        llm: assistant,
        tools: Arc::new(TaskTools::new(tasks, conversations, ledger)),
        changes: changes.clone(),
        background: background.clone(),
        signals: Arc::new(turn_signals.clone()),
        failures: Arc::new(TracedFailures),
        clock: clock.clone(),
        timer: timer.clone(),
        ids: ids.clone(),
        instance: instance.clone(),
    };
    let options = ChatOptions {
        history_tokens: settings.assistant.history_tokens,
        model_deadline: settings.assistant.timeout + FALLBACK_GRACE,
        confirm_above: settings.assistant.confirm_above,
    };
    let upkeep = Upkeep {
        system: system.clone(),
        tasks: task_service.clone(),
        clock: clock.clone(),
        ids: ids.clone(),
        retention: settings.retention,
    };
    let services = Services {
        accounts: AccountService::new(accounts, settings.sign_in.lifetimes),
        tasks: task_service,
        changes,
        chat: ChatService::new(chat, options),
        limiter,
        readiness: Arc::new(readiness.clone()),
        clock,
        timer,
        ids,
    };
    Ok(Wired { services, system, upkeep, background, turn_signals, change_signals, instance, readiness })
}

/// Where people sign in elsewhere, if the settings say so. Nothing is sent.
fn identity_provider(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    timer: &Arc<dyn Timer>,
) -> anyhow::Result<Option<Arc<dyn IdentityProvider>>> {
    let Some(GoogleSettings { client_id, client_secret, issuer }) = settings.sign_in.google.clone() else {
        return Ok(None);
    };
    let mut redirect_url = settings.server.public_url.clone();
    redirect_url.set_path(&format!("{}/auth/google/callback", redirect_url.path().trim_end_matches('/')));
    let options = OidcOptions { issuer, client_id, client_secret, redirect_url };
    let provider = OidcProvider::new(options, clock.clone(), timer.clone(), Arc::new(TracedFailures));
    let provider = provider.context("GOOGLE_ISSUER_URL")?;
    Ok(Some(Arc::new(provider)))
}

/// The assistant that the settings ask for.
///
/// # Errors
/// If it cannot be made of them. Nothing is sent.
pub(crate) fn assistant(settings: &AssistantSettings, timer: Arc<dyn Timer>) -> anyhow::Result<Arc<dyn LlmClient>> {
    if let AssistantChoice::Cohere(ModelSettings { model, .. }) = &settings.choice
        && let Some(successor) = Cohere::successor_of(model)
    {
        tracing::warn!("COHERE_MODEL: Cohere removed {model} on 2025-09-15; {successor} is asked in its place");
    }
    let provider: Arc<dyn LlmClient> = match &settings.choice {
        AssistantChoice::Offline => return Ok(built_in_assistant()),
        AssistantChoice::Cohere(model) => Arc::new(CohereClient::new(model.into()).context("cohere")?),
        AssistantChoice::OpenAi(model) => Arc::new(OpenAiClient::new(model.into()).context("openai")?),
    };
    let options = ResilienceOptions { deadlines: Deadlines::within(settings.timeout), ..ResilienceOptions::default() };
    let resilient = Arc::new(ResilientClient::new(provider, timer, options));
    Ok(match settings.fallback {
        Fallback::None => resilient,
        Fallback::Offline => Arc::new(FallbackClient::new(resilient, built_in_assistant())),
    })
}

impl From<&ModelSettings> for llm::HttpOptions {
    fn from(settings: &ModelSettings) -> Self {
        let ModelSettings { base_url, key, model, temperature } = settings.clone();
        Self { base_url, key, model, temperature, connect_timeout: Self::CONNECT_TIMEOUT }
    }
}

/// The assistant that needs no key and no network.
pub fn built_in_assistant() -> Arc<dyn LlmClient> {
    Arc::new(llm::OfflineClient::new())
}

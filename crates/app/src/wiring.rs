//! Which adapter fills which port: the whole wiring, on one screen, and the only place where two adapters meet.

use std::sync::Arc;

use anyhow::Context as _;
use domain::account::{AccountPorts, AccountService};
use domain::chat::{ChatPorts, ChatService};
use domain::llm::LlmClient;
use domain::runtime::{Clock, IdGenerator};
use domain::system::SystemRepo;
use domain::task::TaskService;
use domain::tool::TaskTools;
use domain::turn::InstanceId;
use http_api::Services;
use identity::{Argon2Cost, Argon2Hasher, HashingLimits, JwtIssuer};
use persistence::{Database, SeaConversationRepo, SeaSessionRepo, SeaSystemRepo, SeaTaskRepo, SeaUserRepo};

use crate::readiness::DatabaseReadiness;
use crate::runtime::{BackgroundTasks, SystemClock, UuidGenerator};
use crate::settings::{AssistantChoice, Settings};

/// The services, and what `app` itself needs of what is behind them.
pub(crate) struct Wired {
    pub services: Services,
    pub system: Arc<dyn SystemRepo>,
    pub clock: Arc<dyn Clock>,
    pub background: Arc<BackgroundTasks>,
    pub instance: InstanceId,
    pub readiness: DatabaseReadiness,
}

/// Fills every port and builds the services over them.
pub(crate) fn wire(
    settings: &Settings,
    database: &Database,
    assistant: Arc<dyn LlmClient>,
    cost: Argon2Cost,
) -> anyhow::Result<Wired> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids: Arc<dyn IdGenerator> = Arc::new(UuidGenerator);
    let background = Arc::new(BackgroundTasks::new(tokio::runtime::Handle::current()));
    let instance = match &settings.instance {
        Some(instance) => instance.clone(),
        None => UuidGenerator.instance_id()?,
    };
    let secret = settings.sign_in.jwt_secret.obtain().context("JWT_SECRET")?;
    let tasks = Arc::new(SeaTaskRepo::new(database.clone()));
    let conversations = Arc::new(SeaConversationRepo::new(database.clone()));
    let users = Arc::new(SeaUserRepo::new(database.clone()));
    let system = Arc::new(SeaSystemRepo::new(database.clone()));
    let readiness = DatabaseReadiness::new(database.clone());

    let accounts = AccountPorts {
        users: users.clone(),
        sessions: Arc::new(SeaSessionRepo::new(database.clone())),
        system: system.clone(),
        hasher: Arc::new(Argon2Hasher::new(cost, HashingLimits::default())?),
        tokens: Arc::new(JwtIssuer::new(&secret, clock.clone(), ids.clone())),
        clock: clock.clone(),
        ids: ids.clone(),
    };
    let chat = ChatPorts {
        conversations: conversations.clone(),
        users,
        llm: assistant,
        tools: Arc::new(TaskTools::new(tasks.clone(), conversations, clock.clone(), ids.clone())),
        background: background.clone(),
        clock: clock.clone(),
        ids: ids.clone(),
        instance: instance.clone(),
    };
    let services = Services {
        accounts: AccountService::new(accounts, settings.sign_in.lifetimes),
        tasks: TaskService::new(tasks, clock.clone(), ids.clone()),
        chat: ChatService::new(chat),
        readiness: Arc::new(readiness.clone()),
        ids,
    };
    Ok(Wired { services, system, clock, background, instance, readiness })
}

/// The assistant that the settings ask for.
pub(crate) fn assistant(settings: &Settings) -> Arc<dyn LlmClient> {
    match settings.assistant {
        AssistantChoice::Auto | AssistantChoice::Offline => built_in_assistant(),
    }
}

/// The assistant that needs no key and no network.
pub fn built_in_assistant() -> Arc<dyn LlmClient> {
    Arc::new(llm::OfflineClient::new())
}

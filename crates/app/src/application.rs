//! The server from its start to its end.
//!
//! Start: database, schema, upkeep, listening. End: no longer ready, requests and turns are finished within a time, then
//! the database is closed.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use anyhow::Context as _;
use domain::llm::LlmClient;
use domain::runtime::{Clock, Timer};
use http_api::HttpOptions;
use identity::Argon2Cost;
use persistence::{Database, DatabaseOptions, StatementObserver};
use tokio::task::JoinHandle;
use url::Position;

use crate::runtime::{BackgroundTasks, LocalChangeSignals, LocalTurnSignals, SystemClock, TokioTimer};
use crate::settings::{AssistantChoice, AssistantSettings, DatabaseSettings, Environment, Fallback, Settings};
use crate::wiring::{self, Wired};
use crate::{readiness::DatabaseReadiness, upkeep};

/// So long chat turns may go on once a shutdown has begun. Then they are asked to end, which their readers are told.
const TURNS: Duration = Duration::from_secs(3);
/// So long requests that are being answered may take once a shutdown has begun: turns that were asked to end, too.
const REQUESTS: Duration = Duration::from_secs(6);
/// So long turns may take after that to be stored.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// What a test puts in the place of what the settings would give.
#[derive(Clone, Default)]
pub struct Overrides {
    /// Another assistant.
    pub assistant: Option<Arc<dyn LlmClient>>,
    /// Is told every statement that the database is sent.
    pub on_statement: Option<StatementObserver>,
    /// Another clock.
    pub clock: Option<Arc<dyn Clock>>,
    /// Hashes passwords at the least cost there is. Never for real passwords.
    pub cheap_passwords: bool,
}

/// A server that listens and does not serve yet.
pub struct Application {
    server: Server,
    address: SocketAddr,
    database: Database,
    background: Arc<BackgroundTasks>,
    turn_signals: LocalTurnSignals,
    change_signals: LocalChangeSignals,
    readiness: DatabaseReadiness,
    upkeep: JoinHandle<()>,
    change_poll: JoinHandle<()>,
}

impl Application {
    /// Connects to the database, brings its schema up to date if the settings say so, and begins to listen.
    ///
    /// # Errors
    /// If the database cannot be reached or migrated, or the address cannot be listened on.
    pub async fn build(settings: Settings, overrides: Overrides) -> anyhow::Result<Self> {
        let database = connect(&settings.database, overrides.on_statement).await?;
        if settings.database.migrate_on_start {
            migrations::up(database.connection_for_migrations()).await.context("the database cannot be migrated")?;
        }
        let clock = overrides.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let timer: Arc<dyn Timer> = Arc::new(TokioTimer::default());
        let assistant = match overrides.assistant {
            Some(assistant) => assistant,
            None => wiring::assistant(&settings.assistant, timer.clone())?,
        };
        let cost = if overrides.cheap_passwords { Argon2Cost::CHEAPEST } else { Argon2Cost::OWASP };
        let announced = assistant.clone();
        let Wired { services, system, upkeep, background, turn_signals, change_signals, instance, readiness } =
            wiring::wire(&settings, &database, assistant, clock, timer, cost)?;
        // A schema that is not there yet has no turns to look after; `/health/ready` says that it is missing.
        if migrations::pending(database.connection_for_status()).await? == 0 {
            upkeep::at_start(system.as_ref(), upkeep.clock.as_ref(), &instance).await;
        }
        let options = HttpOptions {
            public_url: settings.server.public_url.clone(),
            frontend_url: settings.server.frontend_url.clone(),
            cors_origins: settings.server.cors_origins.clone(),
            trusted_proxies: settings.server.trusted_proxies.clone(),
            production: settings.environment == Environment::Production,
        };
        let (host, port) = (settings.server.host.as_str(), settings.server.port);
        let listeners = http_api::listen(host, port)
            .with_context(|| format!("HOST and PORT: cannot listen on {host} port {port}"))?;
        let address = listeners.first().context("the server listens nowhere")?.local_addr()?;
        announce(address, &settings, announced.as_ref());
        let server = http_api::serve(listeners, &services, &options, REQUESTS)?;
        let upkeep = tokio::spawn(upkeep.run_periodically());
        let change_poll = tokio::spawn(change_signals.clone().poll(system));
        Ok(Self { server, address, database, background, turn_signals, change_signals, readiness, upkeep, change_poll })
    }

    /// Where it listens, as a URL without a path.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until `stop` is there, and then ends: within ten seconds, whatever is going on.
    ///
    /// # Errors
    /// If the server fails.
    pub async fn run_until_stopped(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { server, database, background, turn_signals, change_signals, readiness, upkeep, change_poll, .. } =
            self;
        let handle = server.handle();
        let serving = tokio::spawn(server);
        tokio::pin!(serving);
        tokio::select! {
            served = &mut serving => served??,
            () = stop => {
                tracing::info!("shutting down");
                readiness.begin_shutdown();
                // Readers of events wait for nothing any more: their streams end, and so do their requests.
                change_signals.shut_down();
                let turns = async {
                    background.shutdown(TURNS).await;
                    turn_signals.shut_down();
                };
                tokio::join!(handle.stop(true), turns);
                serving.await??;
            }
        }
        upkeep.abort();
        change_poll.abort();
        // A request that came in between may have begun another turn.
        turn_signals.shut_down();
        let unfinished = background.shutdown(LAST_WRITES).await;
        if unfinished > 0 {
            tracing::warn!(unfinished, "chat turns were cut short; their leases will run out");
        }
        database.close().await;
        Ok(())
    }
}

/// Connects to the database that the settings name.
///
/// # Errors
/// If it cannot be reached.
pub async fn connect(settings: &DatabaseSettings, observer: Option<StatementObserver>) -> anyhow::Result<Database> {
    let defaults = DatabaseOptions::new(settings.url.expose().to_owned().into());
    let options = DatabaseOptions { max_connections: settings.max_connections, observer, ..defaults };
    Database::connect(&options).await.context("DATABASE_URL: the database cannot be opened")
}

fn announce(address: SocketAddr, settings: &Settings, assistant: &dyn LlmClient) {
    let database = settings.database.url.description();
    let address = format!("http://{address}");
    let (provider, model) = (assistant.provider(), assistant.model());
    let (asked, fallback) = asked(&settings.assistant);
    let asked_at = asked.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
    let stands_in = fallback.map(|name| format!("; {name} stands in")).unwrap_or_default();
    tracing::info!(
        address,
        database,
        assistant = provider,
        model,
        asked,
        fallback,
        "Doable listens on {address}, documentation on {address}/docs. Database: {database} (DATABASE_URL changes it). \
         Assistant: {provider}, model {model}{asked_at}{stands_in} (LLM_PROVIDER changes it)."
    );
}

/// Where the assistant is asked, if it is asked by network, and who stands in for it then. Of the address only what has
/// no secrets in it: neither user nor query.
fn asked(settings: &AssistantSettings) -> (Option<String>, Option<&'static str>) {
    let (AssistantChoice::Cohere(model) | AssistantChoice::OpenAi(model)) = &settings.choice else {
        return (None, None);
    };
    let url = &model.base_url;
    let asked = format!("{}://{}{}", url.scheme(), &url[Position::BeforeHost..Position::AfterPort], url.path());
    let fallback = match settings.fallback {
        Fallback::None => None,
        Fallback::Offline => Some("offline"),
    };
    (Some(asked.trim_end_matches('/').to_owned()), fallback)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ModelSettings;

    #[test]
    fn the_address_that_is_asked_is_told_without_its_secrets() {
        let settings = |url: &str, fallback| {
            let base_url = url.parse().unwrap();
            let model = ModelSettings { base_url, key: None, model: "m".to_owned(), temperature: None };
            AssistantSettings {
                choice: AssistantChoice::OpenAi(model),
                fallback,
                history_tokens: 8000,
                timeout: Duration::from_mins(2),
                confirm_above: 3,
            }
        };
        for (url, told) in [
            ("http://localhost:11434/v1", "http://localhost:11434/v1"),
            ("https://user:hush@example.com/v1/?key=hush#hush", "https://example.com/v1"),
            ("https://example.com", "https://example.com"),
            ("http://[::1]:80/v1", "http://[::1]/v1"),
        ] {
            assert_eq!(asked(&settings(url, Fallback::None)), (Some(told.to_owned()), None));
        }
        assert_eq!(asked(&settings("http://a", Fallback::Offline)).1, Some("offline"));
        let offline = AssistantSettings { choice: AssistantChoice::Offline, ..settings("http://a", Fallback::Offline) };
        assert_eq!(asked(&offline), (None, None));
    }
}

//! The lifecycle of the server.
//!
//! Start: database, migrations, upkeep, listeners. Shutdown: readiness is withdrawn, balancers have time to notice it, requests
//! and turns finish within their timeouts, the database is closed.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::dev::Server;
use anyhow::Context as _;
use domain::llm::LlmClient;
use domain::runtime::{Clock, Timer};
use futures_util::{Stream, StreamExt as _, stream};
use http_api::{HttpOptions, MetricsAccess, Services};
use identity::Argon2Cost;
use persistence::{Database, DatabaseOptions, StatementObserver};
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::{Position, Url};

use crate::metrics::Metrics;
use crate::observed::ObservedLlm;
use crate::runtime::{BackgroundTasks, LocalChangeSignals, LocalTurnSignals, SystemClock, TokioTimer};
use crate::settings::{
    AssistantChoice, DatabaseSettings, Environment, Fallback, ListenAddress, MonitoringSettings, Settings,
};
use crate::shutdown::{ShutdownTimeouts, StopSignal};
use crate::wiring::{self, Chosen, Wired};
use crate::{followed_sessions, readiness::DatabaseReadiness, upkeep};

/// Replacements that tests use for what the settings select.
#[derive(Clone, Default)]
pub struct Overrides {
    /// The assistant.
    pub assistant: Option<Arc<dyn LlmClient>>,
    /// Observer of every statement that is sent to the database.
    pub on_statement: Option<StatementObserver>,
    /// The wall clock.
    pub clock: Option<Arc<dyn Clock>>,
    /// Whether passwords are hashed at the minimum cost, which is unsafe for real passwords.
    pub cheap_passwords: bool,
}

/// A server whose listeners are bound, and which does not accept connections yet.
pub struct Application {
    server: Server,
    address: SocketAddr,
    metrics_server: Option<(Server, SocketAddr)>,
    database: Database,
    background: Arc<BackgroundTasks>,
    turn_signals: LocalTurnSignals,
    change_signals: LocalChangeSignals,
    readiness: DatabaseReadiness,
    timeouts: ShutdownTimeouts,
    periodic: JoinSet<()>,
}

impl Application {
    /// Connects to the database, applies pending migrations if `MIGRATE_ON_START` is set, and binds the listeners.
    ///
    /// # Errors
    /// If a setting that others require is missing, the database cannot be opened or migrated, or the address cannot be bound.
    pub async fn build(settings: Settings, overrides: Overrides) -> anyhow::Result<Self> {
        let derived = settings.derive()?;
        let database = connect(&settings.database, overrides.on_statement).await?;
        if settings.database.migrate_on_start {
            let applied = migrations::up(database.connection_for_migrations()).await;
            let applied = applied.context("cannot migrate the database")?;
            if applied > 0 {
                tracing::info!(applied, "the database was migrated");
            }
        }
        let clock = overrides.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let timer: Arc<dyn Timer> = Arc::new(TokioTimer::default());
        let metrics = Metrics::new().context("cannot create the metrics")?;
        let assistant: Arc<dyn LlmClient> = match overrides.assistant {
            Some(assistant) => Arc::new(ObservedLlm::new(assistant, metrics.clone(), timer.clone())),
            None => wiring::assistant(&settings.assistant, &derived.assistant, &timer, &metrics)?,
        };
        let cost = if overrides.cheap_passwords { Argon2Cost::CHEAPEST } else { Argon2Cost::OWASP };
        let started = Started::new(&settings, &derived.assistant, assistant.as_ref());
        let chosen = Chosen { database: database.clone(), assistant, clock, timer, cost, metrics };
        let Wired {
            services,
            system,
            upkeep,
            background,
            turn_signals,
            change_signals,
            instance,
            readiness,
            shared_limiter,
        } = wiring::wire(&settings, &derived, chosen)?;
        // With pending migrations the table of turns may be missing; `/health/ready` reports them.
        if migrations::pending(&database.connection_for_status().await?).await? == 0 {
            upkeep::at_start(system.as_ref(), upkeep.clock.as_ref(), &instance).await;
        }
        let mut periodic = JoinSet::new();
        if let Some(limiter) = shared_limiter {
            periodic.spawn(limiter.clone().stay_connected());
            // Without the counts the first requests might not be limited.
            limiter.attempted().await;
        }
        let options = HttpOptions {
            public_url: derived.public_url,
            own_origin: settings.server.public_url.as_ref().map(Url::origin),
            frontend_url: settings.server.frontend_url.clone(),
            cors_origins: derived.cors_origins,
            trusted_proxies: settings.server.trusted_proxies.clone().into(),
            openid_name: derived.oauth_client.map(|client| client.name),
            max_connections: settings.server.max_connections,
            keep_alive: settings.server.keep_alive,
            draining: readiness.draining().clone(),
            production: settings.process.environment == Environment::Production,
            metrics: metrics_access(&settings),
        };
        let (host, port) = (settings.server.host.as_str(), settings.server.port);
        let listeners = http_api::listen(host, port)
            .with_context(|| format!("HOST and PORT: cannot listen on {host} port {port}"))?;
        let address = listeners.first().context("HOST: resolves to no address")?.local_addr()?;
        started.log(address);
        let timeouts = ShutdownTimeouts::after(settings.server.shutdown_drain);
        let metrics_server = metrics_server(&settings.monitoring, &services, &options)?;
        let server = http_api::serve(listeners, &services, &options, timeouts.requests)?;
        periodic.spawn(upkeep.run_periodically());
        periodic.spawn(change_signals.clone().poll(system.clone()));
        periodic.spawn(turn_signals.clone().poll(system));
        periodic.spawn(followed_sessions::refresh_periodically(services.accounts));
        Ok(Self {
            server,
            address,
            metrics_server,
            database,
            background,
            turn_signals,
            change_signals,
            readiness,
            timeouts,
            periodic,
        })
    }

    /// The address that serves the metrics alone, if `METRICS_ADDR` is set.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_server.as_ref().map(|(_, address)| *address)
    }

    /// The base URL of the address that it listens on.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until the first signal, and then shuts down within ten seconds. [`StopSignal::Interrupt`] and a second signal
    /// skip the drain.
    ///
    /// # Errors
    /// If the server fails.
    pub async fn run_until_stopped(self, signals: impl Stream<Item = StopSignal>) -> anyhow::Result<()> {
        let Self { server, database, background, turn_signals, change_signals, readiness, timeouts, .. } = self;
        let mut periodic = self.periodic;
        let metrics_handle = self.metrics_server.map(|(server, _)| {
            let handle = server.handle();
            tokio::spawn(server);
            handle
        });
        let handle = server.handle();
        let serving = tokio::spawn(server);
        // Without further signals it serves on.
        let signals = signals.chain(stream::pending());
        tokio::pin!(serving, signals);
        tokio::select! {
            served = &mut serving => served??,
            Some(signal) = signals.next() => {
                tracing::info!("shutting down");
                readiness.draining().begin();
                if signal == StopSignal::Terminate && !timeouts.drain.is_zero() {
                    tracing::info!(seconds = timeouts.drain.as_secs_f32(), "draining: not ready, and still serving");
                    // Served as before meanwhile, except that connections end with their next response.
                    if tokio::time::timeout(timeouts.drain, signals.next()).await.is_ok() {
                        tracing::info!("another signal ends the drain");
                    }
                }
                // Ends the open event streams, and with them their requests.
                change_signals.shut_down();
                let began = Instant::now();
                let requests = handle.stop(true);
                tokio::pin!(requests);
                // Not as soon as no turn is running: an open request may be about to start one.
                if tokio::time::timeout(timeouts.turns, &mut requests).await.is_err() {
                    turn_signals.shut_down();
                    requests.await;
                }
                serving.await??;
                // Turns whose clients have disconnected.
                background.shutdown(timeouts.turns.saturating_sub(began.elapsed())).await;
            }
        }
        periodic.abort_all();
        // A request that arrived in between may have started another turn.
        turn_signals.shut_down();
        let unfinished = background.shutdown(timeouts.final_write).await;
        if unfinished > 0 {
            tracing::warn!(
                unfinished,
                "chat turns did not finish in time; they are marked as failed when their leases expire"
            );
        }
        if let Some(metrics) = metrics_handle {
            metrics.stop(false).await;
        }
        database.close().await;
        Ok(())
    }
}

/// Who may read the metrics at the address of the API.
fn metrics_access(settings: &Settings) -> MetricsAccess {
    match (&settings.monitoring, settings.process.environment) {
        (MonitoringSettings { metrics_addr: Some(_), .. }, _) => MetricsAccess::Nobody,
        (MonitoringSettings { metrics_token: Some(token), .. }, _) => MetricsAccess::Bearer(token.clone()),
        (_, Environment::Development) => MetricsAccess::Loopback,
        (_, Environment::Production) => MetricsAccess::Nobody,
    }
}

/// Listens on `METRICS_ADDR`, if it is set.
fn metrics_server(
    settings: &MonitoringSettings,
    services: &Services,
    options: &HttpOptions,
) -> anyhow::Result<Option<(Server, SocketAddr)>> {
    let Some(ListenAddress { host, port }) = &settings.metrics_addr else { return Ok(None) };
    let metrics = match &settings.metrics_token {
        Some(token) => MetricsAccess::Bearer(token.clone()),
        None => MetricsAccess::Everybody,
    };
    let listeners =
        http_api::listen(host, *port).with_context(|| format!("METRICS_ADDR: cannot listen on {host} port {port}"))?;
    let address = listeners.first().context("METRICS_ADDR: resolves to no address")?.local_addr()?;
    tracing::info!(metrics_address = %address, "serving metrics on http://{address}/metrics");
    let server = http_api::serve_metrics(listeners, services, &HttpOptions { metrics, ..options.clone() })?;
    Ok(Some((server, address)))
}

/// Connects to the database of the settings.
///
/// # Errors
/// If it cannot be opened.
pub async fn connect(settings: &DatabaseSettings, observer: Option<StatementObserver>) -> anyhow::Result<Database> {
    let defaults = DatabaseOptions::new(settings.database_url.expose().to_owned().into());
    let options = DatabaseOptions { max_connections: settings.database_max_connections, observer, ..defaults };
    Database::connect(&options).await.context("DATABASE_URL: cannot open the database")
}

/// What the line in the log says that reports the start.
struct Started {
    database: String,
    provider: String,
    model: String,
    /// The URL of the model's server, without user, query and fragment.
    provider_url: Option<String>,
    fallback: Option<&'static str>,
    /// Where requests are counted.
    rate_limits: String,
}

impl Started {
    fn new(settings: &Settings, choice: &AssistantChoice, assistant: &dyn LlmClient) -> Self {
        let model = match choice {
            AssistantChoice::Offline => None,
            AssistantChoice::Cohere(model) | AssistantChoice::OpenAi(model) => Some(model),
        };
        Self {
            database: settings.database.database_url.description().to_owned(),
            provider: assistant.provider().to_owned(),
            model: assistant.model().to_owned(),
            provider_url: model.map(|model| public_part(&model.base_url)),
            fallback: model.filter(|_| settings.assistant.llm_fallback == Fallback::Offline).map(|_| "offline"),
            rate_limits: match &settings.limits.redis_url {
                Some(url) => format!("shared on {}", url.description()),
                None => "counted by this process alone".to_owned(),
            },
        }
    }

    fn log(self, address: SocketAddr) {
        let Self { database, provider, model, provider_url, fallback, rate_limits } = self;
        let address = format!("http://{address}");
        let at = provider_url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
        let fallback_text = fallback.map(|name| format!(", fallback {name}")).unwrap_or_default();
        tracing::info!(
            address,
            database,
            assistant = provider,
            model,
            provider_url,
            fallback,
            rate_limits,
            "doable is listening on {address}, documentation at {address}/docs. Database: {database} (DATABASE_URL). \
             Assistant: {provider}, model {model}{at}{fallback_text} (LLM_PROVIDER). Rate limits: {rate_limits} (REDIS_URL)."
        );
    }
}

/// A URL without user, query and fragment, which may contain secrets.
pub(crate) fn public_part(url: &Url) -> String {
    let text = format!("{}://{}{}", url.scheme(), &url[Position::BeforeHost..Position::AfterPort], url.path());
    text.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logged_url_of_a_provider_contains_no_secret() {
        for (url, logged) in [
            ("http://localhost:11434/v1", "http://localhost:11434/v1"),
            ("https://user:hush@example.com/v1/?key=hush#hush", "https://example.com/v1"),
            ("https://example.com", "https://example.com"),
            ("http://[::1]:80/v1", "http://[::1]/v1"),
        ] {
            assert_eq!(public_part(&url.parse().unwrap()), logged);
        }
    }
}

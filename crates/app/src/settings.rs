//! The settings, checked: what the texts of the command line, the environment and `.env` mean.
//!
//! Two steps. [`SettingsArgs`] is the registry: every setting's name, default and explanation, with its value as a
//! text. [`Settings`] is what those texts mean; whatever is wrong with them is reported at once, one problem a line,
//! each with its variable's name and never with a secret's value.
//! Deliberately not here: acting on the settings, which is the wiring's.

mod args;
mod assistant;
mod database_url;
mod directory;
mod google;
mod jwt_secret;
mod value;
mod variables;

#[cfg(test)]
mod tests;

use std::fmt;

use chrono::TimeDelta;
use domain::account::TokenLifetimes;
use domain::turn::InstanceId;
use http_api::{CorsOrigin, TrustedProxy};
use identity::JwtSecret;
use url::Url;

use crate::runtime::RateLimits;
use crate::telemetry::LogFilter;

pub use args::{
    AssistantArgs, CohereArgs, DatabaseArgs, GoogleArgs, LimitArgs, OpenAiArgs, ProcessArgs, RetentionArgs, ServerArgs,
    SettingsArgs, SignInArgs,
};
pub use assistant::{AssistantChoice, AssistantSettings, Fallback, ModelSettings};
pub use database_url::{DatabaseKind, DatabaseUrl};
pub use directory::create_private_directory;
pub use google::GoogleSettings;
pub use jwt_secret::{JwtSecretSource, KeptSecretError};
pub use value::ValueError;
pub use variables::{Variables, VariablesError};

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens and who may call from a browser.
    pub server: ServerSettings,
    /// Where the data is.
    pub database: DatabaseSettings,
    /// How people are signed in.
    pub sign_in: SignInSettings,
    /// How often somebody may ask: `CHAT_REQUESTS_PER_MINUTE`, `API_REQUESTS_PER_MINUTE` and
    /// `SIGN_IN_REQUESTS_PER_MINUTE`.
    pub limits: RateLimits,
    /// How long changes and deleted tasks are kept.
    pub retention: RetentionSettings,
    /// Which assistant answers.
    pub assistant: AssistantSettings,
    /// What kind of place it runs in: `ENVIRONMENT`.
    pub environment: Environment,
    /// This process's name among others on the same database: `INSTANCE_ID`. Without one, it needs one that no
    /// process had before.
    pub instance: Option<InstanceId>,
    /// What is logged: `RUST_LOG`, else `DEBUG`.
    pub log: LogFilter,
}

/// Where the server listens and who may call from a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// The address or host name to listen on, an IPv6 address without brackets: `HOST`.
    pub host: String,
    /// The port to listen on; 0 is any free one: `PORT`.
    pub port: u16,
    /// Where the frontend is: `FRONTEND_URL`.
    pub frontend_url: Url,
    /// Where browsers reach this server: `PUBLIC_URL`, else `HOST` and `PORT`.
    pub public_url: Url,
    /// The origins whose pages may call: `CORS_ORIGINS`, else the frontend's.
    pub cors_origins: Vec<CorsOrigin>,
    /// The proxies that may say who their clients are: `TRUSTED_PROXIES`.
    pub trusted_proxies: Vec<TrustedProxy>,
}

/// Where the data is.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// The database: `DATABASE_URL`.
    pub url: DatabaseUrl,
    /// The most connections that are open at once, 1 to 1,000: `DATABASE_MAX_CONNECTIONS`.
    pub max_connections: u32,
    /// Whether migrations run when the server starts: `MIGRATE_ON_START`.
    pub migrate_on_start: bool,
}

/// How people are signed in.
#[derive(Clone, Debug)]
pub struct SignInSettings {
    /// What access tokens are signed with: `JWT_SECRET`.
    pub jwt_secret: JwtSecretSource,
    /// How long tokens are good, in whole seconds: `ACCESS_TOKEN_TTL` and `REFRESH_TOKEN_TTL`.
    pub lifetimes: TokenLifetimes,
    /// Signing in elsewhere, if it is set up.
    pub google: Option<GoogleSettings>,
}

/// How long changes and deleted tasks are kept, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Ledger entries: `CHANGE_RETENTION`.
    pub changes: TimeDelta,
    /// Tasks in the trash: `TRASH_RETENTION`.
    pub trash: TimeDelta,
}

/// What kind of place the program runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// A developer's machine: what is missing is made up.
    Development,
    /// A place with real users: what is missing refuses to start.
    Production,
}

/// What is wrong with the settings, one problem a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError {
    problems: Vec<String>,
}

impl SettingsError {
    /// The problems. Each begins with the variable's name; none has a secret in it.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

/// Collects problems, so that all are told at once.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    /// The value, or nothing and a problem more.
    fn read<T>(&mut self, variable: &str, value: Result<T, ValueError>) -> Option<T> {
        value.map_err(|error| self.0.push(format!("{variable}: {error}"))).ok()
    }

    fn finish<T>(self, settings: Option<T>) -> Result<T, SettingsError> {
        match settings {
            Some(settings) if self.0.is_empty() => Ok(settings),
            _ => Err(SettingsError { problems: self.0 }),
        }
    }
}

impl TryFrom<SettingsArgs> for Settings {
    type Error = SettingsError;

    fn try_from(args: SettingsArgs) -> Result<Self, SettingsError> {
        let mut problems = Problems::default();
        let settings = settings(args, &mut problems);
        problems.finish(settings)
    }
}

impl TryFrom<DatabaseArgs> for DatabaseSettings {
    type Error = SettingsError;

    fn try_from(args: DatabaseArgs) -> Result<Self, SettingsError> {
        let mut problems = Problems::default();
        let settings = database(&args, &mut problems);
        problems.finish(settings)
    }
}

impl TryFrom<&ProcessArgs> for LogFilter {
    type Error = SettingsError;

    fn try_from(args: &ProcessArgs) -> Result<Self, SettingsError> {
        let mut problems = Problems::default();
        let filter = log(args, &mut problems);
        problems.finish(filter)
    }
}

// Each of these reads all of its values before the first `?`, so that every problem is found.

fn settings(args: SettingsArgs, problems: &mut Problems) -> Option<Settings> {
    let environment = problems.read("ENVIRONMENT", value::environment(&args.process.environment));
    let server = server(&args.server, problems);
    let database = database(&args.database, problems);
    let sign_in = sign_in(args.sign_in, args.server.public_url.as_deref(), environment, problems);
    let limits = limits(&args.limits, problems);
    let retention = retention(&args.retention, problems);
    let assistant = assistant::read(&args.assistant, problems);
    let instance = problems.read("INSTANCE_ID", value::instance(args.process.instance_id.as_deref()));
    let log = log(&args.process, problems);
    Some(Settings {
        server: server?,
        database: database?,
        sign_in: sign_in?,
        limits: limits?,
        retention: retention?,
        assistant: assistant?,
        environment: environment?,
        instance: instance?,
        log: log?,
    })
}

fn server(args: &ServerArgs, problems: &mut Problems) -> Option<ServerSettings> {
    let host = problems.read("HOST", value::host(&args.host));
    let port = problems.read("PORT", value::port(&args.port));
    let frontend_url = problems.read("FRONTEND_URL", value::web_address(&args.frontend_url));
    let public_url = match (value::given(args.public_url.as_deref()), &host, port) {
        (Some(url), ..) => problems.read("PUBLIC_URL", value::web_address(url)),
        (None, Some(host), Some(port)) => value::own_address(host, port),
        (None, ..) => None,
    };
    let cors_origins = match value::given(args.cors_origins.as_deref()) {
        Some(list) => problems.read("CORS_ORIGINS", value::origins(list)),
        None => frontend_url
            .as_ref()
            .and_then(|url| problems.read("FRONTEND_URL", value::origin_of(url)))
            .map(|origin| vec![origin]),
    };
    let trusted_proxies = match value::given(args.trusted_proxies.as_deref()) {
        Some(list) => problems.read("TRUSTED_PROXIES", value::proxies(list)),
        None => Some(Vec::new()),
    };
    Some(ServerSettings {
        host: host?,
        port: port?,
        frontend_url: frontend_url?,
        public_url: public_url?,
        cors_origins: cors_origins?,
        trusted_proxies: trusted_proxies?,
    })
}

fn database(args: &DatabaseArgs, problems: &mut Problems) -> Option<DatabaseSettings> {
    let url = problems.read("DATABASE_URL", args.database_url.parse());
    let max_connections =
        problems.read("DATABASE_MAX_CONNECTIONS", value::max_connections(&args.database_max_connections));
    let migrate_on_start = problems.read("MIGRATE_ON_START", value::boolean(&args.migrate_on_start));
    Some(DatabaseSettings { url: url?, max_connections: max_connections?, migrate_on_start: migrate_on_start? })
}

fn sign_in(
    args: SignInArgs,
    public_url: Option<&str>,
    environment: Option<Environment>,
    problems: &mut Problems,
) -> Option<SignInSettings> {
    let jwt_secret = match (args.jwt_secret.filter(|secret| !secret.is_empty()), environment) {
        (Some(secret), _) => {
            let secret = JwtSecret::new(secret.into()).map_err(|error| ValueError::Secret(error.to_string()));
            problems.read("JWT_SECRET", secret).map(JwtSecretSource::Given)
        }
        (None, Some(Environment::Production)) => problems.read("JWT_SECRET", Err(ValueError::MissingSecret)),
        (None, Some(Environment::Development) | None) => Some(JwtSecretSource::kept()),
    };
    let access = problems.read("ACCESS_TOKEN_TTL", value::duration(&args.access_token_ttl));
    let refresh = problems.read("REFRESH_TOKEN_TTL", value::duration(&args.refresh_token_ttl));
    let google = google::read(&args.google, public_url, environment, problems);
    let lifetimes = TokenLifetimes { access: access?, refresh: refresh? };
    Some(SignInSettings { jwt_secret: jwt_secret?, lifetimes, google: google.ok()? })
}

fn limits(args: &LimitArgs, problems: &mut Problems) -> Option<RateLimits> {
    let chat = problems.read("CHAT_REQUESTS_PER_MINUTE", value::per_minute(&args.chat_requests_per_minute));
    let api = problems.read("API_REQUESTS_PER_MINUTE", value::per_minute(&args.api_requests_per_minute));
    let sign_in = problems.read("SIGN_IN_REQUESTS_PER_MINUTE", value::per_minute(&args.sign_in_requests_per_minute));
    Some(RateLimits { chat: chat?, api: api?, sign_in: sign_in? })
}

fn retention(args: &RetentionArgs, problems: &mut Problems) -> Option<RetentionSettings> {
    let changes = problems.read("CHANGE_RETENTION", value::duration(&args.change_retention));
    let trash = problems.read("TRASH_RETENTION", value::duration(&args.trash_retention));
    Some(RetentionSettings { changes: changes?, trash: trash? })
}

fn log(args: &ProcessArgs, problems: &mut Problems) -> Option<LogFilter> {
    let debug = problems.read("DEBUG", value::boolean(&args.debug));
    match value::given(args.rust_log.as_deref()) {
        Some(directives) => debug.and(problems.read("RUST_LOG", value::log_filter(directives))),
        None => debug.map(LogFilter::standard),
    }
}

//! The registry of settings: the variable, flag, default, explanation and type of each.
//!
//! A flag is its variable's name in lower case with hyphens. A test generates `docs/configuration.md` and `.env.example`
//! from these definitions. What follows from several settings together is in `derived`.
#![expect(clippy::doc_markdown, reason = "the comments are the help that clap prints")]
#![allow(rustdoc::bare_urls, reason = "the comments are the help that clap prints")]

mod assistant;
mod database_url;
mod derived;
mod directory;
mod jwt_secret;
mod monitoring;
mod problems;
#[cfg(test)]
mod reference;
mod traces;
mod value;
mod variables;

#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::TimeDelta;
use clap::{ArgAction, Args};
use domain::account::SignUps;
use domain::conversation::turn::InstanceId;
use http_api::{CorsOrigin, TrustedProxy};
use identity::JwtSecret;
use llm::Cohere;
use rate_limit::{RateLimitFallback, RedisUrl};
use secrecy::SecretString;
use url::Url;

use crate::telemetry::LogFilter;
use value::Parse;

pub use assistant::{AssistantChoice, ModelSettings};
pub use database_url::{DatabaseKind, DatabaseUrl};
pub use derived::{DerivedSettings, OAuthClient};
pub use directory::create_private_directory;
pub use jwt_secret::{GeneratedSecretError, JwtSecretSource};
pub use monitoring::MonitoringSettings;
pub use problems::SettingsError;
pub use traces::{ResourceAttributes, RootSampler, SamplerChoice, TraceHeaders, TraceSettings};
pub(crate) use value::rejected_setting;
pub use value::{Environment, Fallback, ListenAddress, ProviderName, ValueError};
pub use variables::{Variables, VariablesError};

/// All settings.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Settings of the server.
    #[command(flatten)]
    pub server: ServerSettings,
    /// Settings of the database.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Settings of authentication.
    #[command(flatten)]
    pub sign_in: SignInSettings,
    /// Settings of the rate limits.
    #[command(flatten)]
    pub limits: LimitSettings,
    /// Settings of the retention.
    #[command(flatten)]
    pub retention: RetentionSettings,
    /// Settings of the assistant.
    #[command(flatten)]
    pub assistant: AssistantSettings,
    /// Settings of metrics and of the log's format.
    #[command(flatten)]
    pub monitoring: MonitoringSettings,
    /// Settings of the process.
    #[command(flatten)]
    pub process: ProcessSettings,
    /// Settings of the traces.
    #[command(flatten)]
    pub traces: TraceSettings,
}

/// Settings of the server.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Server")]
pub struct ServerSettings {
    /// Address or host name to listen on; 0.0.0.0 for all interfaces
    #[arg(long, env = "HOST", value_name = "ADDRESS", default_value = "127.0.0.1")]
    #[arg(value_parser = Parse(value::host))]
    pub host: String,

    /// Port to listen on; 0 for any free port
    #[arg(long, env = "PORT", value_name = "NUMBER", default_value = "8000")]
    #[arg(value_parser = Parse(value::port))]
    pub port: u16,

    /// URL of the frontend
    #[arg(long, env = "FRONTEND_URL", value_name = "URL", default_value = "http://localhost:3000")]
    #[arg(value_parser = Parse(value::web_url))]
    pub frontend_url: Url,

    /// URL at which browsers reach this server; http://HOST:PORT if unset. If it has a path, a proxy must remove it from
    /// requests; Link and Location have it. The identity provider redirects to PUBLIC_URL/auth/google/callback
    #[arg(long, env = "PUBLIC_URL", value_name = "URL", value_parser = Parse(value::web_url))]
    pub public_url: Option<Url>,

    /// Origins that may call the API from a browser, separated by commas (scheme, host and port; no path, no wildcard);
    /// the origin of FRONTEND_URL if unset
    #[arg(long, env = "CORS_ORIGINS", value_name = "ORIGINS", value_delimiter = ',')]
    #[arg(value_parser = Parse(value::origin))]
    pub cors_origins: Vec<CorsOrigin>,

    /// Reverse proxies whose X-Forwarded-For header is trusted, separated by commas: IP addresses, or networks such as
    /// 10.0.0.0/8. The header is ignored if unset
    #[arg(long, env = "TRUSTED_PROXIES", value_name = "ADDRESSES", value_delimiter = ',')]
    #[arg(value_parser = Parse(value::proxy))]
    pub trusted_proxies: Vec<TrustedProxy>,

    /// Maximum number of open connections of clients, 1 to 100000; further ones wait. Each needs a file descriptor, and
    /// an open stream about 30 KB of memory
    #[arg(long, env = "MAX_CONNECTIONS", value_name = "NUMBER", default_value = "10000")]
    #[arg(value_parser = Parse(value::max_connections))]
    pub max_connections: u32,

    /// Maximum time that a connection waits for its next request, such as 75s (1s to 1h). A balancer or proxy that reuses
    /// connections must close them earlier
    #[arg(long, env = "KEEP_ALIVE", value_name = "DURATION", default_value = "15s")]
    #[arg(value_parser = Parse(value::keep_alive))]
    pub keep_alive: Duration,

    /// Time after SIGTERM during which the server is not ready (/health/ready is 503) and still serves, so that balancers
    /// stop sending requests to it (0s to 6s). Ctrl-C and a second signal skip it
    #[arg(long, env = "SHUTDOWN_DRAIN", value_name = "DURATION", default_value = "5s")]
    #[arg(value_parser = Parse(value::shutdown_drain))]
    pub shutdown_drain: Duration,
}

/// Settings of the database.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub struct DatabaseSettings {
    /// Database URL: sqlite://path/to/file.db?mode=rwc (rwc creates the file if it is missing; an absolute path begins with
    /// a fourth slash), or postgres://user:password@host:5432/name with / @ # in the password written as %2F %40 %23
    #[arg(long, env = "DATABASE_URL", value_name = "URL", default_value = "sqlite://data/doable.db?mode=rwc")]
    #[arg(global = true, hide_default_value = true, value_parser = Parse(str::parse::<DatabaseUrl>))]
    pub database_url: DatabaseUrl,

    /// Maximum number of open database connections, 1 to 1000
    #[arg(long, env = "DATABASE_MAX_CONNECTIONS", value_name = "NUMBER", default_value = "10")]
    #[arg(value_parser = Parse(value::database_max_connections))]
    pub database_max_connections: u32,

    /// Whether to apply pending migrations at start; if false, run `app migrate up`
    #[arg(long, env = "MIGRATE_ON_START", value_name = "BOOLEAN", default_value = "true", action = ArgAction::Set)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = Parse(value::boolean))]
    pub migrate_on_start: bool,
}

/// Settings of authentication.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sign-in")]
pub struct SignInSettings {
    /// Key that signs access tokens, at least 32 bytes, such as `openssl rand -base64 48` prints. Required in production;
    /// in development it is generated and stored in ./data/jwt-secret. Changing it invalidates all access tokens. Prefer
    /// the variable to the flag, which other users of the machine can see
    #[arg(long, env = "JWT_SECRET", value_name = "SECRET", hide_default_value = true)]
    #[arg(value_parser = Parse(value::jwt_secret))]
    pub jwt_secret: Option<JwtSecret>,

    /// Lifetime of an access token, such as 15m or 24h (1s to 3650d)
    #[arg(long, env = "ACCESS_TOKEN_TTL", value_name = "DURATION", default_value = "24h")]
    #[arg(value_parser = Parse(value::duration))]
    pub access_token_ttl: TimeDelta,

    /// Lifetime of a refresh token, and of a session that is not used
    #[arg(long, env = "REFRESH_TOKEN_TTL", value_name = "DURATION", default_value = "30d")]
    #[arg(value_parser = Parse(value::duration))]
    pub refresh_token_ttl: TimeDelta,

    /// Who may create an account: open (everybody), closed (nobody), or the domains of their email addresses, separated by
    /// commas and without subdomains. Addresses of registrations are not verified
    #[arg(long, env = "SIGNUPS", value_name = "DOMAINS", default_value = "open")]
    #[arg(value_parser = Parse(value::sign_ups))]
    pub signups: SignUps,

    /// Settings of external sign-in.
    #[command(flatten)]
    pub google: GoogleSettings,
}

/// Settings of external sign-in.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sign-in with Google, or another OpenID provider")]
pub struct GoogleSettings {
    /// OAuth client id; external sign-in is disabled if unset
    #[arg(long, env = "GOOGLE_CLIENT_ID", value_name = "ID", value_parser = Parse(value::client_id))]
    pub google_client_id: Option<String>,

    /// OAuth client secret; required with GOOGLE_CLIENT_ID. Prefer the variable to the flag
    #[arg(long, env = "GOOGLE_CLIENT_SECRET", value_name = "SECRET", hide_default_value = true)]
    #[arg(value_parser = Parse(value::client_secret))]
    pub google_client_secret: Option<SecretString>,

    /// Issuer of the OpenID provider, exactly as its discovery document has it
    #[arg(long, env = "GOOGLE_ISSUER_URL", value_name = "URL", default_value = "https://accounts.google.com")]
    #[arg(value_parser = Parse(value::issuer))]
    pub google_issuer_url: String,

    /// Whether an email address counts as verified if the provider does not say whether it is (email_verified). Only for a
    /// provider that verifies every address; one that says false is never trusted
    #[arg(long, env = "OIDC_TRUST_EMAIL", value_name = "BOOLEAN", default_value = "false", action = ArgAction::Set)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = Parse(value::boolean))]
    pub oidc_trust_email: bool,

    /// Name of the provider on the sign-in button, 1 to 100 characters; Google for Google, else the issuer's host
    #[arg(long, env = "OIDC_NAME", value_name = "NAME", value_parser = Parse(value::provider_label))]
    pub oidc_name: Option<String>,
}

/// Settings of the rate limits: maximum numbers, 0 for no limit.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitSettings {
    /// Maximum messages to the assistant per user and minute, 0 to 1000000; 0 for no limit
    #[arg(long, env = "CHAT_REQUESTS_PER_MINUTE", value_name = "NUMBER", default_value = "20")]
    #[arg(value_parser = Parse(value::per_minute))]
    pub chat_requests_per_minute: u32,

    /// Maximum other requests per user and minute, 0 to 1000000; 0 for no limit
    #[arg(long, env = "API_REQUESTS_PER_MINUTE", value_name = "NUMBER", default_value = "600")]
    #[arg(value_parser = Parse(value::per_minute))]
    pub api_requests_per_minute: u32,

    /// Maximum failed sign-in requests per network (IPv4 address or IPv6 /64) and minute, 0 to 1000000, and as many
    /// registrations. 0 also disables the limits on wrong passwords: for load tests only
    #[arg(long, env = "SIGN_IN_REQUESTS_PER_MINUTE", value_name = "NUMBER", default_value = "30")]
    #[arg(value_parser = Parse(value::per_minute))]
    pub sign_in_requests_per_minute: u32,

    /// Number of tokens, read and written by the model, per user and day (UTC) from which the assistant takes no more
    /// messages, 0 to 1000000000; 0 for no limit
    #[arg(long, env = "CHAT_TOKENS_PER_DAY", value_name = "NUMBER", default_value = "0")]
    #[arg(value_parser = Parse(value::tokens_per_day))]
    pub chat_tokens_per_day: u32,

    /// Redis or Valkey server on which all processes count requests together: redis://user:password@host:6379/0, rediss:
    /// for TLS, or redis+unix:///path/to.sock; / ? # @ in the password are written %2F %3F %23 %40. If unset, each process
    /// counts for itself
    #[arg(long, env = "REDIS_URL", value_name = "URL", hide_default_value = true, value_parser = Parse(value::redis_url))]
    pub redis_url: Option<RedisUrl>,

    /// What happens to requests while REDIS_URL cannot be reached: allow (no limit, also none on wrong passwords), local
    /// (each process counts for itself) or refuse (503)
    #[arg(long, env = "RATE_LIMIT_FALLBACK", value_name = "NAME", default_value = "allow")]
    #[arg(value_parser = Parse(value::rate_limit_fallback))]
    pub rate_limit_fallback: RateLimitFallback,
}

/// Settings of the retention.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Retention")]
pub struct RetentionSettings {
    /// Retention of ledger entries, such as 90d (1s to 3650d). Older changes can be neither undone nor read. Use at least
    /// 24h, because a repeated request is answered from them
    #[arg(long, env = "CHANGE_RETENTION", value_name = "DURATION", default_value = "90d")]
    #[arg(value_parser = Parse(value::duration))]
    pub change_retention: TimeDelta,

    /// Retention of deleted tasks in the trash
    #[arg(long, env = "TRASH_RETENTION", value_name = "DURATION", default_value = "30d")]
    #[arg(value_parser = Parse(value::duration))]
    pub trash_retention: TimeDelta,
}

/// Settings of the assistant.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Assistant")]
pub struct AssistantSettings {
    /// Assistant: cohere, openai (OpenAI or a compatible server), offline (built in; needs no key and no network), or auto:
    /// cohere if COHERE_API_KEY is set, else openai if OPENAI_API_KEY or OPENAI_BASE_URL is set, else offline
    #[arg(long, env = "LLM_PROVIDER", value_name = "NAME", default_value = "auto")]
    #[arg(value_parser = Parse(value::provider))]
    pub llm_provider: ProviderName,

    /// Assistant that answers when LLM_PROVIDER fails: none or offline. Its answers say so
    #[arg(long, env = "LLM_FALLBACK", value_name = "NAME", default_value = "none")]
    #[arg(value_parser = Parse(value::fallback))]
    pub llm_fallback: Fallback,

    /// Maximum length of the conversation history that is sent to the model, in estimated tokens, 500 to 200000. Must be
    /// less than the model's context
    #[arg(long, env = "LLM_HISTORY_TOKENS", value_name = "NUMBER", default_value = "8000")]
    #[arg(value_parser = Parse(value::history_tokens))]
    pub llm_history_tokens: usize,

    /// Maximum time for one reply, retries included, 1s to 10m. At most half of it (or 1m, if that is more) may pass before
    /// the first token, and at most a quarter (or 30s) between two
    #[arg(long, env = "LLM_TIMEOUT", value_name = "DURATION", default_value = "120s")]
    #[arg(value_parser = Parse(value::reply_time))]
    pub llm_timeout: Duration,

    /// Maximum number of existing tasks that the assistant deletes or edits in one turn without asking for a
    /// confirmation; 0 asks for each
    #[arg(long, env = "CHAT_CONFIRM_ABOVE", value_name = "NUMBER", default_value = "3")]
    #[arg(value_parser = Parse(value::task_count))]
    pub chat_confirm_above: usize,

    /// Settings of Cohere.
    #[command(flatten)]
    pub cohere: CohereSettings,

    /// Settings of OpenAI and compatible servers.
    #[command(flatten)]
    pub openai: OpenAiSettings,
}

/// Settings of Cohere.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Assistant: Cohere")]
pub struct CohereSettings {
    /// API key from https://dashboard.cohere.com/api-keys. Prefer the variable to the flag
    #[arg(long, env = "COHERE_API_KEY", value_name = "KEY", hide_default_value = true)]
    #[arg(value_parser = Parse(value::api_key))]
    pub cohere_api_key: Option<SecretString>,

    /// Model name
    #[arg(long, env = "COHERE_MODEL", value_name = "NAME", default_value = Cohere::DEFAULT_MODEL)]
    #[arg(value_parser = Parse(value::model))]
    pub cohere_model: String,

    /// Sampling temperature, 0 to 1
    #[arg(long, env = "COHERE_TEMPERATURE", value_name = "NUMBER", default_value = "0.3")]
    #[arg(value_parser = Parse(value::cohere_temperature))]
    pub cohere_temperature: f32,

    /// Base URL of the API
    #[arg(long, env = "COHERE_BASE_URL", value_name = "URL", default_value = Cohere::DEFAULT_BASE_URL)]
    #[arg(hide_default_value = true, value_parser = Parse(value::web_url))]
    pub cohere_base_url: Url,
}

/// Settings of OpenAI and compatible servers.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Assistant: OpenAI, Ollama, vLLM, llama.cpp, Groq, OpenRouter, ...")]
pub struct OpenAiSettings {
    /// API key, if the server needs one. Prefer the variable to the flag
    #[arg(long, env = "OPENAI_API_KEY", value_name = "KEY", hide_default_value = true)]
    #[arg(value_parser = Parse(value::api_key))]
    pub openai_api_key: Option<SecretString>,

    /// Base URL of the API, such as http://localhost:11434/v1; OpenAI's own if unset
    #[arg(long, env = "OPENAI_BASE_URL", value_name = "URL", hide_default_value = true)]
    #[arg(value_parser = Parse(value::web_url))]
    pub openai_base_url: Option<Url>,

    /// Name of a model that supports tool calls; required for openai
    #[arg(long, env = "OPENAI_MODEL", value_name = "NAME", value_parser = Parse(value::model))]
    pub openai_model: Option<String>,

    /// Sampling temperature, 0 to 2; the server's default if unset
    #[arg(long, env = "OPENAI_TEMPERATURE", value_name = "NUMBER", value_parser = Parse(value::openai_temperature))]
    pub openai_temperature: Option<f32>,
}

/// Settings of the process.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Process")]
pub struct ProcessSettings {
    /// development, or production, where JWT_SECRET is required
    #[arg(long, env = "ENVIRONMENT", value_name = "NAME", default_value = "development")]
    #[arg(value_parser = Parse(value::environment))]
    pub environment: Environment,

    /// Stable name of this process, 1 to 64 letters, digits or -_. and unique among the processes on one database. With it,
    /// turns that a crash interrupted are marked as failed at the next start; without it, when their lease expires (15 s)
    #[arg(long, env = "INSTANCE_ID", value_name = "NAME", value_parser = Parse(value::instance))]
    pub instance_id: Option<InstanceId>,

    /// Whether to log at debug level
    #[arg(long, env = "DEBUG", value_name = "BOOLEAN", default_value = "false", global = true, action = ArgAction::Set)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = Parse(value::boolean))]
    pub debug: bool,

    /// Log filter in the directives of tracing, such as info,llm=trace; overrides DEBUG. Libraries never log below info
    #[arg(long, env = "RUST_LOG", value_name = "DIRECTIVES", global = true)]
    #[arg(value_parser = Parse(monitoring::log_filter))]
    pub rust_log: Option<LogFilter>,
}

impl ProcessSettings {
    /// `RUST_LOG`, or else the standard filter at the level that `DEBUG` selects.
    pub fn log_filter(&self) -> LogFilter {
        self.rust_log.clone().unwrap_or_else(|| LogFilter::standard(self.debug))
    }
}

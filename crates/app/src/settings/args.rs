//! The registry of settings: every one's flag, variable, default and explanation. Values are texts here; what they
//! mean is [`super::Settings`].
//!
//! A setting's flag is its variable's name in lower case with hyphens. `.env.example` shows the same list, and a test
//! holds the two together.

use clap::Args;
use llm::Cohere;

/// Every setting, as a text.
#[derive(Args)]
pub struct SettingsArgs {
    /// Settings of the server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Settings of the database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Settings of signing in.
    #[command(flatten)]
    pub sign_in: SignInArgs,
    /// Settings of the limits.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Settings of the retention.
    #[command(flatten)]
    pub retention: RetentionArgs,
    /// Settings of the assistant.
    #[command(flatten)]
    pub assistant: AssistantArgs,
    /// Settings of the process.
    #[command(flatten)]
    pub process: ProcessArgs,
}

/// Settings of the server.
#[derive(Args)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// Address to listen on; 0.0.0.0 for every network
    #[arg(long, env = "HOST", value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: String,

    /// Port to listen on; 0 for any free one
    #[arg(long, env = "PORT", value_name = "NUMBER", default_value = "8000")]
    pub port: String,

    /// Where the frontend is
    #[arg(long, env = "FRONTEND_URL", value_name = "URL", default_value = "http://localhost:3000")]
    pub frontend_url: String,

    /// Where browsers reach this server; http and HOST and PORT if unset. The provider of a sign-in elsewhere sends them
    /// back there, to /auth/google/callback
    #[arg(long, env = "PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// Origins whose pages may call, separated by commas; the frontend's if unset
    #[arg(long, env = "CORS_ORIGINS", value_name = "ORIGINS")]
    pub cors_origins: Option<String>,

    /// Proxies in front of the server, separated by commas: addresses or networks such as 10.0.0.0/8. What they say in
    /// X-Forwarded-For is who the client is; without any, that header is not looked at
    #[arg(long, env = "TRUSTED_PROXIES", value_name = "ADDRESSES")]
    pub trusted_proxies: Option<String>,
}

/// Settings of the database.
#[derive(Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// Where the data is: a URL that begins with sqlite:, postgres: or postgresql: [default: SQLite in ./data/doable.db]
    #[arg(long, env = "DATABASE_URL", value_name = "URL", default_value = "sqlite://data/doable.db?mode=rwc")]
    #[arg(global = true, hide_default_value = true)]
    pub database_url: String,

    /// The most connections that are open at once, 1 to 1000
    #[arg(long, env = "DATABASE_MAX_CONNECTIONS", value_name = "NUMBER", default_value = "10")]
    pub database_max_connections: String,

    /// Whether migrations run when the server starts
    #[arg(long, env = "MIGRATE_ON_START", value_name = "BOOLEAN", default_value = "true")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub migrate_on_start: String,
}

/// Settings of signing in.
#[derive(Args)]
#[command(next_help_heading = "Sign-in")]
pub struct SignInArgs {
    /// What access tokens are signed with, at least 32 bytes; better a variable than a flag, which other users of the
    /// machine can see. In development one is made and kept in ./data/jwt-secret; production refuses to start without
    #[arg(long, env = "JWT_SECRET", value_name = "SECRET", hide_default_value = true)]
    pub jwt_secret: Option<String>,

    /// How long an access token is good, such as 15m or 24h
    #[arg(long, env = "ACCESS_TOKEN_TTL", value_name = "DURATION", default_value = "24h")]
    pub access_token_ttl: String,

    /// How long a refresh token is good, and with it a session that is not used
    #[arg(long, env = "REFRESH_TOKEN_TTL", value_name = "DURATION", default_value = "30d")]
    pub refresh_token_ttl: String,

    /// Settings of signing in elsewhere.
    #[command(flatten)]
    pub google: GoogleArgs,
}

/// Settings of signing in elsewhere.
#[derive(Args)]
#[command(next_help_heading = "Sign-in: Google, or another OpenID provider")]
pub struct GoogleArgs {
    /// What the provider calls this server; without it nobody signs in there
    #[arg(long, env = "GOOGLE_CLIENT_ID", value_name = "ID")]
    pub google_client_id: Option<String>,

    /// What proves that it is this server; better a variable than a flag, which other users of the machine can see
    #[arg(long, env = "GOOGLE_CLIENT_SECRET", value_name = "SECRET", hide_default_value = true)]
    pub google_client_secret: Option<String>,

    /// The provider: any that speaks OpenID Connect and has a page of discovery
    #[arg(long, env = "GOOGLE_ISSUER_URL", value_name = "URL", default_value = "https://accounts.google.com")]
    pub google_issuer_url: String,
}

/// Settings of the limits.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// How many messages to the assistant one user may send in a minute, 0 to 1000000; 0 is no limit
    #[arg(long, env = "CHAT_REQUESTS_PER_MINUTE", value_name = "NUMBER", default_value = "20")]
    pub chat_requests_per_minute: String,

    /// How many other requests one user may send in a minute, 0 to 1000000; 0 is no limit
    #[arg(long, env = "API_REQUESTS_PER_MINUTE", value_name = "NUMBER", default_value = "600")]
    pub api_requests_per_minute: String,

    /// How many requests to sign in one network may send in a minute, 0 to 1000000. 0 is no limit, for an account
    /// neither: for load tests only, because then passwords can be guessed as fast as they are compared
    #[arg(long, env = "SIGN_IN_REQUESTS_PER_MINUTE", value_name = "NUMBER", default_value = "30")]
    pub sign_in_requests_per_minute: String,
}

/// Settings of the retention.
#[derive(Args)]
#[command(next_help_heading = "Retention")]
pub struct RetentionArgs {
    /// How long changes are kept in the ledger, such as 90d. What is older can be neither undone nor fetched from
    /// /changes and /events. A message that is sent again looks up there what it did before: use at least 24h
    #[arg(long, env = "CHANGE_RETENTION", value_name = "DURATION", default_value = "90d")]
    pub change_retention: String,

    /// How long deleted tasks stay in the trash before they are removed for good
    #[arg(long, env = "TRASH_RETENTION", value_name = "DURATION", default_value = "30d")]
    pub trash_retention: String,
}

/// Settings of the assistant.
#[derive(Args)]
#[command(next_help_heading = "Assistant")]
pub struct AssistantArgs {
    /// Which assistant answers: cohere, openai (or any server that speaks like it), offline (built in; no key, no
    /// network), or auto: Cohere if its key is set, else OpenAI if its key or its URL is, else offline
    #[arg(long, env = "LLM_PROVIDER", value_name = "NAME", default_value = "auto")]
    pub llm_provider: String,

    /// Who answers when that one cannot: none, or offline. The answer says so
    #[arg(long, env = "LLM_FALLBACK", value_name = "NAME", default_value = "none")]
    pub llm_fallback: String,

    /// How much of a conversation the assistant is told, in tokens, which are estimated; 500 to 200000
    #[arg(long, env = "LLM_HISTORY_TOKENS", value_name = "NUMBER", default_value = "8000")]
    pub llm_history_tokens: String,

    /// How long one reply may take, retries included, 1s to 10m. Half of it may pass before the first word (or a minute,
    /// if that is more) and a quarter between two (or 30 s)
    #[arg(long, env = "LLM_TIMEOUT", value_name = "DURATION", default_value = "120s")]
    pub llm_timeout: String,

    /// Maximum number of existing tasks that the assistant deletes or edits in one turn without asking for a
    /// confirmation; 0 asks for each
    #[arg(long, env = "CHAT_CONFIRM_ABOVE", value_name = "NUMBER", default_value = "3")]
    pub chat_confirm_above: String,

    /// Settings of Cohere.
    #[command(flatten)]
    pub cohere: CohereArgs,

    /// Settings of OpenAI and of servers like it.
    #[command(flatten)]
    pub openai: OpenAiArgs,
}

/// Settings of Cohere.
#[derive(Args)]
#[command(next_help_heading = "Assistant: Cohere")]
pub struct CohereArgs {
    /// Cohere's key; better a variable than a flag, which other users of the machine can see
    #[arg(long, env = "COHERE_API_KEY", value_name = "KEY", hide_default_value = true)]
    pub cohere_api_key: Option<String>,

    /// The model
    #[arg(long, env = "COHERE_MODEL", value_name = "NAME", default_value = Cohere::DEFAULT_MODEL)]
    pub cohere_model: String,

    /// How freely it chooses its words, 0 to 1
    #[arg(long, env = "COHERE_TEMPERATURE", value_name = "NUMBER", default_value = "0.3")]
    pub cohere_temperature: String,

    /// Where it is.
    #[arg(long, env = "COHERE_BASE_URL", value_name = "URL", default_value = Cohere::DEFAULT_BASE_URL)]
    #[arg(hide_default_value = true, help = "Where it is [default: https://api.cohere.com]")]
    pub cohere_base_url: String,
}

/// Settings of OpenAI and of servers like it.
#[derive(Args)]
#[command(next_help_heading = "Assistant: OpenAI, Ollama, vLLM, llama.cpp, Groq, OpenRouter, ...")]
pub struct OpenAiArgs {
    /// The server's key, if it wants one; better a variable than a flag, which other users of the machine can see
    #[arg(long, env = "OPENAI_API_KEY", value_name = "KEY", hide_default_value = true)]
    pub openai_api_key: Option<String>,

    /// Where the server is.
    #[arg(long, env = "OPENAI_BASE_URL", value_name = "URL", hide_default_value = true)]
    #[arg(help = "Where the server is, such as http://localhost:11434/v1; OpenAI's own if unset")]
    pub openai_base_url: Option<String>,

    /// The model, which has to be able to call tools. It has no default: every server has models of its own
    #[arg(long, env = "OPENAI_MODEL", value_name = "NAME")]
    pub openai_model: Option<String>,

    /// How freely it chooses its words, 0 to 2; the server's own choice if unset, and some models take no other
    #[arg(long, env = "OPENAI_TEMPERATURE", value_name = "NUMBER")]
    pub openai_temperature: Option<String>,
}

/// Settings of the process.
#[derive(Args)]
#[command(next_help_heading = "Process")]
pub struct ProcessArgs {
    /// development, or production, which makes nothing up
    #[arg(long, env = "ENVIRONMENT", value_name = "NAME", default_value = "development")]
    pub environment: String,

    /// This process's name on its database. With one, chat turns that a crash cut short are marked as failed at the
    /// next start, and not only when their lease is over (15 s). No two running processes may share it; random if unset
    #[arg(long, env = "INSTANCE_ID", value_name = "NAME")]
    pub instance_id: Option<String>,

    /// Log at debug level
    #[arg(long, env = "DEBUG", value_name = "BOOLEAN", default_value = "false", global = true)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub debug: String,

    /// What is logged, such as "info,llm=trace"; takes the place of DEBUG. Libraries never log below info
    #[arg(long, env = "RUST_LOG", value_name = "DIRECTIVES", global = true)]
    pub rust_log: Option<String>,
}

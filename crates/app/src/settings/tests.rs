//! Parsing of settings, derived settings, and error messages.

use chrono::TimeDelta;

use super::*;
use crate::cli::Cli;
use crate::telemetry::LogFormat;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn read(variables: &[(&str, &str)]) -> Result<Settings, clap::Error> {
    Cli::read(["app"], &variables.iter().copied().collect()).map(|cli| cli.settings)
}

pub(super) fn settings(variables: &[(&str, &str)]) -> Settings {
    read(variables).map_err(|error| error.to_string()).unwrap()
}

pub(super) fn derived(variables: &[(&str, &str)]) -> DerivedSettings {
    settings(variables).derive().unwrap()
}

/// The problems with single values, or else those with missing settings.
pub(super) fn problems(variables: &[(&str, &str)]) -> Vec<String> {
    match read(variables) {
        Ok(settings) => settings.derive().unwrap_err().0,
        Err(error) => error.to_string().trim_start_matches("error: ").lines().map(str::to_owned).collect(),
    }
}

#[test]
fn the_defaults_are_those_of_a_development_server() {
    let settings = settings(&[]);
    let DerivedSettings { public_url, cors_origins, jwt_secret, oauth_client, assistant } = settings.derive().unwrap();
    assert_eq!(public_url.as_str(), "http://127.0.0.1:8000/");
    assert_eq!(cors_origins, ["http://localhost:3000".parse().unwrap()]);
    assert!(matches!(jwt_secret, JwtSecretSource::Generated(path) if path.ends_with("data/jwt-secret")));
    assert!(oauth_client.is_none());
    assert!(matches!(assistant, AssistantChoice::Offline));
    assert_eq!(settings.process.log_filter(), LogFilter::standard(false));
}

#[test]
fn every_value_is_parsed() {
    let settings = settings(&[
        ("HOST", "::"),
        ("PORT", "0"),
        ("FRONTEND_URL", "https://app.example.com/todo"),
        ("CORS_ORIGINS", "https://a.example, http://b.example:8080/ "),
        ("TRUSTED_PROXIES", "192.0.2.1, 10.0.0.0/8 ,::1"),
        ("MAX_CONNECTIONS", "100000"),
        ("KEEP_ALIVE", " 75s "),
        ("SHUTDOWN_DRAIN", " 1s 500ms "),
        ("DATABASE_URL", "postgres://me:hunter2@db/todo"),
        ("DATABASE_MAX_CONNECTIONS", "3"),
        ("MIGRATE_ON_START", "no"),
        ("JWT_SECRET", SECRET),
        ("ACCESS_TOKEN_TTL", "15m"),
        ("REFRESH_TOKEN_TTL", "1h 30m"),
        ("SIGNUPS", " Example.com, example.org "),
        ("CHAT_REQUESTS_PER_MINUTE", "0"),
        ("API_REQUESTS_PER_MINUTE", "1"),
        ("SIGN_IN_REQUESTS_PER_MINUTE", " 1000000 "),
        ("CHAT_TOKENS_PER_DAY", "1000000000"),
        ("REDIS_URL", "rediss://me:hunter2@cache/1"),
        ("RATE_LIMIT_FALLBACK", " refuse "),
        ("CHANGE_RETENTION", "1d"),
        ("TRASH_RETENTION", "1h"),
        ("LLM_PROVIDER", "offline"),
        ("LLM_FALLBACK", "offline"),
        ("LLM_HISTORY_TOKENS", "500"),
        ("LLM_TIMEOUT", "10m"),
        ("CHAT_CONFIRM_ABOVE", " 0 "),
        ("ENVIRONMENT", "production"),
        ("INSTANCE_ID", "web-1"),
        ("DEBUG", "on"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://example.com/otlp"),
        ("OTEL_SERVICE_NAME", " todo "),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("METRICS_ADDR", " [::1]:9464 "),
        ("METRICS_TOKEN", SECRET),
        ("LOG_FORMAT", "text"),
    ]);
    let Settings { server, database, sign_in, limits, retention, assistant, monitoring, process, traces } = settings;
    assert_eq!(monitoring.metrics_addr, Some(ListenAddress { host: "::1".to_owned(), port: 9464 }));
    assert!(monitoring.metrics_token.is_some());
    assert_eq!(monitoring.log_format, LogFormat::Text);
    assert_eq!((server.host.as_str(), server.port), ("::", 0));
    assert_eq!(server.frontend_url.as_str(), "https://app.example.com/todo");
    assert_eq!(server.cors_origins, ["https://a.example", "http://b.example:8080"].map(|o| o.parse().unwrap()));
    assert_eq!(server.trusted_proxies, ["192.0.2.1", "10.0.0.0/8", "::1"].map(|proxy| proxy.parse().unwrap()));
    assert_eq!((server.max_connections, server.keep_alive), (100_000, Duration::from_secs(75)));
    assert_eq!(server.shutdown_drain, Duration::from_millis(1500));
    assert_eq!((database.database_url.kind(), database.database_max_connections), (DatabaseKind::Postgres, 3));
    assert!(!database.migrate_on_start && sign_in.jwt_secret.is_some());
    assert_eq!((sign_in.access_token_ttl, sign_in.refresh_token_ttl), (TimeDelta::minutes(15), TimeDelta::minutes(90)));
    assert_eq!(
        [limits.chat_requests_per_minute, limits.api_requests_per_minute, limits.sign_in_requests_per_minute],
        [0, 1, 1_000_000]
    );
    assert_eq!(limits.chat_tokens_per_day, 1_000_000_000);
    assert_eq!(limits.redis_url.as_ref().map(RedisUrl::description), Some("rediss://cache:6379/1"));
    assert_eq!(limits.rate_limit_fallback, RateLimitFallback::Refuse);
    assert_eq!(sign_in.signups, "example.com,example.org".parse().unwrap());
    assert_eq!((retention.change_retention, retention.trash_retention), (TimeDelta::days(1), TimeDelta::hours(1)));
    assert_eq!((assistant.llm_provider, assistant.llm_fallback), (ProviderName::Offline, Fallback::Offline));
    assert_eq!((assistant.llm_history_tokens, assistant.llm_timeout), (500, Duration::from_mins(10)));
    assert_eq!(assistant.chat_confirm_above, 0);
    assert_eq!(process.environment, Environment::Production);
    assert_eq!(
        (process.instance_id.clone(), process.log_filter()),
        (Some("web-1".parse().unwrap()), LogFilter::standard(true))
    );
    assert_eq!(traces.otel_exporter_otlp_endpoint.unwrap().as_str(), "https://example.com/otlp");
    assert_eq!(traces.otel_service_name.as_deref(), Some("todo"));
    assert!((traces.otel_traces_sampler_arg - 0.25).abs() < f64::EPSILON);
}

#[test]
fn the_public_url_defaults_to_host_and_port() {
    for (variables, url) in [
        (&[("HOST", "0.0.0.0"), ("PORT", "80")][..], "http://127.0.0.1/"),
        (&[("HOST", "::")], "http://[::1]:8000/"),
        (&[("HOST", "::1")], "http://[::1]:8000/"),
        (&[("HOST", "todo.example.com"), ("PORT", "9000")], "http://todo.example.com:9000/"),
        (&[("PUBLIC_URL", "https://example.com/todo")], "https://example.com/todo"),
    ] {
        assert_eq!(derived(variables).public_url.as_str(), url);
    }
    assert!(problems(&[("PUBLIC_URL", "todo.example.com")])[0].starts_with("PUBLIC_URL: "));
}

#[test]
fn external_sign_in_requires_a_client_secret_a_safe_issuer_and_in_production_a_public_url() {
    let (id, secret) = (("GOOGLE_CLIENT_ID", "doable"), ("GOOGLE_CLIENT_SECRET", " hush "));
    let client = derived(&[id, secret]).oauth_client.unwrap();
    assert_eq!((client.id.as_str(), client.issuer.as_str()), ("doable", "https://accounts.google.com"));
    assert_eq!(secrecy::ExposeSecret::expose_secret(&client.secret), "hush");
    assert!(!client.trust_email);
    assert!(derived(&[id, secret, ("OIDC_TRUST_EMAIL", "true")]).oauth_client.unwrap().trust_email);
    assert_eq!(client.name, "Google");
    assert!(derived(&[secret]).oauth_client.is_none());

    assert_eq!(problems(&[id]), ["GOOGLE_CLIENT_SECRET is required when GOOGLE_CLIENT_ID is set"]);
    for unsafe_issuer in ["http://accounts.example.com", "ftp://accounts.example.com", "accounts.example.com"] {
        let problems = problems(&[id, secret, ("GOOGLE_ISSUER_URL", unsafe_issuer)]);
        assert!(problems[0].starts_with("GOOGLE_ISSUER_URL: "), "{problems:?}");
    }
    for local in ["http://127.0.0.1:9001", "http://localhost:9001/realms/a/", "http://[::1]:9001"] {
        let client = derived(&[id, secret, ("GOOGLE_ISSUER_URL", local)]).oauth_client.unwrap();
        assert_eq!(client.issuer, local);
    }
    let named = |issuer: &str, name: &str| {
        derived(&[id, secret, ("GOOGLE_ISSUER_URL", issuer), ("OIDC_NAME", name)]).oauth_client.unwrap().name
    };
    assert_eq!(named("https://login.example.com/realms/a", ""), "login.example.com");
    assert_eq!(named("https://accounts.google.com/", " Our company "), "Our company");
    let production = [id, secret, ("ENVIRONMENT", "production"), ("JWT_SECRET", SECRET)];
    assert_eq!(problems(&production), ["PUBLIC_URL is required in production when GOOGLE_CLIENT_ID is set"]);
    let reachable = [&production[..], &[("PUBLIC_URL", "https://todo.example.com")]].concat();
    assert!(derived(&reachable).oauth_client.is_some());
}

#[test]
fn the_cors_origins_default_to_the_frontend() {
    let origins = |variables: &[(&str, &str)]| derived(variables).cors_origins;
    let frontend = ("FRONTEND_URL", "https://App.example.com:443/todo");
    assert_eq!(origins(&[frontend]), ["https://app.example.com".parse().unwrap()]);
    assert_eq!(origins(&[frontend, ("CORS_ORIGINS", "http://b")]), ["http://b".parse().unwrap()]);
}

#[test]
fn the_log_filter_overrides_the_debug_switch() {
    let filter = "warn,app=trace";
    assert_eq!(settings(&[("RUST_LOG", filter), ("DEBUG", "1")]).process.log_filter(), filter.parse().unwrap());
}

#[test]
fn booleans_have_eight_spellings_in_any_case() {
    for (texts, expected) in [(["true", "1", "yes", "ON"], true), (["False", "0", "no", "off"], false)] {
        for text in texts {
            assert_eq!(settings(&[("MIGRATE_ON_START", text)]).database.migrate_on_start, expected, "{text}");
        }
    }
}

#[test]
fn a_host_is_an_address_or_a_name() {
    for (text, host) in [("0.0.0.0", "0.0.0.0"), ("[::1]", "::1"), ("::1", "::1"), ("localhost", "localhost")] {
        assert_eq!(settings(&[("HOST", text)]).server.host, host);
    }
}

#[test]
fn an_invalid_value_is_reported_with_its_variable_and_the_expected_form() {
    let long = "x".repeat(65);
    for (variable, value, expected) in [
        ("HOST", "a b", r#"HOST: "a b" is not an address"#),
        ("HOST", "127.0.0.1:80", "is not an address"),
        ("PORT", "abc", r#"PORT: "abc" is not a port number (0 to 65535)"#),
        ("PORT", "65536", r#"PORT: "65536" is not a port number"#),
        ("PORT", "-1", "is not a port number"),
        ("FRONTEND_URL", "localhost:3000", "FRONTEND_URL: is not an http or https URL such as"),
        ("FRONTEND_URL", "ftp://x", "is not an http"),
        ("CORS_ORIGINS", "*", r#"CORS_ORIGINS: "*" is not an origin such as https://app.example.com"#),
        ("CORS_ORIGINS", "https://a.example,https://*.example", r#""https://*.example" is not an origin"#),
        ("CORS_ORIGINS", "https://a.example/todo", "is not an origin"),
        ("CORS_ORIGINS", "null", "is not an origin"),
        ("CORS_ORIGINS", "https://a.example,", r#""" is not an origin"#),
        ("TRUSTED_PROXIES", "*", r#"TRUSTED_PROXIES: "*" is not an IP address or a network such as 10.0.0.0/8"#),
        ("TRUSTED_PROXIES", "10.0.0.1, 10.0.0.0/33", r#""10.0.0.0/33" is not an IP address"#),
        ("TRUSTED_PROXIES", "proxy.example", "is not an IP address"),
        ("TRUSTED_PROXIES", "10.0.0.1,", r#""" is not an IP address"#),
        ("MAX_CONNECTIONS", "0", r#"MAX_CONNECTIONS: "0" is not a number of connections (1 to 100000)"#),
        ("MAX_CONNECTIONS", "100001", "is not a number of connections"),
        ("KEEP_ALIVE", "0s", r#"KEEP_ALIVE: "0s" is not a duration such as 15s or 2m (1s to 1h)"#),
        ("KEEP_ALIVE", "61m", "is not a duration"),
        ("KEEP_ALIVE", "15", "is not a duration"),
        (
            "DATABASE_MAX_CONNECTIONS",
            "0",
            r#"DATABASE_MAX_CONNECTIONS: "0" is not a number of connections (1 to 1000)"#,
        ),
        ("DATABASE_MAX_CONNECTIONS", "1001", "is not a number of connections"),
        ("MIGRATE_ON_START", "maybe", r#"MIGRATE_ON_START: "maybe" is not a boolean"#),
        ("ACCESS_TOKEN_TTL", "soon", r#"ACCESS_TOKEN_TTL: "soon" is not a duration such as 15m"#),
        ("ACCESS_TOKEN_TTL", "3600", "is not a duration"),
        ("ACCESS_TOKEN_TTL", "0s", "is not a duration"),
        ("ACCESS_TOKEN_TTL", "1500ms", "is not a duration"),
        ("REFRESH_TOKEN_TTL", "3651d", r#"REFRESH_TOKEN_TTL: "3651d" is not a duration"#),
        ("REFRESH_TOKEN_TTL", "999999999999y", "is not a duration"),
        (
            "CHAT_REQUESTS_PER_MINUTE",
            "-1",
            r#"CHAT_REQUESTS_PER_MINUTE: "-1" is not a number of requests a minute (0 to 1000000; 0 for no limit)"#,
        ),
        ("API_REQUESTS_PER_MINUTE", "1000001", "is not a number of requests a minute"),
        ("SIGN_IN_REQUESTS_PER_MINUTE", "2.5", "is not a number of requests a minute"),
        ("SIGN_IN_REQUESTS_PER_MINUTE", "none", "is not a number of requests a minute"),
        ("SIGNUPS", "Closed", r#"SIGNUPS: "Closed" is not open, closed, or mail domains such as example.com,"#),
        ("SIGNUPS", "example.com,", "is not open, closed, or mail domains"),
        (
            "CHAT_TOKENS_PER_DAY",
            "1000000001",
            r#"CHAT_TOKENS_PER_DAY: "1000000001" is not a number of tokens a day (0 to 1000000000; 0 for no limit)"#,
        ),
        ("CHAT_TOKENS_PER_DAY", "-1", "is not a number of tokens a day"),
        ("OIDC_NAME", &"x".repeat(101), "is not a name (1 to 100 characters)"),
        ("CHANGE_RETENTION", "0d", r#"CHANGE_RETENTION: "0d" is not a duration such as 15m, 24h or 30d"#),
        ("CHANGE_RETENTION", "-1d", "is not a duration"),
        ("TRASH_RETENTION", "for ever", r#"TRASH_RETENTION: "for ever" is not a duration"#),
        ("TRASH_RETENTION", "3651d", "is not a duration"),
        ("CHAT_CONFIRM_ABOVE", "-1", r#"CHAT_CONFIRM_ABOVE: "-1" is not a number of tasks (0 or more)"#),
        ("CHAT_CONFIRM_ABOVE", "2.5", "is not a number of tasks"),
        ("CHAT_CONFIRM_ABOVE", "99999999999999999999", "is not a number of tasks"),
        ("RATE_LIMIT_FALLBACK", "none", r#"RATE_LIMIT_FALLBACK: "none" is not a fallback (allow, local or refuse)"#),
        ("LLM_PROVIDER", "gpt", r#"LLM_PROVIDER: "gpt" is not an assistant (auto, cohere, openai or offline)"#),
        ("LLM_FALLBACK", "cohere", r#"LLM_FALLBACK: "cohere" is not a fallback (none or offline)"#),
        ("LLM_HISTORY_TOKENS", "499", r#"LLM_HISTORY_TOKENS: "499" is not a number of tokens (500 to 200000)"#),
        ("LLM_HISTORY_TOKENS", "200001", "is not a number of tokens"),
        ("LLM_HISTORY_TOKENS", "8k", "is not a number of tokens"),
        ("LLM_TIMEOUT", "120", r#"LLM_TIMEOUT: "120" is not a duration such as 30s or 2m (1s to 10m)"#),
        ("LLM_TIMEOUT", "999ms", "is not a duration"),
        ("LLM_TIMEOUT", "601s", "is not a duration"),
        ("COHERE_MODEL", &"x".repeat(201), "is not a model's name (1 to 200 characters)"),
        ("COHERE_TEMPERATURE", "1.1", r#"COHERE_TEMPERATURE: "1.1" is not a temperature (0 to 1)"#),
        ("COHERE_TEMPERATURE", "-0.1", "is not a temperature"),
        ("COHERE_TEMPERATURE", "NaN", "is not a temperature"),
        ("OPENAI_MODEL", "a\u{7}b", r#"OPENAI_MODEL: "a\u{7}b" is not a model's name"#),
        ("OPENAI_TEMPERATURE", "2.1", r#"OPENAI_TEMPERATURE: "2.1" is not a temperature (0 to 2)"#),
        ("OPENAI_TEMPERATURE", "inf", "is not a temperature"),
        ("ENVIRONMENT", "prod", r#"ENVIRONMENT: "prod" is not an environment (development or production)"#),
        ("INSTANCE_ID", "a b", r#"INSTANCE_ID: "a b" is not an instance's name"#),
        ("INSTANCE_ID", &long, "is not an instance's name"),
        ("DEBUG", "2", r#"DEBUG: "2" is not a boolean"#),
        ("RUST_LOG", "app=loud", r#"RUST_LOG: "app=loud" is not a log filter"#),
    ] {
        let problems = problems(&[(variable, value)]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&format!("{variable}: ")), "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?} does not say {expected}");
    }
}

#[test]
fn an_invalid_secret_is_reported_without_its_value() {
    for (variable, value, expected) in [
        ("JWT_SECRET", "hunter2", "JWT_SECRET: must be at least 32 bytes long"),
        ("DATABASE_URL", "mysql://me:hunter2@db/x", "DATABASE_URL: is not a sqlite:, postgres: or postgresql: URL"),
        ("DATABASE_URL", "hunter2", "is not a sqlite:, postgres: or postgresql: URL"),
        ("DATABASE_URL", "postgres://me:#hunter2@db/x", "DATABASE_URL: has an @ or a # after the host"),
        ("DATABASE_URL", "postgres://me:12/hunter2@db/x", "has an @ or a # after the host"),
        ("DATABASE_URL", "postgres://me:12?hunter2@db/x", "has an @ or a # after the host"),
        ("DATABASE_URL", "postgres://me:x/hunter2@db/x", "DATABASE_URL: is not a URL: "),
        ("DATABASE_URL", "postgres://me:hunter2@[db/x", "DATABASE_URL: is not a URL: "),
        ("REDIS_URL", "hunter2", "REDIS_URL: is not a URL: "),
        ("REDIS_URL", "http://me:hunter2@cache", "REDIS_URL: is not a redis:, rediss:"),
        ("REDIS_URL", "redis://me:12/hunter2@cache", "REDIS_URL: has an @ or a # after the host"),
        ("FRONTEND_URL", "https://me:hunter2@example.com", "FRONTEND_URL: is not an http or https URL such as"),
        ("GOOGLE_ISSUER_URL", "https://me:hunter2@example.com", "GOOGLE_ISSUER_URL: is not an http or https URL"),
        ("METRICS_TOKEN", "hunter2", "METRICS_TOKEN: is shorter than 16 characters"),
        ("METRICS_TOKEN", "hunter2 and a long rest", "METRICS_TOKEN: is shorter than 16 characters, or contains"),
        ("COHERE_API_KEY", "hunter2 and more", "COHERE_API_KEY: contains spaces or characters that"),
        ("OPENAI_API_KEY", "hunter2\u{e4}", "OPENAI_API_KEY: contains spaces or "),
        ("COHERE_BASE_URL", "https://me:hunter2@example.com", "COHERE_BASE_URL: is not an http or https URL such as"),
        ("COHERE_BASE_URL", "ftp://hunter2", "COHERE_BASE_URL: is not an http or https URL"),
        ("OPENAI_BASE_URL", "https://example.com/v1?key=hunter2", "OPENAI_BASE_URL: is not an http or https URL"),
        ("OPENAI_BASE_URL", "hunter2:11434/v1", "OPENAI_BASE_URL: is not an http or https URL"),
    ] {
        let problems = problems(&[(variable, value)]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
    }
}

#[test]
fn all_invalid_values_are_reported_at_once_one_per_line() {
    let mut names = Cli::variable_names();
    let invalid: Variables = names.iter().map(|name| (name.clone(), "=\n=")).collect();
    // One is a flag, and a command is given too.
    let error = Cli::read(["app", "--port", "x", "migrate", "up"], &invalid).err().unwrap().to_string();
    let message = error.trim_start_matches("error: ");
    let mut reported: Vec<&str> =
        message.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    names.sort_unstable();
    reported.sort_unstable();
    assert_eq!(reported, names, "{message}");
}

#[test]
fn production_requires_a_jwt_secret_except_for_migrations() {
    let production = [("ENVIRONMENT", "production")];
    let problems = problems(&production);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("JWT_SECRET is required in production: at least 32 bytes"), "{problems:?}");
    assert!(settings(&[("ENVIRONMENT", "production"), ("JWT_SECRET", SECRET)]).derive().is_ok());
    assert_eq!(settings(&production).database.database_url.kind(), DatabaseKind::Sqlite);
}

#[test]
fn settings_print_no_secret() {
    for key in ["COHERE_API_KEY", "OPENAI_API_KEY"] {
        let settings = settings(&[
            ("JWT_SECRET", SECRET),
            ("DATABASE_URL", "postgres://me:hunter2@db/todo?password=hunter3"),
            (key, "hunter4"),
            ("OPENAI_MODEL", "m"),
            ("GOOGLE_CLIENT_ID", "doable"),
            ("GOOGLE_CLIENT_SECRET", "hunter5"),
            ("REDIS_URL", "redis://me:hunter6@cache/1"),
        ]);
        let printed = format!("{settings:?} {settings:#?} {:?}", settings.derive().unwrap());
        assert!(!printed.contains(SECRET) && !printed.contains("hunter"), "{printed}");
        assert!(printed.contains("Postgres at db:5432/todo") && printed.contains("redis://cache:6379/1"), "{printed}");
    }
}

#[test]
fn an_address_to_listen_on_has_a_host_and_a_port() {
    for (text, host, port) in [
        ("127.0.0.1:9464", "127.0.0.1", 9464),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("[::]:1", "::", 1),
        ("localhost:65535", "localhost", 65535),
    ] {
        let parsed = settings(&[("METRICS_ADDR", text)]).monitoring.metrics_addr;
        assert_eq!(parsed, Some(ListenAddress { host: host.to_owned(), port }));
    }
    for text in ["9464", ":9464", "127.0.0.1", "127.0.0.1:", "::1:9464", "::1", "[::1]", "127.0.0.1:65536", "a b:1"] {
        let problems = problems(&[("METRICS_ADDR", text)]);
        assert!(problems[0].starts_with("METRICS_ADDR: "), "{text}: {problems:?}");
    }
    assert!(problems(&[("LOG_FORMAT", "xml")])[0].contains("(auto, text or json)"));
}

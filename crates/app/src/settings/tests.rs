//! What the settings' texts mean, and what is said about bad ones.

use std::num::NonZeroU32;
use std::path::Path;

use chrono::TimeDelta;

use super::*;
use crate::cli::Cli;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(super) fn args(variables: &[(&str, &str)]) -> SettingsArgs {
    let variables: Variables = variables.iter().copied().collect();
    Cli::read(["app"], &variables).map_err(|error| error.to_string()).unwrap().settings
}

pub(super) fn settings(variables: &[(&str, &str)]) -> Settings {
    args(variables).try_into().unwrap()
}

pub(super) fn problems(variables: &[(&str, &str)]) -> Vec<String> {
    Settings::try_from(args(variables)).unwrap_err().problems().to_vec()
}

#[test]
fn without_any_setting_it_serves_a_developer() {
    let Settings { server, database, sign_in, limits, retention, assistant, environment, instance, log } =
        settings(&[]);
    assert_eq!((server.host.as_str(), server.port), ("127.0.0.1", 8000));
    assert_eq!(server.frontend_url.as_str(), "http://localhost:3000/");
    assert_eq!(server.public_url.as_str(), "http://127.0.0.1:8000/");
    assert_eq!(server.cors_origins, ["http://localhost:3000".parse().unwrap()]);
    assert_eq!(server.trusted_proxies, []);
    assert_eq!((database.url.expose(), database.max_connections), ("sqlite://data/doable.db?mode=rwc", 10));
    assert!(database.migrate_on_start);
    assert!(matches!(sign_in.jwt_secret, JwtSecretSource::Generated(path) if path == Path::new("data/jwt-secret")));
    assert_eq!(sign_in.lifetimes, TokenLifetimes { access: TimeDelta::hours(24), refresh: TimeDelta::days(30) });
    assert!(sign_in.google.is_none());
    assert_eq!([limits.chat, limits.api, limits.sign_in], [20, 600, 30].map(NonZeroU32::new));
    assert_eq!(retention, RetentionSettings { changes: TimeDelta::days(90), trash: TimeDelta::days(30) });
    assert!(matches!(assistant.choice, AssistantChoice::Offline));
    assert_eq!(assistant.confirm_above, 3);
    assert_eq!((environment, instance), (Environment::Development, None));
    assert_eq!(log, LogFilter::standard(false));
}

#[test]
fn every_setting_is_taken() {
    let Settings { server, database, sign_in, limits, retention, assistant, environment, instance, log } = settings(&[
        ("HOST", "::"),
        ("PORT", "0"),
        ("FRONTEND_URL", "https://app.example.com/todo"),
        ("CORS_ORIGINS", "https://a.example, http://b.example:8080/ ,https://a.example:443"),
        ("TRUSTED_PROXIES", "192.0.2.1, 10.0.0.0/8 ,::1"),
        ("DATABASE_URL", "postgres://me:hunter2@db/todo"),
        ("DATABASE_MAX_CONNECTIONS", "3"),
        ("MIGRATE_ON_START", "no"),
        ("JWT_SECRET", SECRET),
        ("ACCESS_TOKEN_TTL", "15m"),
        ("REFRESH_TOKEN_TTL", "1h 30m"),
        ("CHAT_REQUESTS_PER_MINUTE", "0"),
        ("API_REQUESTS_PER_MINUTE", "1"),
        ("SIGN_IN_REQUESTS_PER_MINUTE", " 1000000 "),
        ("CHANGE_RETENTION", "1d"),
        ("TRASH_RETENTION", "1h"),
        ("LLM_PROVIDER", "offline"),
        ("CHAT_CONFIRM_ABOVE", " 0 "),
        ("COHERE_API_KEY", "ignored"),
        ("ENVIRONMENT", "production"),
        ("INSTANCE_ID", "web-1"),
        ("DEBUG", "on"),
    ]);
    assert_eq!((server.host.as_str(), server.port), ("::", 0));
    assert_eq!(server.frontend_url.as_str(), "https://app.example.com/todo");
    assert_eq!(server.cors_origins, ["https://a.example", "http://b.example:8080"].map(|o| o.parse().unwrap()));
    assert_eq!(server.trusted_proxies, ["192.0.2.1", "10.0.0.0/8", "::1"].map(|proxy| proxy.parse().unwrap()));
    assert_eq!((database.url.kind(), database.max_connections), (DatabaseKind::Postgres, 3));
    assert!(!database.migrate_on_start);
    assert!(matches!(sign_in.jwt_secret, JwtSecretSource::Given(_)));
    assert_eq!(sign_in.lifetimes, TokenLifetimes { access: TimeDelta::minutes(15), refresh: TimeDelta::minutes(90) });
    assert_eq!([limits.chat, limits.api, limits.sign_in], [0, 1, 1_000_000].map(NonZeroU32::new));
    assert_eq!(retention, RetentionSettings { changes: TimeDelta::days(1), trash: TimeDelta::hours(1) });
    assert!(matches!(assistant.choice, AssistantChoice::Offline));
    assert_eq!(assistant.confirm_above, 0);
    assert_eq!(environment, Environment::Production);
    assert_eq!((instance, log), (Some("web-1".parse().unwrap()), LogFilter::standard(true)));
}

#[test]
fn browsers_reach_the_server_where_it_listens_unless_another_place_is_named() {
    for (variables, url) in [
        (&[("HOST", "0.0.0.0"), ("PORT", "80")][..], "http://127.0.0.1/"),
        (&[("HOST", "::1")], "http://[::1]:8000/"),
        (&[("HOST", "todo.example.com"), ("PORT", "9000")], "http://todo.example.com:9000/"),
        (&[("PUBLIC_URL", "https://example.com/todo")], "https://example.com/todo"),
    ] {
        assert_eq!(settings(variables).server.public_url.as_str(), url);
    }
    assert!(problems(&[("PUBLIC_URL", "todo.example.com")])[0].starts_with("PUBLIC_URL: "));
}

#[test]
fn signing_in_elsewhere_needs_a_client_with_its_secret_and_a_provider_that_is_reached_safely() {
    let (id, secret) = (("GOOGLE_CLIENT_ID", "doable"), ("GOOGLE_CLIENT_SECRET", " hush "));
    let google = settings(&[id, secret]).sign_in.google.unwrap();
    assert_eq!((google.client_id.as_str(), google.issuer.as_str()), ("doable", "https://accounts.google.com"));
    assert_eq!(secrecy::ExposeSecret::expose_secret(&google.client_secret), "hush");
    assert!(!format!("{google:?}").contains("hush"));
    assert!(settings(&[secret]).sign_in.google.is_none());

    assert_eq!(
        problems(&[id]),
        ["GOOGLE_CLIENT_SECRET: must be set: GOOGLE_CLIENT_ID is set, and the provider wants both"]
    );
    for unsafe_issuer in ["http://accounts.example.com", "ftp://accounts.example.com", "accounts.example.com"] {
        let told = problems(&[id, secret, ("GOOGLE_ISSUER_URL", unsafe_issuer)]);
        assert!(told[0].starts_with("GOOGLE_ISSUER_URL: "), "{told:?}");
    }
    for local in ["http://127.0.0.1:9001", "http://localhost:9001/realms/a/", "http://[::1]:9001"] {
        let google = settings(&[id, secret, ("GOOGLE_ISSUER_URL", local)]).sign_in.google.unwrap();
        assert_eq!(google.issuer, local);
    }
    let production = [id, secret, ("ENVIRONMENT", "production"), ("JWT_SECRET", SECRET)];
    assert!(problems(&production)[0].starts_with("PUBLIC_URL: must be set"));
    let reached = [&production[..], &[("PUBLIC_URL", "https://todo.example.com")]].concat();
    assert!(settings(&reached).sign_in.google.is_some());
}

#[test]
fn pages_of_the_frontend_may_call_unless_others_are_named() {
    let origins = |variables: &[(&str, &str)]| settings(variables).server.cors_origins;
    let frontend = ("FRONTEND_URL", "https://App.example.com:443/todo");
    assert_eq!(origins(&[frontend]), ["https://app.example.com".parse().unwrap()]);
    assert_eq!(origins(&[frontend, ("CORS_ORIGINS", "http://b")]), ["http://b".parse().unwrap()]);
}

#[test]
fn a_log_filter_takes_the_place_of_the_debug_switch() {
    let filter = "warn,app=trace";
    assert_eq!(settings(&[("RUST_LOG", filter), ("DEBUG", "1")]).log, filter.parse().unwrap());
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
fn a_bad_value_is_told_with_its_variable_and_what_it_should_be() {
    let long = "x".repeat(65);
    for (variable, value, expected) in [
        ("HOST", "a b", r#"HOST: "a b" is not an address"#),
        ("HOST", "127.0.0.1:80", "is not an address"),
        ("PORT", "abc", r#"PORT: "abc" is not a port number (0 to 65535)"#),
        ("PORT", "65536", r#"PORT: "65536" is not a port number"#),
        ("PORT", "-1", "is not a port number"),
        ("FRONTEND_URL", "localhost:3000", r#"FRONTEND_URL: "localhost:3000" is not an http or https URL"#),
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
            r#"CHAT_REQUESTS_PER_MINUTE: "-1" is not a number of requests a minute (0 to 1000000; 0 is no limit)"#,
        ),
        ("API_REQUESTS_PER_MINUTE", "1000001", "is not a number of requests a minute"),
        ("SIGN_IN_REQUESTS_PER_MINUTE", "2.5", "is not a number of requests a minute"),
        ("SIGN_IN_REQUESTS_PER_MINUTE", "none", "is not a number of requests a minute"),
        ("CHANGE_RETENTION", "0d", r#"CHANGE_RETENTION: "0d" is not a duration such as 15m, 24h or 30d"#),
        ("CHANGE_RETENTION", "-1d", "is not a duration"),
        ("TRASH_RETENTION", "for ever", r#"TRASH_RETENTION: "for ever" is not a duration"#),
        ("TRASH_RETENTION", "3651d", "is not a duration"),
        ("CHAT_CONFIRM_ABOVE", "-1", r#"CHAT_CONFIRM_ABOVE: "-1" is not a number of tasks (0 or more)"#),
        ("CHAT_CONFIRM_ABOVE", "2.5", "is not a number of tasks"),
        ("CHAT_CONFIRM_ABOVE", "99999999999999999999", "is not a number of tasks"),
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
fn a_bad_secret_is_told_without_its_value() {
    for (variable, value, expected) in [
        ("JWT_SECRET", "hunter2", "JWT_SECRET: must be at least 32 bytes long"),
        ("DATABASE_URL", "mysql://me:hunter2@db/x", "DATABASE_URL: is not a sqlite:, postgres: or postgresql: URL"),
        ("DATABASE_URL", "hunter2", "is not a sqlite:, postgres: or postgresql: URL"),
        ("DATABASE_URL", "postgres://me:#hunter2@db/x", "DATABASE_URL: has an @ or a # after the host"),
        ("DATABASE_URL", "postgres://me:12/hunter2@db/x", "has an @ or a # after the host"),
        ("DATABASE_URL", "postgres://me:12?hunter2@db/x", "has an @ or a # after the host"),
        ("DATABASE_URL", "postgres://me:x/hunter2@db/x", "DATABASE_URL: is not a URL: "),
        ("DATABASE_URL", "postgres://me:hunter2@[db/x", "DATABASE_URL: is not a URL: "),
        ("COHERE_API_KEY", "hunter2 and more", "COHERE_API_KEY: is no key: it has spaces or characters that"),
        ("OPENAI_API_KEY", "hunter2\u{e4}", "OPENAI_API_KEY: is no key: "),
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
fn all_problems_are_told_at_once_one_a_line() {
    let mut known = Cli::variable_names();
    let bad: Variables = known.iter().map(|name| (name.clone(), "=\n=")).collect();
    let settings = Cli::read(["app"], &bad).map_err(|error| error.to_string()).unwrap().settings;
    let told = Settings::try_from(settings).unwrap_err().to_string();
    let mut named: Vec<&str> = told.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    known.sort_unstable();
    named.sort_unstable();
    assert_eq!(named, known, "{told}");
}

#[test]
fn production_refuses_to_start_without_a_secret() {
    let problems = problems(&[("ENVIRONMENT", "production")]);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("JWT_SECRET: must be set in production"), "{problems:?}");
    assert!(Settings::try_from(args(&[("ENVIRONMENT", "production"), ("JWT_SECRET", SECRET)])).is_ok());
}

#[test]
fn the_schema_can_be_changed_without_the_settings_that_only_the_server_needs() {
    let args = args(&[("ENVIRONMENT", "production"), ("PORT", "x"), ("DATABASE_URL", "sqlite://x.db")]);
    assert!(LogFilter::try_from(&args.process).is_ok());
    assert_eq!(DatabaseSettings::try_from(args.database).unwrap().url.expose(), "sqlite://x.db");
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
        ]);
        let printed = format!("{settings:?} {settings:#?}");
        assert!(!printed.contains(SECRET) && !printed.contains("hunter"), "{printed}");
        assert!(printed.contains("Postgres at db:5432/todo"), "{printed}");
    }
}

#[test]
fn the_example_file_and_the_registry_name_the_same_settings_and_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.env.example");
    let text = std::fs::read_to_string(path).unwrap();
    // A setting's line is commented out without a space; a remark has one.
    let set: String = text
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|l| !l.starts_with([' ', '#']))
        .fold(String::new(), |all, line| all + line + "\n");
    let mut shown: Vec<&str> = set.lines().map(|line| line.split_once('=').unwrap().0).collect();
    let mut known = Cli::variable_names();
    shown.sort_unstable();
    known.sort_unstable();
    assert_eq!(shown, known);

    let variables = Variables::merge(&known, |_| None, Path::new(".env.example"), &set).unwrap();
    let from_file: Settings = Cli::read(["app"], &variables).ok().unwrap().settings.try_into().unwrap();
    assert_eq!(format!("{from_file:?}"), format!("{:?}", settings(&[])));
    for required in [
        "HOST",
        "PORT",
        "DATABASE_URL",
        "ACCESS_TOKEN_TTL",
        "CHAT_REQUESTS_PER_MINUTE",
        "CHANGE_RETENTION",
        "TRASH_RETENTION",
        "CHAT_CONFIRM_ABOVE",
        "LLM_PROVIDER",
        "LLM_TIMEOUT",
        "COHERE_MODEL",
        "ENVIRONMENT",
        "DEBUG",
    ] {
        assert!(variables.get(required).is_some(), "{required} shows no default");
    }
}

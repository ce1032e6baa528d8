//! Parsers of single settings.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::time::Duration;

use chrono::TimeDelta;
use clap::builder::TypedValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use domain::account::SignUps;
use domain::conversation::turn::InstanceId;
use domain::user::DisplayName;
use http_api::{CorsOrigin, TrustedProxy};
use identity::JwtSecret;
use rate_limit::{RateLimitFallback, RedisUrl, RedisUrlError};
use secrecy::SecretString;
use url::{Host, Url};

use crate::shutdown::MAX_DRAIN;

/// The problem with the value of a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The value is not of the expected form.
    #[error("{text:?} is not {expected}")]
    Malformed {
        /// The value.
        text: String,
        /// The expected form.
        expected: &'static str,
    },
    /// The value of a secret is not of the expected form. The message does not contain it.
    #[error("{0}")]
    Secret(String),
}

/// Parses a setting for clap. The error's message begins with the variable's name, and contains the value only if it
/// cannot be a secret, whereas clap's own messages always contain it.
#[derive(Clone, Copy)]
pub(super) struct Parse<T>(pub fn(&str) -> Result<T, ValueError>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Parse<T> {
    type Value = T;

    fn parse_ref(&self, _: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let not_utf8 = || ValueError::Secret("is not UTF-8".to_owned());
        value.to_str().ok_or_else(not_utf8).and_then(self.0).map_err(|problem| {
            let id = argument.map(|argument| argument.get_id().to_string()).unwrap_or_default();
            let problem = format!("{}: {problem}", id.to_ascii_uppercase());
            let mut error = clap::Error::raw(ErrorKind::ValueValidation, &problem);
            error.insert(ContextKind::InvalidArg, ContextValue::String(id));
            error.insert(ContextKind::Custom, ContextValue::String(problem));
            error
        })
    }
}

/// Returns the id of the setting that [`Parse`] rejected, and the problem.
pub(crate) fn rejected_setting(error: &clap::Error) -> Option<(String, String)> {
    match (error.get(ContextKind::InvalidArg)?, error.get(ContextKind::Custom)?) {
        (ContextValue::String(id), ContextValue::String(problem)) => Some((id.clone(), problem.clone())),
        _ => None,
    }
}

pub(super) fn expect<T>(value: Option<T>, text: &str, expected: &'static str) -> Result<T, ValueError> {
    value.ok_or_else(|| ValueError::Malformed { text: text.to_owned(), expected })
}

pub(super) fn expect_secret<T>(value: Option<T>, problem: &str) -> Result<T, ValueError> {
    value.ok_or_else(|| ValueError::Secret(problem.to_owned()))
}

pub(super) fn boolean(text: &str) -> Result<bool, ValueError> {
    let value = match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    };
    expect(value, text, "a boolean (true or false, 1 or 0, yes or no, on or off)")
}

/// An IP address, with or without brackets, or a host name.
pub(super) fn host(text: &str) -> Result<String, ValueError> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    let host = match bare.parse::<IpAddr>() {
        Ok(address) => Some(address.to_string()),
        Err(_) => Host::parse(text).ok().map(|host| host.to_string()),
    };
    expect(host, text, "an address or a host name, such as 127.0.0.1")
}

pub(super) fn port(text: &str) -> Result<u16, ValueError> {
    expect(text.trim().parse().ok(), text, "a port number (0 to 65535)")
}

/// An `http` or `https` URL. The error does not contain the text, which may contain a password.
pub(super) fn web_url(text: &str) -> Result<Url, ValueError> {
    let url = Url::parse(text.trim()).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    expect_secret(url, "is not an http or https URL such as https://app.example.com (no user, password, ? or #)")
}

/// The issuer of an OpenID provider: a URL that secrets can be sent to, that is, by TLS or within this machine.
pub(super) fn issuer(text: &str) -> Result<String, ValueError> {
    let url = web_url(text)?;
    let is_local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    };
    let is_safe = url.scheme() == "https" || is_local;
    expect(is_safe.then(|| text.trim().to_owned()), text, "an https URL (http is accepted for loopback addresses only)")
}

/// The origin of a URL: its scheme, host and port.
pub(super) fn origin_of(url: &Url) -> Result<CorsOrigin, ValueError> {
    origin(&url.origin().ascii_serialization())
}

pub(super) fn origin(text: &str) -> Result<CorsOrigin, ValueError> {
    let text = text.trim();
    expect(text.parse().ok(), text, "an origin such as https://app.example.com (no path, no wildcard)")
}

pub(super) fn proxy(text: &str) -> Result<TrustedProxy, ValueError> {
    let text = text.trim();
    expect(text.parse().ok(), text, "an IP address or a network such as 10.0.0.0/8")
}

pub(super) fn max_connections(text: &str) -> Result<u32, ValueError> {
    let number = text.trim().parse().ok().filter(|number| (1..=100_000).contains(number));
    expect(number, text, "a number of connections (1 to 100000)")
}

pub(super) fn keep_alive(text: &str) -> Result<Duration, ValueError> {
    let time = humantime::parse_duration(text.trim()).ok();
    let time = time.filter(|time| (Duration::from_secs(1)..=Duration::from_hours(1)).contains(time));
    expect(time, text, "a duration such as 15s or 2m (1s to 1h)")
}

pub(super) fn shutdown_drain(text: &str) -> Result<Duration, ValueError> {
    let time = humantime::parse_duration(text.trim()).ok().filter(|time| *time <= MAX_DRAIN);
    expect(time, text, "a duration such as 5s (0s to 6s, because a stop takes 10 s at most)")
}

pub(super) fn database_max_connections(text: &str) -> Result<u32, ValueError> {
    let number = text.trim().parse().ok().filter(|number| (1..=1000).contains(number));
    expect(number, text, "a number of connections (1 to 1000)")
}

pub(super) fn jwt_secret(text: &str) -> Result<JwtSecret, ValueError> {
    JwtSecret::new(text.into()).map_err(|error| ValueError::Secret(error.to_string()))
}

pub(super) fn per_minute(text: &str) -> Result<u32, ValueError> {
    let number = text.trim().parse().ok().filter(|number| (..=1_000_000).contains(number));
    expect(number, text, "a number of requests a minute (0 to 1000000; 0 for no limit)")
}

pub(super) fn tokens_per_day(text: &str) -> Result<u32, ValueError> {
    let number = text.trim().parse().ok().filter(|number| (..=1_000_000_000).contains(number));
    expect(number, text, "a number of tokens a day (0 to 1000000000; 0 for no limit)")
}

/// The error does not contain the text, which may contain a password.
pub(super) fn redis_url(text: &str) -> Result<RedisUrl, ValueError> {
    text.parse().map_err(|error: RedisUrlError| ValueError::Secret(error.to_string()))
}

pub(super) fn rate_limit_fallback(text: &str) -> Result<RateLimitFallback, ValueError> {
    let fallback = match text.trim() {
        "allow" => Some(RateLimitFallback::Allow),
        "local" => Some(RateLimitFallback::Local),
        "refuse" => Some(RateLimitFallback::Refuse),
        _ => None,
    };
    expect(fallback, text, "a fallback (allow, local or refuse)")
}

pub(super) fn sign_ups(text: &str) -> Result<SignUps, ValueError> {
    expect(text.parse().ok(), text, "open, closed, or mail domains such as example.com,example.org")
}

/// The name of the OpenID provider, as short as a person's.
pub(super) fn provider_label(text: &str) -> Result<String, ValueError> {
    let name = text.parse::<DisplayName>().ok().map(|name| name.as_str().to_owned());
    expect(name, text, "a name (1 to 100 characters)")
}

/// A duration in whole seconds, the precision of a token's times; at most ten years, so that no time overflows.
pub(super) fn duration(text: &str) -> Result<TimeDelta, ValueError> {
    let whole_seconds = |length: &TimeDelta| length.subsec_nanos() == 0;
    let duration = humantime::parse_duration(text.trim())
        .ok()
        .and_then(|length| TimeDelta::from_std(length).ok())
        .filter(|length| (TimeDelta::seconds(1)..=TimeDelta::days(3650)).contains(length) && whole_seconds(length));
    expect(duration, text, "a duration such as 15m, 24h or 30d (1s to 3650d, in whole seconds)")
}

/// A value of `LLM_PROVIDER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderName {
    /// Chosen by the keys and URLs that are set.
    Auto,
    /// Cohere.
    Cohere,
    /// OpenAI or a compatible server.
    OpenAi,
    /// The built-in assistant.
    Offline,
}

pub(super) fn provider(text: &str) -> Result<ProviderName, ValueError> {
    let name = match text.trim() {
        "auto" => Some(ProviderName::Auto),
        "cohere" => Some(ProviderName::Cohere),
        "openai" => Some(ProviderName::OpenAi),
        "offline" => Some(ProviderName::Offline),
        _ => None,
    };
    expect(name, text, "an assistant (auto, cohere, openai or offline)")
}

/// A value of `LLM_FALLBACK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// No fallback: the turn fails.
    None,
    /// The built-in assistant.
    Offline,
}

pub(super) fn fallback(text: &str) -> Result<Fallback, ValueError> {
    let fallback = match text.trim() {
        "none" => Some(Fallback::None),
        "offline" => Some(Fallback::Offline),
        _ => None,
    };
    expect(fallback, text, "a fallback (none or offline)")
}

pub(super) fn history_tokens(text: &str) -> Result<usize, ValueError> {
    let number = text.trim().parse().ok().filter(|number| (500..=200_000).contains(number));
    expect(number, text, "a number of tokens (500 to 200000)")
}

pub(super) fn task_count(text: &str) -> Result<usize, ValueError> {
    expect(text.trim().parse().ok(), text, "a number of tasks (0 or more)")
}

pub(super) fn reply_time(text: &str) -> Result<Duration, ValueError> {
    let time = humantime::parse_duration(text.trim()).ok();
    let time = time.filter(|time| (Duration::from_secs(1)..=Duration::from_mins(10)).contains(time));
    expect(time, text, "a duration such as 30s or 2m (1s to 10m)")
}

/// An API key: visible ASCII characters, because it is sent in a header.
pub(super) fn api_key(text: &str) -> Result<SecretString, ValueError> {
    let key = Some(text.trim()).filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic()));
    expect_secret(key.map(Into::into), "contains spaces or characters that are not visible ASCII")
}

/// An OAuth client id: visible ASCII characters (RFC 6749, appendix A.1).
pub(super) fn client_id(text: &str) -> Result<String, ValueError> {
    let id = Some(text.trim()).filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic()));
    expect(id.map(str::to_owned), text, "a client id (visible ASCII characters)")
}

/// An OAuth client secret: ASCII without control characters (RFC 6749, appendix A.2).
pub(super) fn client_secret(text: &str) -> Result<SecretString, ValueError> {
    let secret = Some(text.trim()).filter(|secret| secret.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    expect_secret(secret.map(Into::into), "contains control characters or characters that are not ASCII")
}

pub(super) fn model(text: &str) -> Result<String, ValueError> {
    let text = text.trim();
    let is_valid = (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    expect(is_valid.then(|| text.to_owned()), text, "a model's name (1 to 200 characters)")
}

/// A temperature from 0 to 1. Cohere's reference (<https://docs.cohere.com/v2/reference/chat>) has no upper bound; values
/// above 1 are not useful where tools and tasks have to be named.
pub(super) fn cohere_temperature(text: &str) -> Result<f32, ValueError> {
    expect(temperature(text, 1.0), text, "a temperature (0 to 1)")
}

/// A temperature from 0 to 2, as in OpenAI's reference (<https://platform.openai.com/docs/api-reference/chat>).
pub(super) fn openai_temperature(text: &str) -> Result<f32, ValueError> {
    expect(temperature(text, 2.0), text, "a temperature (0 to 2)")
}

fn temperature(text: &str, max: f32) -> Option<f32> {
    text.trim().parse().ok().filter(|temperature| (0.0..=max).contains(temperature))
}

/// A value of `ENVIRONMENT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// A developer's machine: missing secrets are generated.
    Development,
    /// A deployment with real users: missing secrets are errors.
    Production,
}

pub(super) fn environment(text: &str) -> Result<Environment, ValueError> {
    let environment = match text.trim() {
        "development" => Some(Environment::Development),
        "production" => Some(Environment::Production),
        _ => None,
    };
    expect(environment, text, "an environment (development or production)")
}

pub(super) fn instance(text: &str) -> Result<InstanceId, ValueError> {
    expect(text.trim().parse().ok(), text, "an instance's name (1 to 64 letters, digits or '-_.')")
}

/// An address or host name and a port to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// The address or host name, without brackets.
    pub host: String,
    /// The port; 0 for any free one.
    pub port: u16,
}

pub(super) fn listen_address(text: &str) -> Result<ListenAddress, ValueError> {
    let parsed = text.trim().rsplit_once(':').and_then(|(host_text, port_text)| {
        // An IPv6 address without brackets would lose its last group.
        let is_bracketed = !host_text.contains(':') || (host_text.starts_with('[') && host_text.ends_with(']'));
        let (host, port) = (host(host_text).ok()?, port(port_text).ok()?);
        is_bracketed.then_some(ListenAddress { host, port })
    });
    expect(parsed, text, "an address and a port, such as 127.0.0.1:9464 or [::1]:9464")
}

/// A bearer token (RFC 6750, 2.1).
pub(super) fn metrics_token(text: &str) -> Result<SecretString, ValueError> {
    let token =
        Some(text.trim()).filter(|token| token.len() >= 16 && token.bytes().all(|byte| byte.is_ascii_graphic()));
    expect_secret(
        token.map(Into::into),
        "is shorter than 16 characters, or contains spaces or other than visible ASCII",
    )
}

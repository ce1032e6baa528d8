//! What the text of one setting means. Every function here takes the text and says what is wrong with it, without the
//! variable's name, which its caller knows.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use chrono::TimeDelta;
use domain::turn::InstanceId;
use http_api::{CorsOrigin, TrustedProxy};
use secrecy::SecretString;
use url::{Host, Url};

use super::{Environment, Fallback};
use crate::telemetry::LogFilter;

/// What is wrong with a setting's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// It is not what it has to be.
    #[error("{text:?} is not {expected}")]
    Malformed {
        /// The text.
        text: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// A secret is not what it has to be. The text is withheld.
    #[error("{0}")]
    Secret(String),
    /// A secret is missing where none may be made up.
    #[error("must be set in production: at least 32 bytes, such as `openssl rand -base64 48` prints")]
    MissingSecret,
    /// It is missing, and others want it.
    #[error("must be set: {0}")]
    Missing(&'static str),
}

fn expect<T>(value: Option<T>, text: &str, expected: &'static str) -> Result<T, ValueError> {
    value.ok_or_else(|| ValueError::Malformed { text: text.to_owned(), expected })
}

/// An optional setting's text, unless it is empty.
pub(super) fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
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

/// An `http` or `https` URL with nothing in it that a frontend's address has no use for.
pub(super) fn web_address(text: &str) -> Result<Url, ValueError> {
    let url = Url::parse(text.trim()).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    expect(url, text, "an http or https URL such as https://app.example.com")
}

/// Secrets go to this address: by TLS, or within this machine.
pub(super) fn safe(url: &Url, text: &str) -> Result<(), ValueError> {
    let local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    };
    expect((url.scheme() == "https" || local).then_some(()), text, "an https URL (http is for this machine alone)")
}

/// Where browsers reach a server that listens here, if nobody says.
pub(super) fn own_address(host: &str, port: u16) -> Option<Url> {
    let host = match host.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => host.to_owned(),
    };
    Url::parse(&format!("http://{host}:{port}")).ok()
}

/// Origins separated by commas, each once.
pub(super) fn origins(text: &str) -> Result<Vec<CorsOrigin>, ValueError> {
    let mut origins = Vec::new();
    for item in text.split(',').map(str::trim) {
        let origin = origin(item)?;
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    Ok(origins)
}

/// The origin of a web address: its scheme, host and port.
pub(super) fn origin_of(url: &Url) -> Result<CorsOrigin, ValueError> {
    origin(&url.origin().ascii_serialization())
}

fn origin(text: &str) -> Result<CorsOrigin, ValueError> {
    expect(text.parse().ok(), text, "an origin such as https://app.example.com (no path, no wildcard)")
}

/// Addresses and networks separated by commas.
pub(super) fn proxies(text: &str) -> Result<Vec<TrustedProxy>, ValueError> {
    let proxy = |item: &str| expect(item.parse().ok(), item.trim(), "an IP address or a network such as 10.0.0.0/8");
    text.split(',').map(proxy).collect()
}

pub(super) fn max_connections(text: &str) -> Result<u32, ValueError> {
    let number = text.trim().parse().ok().filter(|number| (1..=1000).contains(number));
    expect(number, text, "a number of connections (1 to 1000)")
}

/// A number of requests a minute; none if there is no limit.
pub(super) fn per_minute(text: &str) -> Result<Option<NonZeroU32>, ValueError> {
    let number = text.trim().parse().ok().filter(|number| (..=1_000_000).contains(number));
    expect(number.map(NonZeroU32::new), text, "a number of requests a minute (0 to 1000000; 0 is no limit)")
}

/// Whole seconds, because that is what a token can say; not more than ten years, so that no time overflows.
pub(super) fn duration(text: &str) -> Result<TimeDelta, ValueError> {
    let whole_seconds = |length: &TimeDelta| length.subsec_nanos() == 0;
    let duration = humantime::parse_duration(text.trim())
        .ok()
        .and_then(|length| TimeDelta::from_std(length).ok())
        .filter(|length| (TimeDelta::seconds(1)..=TimeDelta::days(3650)).contains(length) && whole_seconds(length));
    expect(duration, text, "a duration such as 15m, 24h or 30d (1s to 3650d, in whole seconds)")
}

/// What `LLM_PROVIDER` can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProviderName {
    Auto,
    Cohere,
    OpenAi,
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

/// A key as a header takes it: visible ASCII characters.
pub(super) fn api_key(text: Option<&str>) -> Result<Option<SecretString>, ValueError> {
    let Some(text) = given(text) else { return Ok(None) };
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Some(text.into()))
    } else {
        Err(ValueError::Secret("is no key: it has spaces or characters that are not visible ASCII".to_owned()))
    }
}

/// What a provider calls a client: visible ASCII characters (RFC 6749, appendix A.1).
pub(super) fn client_id(text: Option<&str>) -> Result<Option<String>, ValueError> {
    let Some(text) = given(text) else { return Ok(None) };
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    expect(visible.then(|| text.to_owned()), text, "a client id (visible ASCII characters)").map(Some)
}

/// What proves a client to a provider: ASCII without control characters (RFC 6749, appendix A.2).
pub(super) fn client_secret(text: Option<&str>) -> Result<Option<SecretString>, ValueError> {
    let Some(text) = given(text) else { return Ok(None) };
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        Ok(Some(text.into()))
    } else {
        Err(ValueError::Secret(
            "is no client secret: it has characters that are not ASCII, or cannot be seen".to_owned(),
        ))
    }
}

/// Where a server is. What is no such URL may have a password in it, and is withheld.
pub(super) fn server_address(text: &str) -> Result<Url, ValueError> {
    web_address(text).ok().filter(Url::has_host).ok_or_else(|| {
        let problem = "is not an http or https URL such as http://localhost:11434/v1 (no user, password, ? or #)";
        ValueError::Secret(problem.to_owned())
    })
}

pub(super) fn model(text: &str) -> Result<String, ValueError> {
    let text = text.trim();
    let name = (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    expect(name.then(|| text.to_owned()), text, "a model's name (1 to 200 characters)")
}

/// A temperature from 0 to 1. Cohere's reference (<https://docs.cohere.com/v2/reference/chat>) says that it is not
/// negative and names no end; more than 1 is of no use to an assistant that has to name tools and tasks.
pub(super) fn cohere_temperature(text: &str) -> Result<f32, ValueError> {
    expect(temperature(text, 1.0), text, "a temperature (0 to 1)")
}

/// A temperature from 0 to 2, as OpenAI's reference has it (<https://platform.openai.com/docs/api-reference/chat>).
pub(super) fn openai_temperature(text: &str) -> Result<f32, ValueError> {
    expect(temperature(text, 2.0), text, "a temperature (0 to 2)")
}

fn temperature(text: &str, most: f32) -> Option<f32> {
    text.trim().parse().ok().filter(|temperature| (0.0..=most).contains(temperature))
}

pub(super) fn environment(text: &str) -> Result<Environment, ValueError> {
    let environment = match text.trim() {
        "development" => Some(Environment::Development),
        "production" => Some(Environment::Production),
        _ => None,
    };
    expect(environment, text, "an environment (development or production)")
}

pub(super) fn instance(text: Option<&str>) -> Result<Option<InstanceId>, ValueError> {
    let Some(text) = given(text) else { return Ok(None) };
    expect(text.parse().ok(), text, "an instance's name (1 to 64 letters, digits or '-_.')").map(Some)
}

pub(super) fn log_filter(text: &str) -> Result<LogFilter, ValueError> {
    expect(text.parse().ok(), text, "a log filter such as info or info,http_api=debug")
}

//! What a provider says when it cannot answer, as the domain's errors: by status, by the body's words, by `Retry-After`.
//!
//! | what the provider says | error |
//! |---|---|
//! | 404 or 410 about the model, or a code that says that the model is gone | `ModelRetired` |
//! | 401, 402, 403, 498 | `Unauthorized` |
//! | 429, and 503 with `Retry-After` | `RateLimited` |
//! | 408, 409 and every other 5xx | `Unavailable` |
//! | everything else: 3xx, 400, 404, 413, 422, … | `BadReply` |
//!
//! A retry makes sense after `RateLimited` and `Unavailable` alone. Deliberately not here: retrying.

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::{Duration, SystemTime};

use domain::llm::LlmError;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// The longest wait that a provider may ask for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);
/// So many characters of a provider's own words are kept for the log.
const MAX_MESSAGE: usize = 500;
/// A shorter key is one of those that local servers take instead of none ("x"), and hiding it would garble words.
const SHORTEST_SECRET: usize = 8;

/// How servers say that the conversation does not fit into the model.
const TOO_LONG: [&str; 7] = [
    "context length",
    "context window",
    "context size",
    "maximum context",
    "too many tokens",
    "prompt is too long",
    "input is too long",
];

/// What a body of an error says: `{id, message}`, `{error: {message, type, code}}`, `{error: "…"}`,
/// `{object: "error", message, code}` or `{detail}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// Codes and types, such as `model_not_found`, in lower case.
    pub codes: Vec<String>,
    /// The words; the body itself if it is no JSON.
    pub message: String,
}

impl ErrorBody {
    /// Reads a body.
    pub fn read(body: &str) -> Self {
        match serde_json::from_str::<Value>(body) {
            // Some servers answer errors in an array.
            Ok(Value::Array(values)) => values.first().map(Self::of).unwrap_or_default(),
            Ok(value) => Self::of(&value),
            Err(_) => Self { codes: Vec::new(), message: body.trim().to_owned() },
        }
    }

    /// Reads a JSON body.
    pub fn of(value: &Value) -> Self {
        let (inner, outer) = match value.get("error") {
            Some(error @ Value::Object(_)) => (error, value),
            _ => (value, value),
        };
        let message = [&inner["message"], &outer["error"], &outer["detail"], &outer["message"]];
        let message = message.into_iter().find(|message| !message.is_null());
        let message = match message {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let mut codes = Vec::new();
        for code in [&inner["code"], &inner["type"], &outer["code"], &outer["error_type"]] {
            let code = match code {
                Value::String(text) => text.to_lowercase(),
                Value::Number(number) => number.to_string(),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => continue,
            };
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        Self { codes, message }
    }

    /// The HTTP status among the codes: an error inside a stream has none of its own.
    fn status(&self) -> Option<u16> {
        self.codes.iter().filter_map(|code| code.parse().ok()).find(|status| (400..600).contains(status))
    }

    fn has_code(&self, words: &[&str]) -> bool {
        self.codes.iter().any(|code| words.iter().any(|word| code.contains(word)))
    }
}

/// The cause of an error that the provider itself reported, for the log: status, codes and its own words, cut to
/// 500 characters and without the key, and what the operator can do about it if that is known.
#[derive(Debug)]
pub struct ReportedError {
    status: Option<u16>,
    said: ErrorBody,
    hint: Option<String>,
}

impl fmt::Display for ReportedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "HTTP status {status}")?,
            None => f.write_str("an error inside the reply")?,
        }
        if !self.said.codes.is_empty() {
            write!(f, " ({})", self.said.codes.join(", "))?;
        }
        if !self.said.message.is_empty() {
            write!(f, ": {}", self.said.message)?;
        }
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " [{hint}]"))
    }
}

impl std::error::Error for ReportedError {}

/// Makes the domain's errors of what a provider says. It knows the key, so as to keep it out of them.
#[derive(Clone, Debug)]
pub struct FailureContext {
    model: String,
    setting: &'static str,
    key: Option<SecretString>,
}

impl FailureContext {
    /// For calls of `model`, which `setting` names, with `key`.
    pub fn new(model: &str, setting: &'static str, key: Option<SecretString>) -> Self {
        Self { model: model.to_owned(), setting, key }
    }

    /// The error of an answer with this status. `retry_after` is what [`retry_after`] read.
    pub fn of_status(&self, status: u16, said: ErrorBody, retry_after: Option<Duration>) -> LlmError {
        self.error(Some(status), said, retry_after)
    }

    /// The error of an answer that sends the request elsewhere: to `location`, which names no user and has no query.
    pub fn of_redirect(&self, status: u16, location: Option<&str>) -> LlmError {
        let to = location.map(|location| format!(" to {location}")).unwrap_or_default();
        let hint = self.clean(format!("redirects are not followed{to}: the base URL may be wrong"));
        let said = ErrorBody::default();
        LlmError::BadReply(Box::new(ReportedError { status: Some(status), said, hint: Some(hint) }))
    }

    /// The error of an error object inside an answer that began well.
    pub fn inside_reply(&self, said: ErrorBody) -> LlmError {
        self.error(None, said, None)
    }

    fn error(&self, status: Option<u16>, said: ErrorBody, retry_after: Option<Duration>) -> LlmError {
        let kind = status.or(said.status()).unwrap_or_else(|| status_of_words(&said));
        let retired = self.is_about_model(kind, &said);
        let hint = match kind {
            _ if retired => None,
            429 | 503 => retry_after.map(|wait| format!("it says to wait for {} s", wait.as_secs())),
            _ => self.hint(status, kind, &said),
        };
        let source = Box::new(ReportedError { status, said: self.presentable(kind, said), hint });
        match kind {
            _ if retired => LlmError::ModelRetired { model: self.model.clone(), setting: self.setting, source },
            401 | 402 | 403 | 498 => LlmError::Unauthorized(source),
            429 => LlmError::RateLimited { retry_after, source },
            // RFC 9110, 15.6.4: overloaded, and it says until when.
            503 if retry_after.is_some() => LlmError::RateLimited { retry_after, source },
            408 | 409 | 500..=599 => LlmError::Unavailable(source),
            _ => LlmError::BadReply(source),
        }
    }

    fn is_about_model(&self, status: u16, said: &ErrorBody) -> bool {
        let gone = ["model_not_found", "model_decommissioned", "model_deprecated", "invalid_model"];
        if said.has_code(&gone) {
            return true;
        }
        let message = said.message.to_lowercase();
        let named = !self.model.is_empty() && message.contains(&self.model.to_lowercase());
        match status {
            404 | 410 => named || message.contains("model"),
            400 => {
                let says = ["not a valid model", "not found", "does not exist", "decommissioned", "was removed"];
                named && says.iter().any(|words| message.contains(words))
            }
            _ => false,
        }
    }

    /// What the operator can do, where the provider's words tell it.
    fn hint(&self, status: Option<u16>, kind: u16, said: &ErrorBody) -> Option<String> {
        let message = said.message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        let refused = matches!(kind, 400 | 404 | 413 | 422);
        if refused && (said.has_code(&["context_length", "context_size"]) || says(&TOO_LONG)) {
            return Some("LLM_HISTORY_TOKENS may be too high for this model".to_owned());
        }
        if refused && says(&["tool", "function"]) && says(&["not support", "unsupported", "that support"]) {
            return Some(format!("a model that can call tools is needed: see {}", self.setting));
        }
        let is_nowhere = matches!(status, Some(404 | 405 | 410));
        is_nowhere.then(|| "the base URL may be wrong".to_owned())
    }

    /// What may stand in a log: no key, no control characters, not too much.
    fn presentable(&self, status: u16, said: ErrorBody) -> ErrorBody {
        // Who refuses a key likes to repeat a part of it.
        let silent = matches!(status, 401 | 498);
        ErrorBody {
            codes: said.codes.into_iter().take(4).map(|code| self.clean(code)).collect(),
            message: if silent { String::new() } else { self.clean(said.message) },
        }
    }

    fn clean(&self, text: String) -> String {
        let text = match self.key.as_ref().map(|key| key.expose_secret().trim()) {
            Some(key) if key.len() >= SHORTEST_SECRET => text.replace(key, "[key]"),
            _ => text,
        };
        let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        shown.take(MAX_MESSAGE).collect()
    }
}

/// The status that an error without one comes nearest to.
fn status_of_words(said: &ErrorBody) -> u16 {
    if said.has_code(&["rate_limit", "quota", "too_many"]) {
        429
    } else if said.has_code(&["authentication", "api_key", "permission", "unauthorized", "forbidden"]) {
        401
    } else if said.has_code(&["invalid_request", "context_length", "context_size", "tool_use", "content_filter"]) {
        400
    } else {
        500
    }
}

/// Reads `Retry-After` (RFC 9110, 10.2.3): whole seconds, or a date, which is taken relative to the answer's own `Date`
/// if it has one, so that wrong clocks do no harm. At most [`MAX_RETRY_AFTER`]; `None` if it makes no sense.
pub fn retry_after(value: &str, date: Option<&str>, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let until = httpdate::parse_http_date(value).ok()?;
        let from = date.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
        until.duration_since(from).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

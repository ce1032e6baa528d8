//! Maps the error responses of providers to the domain's errors, by status, body and `Retry-After`.
//!
//! | response | error |
//! |---|---|
//! | 404 or 410 about the model, or a code that says that the model was removed | `ModelRetired` |
//! | 402, and 429 or 403 whose reason is a used-up quota | `QuotaExhausted` |
//! | 401, 403, 498 | `Unauthorized` |
//! | 429, and 503 with `Retry-After` | `RateLimited` |
//! | 408, 409 and every other 5xx | `Unavailable` |
//! | everything else: 3xx, 400, 404, 413, 422, … | `BadReply` |
//!
//! Only `RateLimited`, `Unavailable` and a call that the model generated wrongly (Groq's 400 `tool_use_failed`) are worth a
//! retry (`resilience.rs`).

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::{Duration, SystemTime};

use domain::llm::LlmError;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// Maximum of a parsed `Retry-After`.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);
/// Maximum length of a provider's message in the log, in characters.
const MAX_MESSAGE_CHARS: usize = 500;
/// Minimum length of a key that is redacted, in bytes. Shorter ones are placeholders for local servers ("x"), and
/// redacting them would garble messages.
const MIN_REDACTED_KEY_BYTES: usize = 8;

/// Phrases that say that the conversation exceeds the model's context window.
const CONTEXT_LENGTH_PHRASES: [&str; 7] = [
    "context length",
    "context window",
    "context size",
    "maximum context",
    "too many tokens",
    "prompt is too long",
    "input is too long",
];

/// Codes that say that a quota is used up, and not only for a moment (OpenAI, Moonshot, Hugging Face, `DeepSeek`).
const QUOTA_CODES: [&str; 6] = [
    "insufficient_quota",
    "exceeded_current_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "insufficient_balance",
    "insufficient_credit",
];
/// Phrases that say the same (Cohere's trial keys, xAI, `DeepSeek`, `OpenRouter`). "Exceeded your current quota" is none:
/// Gemini also says it of a limit per minute.
const QUOTA_PHRASES: [&str; 8] = [
    "calls / month",
    "per month",
    "monthly limit",
    "monthly spending limit",
    "monthly usage limit",
    "insufficient balance",
    "insufficient credits",
    "used all available credits",
];

/// The content of an error body: `{id, message}`, `{error: {message, type, code}}`, `{error: "…"}`,
/// `{object: "error", message, code}` or `{detail}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// Codes and types, such as `model_not_found`, in lower case.
    pub codes: Vec<String>,
    /// The message; the body itself if it is not JSON.
    pub message: String,
}

impl ErrorBody {
    /// Parses a body of any content type.
    pub fn parse(body: &str) -> Self {
        match serde_json::from_str::<Value>(body) {
            // Some servers wrap the error in an array.
            Ok(Value::Array(values)) => values.first().map(Self::from_json).unwrap_or_default(),
            Ok(value) => Self::from_json(&value),
            Err(_) => Self { codes: Vec::new(), message: body.trim().to_owned() },
        }
    }

    /// Extracts codes and message from a JSON body.
    pub fn from_json(value: &Value) -> Self {
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

    /// Returns the HTTP status among the codes. An error inside a stream has no other.
    fn status(&self) -> Option<u16> {
        self.codes.iter().filter_map(|code| code.parse().ok()).find(|status| (400..600).contains(status))
    }

    fn has_code(&self, parts: &[&str]) -> bool {
        self.codes.iter().any(|code| parts.iter().any(|part| code.contains(part)))
    }

    fn is_about_quota(&self) -> bool {
        let message = self.message.to_lowercase();
        self.has_code(&QUOTA_CODES) || QUOTA_PHRASES.iter().any(|phrase| message.contains(phrase))
    }
}

/// An error that the provider reported, as the cause in the log: status, codes, message (at most 500 characters,
/// without the key), and a hint for the operator if the reason is known.
#[derive(Debug)]
pub struct ReportedError {
    status: Option<u16>,
    body: ErrorBody,
    hint: Option<String>,
}

impl fmt::Display for ReportedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "HTTP status {status}")?,
            None => f.write_str("an error inside the reply")?,
        }
        if !self.body.codes.is_empty() {
            write!(f, " ({})", self.body.codes.join(", "))?;
        }
        if !self.body.message.is_empty() {
            write!(f, ": {}", self.body.message)?;
        }
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " [{hint}]"))
    }
}

impl std::error::Error for ReportedError {}

impl ReportedError {
    /// Whether the model generated an invalid call: another attempt may succeed.
    pub(crate) fn is_failed_call(&self) -> bool {
        self.body.has_code(&["tool_use_failed"])
    }
}

/// Maps reported errors to the domain's errors and redacts the key in them.
#[derive(Clone, Debug)]
pub struct ErrorMapper {
    model: String,
    setting: &'static str,
    key: Option<SecretString>,
}

impl ErrorMapper {
    /// Creates a mapper for calls of `model`, whose name is in the setting `setting`, with `key`.
    pub fn new(model: &str, setting: &'static str, key: Option<SecretString>) -> Self {
        Self { model: model.to_owned(), setting, key }
    }

    /// Maps an error response. `retry_after` is the result of [`parse_retry_after`].
    pub fn map_response(&self, status: u16, body: ErrorBody, retry_after: Option<Duration>) -> LlmError {
        self.map(Some(status), body, retry_after)
    }

    /// Maps a redirect to `location`, which must have no user name, password or query.
    pub fn map_redirect(&self, status: u16, location: Option<&str>) -> LlmError {
        let to = location.map(|location| format!(" to {location}")).unwrap_or_default();
        let hint = self.redact(format!("redirects are not followed{to}: the base URL may be wrong"));
        let body = ErrorBody::default();
        LlmError::BadReply(Box::new(ReportedError { status: Some(status), body, hint: Some(hint) }))
    }

    /// Maps an error object inside a response with a 2xx status.
    pub fn map_reply_error(&self, body: ErrorBody) -> LlmError {
        self.map(None, body, None)
    }

    fn map(&self, status: Option<u16>, body: ErrorBody, retry_after: Option<Duration>) -> LlmError {
        let effective = status.or(body.status()).unwrap_or_else(|| infer_status(&body));
        let retired = self.is_about_model(effective, &body);
        let quota_exhausted = effective == 402 || (matches!(effective, 403 | 429) && body.is_about_quota());
        let hint = match effective {
            _ if retired => None,
            _ if quota_exhausted => Some("see billing and limits in the provider's console".to_owned()),
            429 | 503 => retry_after.map(|wait| format!("retry after {} s", wait.as_secs())),
            _ => self.hint(status, effective, &body),
        };
        let source = Box::new(ReportedError { status, body: self.sanitize(effective, body), hint });
        match effective {
            _ if retired => LlmError::ModelRetired { model: self.model.clone(), setting: self.setting, source },
            _ if quota_exhausted => LlmError::QuotaExhausted(source),
            401 | 403 | 498 => LlmError::Unauthorized(source),
            429 => LlmError::RateLimited { retry_after, source },
            // RFC 9110, 15.6.4: a temporary overload, with the expected delay.
            503 if retry_after.is_some() => LlmError::RateLimited { retry_after, source },
            408 | 409 | 500..=599 => LlmError::Unavailable(source),
            _ => LlmError::BadReply(source),
        }
    }

    fn is_about_model(&self, status: u16, body: &ErrorBody) -> bool {
        if body.has_code(&["model_not_found", "model_decommissioned", "model_deprecated", "invalid_model"]) {
            return true;
        }
        let message = body.message.to_lowercase();
        let names_model = !self.model.is_empty() && message.contains(&self.model.to_lowercase());
        match status {
            404 | 410 => names_model || message.contains("model"),
            400 => {
                let phrases = ["not a valid model", "not found", "does not exist", "decommissioned", "was removed"];
                names_model && phrases.iter().any(|phrase| message.contains(phrase))
            }
            _ => false,
        }
    }

    /// Returns what the operator can do, if the body tells the reason.
    fn hint(&self, status: Option<u16>, effective: u16, body: &ErrorBody) -> Option<String> {
        let message = body.message.to_lowercase();
        let mentions = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
        let rejected = matches!(effective, 400 | 404 | 413 | 422);
        if rejected && (body.has_code(&["context_length", "context_size"]) || mentions(&CONTEXT_LENGTH_PHRASES)) {
            return Some("LLM_HISTORY_TOKENS may be too high for this model".to_owned());
        }
        if rejected && mentions(&["tool", "function"]) && mentions(&["not support", "unsupported", "that support"]) {
            return Some(format!("a model that supports tool calls is required: see {}", self.setting));
        }
        let is_unknown_path = matches!(status, Some(404 | 405 | 410));
        is_unknown_path.then(|| "the base URL may be wrong".to_owned())
    }

    /// Makes a body safe to log: no key, no control characters, bounded length.
    fn sanitize(&self, status: u16, body: ErrorBody) -> ErrorBody {
        // Providers that refuse a key often quote part of it.
        let omits_message = matches!(status, 401 | 498);
        ErrorBody {
            codes: body.codes.into_iter().take(4).map(|code| self.redact(code)).collect(),
            message: if omits_message { String::new() } else { self.redact(body.message) },
        }
    }

    fn redact(&self, text: String) -> String {
        let text = match self.key.as_ref().map(|key| key.expose_secret().trim()) {
            Some(key) if key.len() >= MIN_REDACTED_KEY_BYTES => text.replace(key, "[key]"),
            _ => text,
        };
        let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        printable.take(MAX_MESSAGE_CHARS).collect()
    }
}

/// Infers the HTTP status of an error that has none from its codes.
fn infer_status(body: &ErrorBody) -> u16 {
    if body.has_code(&["rate_limit", "quota", "too_many"]) {
        429
    } else if body.has_code(&["authentication", "api_key", "permission", "unauthorized", "forbidden"]) {
        401
    } else if body.has_code(&["invalid_request", "context_length", "context_size", "tool_use", "content_filter"]) {
        400
    } else {
        500
    }
}

/// Parses `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. A date is relative to the response's own `Date` if
/// there is one, so that clock differences have no effect. At most [`MAX_RETRY_AFTER`]; `None` if the value is invalid.
pub fn parse_retry_after(value: &str, date: Option<&str>, now: SystemTime) -> Option<Duration> {
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

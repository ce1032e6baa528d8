//! The list of metrics: their types and labels. Durations are in seconds and sizes in bytes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Name, type and labels in alphabetical order.
const FAMILIES: &[(&str, &str, &[&str])] = &[
    ("doable_background_tasks", "gauge", &[]),
    ("doable_build_info", "gauge", &["database", "version"]),
    ("doable_change_poll_age_seconds", "gauge", &[]),
    ("doable_change_readers", "gauge", &[]),
    ("doable_database_connection_acquisitions_total", "counter", &["pool"]),
    ("doable_database_connection_wait_seconds_total", "counter", &["pool"]),
    ("doable_database_connection_waiters", "gauge", &["pool"]),
    ("doable_database_connections_in_use", "gauge", &["pool"]),
    ("doable_database_connections_max", "gauge", &["pool"]),
    ("doable_http_request_duration_seconds", "histogram", &["method", "route"]),
    ("doable_http_requests_in_flight", "gauge", &[]),
    ("doable_http_requests_total", "counter", &["code", "method", "route", "status"]),
    ("doable_http_streams_open", "gauge", &[]),
    ("doable_http_streams_total", "counter", &["ending", "route"]),
    ("doable_model_breaker_state", "gauge", &["provider", "state"]),
    ("doable_model_call_duration_seconds", "histogram", &["model", "provider"]),
    ("doable_model_calls_total", "counter", &["model", "provider", "result"]),
    ("doable_model_first_token_seconds", "histogram", &["model", "provider"]),
    ("doable_model_tokens_total", "counter", &["direction", "model", "provider"]),
    ("doable_rate_limit_fallbacks_total", "counter", &[]),
    ("doable_rate_limit_redis_up", "gauge", &[]),
    ("doable_rate_limit_refusals_total", "counter", &["policy"]),
    ("doable_sign_in_failures_total", "counter", &["reason", "way"]),
    ("doable_tool_calls_total", "counter", &["result", "tool"]),
    ("doable_turn_duration_seconds", "histogram", &["provider"]),
    ("doable_turns_running", "gauge", &[]),
    ("doable_turns_total", "counter", &["failure", "provider", "state"]),
    ("process_cpu_seconds_total", "counter", &[]),
    ("process_max_fds", "gauge", &[]),
    ("process_open_fds", "gauge", &[]),
    ("process_resident_memory_bytes", "gauge", &[]),
    ("process_start_time_seconds", "gauge", &[]),
    ("process_threads", "gauge", &[]),
    ("process_virtual_memory_bytes", "gauge", &[]),
];

/// The type of each family.
pub fn expected() -> BTreeMap<String, String> {
    FAMILIES.iter().map(|(name, kind, _)| ((*name).to_owned(), (*kind).to_owned())).collect()
}

/// The labels of a family.
pub fn labels_of(family: &str) -> &'static [&'static str] {
    FAMILIES.iter().find(|(name, ..)| *name == family).map_or(&[], |(_, _, labels)| labels)
}

/// Whether a query can use this name.
pub fn exists(name: &str) -> bool {
    FAMILIES.iter().any(|(family, kind, _)| {
        let suffix = name.strip_prefix(family);
        suffix == Some("")
            || *kind == "histogram" && suffix.is_some_and(|suffix| ["_bucket", "_sum", "_count"].contains(&suffix))
    })
}

/// The names of metrics in a text.
pub fn used_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("doable_") || word.starts_with("process_")).map(str::to_owned).collect()
}

/// The queries of a dashboard: each `expr` and `query`.
pub fn queries(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(text) if name == "expr" || name == "query" => vec![text.clone()],
                other => queries(other),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(queries).collect(),
        _ => Vec::new(),
    }
}

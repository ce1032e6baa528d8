//! Settings of metrics and of the log's format.
#![expect(clippy::doc_markdown, reason = "the comments are the help that clap prints")]

use clap::Args;
use secrecy::SecretString;

use super::value::{self, ListenAddress, Parse, ValueError};
use crate::telemetry::{LogFilter, LogFormat};

/// Settings of the monitoring.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Monitoring")]
pub struct MonitoringSettings {
    /// Address and port that serve /metrics alone, such as 127.0.0.1:9464; it is then not served with the API. If unset,
    /// the API serves it: with METRICS_TOKEN to its bearers, without it to clients on this machine, and in production to
    /// nobody
    #[arg(long, env = "METRICS_ADDR", value_name = "ADDRESS:PORT", value_parser = Parse(value::listen_address))]
    pub metrics_addr: Option<ListenAddress>,

    /// Bearer token that /metrics requires, at least 16 characters, such as `openssl rand -hex 16` prints. Prefer the
    /// variable to the flag
    #[arg(long, env = "METRICS_TOKEN", value_name = "TOKEN", hide_default_value = true)]
    #[arg(value_parser = Parse(value::metrics_token))]
    pub metrics_token: Option<SecretString>,

    /// Format of the log: text (lines for people), json (one object per line), or auto: text if standard error is a
    /// terminal, else json
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", default_value = "auto", global = true)]
    #[arg(value_parser = Parse(log_format))]
    pub log_format: LogFormat,
}

pub(super) fn log_filter(text: &str) -> Result<LogFilter, ValueError> {
    value::expect(text.trim().parse().ok(), text, "a log filter such as info or info,http_api=debug")
}

fn log_format(text: &str) -> Result<LogFormat, ValueError> {
    let format = match text.trim() {
        "auto" => Some(LogFormat::Auto),
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    };
    value::expect(format, text, "a log format (auto, text or json)")
}

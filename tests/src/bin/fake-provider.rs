//! `fake-provider`: a language model provider on loopback that needs no key, with faults on request. It prints the
//! settings for the app, then a line for each request, until it is interrupted.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tests::fake_provider::{Behaviour, FakeProvider, Fault};

/// Speaks Cohere's chat API v2 and OpenAI's chat completions on 127.0.0.1, with the built-in assistant.
#[derive(Parser)]
#[command(name = "fake-provider")]
struct Arguments {
    /// Port to listen on; 0 for any free port
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Delay before the first byte of an answer
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// Delay between two pieces of an answer
    #[arg(long, value_name = "DURATION", default_value = "30ms", value_parser = humantime::parse_duration)]
    piece_gap: Duration,
    /// Fault of every answer
    #[arg(long)]
    fault: Option<FaultName>,
}

#[derive(Clone, Copy, ValueEnum)]
enum FaultName {
    /// 429 with Retry-After: 2
    RateLimited,
    /// 429: the quota is used up
    QuotaExhausted,
    /// 400: the model generated an invalid call
    FailedCall,
    /// 503
    Unavailable,
    /// 401
    Unauthorized,
    /// 404: the provider has no such model
    ModelRetired,
    /// The connection is closed after three pieces
    Cut,
    /// Events whose data is not JSON
    Garbage,
    /// Endless text
    Endless,
    /// One endless line
    EndlessLine,
    /// No byte is sent
    Silent,
    /// Nothing is sent after three pieces
    Hang,
    /// An error event after three pieces
    ErrorInStream,
}

impl From<FaultName> for Fault {
    fn from(name: FaultName) -> Self {
        match name {
            FaultName::RateLimited => Self::rate_limited(Duration::from_secs(2)),
            FaultName::QuotaExhausted => Self::QuotaExhausted,
            FaultName::FailedCall => Self::FailedCall,
            FaultName::Unavailable => Self::status(503),
            FaultName::Unauthorized => Self::status(401),
            FaultName::ModelRetired => Self::status(404),
            FaultName::Cut => Self::CutAfter(3),
            FaultName::Garbage => Self::Garbage,
            FaultName::Endless => Self::EndlessLines,
            FaultName::EndlessLine => Self::EndlessLine,
            FaultName::Silent => Self::Silent,
            FaultName::Hang => Self::HangsAfter(3),
            FaultName::ErrorInStream => Self::ErrorAfter(3),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Arguments { port, latency, piece_gap, fault } = Arguments::parse();
    let print = |line: &str| {
        // The provider continues if standard output is closed.
        drop(writeln!(std::io::stdout(), "{line}"));
    };
    let behaviour = Behaviour {
        fault: fault.map(Fault::from),
        latency,
        piece_gap,
        observer: Some(Arc::new(print)),
        ..Behaviour::assistant()
    };
    let provider = FakeProvider::start_on(port, behaviour)?;
    let (url, openai_url) = (provider.url(), provider.openai_url());
    print(&format!(
        "A fake provider listens on {url}. Start the app with one of these:\n  \
         LLM_PROVIDER=cohere COHERE_BASE_URL={url} COHERE_API_KEY=anything\n  \
         LLM_PROVIDER=openai OPENAI_BASE_URL={openai_url} OPENAI_API_KEY=anything OPENAI_MODEL=fake"
    ));
    tokio::signal::ctrl_c().await?;
    Ok(())
}

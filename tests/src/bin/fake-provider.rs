//! `fake-provider`: a language model provider on loopback for people without a key, with faults on request. It prints what
//! to set, and then a line for each request, until it is interrupted.
//!
//! Deliberately not here: how it answers, which is in `fake_provider`.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tests::fake_provider::{Behaviour, FakeProvider, Fault, Otherwise};

/// Speaks Cohere's chat API v2 and OpenAI's chat completions on 127.0.0.1, with the built-in assistant.
#[derive(Parser)]
#[command(name = "fake-provider")]
struct Arguments {
    /// The port to listen on; 0 is any free one
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// How long an answer takes before its first byte
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// How long it takes between two pieces of an answer
    #[arg(long, value_name = "DURATION", default_value = "30ms", value_parser = humantime::parse_duration)]
    piece_gap: Duration,
    /// What is wrong with every answer
    #[arg(long)]
    fault: Option<FaultName>,
}

#[derive(Clone, Copy, ValueEnum)]
enum FaultName {
    /// 429 with Retry-After: 2
    RateLimited,
    /// 503
    Unavailable,
    /// 401
    Unauthorized,
    /// 404: the provider has no such model
    ModelRetired,
    /// The connection is closed after three pieces
    Cut,
    /// Events whose data is no JSON
    Garbage,
    /// Text without end
    Endless,
    /// One line without end
    EndlessLine,
    /// Not a byte, ever
    Silent,
    /// Nothing more after three pieces
    Hang,
    /// The stream tells of an error after three pieces
    ErrorInStream,
}

impl From<FaultName> for Fault {
    fn from(name: FaultName) -> Self {
        match name {
            FaultName::RateLimited => Self::rate_limited(Duration::from_secs(2)),
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
    let say = |line: &str| {
        // Whoever reads may be gone; that is no reason to stop answering.
        drop(writeln!(std::io::stdout(), "{line}"));
    };
    let behaviour = Behaviour {
        otherwise: Otherwise::Assistant,
        fault: fault.map(Fault::from),
        latency,
        piece_gap,
        observer: Some(Arc::new(say)),
    };
    let provider = FakeProvider::start_on(port, behaviour)?;
    let (url, openai_url) = (provider.url(), provider.openai_url());
    say(&format!(
        "A fake provider listens on {url}. Start the app with one of these:\n  \
         LLM_PROVIDER=cohere COHERE_BASE_URL={url} COHERE_API_KEY=anything\n  \
         LLM_PROVIDER=openai OPENAI_BASE_URL={openai_url} OPENAI_API_KEY=anything OPENAI_MODEL=fake"
    ));
    tokio::signal::ctrl_c().await?;
    Ok(())
}

//! `bench-chat`: the server's own time in a chat turn, without the provider's, on SQLite and on Postgres.
//!
//! Each turn adds one task with two requests to the provider. The server's own time is the client's time less the time
//! between each request and its answer at the fake provider. Provider, server and clients share one process; with
//! several clients the time includes waiting for CPUs.

use std::time::{Duration, Instant};

use app::cli::Cli;
use app::settings::{Settings, Variables};
use app::{Application, Overrides};
use clap::Parser;
use futures_util::future;
use test_database::{Kind, TestDatabase, postgres_is_missing};
use tests::TestUser;
use tests::fake_provider::{Behaviour, FakeProvider};
use tests::measure::{Times, print_line, register};

/// Measures the server's own time in a chat turn. Build it with --release.
#[derive(Parser)]
#[command(name = "bench-chat")]
struct Arguments {
    /// Number of turns, one after the other
    #[arg(long, default_value_t = 300)]
    turns: usize,
    /// Number of concurrent clients in the second measurement
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Number of turns per conversation
    #[arg(long, default_value_t = 5, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    conversation: usize,
}

/// Number of turns before the measured ones.
const WARM_UP_TURNS: usize = 20;

/// Times of the measured turns.
#[derive(Default)]
struct Measured {
    own: Times,
    whole: Times,
    provider: Times,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if cfg!(debug_assertions) {
        print_line("This is a debug build: its figures are not meaningful.")?;
    }
    for kind in [Kind::Sqlite, Kind::Postgres] {
        if kind == Kind::Postgres && postgres_is_missing() {
            print_line("Postgres: skipped, no server found (TEST_DATABASE_URL or installed server programs)")?;
            continue;
        }
        measure(kind, &arguments).await?;
    }
    Ok(())
}

async fn measure(kind: Kind, arguments: &Arguments) -> anyhow::Result<()> {
    let database = TestDatabase::create(kind).await?;
    let provider = FakeProvider::start(Behaviour::assistant())?;
    let settings = settings(database.url(), &provider.url())?;
    let overrides = Overrides { cheap_passwords: true, ..Overrides::default() };
    let application = Application::build(settings, overrides).await?;
    let address = application.address();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(application.run_until_stopped(async move { drop(stopped.await) }));

    let ada = register(&address, "ada").await?;
    turns(&ada, "warm", WARM_UP_TURNS, arguments.conversation).await?;
    let sequential = turns(&ada, "alone", arguments.turns, arguments.conversation).await?;
    report(kind, 1, &sequential, &provider)?;

    let each = arguments.turns.div_ceil(arguments.clients.max(1));
    let mut users = Vec::new();
    for client in 0..arguments.clients {
        users.push((register(&address, &format!("client{client}")).await?, format!("client{client}")));
    }
    let concurrent = users.iter().map(|(user, name)| turns(user, name, each, arguments.conversation));
    let concurrent: Vec<_> = future::try_join_all(concurrent).await?.concat();
    report(kind, arguments.clients, &concurrent, &provider)?;

    drop(stop);
    server.await?
}

/// A completed turn: its marker and the time that the client waited.
type Turn = (String, Duration);

/// Runs turns one after the other, `per_conversation` in each conversation.
async fn turns(user: &TestUser, name: &str, turns: usize, per_conversation: usize) -> anyhow::Result<Vec<Turn>> {
    let (mut done, mut conversation) = (Vec::new(), None);
    for number in 0..turns {
        if number % per_conversation == 0 {
            conversation = None;
        }
        let marker = format!("{name}-{number}-");
        let started = Instant::now();
        let answer = user.say(&format!("Add a task to {marker}"), conversation.as_deref()).await?;
        let elapsed = started.elapsed();
        let answer = answer.expect(200)?;
        anyhow::ensure!(answer["tool_calls"][0]["result"]["success"] == true, "{answer}");
        conversation = answer["conversation_id"].as_str().map(str::to_owned);
        done.push((marker, elapsed));
    }
    Ok(done)
}

fn report(kind: Kind, clients: usize, turns: &[Turn], provider: &FakeProvider) -> anyhow::Result<()> {
    let requests = provider.requests();
    let mut measured = Measured::default();
    for (marker, whole) in turns {
        let of_turn: Vec<_> = requests.iter().filter(|request| request.user_text.ends_with(marker.as_str())).collect();
        anyhow::ensure!(of_turn.len() == 2, "{marker}: {} requests to the provider", of_turn.len());
        let waits = of_turn.iter().map(|request| request.answered_at.map(|end| end - request.received_at));
        let provider: Duration = waits.map(Option::unwrap_or_default).sum();
        measured.whole.push(*whole);
        measured.provider.push(provider);
        measured.own.push(whole.saturating_sub(provider));
    }
    print_line(&format!("{kind:?}, {clients} concurrent"))?;
    print_line(&format!("  the server's own time  {}", measured.own.summary()))?;
    print_line(&format!("  the provider's         {}", measured.provider.summary()))?;
    print_line(&format!("  the whole turn         {}", measured.whole.summary()))?;
    Ok(())
}

fn settings(database_url: &str, provider_url: &str) -> anyhow::Result<Settings> {
    let secret = "a secret for benchmarks, of more than 32 bytes";
    let mut arguments = vec!["app", "--port", "0", "--database-url", database_url, "--jwt-secret", secret];
    arguments.extend(["--chat-requests-per-minute", "0", "--sign-in-requests-per-minute", "0"]);
    arguments.extend(["--llm-provider", "cohere", "--cohere-base-url", provider_url, "--cohere-api-key", "any"]);
    Ok(Cli::read(arguments, &Variables::default())?.settings)
}

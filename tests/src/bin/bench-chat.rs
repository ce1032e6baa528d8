//! `bench-chat`: the server's own time in a chat turn, that is everything but the provider's, on SQLite and on Postgres.
//!
//! Each turn adds one task, so it asks the provider twice. Its own time is what the client waited, less the time that
//! the fake provider had a request of this turn in its hands. Provider, server and clients share one process and its
//! processors; with several clients the time includes waiting for one another.

use std::time::{Duration, Instant};

use app::cli::Cli;
use app::settings::{Settings, Variables};
use app::{Application, Overrides};
use clap::Parser;
use futures_util::future;
use test_database::{Kind, TestDatabase, postgres_is_missing};
use tests::TestUser;
use tests::fake_provider::{Behaviour, FakeProvider};
use tests::measure::{Times, register, say};

/// Measures the server's own time in a chat turn. Build it with --release.
#[derive(Parser)]
#[command(name = "bench-chat")]
struct Arguments {
    /// How many turns are measured one after the other
    #[arg(long, default_value_t = 300)]
    turns: usize,
    /// How many clients there are when turns are measured at once
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// How many turns a conversation has before the next one begins
    #[arg(long, default_value_t = 5, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    conversation: usize,
}

/// So many turns go before the measured ones.
const WARM_UP: usize = 20;

/// What is known of a number of turns.
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
        say("This is a debug build: the figures mean nothing.")?;
    }
    for kind in [Kind::Sqlite, Kind::Postgres] {
        if kind == Kind::Postgres && postgres_is_missing() {
            say("Postgres: not measured, there is no server (TEST_DATABASE_URL, or the server's programs)")?;
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
    turns(&ada, "warm", WARM_UP, arguments.conversation).await?;
    let alone = turns(&ada, "alone", arguments.turns, arguments.conversation).await?;
    report(kind, 1, &alone, &provider)?;

    let each = arguments.turns.div_ceil(arguments.clients.max(1));
    let mut users = Vec::new();
    for client in 0..arguments.clients {
        users.push((register(&address, &format!("client{client}")).await?, format!("client{client}")));
    }
    let at_once = users.iter().map(|(user, name)| turns(user, name, each, arguments.conversation));
    let at_once: Vec<_> = future::try_join_all(at_once).await?.concat();
    report(kind, arguments.clients, &at_once, &provider)?;

    drop(stop);
    server.await?
}

/// A turn that is over: its marker, and how long the client waited.
type Turn = (String, Duration);

/// Takes turns one after the other, a new conversation after every few.
async fn turns(user: &TestUser, name: &str, turns: usize, per_conversation: usize) -> anyhow::Result<Vec<Turn>> {
    let (mut done, mut conversation) = (Vec::new(), None);
    for number in 0..turns {
        if number % per_conversation == 0 {
            conversation = None;
        }
        let marker = format!("{name}-{number}-");
        let began = Instant::now();
        let answer = user.say(&format!("Add a task to {marker}"), conversation.as_deref()).await?;
        let took = began.elapsed();
        let answer = answer.expect(200)?;
        anyhow::ensure!(answer["tool_calls"][0]["result"]["success"] == true, "{answer}");
        conversation = answer["conversation_id"].as_str().map(str::to_owned);
        done.push((marker, took));
    }
    Ok(done)
}

fn report(kind: Kind, clients: usize, turns: &[Turn], provider: &FakeProvider) -> anyhow::Result<()> {
    let requests = provider.requests();
    let mut measured = Measured::default();
    for (marker, whole) in turns {
        let of_turn: Vec<_> = requests.iter().filter(|request| request.user_text.ends_with(marker.as_str())).collect();
        anyhow::ensure!(of_turn.len() == 2, "{marker}: {} requests to the provider", of_turn.len());
        let waits = of_turn.iter().map(|request| request.answered.map(|end| end - request.at));
        let provider: Duration = waits.map(Option::unwrap_or_default).sum();
        measured.whole.push(*whole);
        measured.provider.push(provider);
        measured.own.push(whole.saturating_sub(provider));
    }
    say(&format!("{kind:?}, {clients} at once"))?;
    say(&format!("  the server's own time  {}", measured.own.summary()))?;
    say(&format!("  the provider's         {}", measured.provider.summary()))?;
    say(&format!("  the whole turn         {}", measured.whole.summary()))?;
    Ok(())
}

fn settings(database_url: &str, provider_url: &str) -> anyhow::Result<Settings> {
    let secret = "a secret for benchmarks, of more than 32 bytes";
    let mut arguments = vec!["app", "--port", "0", "--database-url", database_url, "--jwt-secret", secret];
    arguments.extend(["--chat-requests-per-minute", "0", "--sign-in-requests-per-minute", "0"]);
    arguments.extend(["--llm-provider", "cohere", "--cohere-base-url", provider_url, "--cohere-api-key", "any"]);
    Ok(Cli::read(arguments, &Variables::default())?.settings)
}

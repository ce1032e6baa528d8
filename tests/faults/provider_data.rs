//! Fields that only the sender of a reply understands, and ids of calls, in conversations with one and several providers.

use anyhow::{Context as _, ensure};
use app::cli::Cli;
use app::settings::Variables;
use app::{Application, Overrides};
use serde_json::{Value, json};
use test_database::TestDatabase;
use tests::TestUser;
use tests::fake_provider::{Behaviour, FakeProvider, Reply};

test_database::on_both_databases! {
    thoughts_and_signatures_return_with_their_calls_and_are_shown_to_nobody,
    a_conversation_goes_on_with_every_other_provider,
}

/// Starts a server on the database with this assistant and returns its address.
async fn start(database: &TestDatabase, assistant: &[&str]) -> anyhow::Result<String> {
    let secret = "a secret for tests, of more than 32 bytes";
    let mut arguments = vec!["app", "--port", "0", "--database-url", database.url(), "--jwt-secret", secret];
    arguments.extend(["--database-max-connections", "2", "--llm-history-tokens", "100000"]);
    arguments.extend(assistant);
    let settings = Cli::read(arguments, &Variables::default())?.settings;
    let overrides = Overrides { cheap_passwords: true, ..Overrides::default() };
    let application = Application::build(settings, overrides).await?;
    let address = application.address();
    tokio::spawn(application.run_until_stopped(futures_util::stream::pending()));
    Ok(address)
}

async fn start_with(database: &TestDatabase, provider: &FakeProvider, name: &str) -> anyhow::Result<String> {
    let (url, openai_url) = (provider.url(), provider.openai_url());
    let openai = ["--llm-provider", "openai", "--openai-base-url", &openai_url, "--openai-model", "fake"];
    let cohere = ["--llm-provider", "cohere", "--cohere-base-url", &url, "--cohere-api-key", "any"];
    start(database, if name == "openai" { &openai } else { &cohere }).await
}

/// The replies of the model in the request number `index`.
fn replies(provider: &FakeProvider, index: usize) -> Vec<Value> {
    let messages = provider.requests()[index].body["messages"].as_array().cloned().unwrap_or_default();
    messages.into_iter().filter(|message| message["role"] == "assistant").collect()
}

async fn thoughts_and_signatures_return_with_their_calls_and_are_shown_to_nobody(
    database: TestDatabase,
) -> anyhow::Result<()> {
    let thoughts = "The user\0 wants milk.";
    let signature = "Zm9v".repeat(16 * 1024);
    for name in ["openai", "cohere"] {
        let provider = FakeProvider::start(Behaviour::scripted())?;
        let user = TestUser::register(&start_with(&database, &provider, name).await?, name).await?;
        let milk = json!({"title": "milk"});
        provider.push(Reply::calls("add_task", &milk).call_id("own-id").signature(&signature).thoughts(thoughts));
        provider.push(Reply::says("Added milk.").thoughts("It is done."));
        provider.push(Reply::says("Yes."));
        let answer = user.say("add milk", None).await?.expect(200)?;
        ensure!(answer["response"] == "Added milk." && user.titles().await? == ["milk"], "{answer}");
        let conversation = answer["conversation_id"].as_str().context("no conversation_id")?;
        user.say("is it done?", Some(conversation)).await?.expect(200)?;
        for request in [1, 2] {
            let call = replies(&provider, request)[0].clone();
            ensure!(call["tool_calls"][0]["id"] == "own-id", "{call}");
            let returned = if name == "openai" {
                let returned = &call["tool_calls"][0]["extra_content"]["google"]["thought_signature"];
                ensure!(returned == signature.as_str(), "the signature of request {request}");
                &call["reasoning_content"]
            } else {
                &call["content"][0]["thinking"]
            };
            ensure!(returned == thoughts, "{returned}");
        }
        ensure!(replies(&provider, 2)[1].to_string().contains("It is done."), "thoughts of an answer");
        let messages = user.get(&format!("/api/{{me}}/conversations/{conversation}/messages")).await?;
        let shown = format!("{answer} {}", messages.text);
        ensure!(!shown.contains("wants milk") && !shown.contains("It is done.") && !shown.contains("Zm9v"), "{shown}");
    }
    Ok(())
}

async fn a_conversation_goes_on_with_every_other_provider(database: TestDatabase) -> anyhow::Result<()> {
    let start_provider = || FakeProvider::start(Behaviour::scripted());
    let providers = [("openai", start_provider()?), ("cohere", start_provider()?), ("openai", start_provider()?)];
    let mut addresses = Vec::new();
    for (name, provider) in &providers {
        addresses.push(start_with(&database, provider, name).await?);
    }
    addresses.push(start(&database, &["--llm-provider", "offline"]).await?);
    let user = TestUser::register(&addresses[0], "ada").await?;
    let mut conversation: Option<String> = None;
    // Each of the four follows each other one.
    let order = [0, 1, 2, 3, 0, 2, 1, 3, 2, 0, 3, 1, 0];
    for (turn, index) in order.into_iter().enumerate() {
        let title = format!("task {turn}");
        if let Some((name, provider)) = providers.get(index) {
            let call =
                Reply::calls("add_task", &json!({"title": title})).call_id("a-foreign-id-of-more-than-40-characters");
            provider.push(call.thoughts(&format!("thoughts of {index}")).signature(&format!("signature of {index}")));
            provider.push(Reply::says("Added.").thoughts(&format!("thoughts of {index}, {name}")));
        }
        let message = format!("Add a task: {title}");
        let answer = user.at(&addresses[index]).say(&message, conversation.as_deref()).await?.expect(200)?;
        ensure!(answer["tool_calls"][0]["result"]["success"] == true, "turn {turn}: {answer}");
        conversation = answer["conversation_id"].as_str().map(str::to_owned);
    }
    ensure!(user.titles().await?.len() == order.len(), "every turn adds one task");
    for (index, (name, provider)) in providers.iter().enumerate() {
        let requests = provider.requests();
        let body = requests.last().context("no request")?.body["messages"].to_string();
        for other in 0..providers.len() {
            let marks = [format!("thoughts of {other}"), format!("signature of {other}")];
            let sent = marks.map(|mark| body.contains(&mark));
            ensure!(sent == [other == index, other == index && *name == "openai"], "{other} at {index}: {body}");
        }
        let last = replies(provider, requests.len() - 1);
        let ids: Vec<_> =
            last.iter().filter_map(|reply| reply["tool_calls"][0]["id"].as_str().map(str::to_owned)).collect();
        let own = ids.iter().filter(|id| id.starts_with("a-foreign-id")).count();
        let others = ids.iter().filter(|id| id.len() == 9 && id.chars().all(|c| c.is_ascii_alphanumeric())).count();
        ensure!(own == 1 && own + others == ids.len() && others > 3, "at {index}: {ids:?}");
    }
    Ok(())
}

//! `bench-understanding`: how long the built-in assistant takes to understand a sentence and answer it, over the sentences
//! that its tests hold. `cargo run --release -p assistant --example bench-understanding`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use assistant::BuiltInAssistant;
use domain::llm::{LlmClient as _, LlmMessage, LlmRequest, collect};
use domain::tool::ToolSpec;
use futures_util::FutureExt as _;

/// How often every sentence is said.
const ROUNDS: u32 = 20;

#[expect(clippy::print_stdout, reason = "printing is what this command is for")]
fn main() -> anyhow::Result<()> {
    let table = include_str!("../tests/assistant/sentences.txt");
    let sentences: Vec<&str> = table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once(" => ")?.0))
        .collect();
    // The first sentence pays for the tables.
    let begun = Instant::now();
    let tools: Arc<[ToolSpec]> = domain::tool::specs().into();
    understand("hello", &tools)?;
    println!("the grammar is ready after {:.2?}", begun.elapsed());
    let mut times: Vec<(Duration, &str)> = Vec::new();
    for sentence in &sentences {
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            understand(sentence, &tools)?;
        }
        times.push((begun.elapsed() / ROUNDS, sentence));
    }
    times.sort();
    let at = |percent: usize| times.get(times.len() * percent / 100).or(times.last()).context("no sentences");
    println!("{} sentences, the mean of {ROUNDS} each", times.len());
    println!("  p50 {:.1?}, p99 {:.1?}", at(50)?.0, at(99)?.0);
    let (longest, sentence) = at(100)?;
    println!("  the longest {longest:.1?}: {sentence}");
    Ok(())
}

fn understand(sentence: &str, tools: &Arc<[ToolSpec]>) -> anyhow::Result<()> {
    let messages = vec![LlmMessage::User { text: sentence.to_owned() }];
    let request = LlmRequest { system: String::new(), messages, tools: Arc::clone(tools) };
    let reply = async { collect(BuiltInAssistant::new().respond(request).await?).await };
    reply.now_or_never().context("it never waits")??;
    Ok(())
}

//! `bench-understanding`: how long the built-in assistant takes to answer a sentence of its tests, and a message of 4,000
//! characters that is built to be slow. `cargo run --release -p assistant --example bench-understanding`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use assistant::BuiltInAssistant;
use domain::chat::UserText;
use domain::llm::{LlmClient as _, LlmMessage, LlmRequest, collect};
use domain::tool::ToolSpec;
use futures_util::FutureExt as _;

/// The number of answers to each sentence.
const ROUNDS: u32 = 20;

/// Parts of slow messages, repeated up to the maximum length of a message.
const SLOW_PARTS: &[&str] = &[
    "a ",
    "and ",
    "add milk and then ",
    "delete a and ",
    "to ",
    "rename a to ",
    "on my list ",
    "the the list of ",
    "so please put it, ",
    "i need to ",
    "what is on ",
    "add a\n",
    "- a\n",
    "shuold ",
    "milk, ",
    "is it done so ",
    "\"a\" ",
    "1, ",
];

#[expect(clippy::print_stdout, reason = "printing is what this command is for")]
fn main() -> anyhow::Result<()> {
    let table = include_str!("../tests/assistant/sentences.txt");
    let sentences: Vec<&str> = table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once(" => ")?.0))
        .collect();
    // The first sentence includes compiling the tables.
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
    let mut slow = (Duration::ZERO, "");
    for part in SLOW_PARTS {
        let text: String = part.chars().cycle().take(UserText::MAX).collect();
        for text in [&text, &text[..500], &text[..1000]] {
            let begun = Instant::now();
            understand(text, &tools)?;
            slow = slow.max((begun.elapsed(), part));
        }
    }
    println!("the slowest message of at most {} characters: {:.1?} ({:?} repeated)", UserText::MAX, slow.0, slow.1);
    Ok(())
}

fn understand(sentence: &str, tools: &Arc<[ToolSpec]>) -> anyhow::Result<()> {
    let messages = vec![LlmMessage::User { text: sentence.to_owned() }];
    let request = LlmRequest { system: String::new(), messages, tools: Arc::clone(tools) };
    let reply = async { collect(BuiltInAssistant::new().respond(request).await?).await };
    reply.now_or_never().context("it never waits")??;
    Ok(())
}

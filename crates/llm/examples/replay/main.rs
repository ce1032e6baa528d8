//! Replays recorded exchanges with providers through the translators and prints the domain events that come of them.
//!
//! `cargo run -p llm --example replay -- <file or folder>…` reads YAML documents of `when` (request) and `then`
//! (response). A response that cannot be translated, or whose calls are not those of the recording, fails the run.
//! Deliberately not here: any translation. It is the crate's own, down to the reading of server-sent events.

mod evidence;
mod recording;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use domain::llm::{LlmError, LlmEvent, LlmToolCall};
use llm::{Cohere, ErrorBody, FailureContext, OpenAi, Provider, ReplyReader, ReportedError, retry_after};

use recording::{Exchange, Response};

/// Bodies are fed in pieces of this many bytes, so that none ends where an event does.
const PIECE: usize = 61;

#[derive(Default)]
struct Summary {
    recordings: usize,
    responses: usize,
    skipped: usize,
    calls: usize,
    failed: usize,
}

#[expect(clippy::print_stdout, reason = "printing is what this command is for")]
fn main() -> anyhow::Result<ExitCode> {
    let mut files = Vec::new();
    for path in std::env::args_os().skip(1) {
        collect_files(Path::new(&path), &mut files)?;
    }
    anyhow::ensure!(!files.is_empty(), "usage: replay <file or folder>…; no .yaml or .yml file was found");
    let mut summary = Summary::default();
    for file in files {
        summary.recordings += 1;
        println!("{}", file.display());
        let exchanges = std::fs::read_to_string(&file).map_err(anyhow::Error::from);
        match exchanges.and_then(|text| recording::read(&text)) {
            Ok(exchanges) => exchanges.iter().for_each(|exchange| println!("{}", replay(exchange, &mut summary))),
            Err(error) => {
                summary.failed += 1;
                println!("  FAILED: no recording: {error:#}");
            }
        }
    }
    let Summary { recordings, responses, skipped, calls, failed } = summary;
    println!("{recordings} recordings, {responses} responses, {calls} calls; {skipped} skipped; {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn collect_files(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if path.is_dir() {
        let mut entries =
            std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
        entries.sort();
        let wanted =
            |entry: &PathBuf| entry.is_dir() || entry.extension().is_some_and(|kind| kind == "yaml" || kind == "yml");
        return entries.iter().filter(|entry| wanted(entry)).try_for_each(|entry| collect_files(entry, files));
    }
    anyhow::ensure!(path.is_file(), "{} is neither a file nor a folder", path.display());
    files.push(path.to_owned());
    Ok(())
}

/// What is printed of one exchange.
fn replay(exchange: &Exchange, summary: &mut Summary) -> String {
    let title = format!("  {} {} -> {}", exchange.request.method(), exchange.request.path(), exchange.response.status);
    let path = exchange.request.path().trim_end_matches('/');
    let replayed = if path.ends_with("/chat/completions") {
        replay_with::<OpenAi>(exchange, summary)
    } else if path.ends_with("/v2/chat") {
        replay_with::<Cohere>(exchange, summary)
    } else {
        summary.skipped += 1;
        return format!("{title}\n    skipped: not a chat");
    };
    summary.responses += 1;
    match replayed {
        Ok(told) => title + &told,
        Err((told, error)) => {
            summary.failed += 1;
            format!("{title}{told}\n    FAILED: {error:#}")
        }
    }
}

/// Translates one response: what is to be printed, and why it failed if it did.
fn replay_with<P: Provider>(exchange: &Exchange, summary: &mut Summary) -> Result<String, (String, anyhow::Error)> {
    let response = &exchange.response;
    let mut told = String::new();
    let body = response.body().map_err(|error| (told.clone(), error))?;
    let provider = P::new(exchange.request.model().unwrap_or_default(), None);
    let failure = FailureContext::new(provider.model(), P::MODEL_SETTING, None);
    if !(200..300).contains(&response.status) {
        let error =
            failure.of_status(response.status, ErrorBody::read(&String::from_utf8_lossy(&body)), wait(response));
        tell_error(&error, &mut told);
        return Ok(told);
    }
    let mut reader = ReplyReader::new(provider.decoder(failure));
    let mut events = Vec::new();
    let result = body.chunks(PIECE).try_for_each(|piece| reader.push(piece, &mut events));
    let result = result.and_then(|()| reader.end(&mut events));
    let calls = tell(&events, &mut told);
    summary.calls += calls.len();
    match result {
        Ok(()) => evidence::check(&body, &calls).map(|()| told.clone()).map_err(|error| (told, error)),
        // What the provider reports itself is translated once it is an error of the domain.
        Err(error) if is_reported(&error) || evidence::was_cut(&body) => {
            tell_error(&error, &mut told);
            Ok(told)
        }
        Err(error) => Err((told, error.into())),
    }
}

fn wait(response: &Response) -> Option<std::time::Duration> {
    retry_after(response.header("retry-after")?, response.header("date"), SystemTime::now())
}

fn is_reported(error: &LlmError) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<ReportedError>)
}

/// Prints events, texts and fragments put together; gives the complete calls.
fn tell(events: &[LlmEvent], told: &mut String) -> Vec<LlmToolCall> {
    let mut calls = Vec::new();
    for group in events.chunk_by(|one, next| std::mem::discriminant(one) == std::mem::discriminant(next)) {
        match group {
            [LlmEvent::TextDelta(_), ..] => line(told, &format!("text in {}: {:?}", group.len(), text_of(group))),
            [LlmEvent::PlanDelta(_), ..] => line(told, &format!("plan in {}: {:?}", group.len(), text_of(group))),
            [LlmEvent::Thinking, ..] => line(told, &format!("thoughts in {}", group.len())),
            [LlmEvent::ToolCallArguments { .. }, ..] => line(told, &format!("arguments in {}", group.len())),
            _ => group.iter().for_each(|event| tell_one(event, told, &mut calls)),
        }
    }
    calls
}

fn tell_one(event: &LlmEvent, told: &mut String, calls: &mut Vec<LlmToolCall>) {
    match event {
        LlmEvent::ToolCallStarted { index, id, tool } => line(told, &format!("call {index} begun: {tool} ({id})")),
        LlmEvent::ToolCallComplete { index, call } => {
            line(told, &format!("call {index} complete: {} {}", call.tool, call.arguments));
            calls.push(call.clone());
        }
        LlmEvent::Finished { reason, usage: Some(usage) } => {
            line(told, &format!("finished: {reason:?}, {} tokens in, {} out", usage.tokens_in, usage.tokens_out));
        }
        LlmEvent::Finished { reason, usage: None } => line(told, &format!("finished: {reason:?}")),
        other => line(told, &format!("{other:?}")),
    }
}

fn text_of(events: &[LlmEvent]) -> String {
    let texts = events.iter().map(|event| match event {
        LlmEvent::TextDelta(text) | LlmEvent::PlanDelta(text) => text.as_str(),
        _ => "",
    });
    texts.collect()
}

fn tell_error(error: &LlmError, told: &mut String) {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let wait = match error {
        LlmError::RateLimited { retry_after: Some(wait), .. } => format!(" (again in {} s)", wait.as_secs()),
        _ => String::new(),
    };
    line(told, &format!("error {:?}: {error}{wait} [{cause}]", error.code()));
}

fn line(told: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _written = write!(told, "\n    {text}");
}

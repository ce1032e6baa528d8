//! Replays recorded exchanges with providers through the decoders and prints the resulting events.
//!
//! `cargo run -p llm --example replay -- <file or folder>…` reads YAML documents of `when` (request) and `then`
//! (response). A response that cannot be decoded, or whose calls differ from those of the recording, fails the run.

mod expected_calls;
mod recording;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use domain::llm::{LlmError, LlmEvent, LlmToolCall};
use llm::{Cohere, ErrorBody, ErrorMapper, OpenAi, Provider, ReplyReader, ReportedError, parse_retry_after};

use recording::{Exchange, Response};

/// Size of the pieces of a body, in bytes; small, so that pieces end within events.
const PIECE_BYTES: usize = 61;

#[derive(Default)]
struct Summary {
    recordings: usize,
    responses: usize,
    skipped: usize,
    calls: usize,
    failed: usize,
}

#[expect(clippy::print_stdout, reason = "the output of the command")]
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
        match exchanges.and_then(|text| recording::parse(&text)) {
            Ok(exchanges) => exchanges.iter().for_each(|exchange| println!("{}", replay(exchange, &mut summary))),
            Err(error) => {
                summary.failed += 1;
                println!("  FAILED: invalid recording: {error:#}");
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
        let is_recording =
            |entry: &PathBuf| entry.is_dir() || entry.extension().is_some_and(|kind| kind == "yaml" || kind == "yml");
        return entries.iter().filter(|entry| is_recording(entry)).try_for_each(|entry| collect_files(entry, files));
    }
    anyhow::ensure!(path.is_file(), "{} is neither a file nor a folder", path.display());
    files.push(path.to_owned());
    Ok(())
}

/// Returns the output for one exchange.
fn replay(exchange: &Exchange, summary: &mut Summary) -> String {
    let title = format!("  {} {} -> {}", exchange.request.method(), exchange.request.path(), exchange.response.status);
    let path = exchange.request.path().trim_end_matches('/');
    let replayed = if path.ends_with("/chat/completions") {
        replay_with::<OpenAi>(exchange, summary)
    } else if path.ends_with("/v2/chat") {
        replay_with::<Cohere>(exchange, summary)
    } else {
        summary.skipped += 1;
        return format!("{title}\n    skipped: not a chat request");
    };
    summary.responses += 1;
    match replayed {
        Ok(output) => title + &output,
        Err((output, error)) => {
            summary.failed += 1;
            format!("{title}{output}\n    FAILED: {error:#}")
        }
    }
}

/// Decodes one response. Returns the output, with the error if it failed.
fn replay_with<P: Provider>(exchange: &Exchange, summary: &mut Summary) -> Result<String, (String, anyhow::Error)> {
    let response = &exchange.response;
    let mut output = String::new();
    let body = response.body().map_err(|error| (output.clone(), error))?;
    let provider = P::new(exchange.request.model().unwrap_or_default(), None);
    let errors = ErrorMapper::new(provider.model(), P::MODEL_SETTING, None);
    if !(200..300).contains(&response.status) {
        let body = ErrorBody::parse(&String::from_utf8_lossy(&body));
        let error = errors.map_response(response.status, body, retry_after(response));
        write_error(&error, &mut output);
        return Ok(output);
    }
    let mut reader = ReplyReader::new(provider.decoder(errors));
    let mut events = Vec::new();
    let result = body.chunks(PIECE_BYTES).try_for_each(|piece| reader.push(piece, &mut events));
    let result = result.and_then(|()| reader.end(&mut events));
    let calls = write_events(&events, &mut output);
    summary.calls += calls.len();
    match result {
        Ok(()) => expected_calls::check(&body, &calls).map(|()| output.clone()).map_err(|error| (output, error)),
        // An error that the provider reported is decoded correctly if it is mapped to a domain error.
        Err(error) if is_reported(&error) || expected_calls::is_truncated(&body) => {
            write_error(&error, &mut output);
            Ok(output)
        }
        Err(error) => Err((output, error.into())),
    }
}

fn retry_after(response: &Response) -> Option<std::time::Duration> {
    parse_retry_after(response.header("retry-after")?, response.header("date"), SystemTime::now())
}

fn is_reported(error: &LlmError) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<ReportedError>)
}

/// Writes the events, with adjacent texts and fragments joined, and returns the complete calls.
fn write_events(events: &[LlmEvent], output: &mut String) -> Vec<LlmToolCall> {
    let mut calls = Vec::new();
    for group in events.chunk_by(|one, next| std::mem::discriminant(one) == std::mem::discriminant(next)) {
        let count = group.len();
        match group {
            [LlmEvent::TextDelta(_), ..] => write_line(output, &format!("text in {count}: {:?}", text_of(group))),
            [LlmEvent::PlanDelta(_), ..] => write_line(output, &format!("plan in {count}: {:?}", text_of(group))),
            [LlmEvent::Thinking, ..] => write_line(output, &format!("thinking in {count}")),
            [LlmEvent::ToolCallArguments { .. }, ..] => write_line(output, &format!("arguments in {count}")),
            _ => group.iter().for_each(|event| write_event(event, output, &mut calls)),
        }
    }
    calls
}

fn write_event(event: &LlmEvent, output: &mut String, calls: &mut Vec<LlmToolCall>) {
    match event {
        LlmEvent::ToolCallStarted { index, id, tool } => {
            write_line(output, &format!("call {index} started: {tool} ({id})"));
        }
        LlmEvent::ToolCallComplete { index, call } => {
            write_line(output, &format!("call {index} complete: {} {}", call.tool, call.arguments));
            calls.push(call.clone());
        }
        LlmEvent::Finished { reason, usage: Some(usage) } => {
            write_line(
                output,
                &format!("finished: {reason:?}, {} tokens in, {} out", usage.tokens_in, usage.tokens_out),
            );
        }
        // Its content is not readable.
        LlmEvent::ProviderData(_) => {}
        LlmEvent::Finished { reason, usage: None } => write_line(output, &format!("finished: {reason:?}")),
        other => write_line(output, &format!("{other:?}")),
    }
}

fn text_of(events: &[LlmEvent]) -> String {
    let texts = events.iter().map(|event| match event {
        LlmEvent::TextDelta(text) | LlmEvent::PlanDelta(text) => text.as_str(),
        _ => "",
    });
    texts.collect()
}

fn write_error(error: &LlmError, output: &mut String) {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let wait = match error {
        LlmError::RateLimited { retry_after: Some(wait), .. } => format!(" (retry after {} s)", wait.as_secs()),
        _ => String::new(),
    };
    write_line(output, &format!("error {:?}: {error}{wait} [{cause}]", error.code()));
}

fn write_line(output: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _infallible = write!(output, "\n    {text}");
}

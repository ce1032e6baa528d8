//! The commands `assistant eval` and `assistant explain`, for developers of the built-in assistant: scores for many
//! sentences, and the interpretation of one. Neither needs a database, a key or a network.

mod evaluation;
mod explain;
mod report;
mod row;

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::sync::Arc;

use anyhow::Context as _;
use domain::llm::{LlmClient, LlmMessage, LlmRequest, collect};
use domain::tool::ToolSpec;

use self::evaluation::{Evaluation, Prediction};
use self::row::rows;
use crate::cli::AssistantCommand;
use crate::wiring::built_in_assistant;

/// Does what is asked and prints the result on standard output.
///
/// # Errors
/// If a file cannot be read or written, or a row has another shape.
pub async fn assistant(command: AssistantCommand) -> anyhow::Result<()> {
    match command {
        AssistantCommand::Eval { file, predictions } => {
            let rows = rows(&std::fs::read_to_string(&file).with_context(|| file.display().to_string())?)
                .with_context(|| file.display().to_string())?;
            let (assistant, tools) = (built_in_assistant(), domain::tool::specs().into());
            let mut evaluation = Evaluation::default();
            let mut kept = match &predictions {
                Some(path) => Some(BufWriter::new(File::create(path).with_context(|| path.display().to_string())?)),
                None => None,
            };
            for row in rows {
                let prediction = predict(assistant.as_ref(), &tools, &row.text).await?;
                if let Some(file) = &mut kept {
                    writeln!(file, "{}", prediction.json(&row.id))?;
                }
                evaluation.take_in(row, prediction);
            }
            if let Some(mut file) = kept {
                file.flush()?;
            }
            write!(io::stdout().lock(), "{evaluation}")?;
        }
        AssistantCommand::Explain { sentence } => {
            let explanation = assistant::BuiltInAssistant::new().explain(&sentence.join(" "));
            write!(io::stdout().lock(), "{}", explain::Printed(&explanation))?;
        }
    }
    Ok(())
}

/// What the assistant does about a sentence that opens a conversation.
async fn predict(assistant: &dyn LlmClient, tools: &Arc<[ToolSpec]>, text: &str) -> anyhow::Result<Prediction> {
    let messages = vec![LlmMessage::User { text: text.to_owned() }];
    let request = LlmRequest { system: String::new(), messages, tools: Arc::clone(tools) };
    let reply = collect(assistant.respond(request).await?).await?;
    let calls = reply.calls.iter().map(|call| {
        let arguments = serde_json::from_str(&call.arguments).with_context(|| call.arguments.clone())?;
        Ok((call.tool.clone(), arguments))
    });
    Ok(Prediction { calls: calls.collect::<anyhow::Result<_>>()?, words: reply.text })
}

//! OpenAI's chat completions (<https://platform.openai.com/docs/api-reference/chat>), which many servers implement:
//! Ollama, vLLM, llama.cpp, Groq, `OpenRouter`, Cohere's compatibility API.
//!
//! Servers deviate from the specification, so the decoder relies on little: a call is complete when the reply is, a
//! reply is complete at `[DONE]` or after a finish reason, and calls are run whatever the finish reason. `tool_choice`,
//! `parallel_tool_calls` and other fields that not every server accepts are not sent.

#[cfg(test)]
mod tests;

use domain::conversation::turn::Usage;
use domain::llm::{FinishReason, LlmError, LlmEvent, LlmRequest};
use serde::Serialize;
use serde_json::{Map, Value, json};
use url::Url;

use crate::error::{ErrorBody, ErrorMapper};
use crate::history::AssistantMessage;
use crate::provider::{Deviation, Provider, ReplyDecoder};
use crate::provider_data::{MESSAGE_FIELDS, ProviderData};
use crate::request::RequestBody;
use crate::tool_calls::ToolCalls;
use crate::wire::{
    arguments_of, bad_reply, is_non_empty, is_thinking, non_empty_str, one_or_many, parse_json, text_of, token_usage,
    truncated_reply,
};

/// The wire format of OpenAI and compatible servers.
#[derive(Clone, Debug)]
pub struct OpenAi {
    model: String,
    temperature: Option<f32>,
}

impl OpenAi {
    /// Default of `OPENAI_BASE_URL`.
    pub const DEFAULT_BASE_URL: &'static str = "https://api.openai.com/v1";
}

impl Provider for OpenAi {
    type Decoder = OpenAiDecoder;

    const NAME: &'static str = "openai";
    const MODEL_SETTING: &'static str = "OPENAI_MODEL";

    fn new(model: String, temperature: Option<f32>) -> Self {
        Self { model, temperature }
    }

    fn model(&self) -> &str {
        &self.model
    }

    /// Adds `/v1` to a base URL without a path, because all compatible servers use it.
    fn endpoint(&self, base: &Url) -> Url {
        let path = base.path().trim_end_matches('/');
        let path = path.strip_suffix("/chat/completions").unwrap_or(path);
        let mut url = base.clone();
        url.set_path(&format!("{}/chat/completions", if path.is_empty() { "/v1" } else { path }));
        url
    }

    fn body<'r>(&'r self, request: &'r LlmRequest, deviations: &[Deviation]) -> impl Serialize + use<'r> {
        let mut body = RequestBody::new(&self.model, request, assistant_json, self.temperature, deviations);
        if !deviations.contains(&Deviation::RejectsOptionalFields) {
            body.stream_options = Some(json!({"include_usage": true}));
        }
        if deviations.contains(&Deviation::RequiresReasoning) {
            let replies = body.messages.iter_mut().filter(|message| message["role"] == "assistant");
            replies.filter_map(Value::as_object_mut).for_each(|reply| {
                reply.entry("reasoning_content").or_insert_with(|| NO_REASONING.into());
            });
        }
        body
    }

    /// The optional field is `stream_options`, which requests token counts. Servers that do not know it reject it:
    /// Mistral's with 422, some gateways with 400. `DeepSeek` and Kimi require `reasoning_content`, others reject it
    /// (<https://github.com/janhq/jan/issues/8136>).
    fn deviation(&self, status: u16, body: &ErrorBody) -> Option<Deviation> {
        let message = body.message.to_lowercase();
        let names = |words: &[&str]| words.iter().any(|word| message.contains(word));
        match status {
            400 | 422 if names(&["stream_options", "include_usage"]) => Some(Deviation::RejectsOptionalFields),
            400 | 422 if names(&["reasoning_content"]) && names(&["passed back", "missing"]) => {
                Some(Deviation::RequiresReasoning)
            }
            400 | 422 if names(&["missing"]) => None,
            400 | 422 if names(&MESSAGE_FIELDS) || names(&["thinking", "signature"]) => {
                Some(Deviation::RejectsProviderData)
            }
            _ => None,
        }
    }

    fn decoder(&self, errors: ErrorMapper) -> Self::Decoder {
        OpenAiDecoder {
            errors,
            calls: ToolCalls::default(),
            provider_data: ProviderData::default(),
            indexes: Vec::new(),
            finish_reason: None,
            usage: None,
            has_choices: false,
        }
    }
}

/// The reasoning of a reply that has none. `DeepSeek` refuses an empty one
/// (<https://github.com/NousResearch/hermes-agent/pull/17341>).
const NO_REASONING: &str = " ";

fn assistant_json(mut message: AssistantMessage<'_>) -> Map<String, Value> {
    let content = message.take_content();
    let mut fields = message.fields;
    if is_non_empty(&content) {
        fields.insert("content".to_owned(), content);
    }
    if !message.calls.is_empty() {
        fields.insert("tool_calls".to_owned(), message.calls.into());
    }
    fields
}

/// Decodes a reply of an OpenAI-compatible server.
#[derive(Debug)]
pub struct OpenAiDecoder {
    errors: ErrorMapper,
    calls: ToolCalls,
    provider_data: ProviderData,
    /// The `index` of each call, as the server sent it.
    indexes: Vec<Option<u64>>,
    /// The latest finish reason.
    finish_reason: Option<String>,
    /// The latest usage: several are running totals or repetitions.
    usage: Option<Usage>,
    /// Whether any choice has arrived.
    has_choices: bool,
}

impl ReplyDecoder for OpenAiDecoder {
    fn event(&mut self, name: &str, data: &str, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        if data.trim() == "[DONE]" {
            return if self.has_choices { self.finish(out) } else { Err(bad_reply("the reply is empty")) };
        }
        let chunk = parse_json(data)?;
        if name == "error" || is_error(&chunk) {
            return Err(self.errors.map_reply_error(ErrorBody::from_json(&chunk)));
        }
        self.update_usage(&chunk);
        // Requests ask for one choice, so several are pieces of one reply.
        for choice in one_or_many(&chunk["choices"]) {
            let delta = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
            self.read_choice(choice, delta, out)?;
        }
        Ok(())
    }

    fn document(&mut self, body: &str, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        let reply = parse_json(body)?;
        if is_error(&reply) {
            return Err(self.errors.map_reply_error(ErrorBody::from_json(&reply)));
        }
        self.update_usage(&reply);
        let choices = one_or_many(&reply["choices"]);
        if choices.is_empty() {
            return Err(bad_reply("the reply has no choices"));
        }
        choices.iter().try_for_each(|choice| self.read_choice(choice, &choice["message"], out))?;
        self.finish(out)
    }

    fn end(&mut self, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        if self.finish_reason.is_some() { self.finish(out) } else { Err(truncated_reply()) }
    }
}

impl OpenAiDecoder {
    fn update_usage(&mut self, chunk: &Value) {
        let usages = [&chunk["usage"], &chunk["x_groq"]["usage"]];
        let usage =
            usages.into_iter().find_map(|usage| token_usage(&usage["prompt_tokens"], &usage["completion_tokens"]));
        self.usage = usage.or(self.usage);
    }

    fn read_choice(&mut self, choice: &Value, delta: &Value, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        self.has_choices = true;
        // The name of the field differs between servers, and hidden thoughts are parts of other types.
        let reasoning = ["reasoning_content", "reasoning", "reasoning_details"].map(|field| &delta[field]);
        if reasoning.into_iter().any(is_non_empty) || one_or_many(&delta["content"]).iter().any(is_thinking) {
            out.push(LlmEvent::Thinking);
        }
        self.provider_data.add_message(delta);
        let text = text_of(&delta["content"])?;
        let text = if text.is_empty() { delta["refusal"].as_str().unwrap_or_default() } else { &text };
        if !text.is_empty() {
            out.push(LlmEvent::TextDelta(text.to_owned()));
        }
        for call in one_or_many(&delta["tool_calls"]) {
            self.read_call(call, out)?;
        }
        match non_empty_str(&choice["finish_reason"]) {
            Some("error") => Err(self.errors.map_reply_error(ErrorBody::from_json(choice))),
            Some(reason) => {
                self.finish_reason = Some(reason.to_owned());
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn read_call(&mut self, call: &Value, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        if !call.is_object() {
            return Err(bad_reply("a tool call is not an object"));
        }
        let (id, index) = (non_empty_str(&call["id"]), call["index"].as_u64());
        let tool = non_empty_str(&call["function"]["name"]).unwrap_or_default();
        let fragment = arguments_of(&call["function"]["arguments"]);
        if let Some(position) = self.find_repeated(id, index, tool, &fragment) {
            self.calls.set_name(position, tool, out);
            self.provider_data.add_call(position, call);
            return Ok(());
        }
        let position = if let Some(position) = self.find_continued(id, index, tool, &fragment) {
            self.calls.set_name(position, tool, out);
            position
        } else {
            self.indexes.push(index);
            self.calls.start(id, tool, out)
        };
        self.calls.append_arguments(position, &fragment, out);
        self.provider_data.add_call(position, call);
        Ok(())
    }

    /// Returns the call whose complete arguments a fragment repeats: some servers send a complete call again, in a
    /// summary or with another index. A different id means a different call; without ids, a repetition cannot be told
    /// from a second call.
    fn find_repeated(&self, id: Option<&str>, index: Option<u64>, tool: &str, fragment: &str) -> Option<usize> {
        let is_same = |position: &usize| {
            let same_name = tool.is_empty() || self.is_unnamed(*position) || self.calls.tool(*position) == tool;
            same_name && self.calls.repeats_arguments(*position, fragment)
        };
        let has_id = |position: &usize| id.is_some() && self.calls.provider_id(*position) == id;
        if let Some(position) = (0..self.indexes.len()).filter(has_id).find(is_same) {
            return Some(position);
        }
        let position = match tool {
            "" => self.find_continued(id, index, tool, fragment),
            _ if id.is_some() => None,
            _ if index.is_some() => self.find_by_index(index),
            _ => self.indexes.len().checked_sub(1),
        };
        position.filter(|position| tool.is_empty() || self.calls.provider_id(*position).is_some()).filter(is_same)
    }

    /// Returns the latest call with an index.
    fn find_by_index(&self, index: Option<u64>) -> Option<usize> {
        index.and_then(|_| self.indexes.iter().rposition(|known| *known == index))
    }

    /// Returns the call that a fragment continues; `None` if it starts one. A name usually means a start, but servers
    /// may repeat it in each fragment, use the index 0 for all calls, omit indexes or ids, or send a new id with each
    /// fragment.
    fn find_continued(&self, id: Option<&str>, index: Option<u64>, tool: &str, fragment: &str) -> Option<usize> {
        let has_id = |position: &usize| self.calls.provider_id(*position) == id;
        let by_id = id.and_then(|_| (0..self.indexes.len()).rfind(has_id));
        let by_index = self.find_by_index(index);
        let last = self.indexes.len().checked_sub(1);
        if tool.is_empty() {
            // A new id together with a new index belongs to a new call.
            let is_new = id.is_some() && index.is_some();
            return by_id.or(by_index).or(last.filter(|_| !is_new));
        }
        let position = match (by_id, index) {
            (Some(position), Some(_)) if self.indexes[position] != index => return None,
            (Some(position), _) => position,
            // A new id with a name starts a call, unless one still has no name.
            (None, _) if id.is_some() => return by_index.or(last).filter(|position| self.is_unnamed(*position)),
            (None, Some(_)) => by_index?,
            (None, None) => last?,
        };
        let same_name = self.is_unnamed(position) || self.calls.tool(position) == tool;
        (same_name && !self.calls.starts_new_object(position, fragment)).then_some(position)
    }

    fn is_unnamed(&self, position: usize) -> bool {
        self.calls.tool(position).is_empty()
    }

    fn finish(&mut self, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        let reason = match self.finish_reason.as_deref() {
            Some("length" | "max_tokens" | "model_length") => FinishReason::Length,
            Some("content_filter") => FinishReason::Other,
            _ => FinishReason::Stop,
        };
        if reason != FinishReason::Stop {
            self.calls.drop_incomplete_last_call();
        }
        self.calls.drop_duplicates();
        self.calls.complete_all(out)?;
        // The reasoning of a reply that was cut off is incomplete.
        if reason == FinishReason::Stop {
            out.extend(self.provider_data.take_event(&self.calls));
        }
        let reason = if self.calls.is_empty() { reason } else { FinishReason::ToolCalls };
        out.push(LlmEvent::Finished { reason, usage: self.usage });
        Ok(())
    }
}

/// Whether a chunk or a reply is an error, in any of the formats that servers use.
fn is_error(chunk: &Value) -> bool {
    let has_error = match &chunk["error"] {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => true,
    };
    let is_typed = ["object", "type"].iter().any(|field| chunk[*field] == "error");
    let has_message = chunk.get("choices").is_none() && (chunk["message"].is_string() || chunk["detail"].is_string());
    has_error || is_typed || has_message
}

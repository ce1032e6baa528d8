//! Chat completions as OpenAI defined them (<https://platform.openai.com/docs/api-reference/chat>) and as many servers
//! speak them: Ollama, vLLM, llama.cpp, Groq, `OpenRouter`, Cohere's compatibility address. Pure translation.
//!
//! Servers differ in what they leave out and get wrong, so little is relied on: a call is complete when the reply is, a
//! reply is whole at `[DONE]` or after a finish reason, and whether tools are to be run is told by the calls alone.
//! Deliberately not sent: `tool_choice`, `parallel_tool_calls` and what else not every server knows.

#[cfg(test)]
mod tests;

use domain::llm::{FinishReason, LlmError, LlmEvent, LlmMessage, LlmRequest};
use domain::turn::Usage;
use serde_json::{Map, Value, json};
use url::Url;

use crate::calls::Calls;
use crate::content::{bad, counted, each, filled, fragment_of, is_filled, json, temperature, text_of, thinks};
use crate::failure::{ErrorBody, FailureContext};
use crate::history::presentable;
use crate::provider::{Optional, Provider, ReplyDecoder};
use crate::reader::cut;

/// The wire format of OpenAI-compatible servers.
#[derive(Clone, Debug)]
pub struct OpenAi {
    model: String,
    temperature: Option<f32>,
}

impl OpenAi {
    /// OpenAI's own address.
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

    /// A base address without any path gets `/v1`, where every server of this kind answers.
    fn endpoint(&self, base: &Url) -> Url {
        let path = base.path().trim_end_matches('/');
        let path = path.strip_suffix("/chat/completions").unwrap_or(path);
        let mut url = base.clone();
        url.set_path(&format!("{}/chat/completions", if path.is_empty() { "/v1" } else { path }));
        url
    }

    fn body(&self, request: &LlmRequest, optional: Optional) -> Value {
        let mut messages = vec![json!({"role": "system", "content": request.system})];
        messages.extend(presentable(&request.messages).iter().map(message));
        let mut body = json!({"model": self.model, "messages": messages, "stream": true});
        if optional == Optional::Sent {
            body["stream_options"] = json!({"include_usage": true});
        }
        if !request.tools.is_empty() {
            let tools = request.tools.iter().map(|tool| {
                let function =
                    json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
                json!({"type": "function", "function": function})
            });
            body["tools"] = tools.collect();
        }
        if let Some(degrees) = self.temperature.and_then(temperature) {
            body["temperature"] = degrees;
        }
        body
    }

    /// Token counts in a stream have to be asked for (`stream_options`), and servers that do not know the field refuse
    /// it: Mistral's with 422, some gateways with 400.
    fn refuses_optional(&self, status: u16, said: &ErrorBody) -> bool {
        let complaint = said.message.to_lowercase();
        matches!(status, 400 | 422) && ["stream_options", "include_usage"].iter().any(|field| complaint.contains(field))
    }

    fn decoder(&self, failure: FailureContext) -> Self::Decoder {
        OpenAiDecoder { failure, calls: Calls::default(), seen: Vec::new(), finish: None, usage: None, spoke: false }
    }
}

fn message(message: &LlmMessage) -> Value {
    match message {
        LlmMessage::User { text } => json!({"role": "user", "content": text}),
        LlmMessage::Assistant { text, calls, .. } => {
            let mut told = Map::from_iter([("role".to_owned(), json!("assistant"))]);
            if !text.is_empty() {
                told.insert("content".to_owned(), text.as_str().into());
            }
            if !calls.is_empty() {
                let calls = calls.iter().map(|call| {
                    let function = json!({"name": call.tool, "arguments": call.arguments});
                    json!({"id": call.id, "type": "function", "function": function})
                });
                told.insert("tool_calls".to_owned(), calls.collect());
            }
            Value::Object(told)
        }
        LlmMessage::ToolResult { call_id, content, .. } => {
            json!({"role": "tool", "tool_call_id": call_id, "content": content.to_string()})
        }
    }
}

/// Reads a reply of an OpenAI-compatible server.
#[derive(Debug)]
pub struct OpenAiDecoder {
    failure: FailureContext,
    calls: Calls,
    /// The index of each call, as the server gave it.
    seen: Vec<Option<u64>>,
    /// The last finish reason.
    finish: Option<String>,
    /// The last usage: what comes several times is a running total or a repetition.
    usage: Option<Usage>,
    /// Whether anything of a reply has come.
    spoke: bool,
}

impl ReplyDecoder for OpenAiDecoder {
    fn event(&mut self, name: &str, data: &str, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        if data.trim() == "[DONE]" {
            return if self.spoke { self.finish(out) } else { Err(bad("the reply is empty")) };
        }
        let chunk = json(data)?;
        if name == "error" || is_error(&chunk) {
            return Err(self.failure.inside_reply(ErrorBody::of(&chunk)));
        }
        self.note_usage(&chunk);
        // Nobody asked for several choices, so where several come they are pieces of one reply.
        for choice in each(&chunk["choices"]) {
            let delta = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
            self.choice(choice, delta, out)?;
        }
        Ok(())
    }

    fn document(&mut self, body: &str, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        let reply = json(body)?;
        if is_error(&reply) {
            return Err(self.failure.inside_reply(ErrorBody::of(&reply)));
        }
        self.note_usage(&reply);
        let choices = each(&reply["choices"]);
        if choices.is_empty() {
            return Err(bad("the reply has no choices"));
        }
        choices.iter().try_for_each(|choice| self.choice(choice, &choice["message"], out))?;
        self.finish(out)
    }

    fn end(&mut self, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        if self.finish.is_some() { self.finish(out) } else { Err(cut()) }
    }
}

impl OpenAiDecoder {
    fn note_usage(&mut self, chunk: &Value) {
        let usages = [&chunk["usage"], &chunk["x_groq"]["usage"]];
        let counted =
            usages.into_iter().find_map(|usage| counted(&usage["prompt_tokens"], &usage["completion_tokens"]));
        self.usage = counted.or(self.usage);
    }

    fn choice(&mut self, choice: &Value, delta: &Value, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        self.spoke = true;
        // Servers name it as they like, and say it in words or, where those are hidden, in parts of other kinds.
        let thoughts = ["reasoning_content", "reasoning", "reasoning_details"].map(|field| &delta[field]);
        if thoughts.into_iter().any(is_filled) || thinks(&delta["content"]) {
            out.push(LlmEvent::Thinking);
        }
        let text = text_of(&delta["content"])?;
        let text = if text.is_empty() { delta["refusal"].as_str().unwrap_or_default() } else { &text };
        if !text.is_empty() {
            out.push(LlmEvent::TextDelta(text.to_owned()));
        }
        for call in each(&delta["tool_calls"]) {
            self.call(call, out)?;
        }
        match filled(&choice["finish_reason"]) {
            Some("error") => Err(self.failure.inside_reply(ErrorBody::of(choice))),
            Some(reason) => {
                self.finish = Some(reason.to_owned());
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn call(&mut self, call: &Value, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        if !call.is_object() {
            return Err(bad("a tool call is no object"));
        }
        let (id, index) = (filled(&call["id"]), call["index"].as_u64());
        let tool = filled(&call["function"]["name"]).unwrap_or_default();
        let fragment = fragment_of(&call["function"]["arguments"]);
        if let Some(place) = self.repeated(id, index, tool, &fragment) {
            self.calls.name(place, tool, out);
            return Ok(());
        }
        let place = if let Some(place) = self.continued(id, index, tool, &fragment) {
            self.calls.name(place, tool, out);
            place
        } else {
            self.seen.push(index);
            self.calls.begin(id, tool, out)
        };
        self.calls.add(place, &fragment, out);
        Ok(())
    }

    /// The call whose whole arguments a fragment says once more: servers send a call again when it is whole, in a
    /// summary or under another index. A call with another id is another call, and without any ids nothing tells a
    /// repetition from a second call.
    fn repeated(&self, id: Option<&str>, index: Option<u64>, tool: &str, fragment: &str) -> Option<usize> {
        let is_same = |place: &usize| {
            let same_name = tool.is_empty() || self.is_unnamed(*place) || self.calls.tool(*place) == tool;
            same_name && self.calls.says_again(*place, fragment)
        };
        let mut same_id = (0..self.seen.len()).filter(|place| id.is_some() && self.calls.given_id(*place) == id);
        if let Some(place) = same_id.find(is_same) {
            return Some(place);
        }
        let place = match tool {
            "" => self.continued(id, index, tool, fragment),
            _ if id.is_some() => None,
            _ if index.is_some() => self.by_index(index),
            _ => self.seen.len().checked_sub(1),
        };
        place.filter(|place| tool.is_empty() || self.calls.given_id(*place).is_some()).filter(is_same)
    }

    /// The newest call at an index.
    fn by_index(&self, index: Option<u64>) -> Option<usize> {
        index.and_then(|_| self.seen.iter().rposition(|seen| *seen == index))
    }

    /// The call that a fragment continues, if it does not begin one. Beginnings carry a name. A server may number all
    /// its calls 0, leave numbers or ids out, give each fragment a new id, or say the name again in each.
    fn continued(&self, id: Option<&str>, index: Option<u64>, tool: &str, fragment: &str) -> Option<usize> {
        let by_id = id.and_then(|_| (0..self.seen.len()).rfind(|place| self.calls.given_id(*place) == id));
        let by_index = self.by_index(index);
        let last = self.seen.len().checked_sub(1);
        if tool.is_empty() {
            // With two marks that are new it belongs to no call that is known.
            let is_new = id.is_some() && index.is_some();
            return by_id.or(by_index).or(last.filter(|_| !is_new));
        }
        let place = match (by_id, index) {
            (Some(place), Some(_)) if self.seen[place] != index => return None,
            (Some(place), _) => place,
            // A new id with a name is a new call, whatever its index.
            (None, _) if id.is_some() => return by_index.or(last).filter(|place| self.is_unnamed(*place)),
            (None, Some(_)) => by_index?,
            (None, None) => last?,
        };
        let same_name = self.is_unnamed(place) || self.calls.tool(place) == tool;
        (same_name && !self.calls.begins_again(place, fragment)).then_some(place)
    }

    fn is_unnamed(&self, place: usize) -> bool {
        self.calls.tool(place).is_empty()
    }

    fn finish(&mut self, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        let reason = match self.finish.as_deref() {
            Some("length" | "max_tokens" | "model_length") => FinishReason::Length,
            Some("content_filter") => FinishReason::Other,
            _ => FinishReason::Stop,
        };
        if reason != FinishReason::Stop {
            self.calls.drop_speechless_end();
        }
        self.calls.drop_repetitions();
        self.calls.complete_all(out)?;
        let reason = if self.calls.is_empty() { reason } else { FinishReason::ToolCalls };
        out.push(LlmEvent::Finished { reason, usage: self.usage });
        Ok(())
    }
}

/// Whether a chunk or a reply is an error, in any of the forms that servers give it.
fn is_error(chunk: &Value) -> bool {
    let stated = match &chunk["error"] {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => true,
    };
    let typed = ["object", "type"].iter().any(|field| chunk[*field] == "error");
    let wordy = chunk.get("choices").is_none() && (chunk["message"].is_string() || chunk["detail"].is_string());
    stated || typed || wordy
}

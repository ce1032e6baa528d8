//! Cohere's chat, API v2: `POST /v2/chat` (<https://docs.cohere.com/v2/reference/chat-stream>). Pure translation.
//!
//! A call is complete at its `tool-call-end`, the reply at `message-end`. Tokens are counted as the model read and wrote
//! them (`usage.tokens`; `billed_units`, which leave out Cohere's own instructions, only where those are missing).
//! Deliberately not sent: `tool_choice` and `strict_tools`, which not every model understands, and `documents`.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use domain::llm::{FinishReason, LlmError, LlmEvent, LlmMessage, LlmRequest};
use domain::turn::Usage;
use serde_json::{Map, Value, json};
use url::Url;

use crate::calls::Calls;
use crate::content::{bad, counted, each, filled, fragment_of, json, temperature, text_of, thinks};
use crate::failure::{ErrorBody, FailureContext};
use crate::history::presentable;
use crate::provider::{Optional, Provider, ReplyDecoder};
use crate::reader::cut;

/// Cohere's wire format.
#[derive(Clone, Debug)]
pub struct Cohere {
    model: String,
    temperature: Option<f32>,
}

impl Cohere {
    /// Cohere's address.
    pub const DEFAULT_BASE_URL: &'static str = "https://api.cohere.com";
    /// The model that is asked if none is set.
    pub const DEFAULT_MODEL: &'static str = "command-a-03-2025";

    /// The model that is asked in the place of one that Cohere removed on 2025-09-15
    /// (<https://docs.cohere.com/docs/deprecations>); `None` if `model` is asked itself.
    pub fn successor_of(model: &str) -> Option<&'static str> {
        matches!(model, "command-r-plus" | "command-r-plus-04-2024").then_some("command-r-plus-08-2024")
    }
}

impl Provider for Cohere {
    type Decoder = CohereDecoder;

    const NAME: &'static str = "cohere";
    const MODEL_SETTING: &'static str = "COHERE_MODEL";

    /// A model that was removed is replaced by its [successor](Cohere::successor_of).
    fn new(model: String, temperature: Option<f32>) -> Self {
        let model = Self::successor_of(&model).map_or(model, str::to_owned);
        Self { model, temperature }
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn endpoint(&self, base: &Url) -> Url {
        let path = base.path().trim_end_matches('/');
        let path = path.strip_suffix("/chat").unwrap_or(path);
        let root = ["/v1", "/v2"].into_iter().find_map(|version| path.strip_suffix(version)).unwrap_or(path);
        let mut url = base.clone();
        url.set_path(&format!("{root}/v2/chat"));
        url
    }

    fn body(&self, request: &LlmRequest, _optional: Optional) -> Value {
        let mut messages = vec![json!({"role": "system", "content": request.system})];
        messages.extend(presentable(&request.messages).iter().map(message));
        let mut body = json!({"model": self.model, "messages": messages, "stream": true});
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

    fn decoder(&self, failure: FailureContext) -> Self::Decoder {
        CohereDecoder { failure, calls: Calls::default(), places: Vec::new(), thinking: HashSet::new() }
    }
}

fn message(message: &LlmMessage) -> Value {
    match message {
        LlmMessage::User { text } => json!({"role": "user", "content": text}),
        LlmMessage::Assistant { text, calls, .. } if calls.is_empty() => json!({"role": "assistant", "content": text}),
        LlmMessage::Assistant { text, plan, calls } => {
            let mut told = Map::from_iter([("role".to_owned(), json!("assistant"))]);
            let calls = calls.iter().map(|call| {
                let function = json!({"name": call.tool, "arguments": call.arguments});
                json!({"id": call.id, "type": "function", "function": function})
            });
            told.insert("tool_calls".to_owned(), calls.collect());
            // A tool turn has no content; what was said beside its calls is the plan.
            let said = [plan.as_deref().unwrap_or_default(), text].map(str::trim);
            let said: Vec<_> = said.into_iter().filter(|words| !words.is_empty()).collect();
            if !said.is_empty() {
                told.insert("tool_plan".to_owned(), said.join("\n\n").into());
            }
            Value::Object(told)
        }
        LlmMessage::ToolResult { call_id, content, .. } => {
            json!({"role": "tool", "tool_call_id": call_id, "content": content.to_string()})
        }
    }
}

/// Reads a reply of Cohere.
#[derive(Debug)]
pub struct CohereDecoder {
    failure: FailureContext,
    calls: Calls,
    /// The `index` of each call.
    places: Vec<Option<u64>>,
    /// The `index` of each block of content that is a thought and no answer.
    thinking: HashSet<u64>,
}

impl ReplyDecoder for CohereDecoder {
    fn event(&mut self, name: &str, data: &str, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        if data.trim() == "[DONE]" {
            return self.end(out);
        }
        let event = json(data)?;
        let message = &event["delta"]["message"];
        match event["type"].as_str().unwrap_or(name) {
            "content-start" | "content-delta" => self.content(&event["index"], &message["content"], out),
            "tool-plan-delta" => {
                plan(&message["tool_plan"], out);
                Ok(())
            }
            "tool-call-start" => {
                for call in each(&message["tool_calls"]) {
                    self.begin(event["index"].as_u64(), call, out);
                }
                Ok(())
            }
            "tool-call-delta" => {
                let place = self.place(&event["index"]).ok_or_else(|| bad("arguments of a call that never began"))?;
                for call in each(&message["tool_calls"]) {
                    self.calls.add(place, &fragment_of(&call["function"]["arguments"]), out);
                }
                Ok(())
            }
            "tool-call-end" => match self.place(&event["index"]) {
                Some(place) => self.calls.complete(place, out),
                None => Err(bad("the end of a call that never began")),
            },
            "message-end" => self.finish(&event["delta"], out),
            "error" => Err(self.failure.inside_reply(ErrorBody::of(&event))),
            // An error without a type; what else is unknown is something new.
            _ if event["type"].is_null() && event["message"].is_string() => {
                Err(self.failure.inside_reply(ErrorBody::of(&event)))
            }
            _ => Ok(()),
        }
    }

    fn document(&mut self, body: &str, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        let reply = json(body)?;
        let message = &reply["message"];
        if !message.is_object() {
            return match message {
                Value::String(_) => Err(self.failure.inside_reply(ErrorBody::of(&reply))),
                _ => Err(bad("the reply has no message")),
            };
        }
        plan(&message["tool_plan"], out);
        self.content(&Value::Null, &message["content"], out)?;
        for (index, call) in (0..).zip(each(&message["tool_calls"])) {
            self.begin(Some(index), call, out);
        }
        self.finish(&reply, out)
    }

    fn end(&mut self, _out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        Err(cut())
    }
}

impl CohereDecoder {
    fn content(&mut self, index: &Value, content: &Value, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        if let Some(index) = index.as_u64() {
            if content["type"] == "thinking" {
                self.thinking.insert(index);
            }
            if self.thinking.contains(&index) {
                out.push(LlmEvent::Thinking);
                return Ok(());
            }
        }
        if thinks(content) {
            out.push(LlmEvent::Thinking);
        }
        let text = text_of(content)?;
        if !text.is_empty() {
            out.push(LlmEvent::TextDelta(text.into_owned()));
        }
        Ok(())
    }

    fn begin(&mut self, index: Option<u64>, call: &Value, out: &mut Vec<LlmEvent>) {
        let function = &call["function"];
        let place = self.calls.begin(filled(&call["id"]), function["name"].as_str().unwrap_or_default(), out);
        self.places.push(index);
        self.calls.add(place, &fragment_of(&function["arguments"]), out);
    }

    /// The newest call at this index; the newest of all where none is given.
    fn place(&self, index: &Value) -> Option<usize> {
        match index.as_u64() {
            Some(index) => self.places.iter().rposition(|place| *place == Some(index)),
            None => self.places.len().checked_sub(1),
        }
    }

    fn finish(&mut self, end: &Value, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        let said =
            || ErrorBody { codes: Vec::new(), message: end["error"].as_str().unwrap_or("no reason given").to_owned() };
        let reason = end["finish_reason"].as_str().unwrap_or_default();
        let reason = match reason {
            "ERROR" => return Err(self.failure.inside_reply(said())),
            "TIMEOUT" => return Err(LlmError::Timeout("the provider ran out of time".into())),
            "ERROR_TOXIC" => return Err(bad("the provider held the reply back as toxic")),
            "ERROR_LIMIT" => {
                return Err(bad("the conversation is too long for the model: LLM_HISTORY_TOKENS may be too high"));
            }
            // A call without its end was cut off by the limit.
            "MAX_TOKENS" => FinishReason::Length,
            "COMPLETE" | "STOP_SEQUENCE" | "TOOL_CALL" => {
                self.calls.complete_all(out)?;
                if self.calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls }
            }
            "" => return Err(bad("the reply has no reason to end")),
            _ => FinishReason::Other,
        };
        out.push(LlmEvent::Finished { reason, usage: usage(&end["usage"]) });
        Ok(())
    }
}

fn plan(plan: &Value, out: &mut Vec<LlmEvent>) {
    if let Some(text) = filled(plan) {
        out.push(LlmEvent::PlanDelta(text.to_owned()));
    }
}

fn usage(usage: &Value) -> Option<Usage> {
    let units = |units: &Value| counted(&units["input_tokens"], &units["output_tokens"]);
    units(&usage["tokens"]).or_else(|| units(&usage["billed_units"]))
}

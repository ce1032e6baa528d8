//! Cohere's chat API v2: `POST /v2/chat` (<https://docs.cohere.com/v2/reference/chat-stream>).
//!
//! A call is complete at its `tool-call-end`, the reply at `message-end`. Usage is `usage.tokens`; `billed_units`,
//! which exclude Cohere's own instructions, are used only if it is missing. `tool_choice` and `strict_tools` are not
//! sent because not every model supports them.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use domain::conversation::turn::Usage;
use domain::llm::{FinishReason, LlmError, LlmEvent, LlmRequest};
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;

use crate::error::{ErrorBody, ErrorMapper};
use crate::history::AssistantMessage;
use crate::provider::{Deviation, Provider, ReplyDecoder};
use crate::provider_data::ProviderData;
use crate::request::RequestBody;
use crate::tool_calls::ToolCalls;
use crate::wire::{
    arguments_of, bad_reply, is_non_empty, is_thinking, non_empty_str, one_or_many, parse_json, text_of, token_usage,
    truncated_reply,
};

/// Cohere's wire format.
#[derive(Clone, Debug)]
pub struct Cohere {
    model: String,
    temperature: Option<f32>,
}

impl Cohere {
    /// Default of `COHERE_BASE_URL`.
    pub const DEFAULT_BASE_URL: &'static str = "https://api.cohere.com";
    /// Default of `COHERE_MODEL`.
    pub const DEFAULT_MODEL: &'static str = "command-a-03-2025";

    /// Returns the model that replaces one that Cohere removed on 2025-09-15
    /// (<https://docs.cohere.com/docs/deprecations>); `None` if `model` was not removed.
    pub fn successor_of(model: &str) -> Option<&'static str> {
        matches!(model, "command-r-plus" | "command-r-plus-04-2024").then_some("command-r-plus-08-2024")
    }
}

impl Provider for Cohere {
    type Decoder = CohereDecoder;

    const NAME: &'static str = "cohere";
    const MODEL_SETTING: &'static str = "COHERE_MODEL";

    /// Replaces a removed model by its [successor](Cohere::successor_of).
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

    fn body<'r>(&'r self, request: &'r LlmRequest, deviations: &[Deviation]) -> impl Serialize + use<'r> {
        RequestBody::new(&self.model, request, assistant_json, self.temperature, deviations)
    }

    /// Thoughts are accepted only by models that think.
    fn deviation(&self, status: u16, body: &ErrorBody) -> Option<Deviation> {
        let names_thinking = body.message.to_lowercase().contains("thinking");
        (matches!(status, 400 | 422) && names_thinking).then_some(Deviation::RejectsProviderData)
    }

    fn decoder(&self, errors: ErrorMapper) -> Self::Decoder {
        CohereDecoder {
            errors,
            calls: ToolCalls::default(),
            provider_data: ProviderData::default(),
            indexes: Vec::new(),
            thinking_blocks: HashSet::new(),
        }
    }
}

fn assistant_json(mut message: AssistantMessage<'_>) -> Map<String, Value> {
    let mut fields = Map::new();
    if message.calls.is_empty() {
        fields.insert("content".to_owned(), message.take_content());
        return fields;
    }
    // A message with calls has no content but thoughts in this API: its text is part of the plan.
    let plan = [message.plan.unwrap_or_default(), std::mem::take(&mut message.text)].map(str::trim);
    let plan: Vec<_> = plan.into_iter().filter(|text| !text.is_empty()).collect();
    if !plan.is_empty() {
        fields.insert("tool_plan".to_owned(), plan.join("\n\n").into());
    }
    let thoughts = message.take_content();
    if is_non_empty(&thoughts) {
        fields.insert("content".to_owned(), thoughts);
    }
    fields.insert("tool_calls".to_owned(), message.calls.into());
    fields
}

/// Decodes a reply of Cohere.
#[derive(Debug)]
pub struct CohereDecoder {
    errors: ErrorMapper,
    calls: ToolCalls,
    provider_data: ProviderData,
    /// The `index` of each call.
    indexes: Vec<Option<u64>>,
    /// The `index` of each content block that contains thoughts.
    thinking_blocks: HashSet<u64>,
}

impl ReplyDecoder for CohereDecoder {
    fn event(&mut self, name: &str, data: &str, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        if data.trim() == "[DONE]" {
            return self.end(out);
        }
        let event = parse_json(data)?;
        let message = &event["delta"]["message"];
        match event["type"].as_str().unwrap_or(name) {
            "content-start" | "content-delta" => self.read_content(&event["index"], message, out),
            "tool-plan-delta" => {
                push_plan(&message["tool_plan"], out);
                Ok(())
            }
            "tool-call-start" => {
                for call in one_or_many(&message["tool_calls"]) {
                    self.start_call(event["index"].as_u64(), call, out);
                }
                Ok(())
            }
            "tool-call-delta" => {
                let call_not_started = || bad_reply("arguments of a call that was not started");
                let position = self.position(&event["index"]).ok_or_else(call_not_started)?;
                for call in one_or_many(&message["tool_calls"]) {
                    self.calls.append_arguments(position, &arguments_of(&call["function"]["arguments"]), out);
                }
                Ok(())
            }
            "tool-call-end" => match self.position(&event["index"]) {
                Some(position) => self.calls.complete(position, out),
                None => Err(bad_reply("the end of a call that was not started")),
            },
            "message-end" => self.finish(&event["delta"], out),
            "error" => Err(self.errors.map_reply_error(ErrorBody::from_json(&event))),
            // An error without a type. Unknown types are ignored.
            _ if event["type"].is_null() && event["message"].is_string() => {
                Err(self.errors.map_reply_error(ErrorBody::from_json(&event)))
            }
            _ => Ok(()),
        }
    }

    fn document(&mut self, body: &str, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        let reply = parse_json(body)?;
        let message = &reply["message"];
        if !message.is_object() {
            return match message {
                Value::String(_) => Err(self.errors.map_reply_error(ErrorBody::from_json(&reply))),
                _ => Err(bad_reply("the reply has no message")),
            };
        }
        push_plan(&message["tool_plan"], out);
        self.read_content(&Value::Null, message, out)?;
        for (index, call) in (0..).zip(one_or_many(&message["tool_calls"])) {
            self.start_call(Some(index), call, out);
        }
        self.finish(&reply, out)
    }

    fn end(&mut self, _out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        Err(truncated_reply())
    }
}

impl CohereDecoder {
    fn read_content(&mut self, index: &Value, message: &Value, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        let content = &message["content"];
        self.provider_data.add_message(message);
        if let Some(index) = index.as_u64() {
            if content["type"] == "thinking" {
                self.thinking_blocks.insert(index);
            }
            if self.thinking_blocks.contains(&index) {
                out.push(LlmEvent::Thinking);
                return Ok(());
            }
        }
        if one_or_many(content).iter().any(is_thinking) {
            out.push(LlmEvent::Thinking);
        }
        let text = text_of(content)?;
        if !text.is_empty() {
            out.push(LlmEvent::TextDelta(text.into_owned()));
        }
        Ok(())
    }

    fn start_call(&mut self, index: Option<u64>, call: &Value, out: &mut Vec<LlmEvent>) {
        let function = &call["function"];
        let position = self.calls.start(non_empty_str(&call["id"]), function["name"].as_str().unwrap_or_default(), out);
        self.indexes.push(index);
        self.calls.append_arguments(position, &arguments_of(&function["arguments"]), out);
    }

    /// Returns the position of the latest call with this index, or of the latest call if there is no index.
    fn position(&self, index: &Value) -> Option<usize> {
        match index.as_u64() {
            Some(index) => self.indexes.iter().rposition(|known| *known == Some(index)),
            None => self.indexes.len().checked_sub(1),
        }
    }

    fn finish(&mut self, end: &Value, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        let reason = match end["finish_reason"].as_str().unwrap_or_default() {
            "ERROR" => {
                let message = end["error"].as_str().unwrap_or("no reason given").to_owned();
                return Err(self.errors.map_reply_error(ErrorBody { codes: Vec::new(), message }));
            }
            "TIMEOUT" => return Err(LlmError::Timeout("the provider reported a timeout".into())),
            "ERROR_TOXIC" => return Err(bad_reply("the provider withheld the reply as toxic")),
            "ERROR_LIMIT" => {
                return Err(bad_reply(
                    "the conversation is too long for the model: LLM_HISTORY_TOKENS may be too high",
                ));
            }
            // A call without `tool-call-end` was truncated by the limit and stays incomplete.
            "MAX_TOKENS" => FinishReason::Length,
            "COMPLETE" | "STOP_SEQUENCE" | "TOOL_CALL" => {
                self.calls.complete_all(out)?;
                out.extend(self.provider_data.take_event(&self.calls));
                if self.calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls }
            }
            "" => return Err(bad_reply("the reply has no finish reason")),
            _ => FinishReason::Other,
        };
        out.push(LlmEvent::Finished { reason, usage: parse_usage(&end["usage"]) });
        Ok(())
    }
}

fn push_plan(plan: &Value, out: &mut Vec<LlmEvent>) {
    if let Some(text) = non_empty_str(plan) {
        out.push(LlmEvent::PlanDelta(text.to_owned()));
    }
}

fn parse_usage(usage: &Value) -> Option<Usage> {
    let tokens = |units: &Value| token_usage(&units["input_tokens"], &units["output_tokens"]);
    tokens(&usage["tokens"]).or_else(|| tokens(&usage["billed_units"]))
}

//! A provider's request, parsed from the body of either API: both have roles, contents, tool calls and their results.
//!
//! Parsing is stricter than each provider: what any of them is known to refuse is refused.

use domain::llm::{LlmMessage, LlmToolCall};
use serde_json::Value;

/// A chat request.
#[derive(Clone, Debug)]
pub(super) struct ChatRequest {
    pub model: String,
    pub stream: bool,
    /// Whether a stream of OpenAI's ends with its usage (`stream_options.include_usage`).
    pub include_usage: bool,
    /// The conversation without system messages.
    pub messages: Vec<LlmMessage>,
    /// Names of the tools that may be called.
    pub tools: Vec<String>,
}

impl ChatRequest {
    /// Parses a body.
    ///
    /// # Errors
    /// The message with which a provider would refuse it.
    pub fn read(body: &Value) -> Result<Self, String> {
        let model = body["model"].as_str().filter(|model| !model.is_empty()).ok_or("model is required")?.to_owned();
        let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
        let messages = conversation(messages.ok_or("messages must not be empty")?)?;
        let tools = body["tools"].as_array().into_iter().flatten().map(tool_name).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            model,
            stream: body["stream"] == true,
            include_usage: body["stream_options"]["include_usage"] == true,
            messages,
            tools,
        })
    }

    /// The text of the newest user message.
    pub fn user_text(&self) -> &str {
        let mut backwards = self.messages.iter().rev();
        let text = backwards.find_map(|message| match message {
            LlmMessage::User { text } => Some(text.as_str()),
            LlmMessage::Assistant { .. } | LlmMessage::ToolResult { .. } => None,
        });
        text.unwrap_or("")
    }
}

/// Parses the messages. Every call MUST be followed by its result, and every result follow its call.
fn conversation(messages: &[Value]) -> Result<Vec<LlmMessage>, String> {
    let mut parsed = Vec::new();
    let mut open: Vec<LlmToolCall> = Vec::new();
    for message in messages {
        if message.get("tool_plan").is_some_and(Value::is_null) {
            return Err("tool_plan must be a string or absent".to_owned());
        }
        let role = message["role"].as_str();
        if role != Some("tool") {
            check_answered(&open)?;
        }
        match role {
            Some("system" | "developer") => {}
            Some("user") => parsed.push(LlmMessage::User { text: text(&message["content"]) }),
            Some("assistant") => {
                let calls = message["tool_calls"].as_array().into_iter().flatten();
                open = calls.map(tool_call).collect::<Result<_, _>>()?;
                parsed.push(LlmMessage::Assistant {
                    text: text(&message["content"]),
                    plan: message["tool_plan"].as_str().map(str::to_owned),
                    calls: open.clone(),
                    provider_data: None,
                });
            }
            Some("tool") => {
                let id = message["tool_call_id"].as_str().ok_or("a tool result needs a tool_call_id")?;
                let at = open.iter().position(|call| call.id == id);
                let call = open.remove(at.ok_or_else(|| format!("no tool call is open for the result {id}"))?);
                let content = text(&message["content"]);
                let content = serde_json::from_str(&content).unwrap_or(Value::String(content));
                parsed.push(LlmMessage::ToolResult { call_id: call.id, tool: call.tool, content });
            }
            _ => return Err(format!("unknown role: {}", message["role"])),
        }
    }
    check_answered(&open)?;
    Ok(parsed)
}

fn check_answered(open: &[LlmToolCall]) -> Result<(), String> {
    let ids: Vec<_> = open.iter().map(|call| call.id.as_str()).collect();
    if ids.is_empty() { Ok(()) } else { Err(format!("these tool calls have no result: {}", ids.join(", "))) }
}

/// The text of a content: a string, or blocks of text or of documents, which Cohere's tool results have.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().map(block_text).collect(),
        _ => String::new(),
    }
}

fn block_text(block: &Value) -> String {
    match (&block["text"], &block["document"]["data"]) {
        (Value::String(text), _) | (_, Value::String(text)) => text.clone(),
        (_, Value::Null) => String::new(),
        (_, data) => data.to_string(),
    }
}

fn tool_call(call: &Value) -> Result<LlmToolCall, String> {
    let field = |value: &Value, name: &str| {
        value.as_str().map(str::to_owned).ok_or_else(|| format!("a tool call needs its {name}"))
    };
    let arguments = field(&call["function"]["arguments"], "arguments")?;
    let is_object = serde_json::from_str::<Value>(&arguments).is_ok_and(|arguments| arguments.is_object());
    if !is_object {
        return Err("arguments must be the text of a JSON object".to_owned());
    }
    Ok(LlmToolCall { id: field(&call["id"], "id")?, tool: field(&call["function"]["name"], "name")?, arguments })
}

fn tool_name(tool: &Value) -> Result<String, String> {
    let name = tool["function"]["name"].as_str().unwrap_or_default();
    let is_valid = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_valid && tool["function"]["parameters"].is_object() {
        Ok(name.to_owned())
    } else {
        Err(format!("a tool needs a name of letters, digits and _, and parameters: {name:?}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with_messages(messages: &Value) -> Value {
        json!({"model": "m", "messages": messages})
    }

    fn call(id: &str) -> Value {
        let function = json!({"name": "list_tasks", "arguments": "{}"});
        json!({"role": "assistant", "tool_calls": [{"id": id, "type": "function", "function": function}]})
    }

    #[test]
    fn contents_are_strings_blocks_or_documents() {
        let text_block = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
        let document = json!([{"type": "document", "document": {"data": "{\"success\":true}"}}]);
        let object = json!([{"type": "document", "document": {"data": {"success": true}}}]);
        let texts = [json!("ab"), text_block, document, object, Value::Null].map(|content| text(&content));
        assert_eq!(texts, ["ab", "ab", "{\"success\":true}", "{\"success\":true}", ""]);
    }

    #[test]
    fn the_newest_user_text_may_precede_tool_results() {
        let request = ChatRequest::read(&with_messages(&json!([
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "old"},
            {"role": "assistant", "content": "yes"},
            {"role": "user", "content": "new"},
            call("c1"),
            {"role": "tool", "tool_call_id": "c1", "content": "{}"},
        ])));
        assert_eq!(request.unwrap().user_text(), "new");
    }

    #[test]
    fn requests_that_providers_refuse_are_refused() {
        let user = json!({"role": "user", "content": "hi"});
        let result = json!({"role": "tool", "tool_call_id": "c1", "content": "{}"});
        let without_arguments = json!({"id": "c1", "function": {"name": "a", "arguments": "null"}});
        let without_arguments = json!({"role": "assistant", "tool_calls": [without_arguments]});
        for messages in [
            json!([]),
            json!([{"role": "robot", "content": "hi"}]),
            json!([user, call("c1")]),
            json!([user, call("c1"), user]),
            json!([user, result]),
            json!([user, call("c1"), result, result]),
            json!([user, {"role": "assistant", "content": "x", "tool_plan": null}]),
            json!([user, without_arguments, result]),
        ] {
            assert!(ChatRequest::read(&with_messages(&messages)).is_err(), "{messages}");
        }
        assert!(ChatRequest::read(&with_messages(&json!([user, call("c1"), result]))).is_ok());
        assert!(ChatRequest::read(&json!({"messages": [user]})).is_err());
        let dashed =
            json!({"model": "m", "messages": [user], "tools": [{"function": {"name": "add-task", "parameters": {}}}]});
        assert!(ChatRequest::read(&dashed).is_err());
    }
}

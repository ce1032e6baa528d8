//! What a provider is asked, read from the body of either API: both have roles, contents, tool calls and their results.
//!
//! It is stricter than the providers are on some days: what any of them is known to refuse is refused.

use serde_json::Value;

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub model: String,
    pub stream: bool,
    /// Whether a stream of OpenAI's tells its usage (`stream_options.include_usage`).
    pub include_usage: bool,
    pub messages: Vec<Said>,
    /// The names of the tools that may be called.
    pub tools: Vec<String>,
}

/// A message of the conversation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    System,
    User(String),
    Assistant { calls: Vec<Made> },
    Result { call_id: String, content: String },
}

/// A tool call that was made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Made {
    pub id: String,
    pub name: String,
    pub arguments: Value,
}

impl Asked {
    /// Reads a body.
    ///
    /// # Errors
    /// What a provider would refuse, in words.
    pub fn read(body: &Value) -> Result<Self, String> {
        let model = body["model"].as_str().filter(|model| !model.is_empty()).ok_or("model is required")?.to_owned();
        let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
        let messages = messages.ok_or("messages must not be empty")?.iter().map(said).collect::<Result<Vec<_>, _>>()?;
        check_pairs(&messages)?;
        let tools = body["tools"].as_array().into_iter().flatten().map(tool_name).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            model,
            stream: body["stream"] == true,
            include_usage: body["stream_options"]["include_usage"] == true,
            messages,
            tools,
        })
    }

    /// What the user said last.
    pub fn user_text(&self) -> &str {
        let mut backwards = self.messages.iter().rev();
        backwards.find_map(|said| if let Said::User(text) = said { Some(text.as_str()) } else { None }).unwrap_or("")
    }
}

fn said(message: &Value) -> Result<Said, String> {
    if message.get("tool_plan").is_some_and(Value::is_null) {
        return Err("tool_plan must be a string or absent".to_owned());
    }
    match message["role"].as_str() {
        Some("system" | "developer") => Ok(Said::System),
        Some("user") => Ok(Said::User(text(&message["content"]))),
        Some("assistant") => {
            let calls = message["tool_calls"].as_array().into_iter().flatten().map(made).collect::<Result<_, _>>()?;
            Ok(Said::Assistant { calls })
        }
        Some("tool") => {
            let call_id = message["tool_call_id"].as_str().ok_or("a tool result needs a tool_call_id")?;
            Ok(Said::Result { call_id: call_id.to_owned(), content: text(&message["content"]) })
        }
        _ => Err(format!("no such role: {}", message["role"])),
    }
}

/// A content's text: a string, or blocks of text or of documents, as Cohere's tool results have them.
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

fn made(call: &Value) -> Result<Made, String> {
    let field = |value: &Value, name: &str| {
        value.as_str().map(str::to_owned).ok_or_else(|| format!("a tool call needs its {name}"))
    };
    let arguments: Option<Value> =
        call["function"]["arguments"].as_str().and_then(|text| serde_json::from_str(text).ok());
    Ok(Made {
        id: field(&call["id"], "id")?,
        name: field(&call["function"]["name"], "name")?,
        arguments: arguments.filter(Value::is_object).ok_or("arguments must be the text of a JSON object")?,
    })
}

/// Every call has one result right after it, and every result its call.
fn check_pairs(messages: &[Said]) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    for said in messages {
        match said {
            Said::Result { call_id, .. } => {
                let at = open.iter().position(|id| id == call_id);
                open.remove(at.ok_or_else(|| format!("no tool call is open for the result {call_id}"))?);
            }
            _ if !open.is_empty() => return Err(format!("these tool calls have no result: {}", open.join(", "))),
            Said::Assistant { calls } => open = calls.iter().map(|call| call.id.as_str()).collect(),
            Said::System | Said::User(_) => {}
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("these tool calls have no result: {}", open.join(", "))) }
}

fn tool_name(tool: &Value) -> Result<String, String> {
    let name = tool["function"]["name"].as_str().unwrap_or_default();
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && tool["function"]["parameters"].is_object() {
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
        json!({"role": "assistant", "tool_calls": [{"id": id, "type": "function", "function": {"name": "list_tasks", "arguments": "{}"}}]})
    }

    #[test]
    fn contents_are_read_as_strings_as_blocks_and_as_documents() {
        let text_block = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
        let document = json!([{"type": "document", "document": {"data": "{\"success\":true}"}}]);
        let object = json!([{"type": "document", "document": {"data": {"success": true}}}]);
        let texts = [json!("ab"), text_block, document, object, Value::Null].map(|content| text(&content));
        assert_eq!(texts, ["ab", "ab", "{\"success\":true}", "{\"success\":true}", ""]);
    }

    #[test]
    fn the_users_newest_words_are_found_behind_tool_results() {
        let asked = Asked::read(&with_messages(&json!([
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "old"},
            {"role": "assistant", "content": "yes"},
            {"role": "user", "content": "new"},
            call("c1"),
            {"role": "tool", "tool_call_id": "c1", "content": "{}"},
        ])));
        assert_eq!(asked.unwrap().user_text(), "new");
    }

    #[test]
    fn what_providers_refuse_is_refused() {
        let user = json!({"role": "user", "content": "hi"});
        let result = json!({"role": "tool", "tool_call_id": "c1", "content": "{}"});
        for messages in [
            json!([]),
            json!([{"role": "robot", "content": "hi"}]),
            json!([user, call("c1")]),
            json!([user, call("c1"), user]),
            json!([user, result]),
            json!([user, call("c1"), result, result]),
            json!([user, {"role": "assistant", "content": "x", "tool_plan": null}]),
            json!([user, {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "a", "arguments": "null"}}]}, result]),
        ] {
            assert!(Asked::read(&with_messages(&messages)).is_err(), "{messages}");
        }
        assert!(Asked::read(&with_messages(&json!([user, call("c1"), result]))).is_ok());
        assert!(Asked::read(&json!({"messages": [user]})).is_err());
        let dashed =
            json!({"model": "m", "messages": [user], "tools": [{"function": {"name": "add-task", "parameters": {}}}]});
        assert!(Asked::read(&dashed).is_err());
    }
}

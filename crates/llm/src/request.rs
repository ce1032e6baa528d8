//! The body of a request, which the providers have in common.

use domain::llm::LlmRequest;
use domain::tool::ToolSpec;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::history::{AssistantMessage, messages_json};
use crate::provider::Deviation;

/// The JSON body of a request for a streamed reply.
#[derive(Debug, Serialize)]
pub(crate) struct RequestBody<'r> {
    model: &'r str,
    pub(crate) messages: Vec<Value>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stream_options: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Value>,
}

#[derive(Debug, Serialize)]
struct Tool<'r> {
    r#type: &'static str,
    function: Function<'r>,
}

#[derive(Debug, Serialize)]
struct Function<'r> {
    name: &'r str,
    description: &'r str,
    parameters: &'r Value,
}

impl<'r> RequestBody<'r> {
    /// Creates the body. `assistant` serializes replies of the model in the provider's format.
    pub(crate) fn new(
        model: &'r str,
        request: &'r LlmRequest,
        assistant: fn(AssistantMessage<'_>) -> Map<String, Value>,
        temperature: Option<f32>,
        deviations: &[Deviation],
    ) -> Self {
        let mut messages = vec![json!({"role": "system", "content": request.system})];
        let provider_data = !deviations.contains(&Deviation::RejectsProviderData);
        messages.extend(messages_json(&request.messages, assistant, provider_data));
        let function = |tool: &'r ToolSpec| Function {
            name: tool.name,
            description: tool.description,
            parameters: &tool.parameters,
        };
        let tools = request.tools.iter().map(|tool| Tool { r#type: "function", function: function(tool) }).collect();
        let temperature = temperature.and_then(temperature_json);
        Self { model, messages, stream: true, stream_options: None, tools, temperature }
    }
}

/// Serializes a temperature in its shortest form: 0.3 instead of 0.30000001192092896. `None` if it is not finite.
fn temperature_json(temperature: f32) -> Option<Value> {
    serde_json::from_str(&temperature.to_string()).ok()
}

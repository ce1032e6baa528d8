//! Messages and their parts. The content and tool calls that clients see, and the history that models get, derive from the
//! parts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::change::Receipt;
use crate::conversation::turn::TurnState;
use crate::id::{ConversationId, MessageId};

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Unique among all messages.
    pub id: MessageId,
    /// The conversation of the message.
    pub conversation: ConversationId,
    /// The position in the conversation, from 1.
    pub position: u32,
    /// The author.
    pub role: Role,
    /// The content, in order.
    pub parts: Vec<Part>,
    /// The state of the turn; always complete for a user's message.
    pub status: TurnState,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
}

impl Message {
    /// Returns the message's id with the receipts of its tool calls.
    pub(crate) fn receipts(&self) -> (MessageId, Vec<Receipt>) {
        (self.id, receipts(&self.parts).cloned().collect())
    }
}

/// The author of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The user.
    User,
    /// The assistant.
    Assistant,
}

impl Role {
    /// Returns the name in storage and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// A part of a message, in its stored form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Text of the author.
    Text {
        /// The round of the turn, from 0.
        round: u8,
        /// The text.
        text: String,
    },
    /// A notice that the server adds.
    Notice {
        /// The text.
        text: String,
    },
    /// The plan of a model, which some providers expect in later requests.
    Plan {
        /// The round of the turn, from 0.
        round: u8,
        /// The text.
        text: String,
    },
    /// What only the sender of a reply understands ([`LlmEvent::ProviderData`](crate::llm::LlmEvent::ProviderData)). Not
    /// shown to anybody, and sent back to its source only.
    ProviderData {
        /// The round of the turn, from 0.
        round: u8,
        /// The [source](crate::llm::LlmClient::source).
        source: String,
        /// The data, as text, because databases restrict the depth, the numbers and the characters of JSON.
        data: String,
    },
    /// A tool call with its result.
    ToolCall(ToolCall),
}

impl Part {
    /// The round of the turn, from 0; `None` for a notice.
    pub fn round(&self) -> Option<u8> {
        match self {
            Self::Text { round, .. } | Self::Plan { round, .. } | Self::ProviderData { round, .. } => Some(*round),
            Self::ToolCall(call) => Some(call.round),
            Self::Notice { .. } => None,
        }
    }
}

/// A tool call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call, made unique within the message.
    pub id: String,
    /// The round of the turn, from 0.
    pub round: u8,
    /// The name of the tool as the model wrote it, which may not exist.
    pub tool: String,
    /// The parameters; a string if they were not valid JSON.
    pub parameters: Value,
    /// The result; `None` if the turn ended before.
    pub result: Option<ToolResult>,
    /// The changes of the call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Receipt>,
}

/// The result of a tool call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// Whether the tool did what was requested.
    pub success: bool,
    /// A description for the user.
    pub message: String,
    /// Data that depends on the tool.
    pub data: Value,
}

/// Returns the texts and notices in `parts`, separated by blank lines.
pub fn content(parts: &[Part]) -> String {
    let texts = parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } | Part::Notice { text } if !text.is_empty() => Some(text.as_str()),
        Part::Text { .. } | Part::Notice { .. } | Part::Plan { .. } | Part::ProviderData { .. } | Part::ToolCall(_) => {
            None
        }
    });
    texts.collect::<Vec<_>>().join("\n\n")
}

/// Returns the tool calls in `parts`.
pub fn tool_calls(parts: &[Part]) -> impl Iterator<Item = &ToolCall> {
    parts.iter().filter_map(|part| match part {
        Part::ToolCall(call) => Some(call),
        Part::Text { .. } | Part::Notice { .. } | Part::Plan { .. } | Part::ProviderData { .. } => None,
    })
}

/// Returns the receipts of the tool calls in `parts`.
pub fn receipts(parts: &[Part]) -> impl Iterator<Item = &Receipt> {
    tool_calls(parts).flat_map(|call| &call.changes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_are_read_in_the_form_in_which_they_were_stored() {
        let stored = json!([
            {"type": "text", "round": 0, "text": "a"},
            {"type": "notice", "text": "b"},
            {"type": "plan", "round": 0, "text": "c"},
            {"type": "provider_data", "round": 1, "source": "s", "data": "{}"},
            {"type": "tool_call", "id": "i", "round": 1, "tool": "t", "parameters": {}, "result": null},
        ]);
        let parts: Vec<Part> = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(&parts).unwrap(), stored);
        assert_eq!((content(&parts).as_str(), tool_calls(&parts).count()), ("a\n\nb", 1));
    }
}

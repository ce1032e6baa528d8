//! Messages, and the parts that they are made of. Content and tool calls as clients see them derive from the parts,
//! and history is replayed to a model from them without loss.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::change::Receipt;
use crate::id::{ConversationId, MessageId};
use crate::turn::TurnState;

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The conversation it is in.
    pub conversation: ConversationId,
    /// Its place in the conversation, from 1.
    pub position: u32,
    /// Who speaks.
    pub role: Role,
    /// What it is made of, in order.
    pub parts: Vec<Part>,
    /// How it stands. A user's message is always complete.
    pub status: TurnState,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
}

impl Message {
    /// Returns the message's id with the receipts of its tool calls.
    pub(crate) fn receipts(&self) -> (MessageId, Vec<Receipt>) {
        (self.id, receipts(&self.parts).cloned().collect())
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person.
    User,
    /// The assistant.
    Assistant,
}

impl Role {
    /// The role's name in storage and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// A part of a message. This is its form in storage too; new kinds may come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Something said.
    Text {
        /// The round of the turn in which it was said, from 0.
        round: u8,
        /// The words.
        text: String,
    },
    /// Something that the server adds in its own name to what the assistant said.
    Notice {
        /// The words.
        text: String,
    },
    /// What a provider says that it means to do, which some of them want to be told again.
    Plan {
        /// The round of the turn, from 0.
        round: u8,
        /// The words.
        text: String,
    },
    /// A tool that was called, with what came of it.
    ToolCall(ToolCall),
}

/// A tool that was called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The call's id: the provider's, made unique within the message.
    pub id: String,
    /// The round of the turn, from 0.
    pub round: u8,
    /// The tool's name, as the provider gave it.
    pub tool: String,
    /// The parameters; a text if they were no JSON.
    pub parameters: Value,
    /// What came of it; `None` if the turn ended before.
    pub result: Option<ToolResult>,
    /// The changes that it made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Receipt>,
}

/// What came of a tool call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// Whether the tool did what it was asked.
    pub success: bool,
    /// What happened, in words.
    pub message: String,
    /// What happened, as data; the tools say which.
    pub data: Value,
}

/// What is said in `parts`: their texts and notices, a blank line between two.
pub fn content(parts: &[Part]) -> String {
    let texts = parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } | Part::Notice { text } if !text.is_empty() => Some(text.as_str()),
        Part::Text { .. } | Part::Notice { .. } | Part::Plan { .. } | Part::ToolCall(_) => None,
    });
    texts.collect::<Vec<_>>().join("\n\n")
}

/// The tool calls in `parts`.
pub fn tool_calls(parts: &[Part]) -> impl Iterator<Item = &ToolCall> {
    parts.iter().filter_map(|part| match part {
        Part::ToolCall(call) => Some(call),
        Part::Text { .. } | Part::Notice { .. } | Part::Plan { .. } => None,
    })
}

/// The receipts of the tool calls in `parts`.
pub fn receipts(parts: &[Part]) -> impl Iterator<Item = &Receipt> {
    tool_calls(parts).flat_map(|call| &call.changes)
}

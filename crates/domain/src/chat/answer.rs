//! What an answer has to be honest about: what it claims, and what it offers.

use serde_json::Value;

use super::grounding::claims_change;
use super::turn_loop::{Failure, TurnLoop};
use crate::conversation::PendingAction;
use crate::id::TaskId;
use crate::llm::FinishReason;
use crate::message::{Part, tool_calls};
use crate::task::Version;
use crate::tool::{ToolContext, ToolError};

/// So many tasks one offer may have. All of them are named, because nobody agrees to what was not named.
pub const MAX_OFFERED: usize = 32;

impl TurnLoop {
    /// Adds what the answer lacks: what exactly is on offer, and that nothing was changed where it claims that
    /// something was. Returns whether the message is grounded.
    pub(super) async fn be_honest(&mut self) -> Result<bool, Failure> {
        match self.finish_reason {
            FinishReason::Length => self.notice("The answer was cut off: it reached the model's limit.".to_owned()),
            FinishReason::Other => self.notice("The answer was cut off by the provider.".to_owned()),
            FinishReason::Stop | FinishReason::ToolCalls => {}
        }
        let grounded = self.changed || !self.claims_change();
        if !grounded {
            self.notice("Nothing was changed.".to_owned());
        }
        if self.on_offer.action.is_some() {
            self.notice(self.offer_in_words());
        } else {
            let text = self.final_text();
            let context = ToolContext { effect_id: None, ..self.context(0, 0) };
            self.on_offer.action = match self.ports.tools.offered_in(&context, &text).await {
                Ok(action) => action,
                Err(ToolError::Storage(error)) => return Err(Failure::Storage(error)),
                // Who may not do it is not offered it.
                Err(
                    ToolError::InsufficientScope(_)
                    | ToolError::UnknownTool(_)
                    | ToolError::BadParameters(_)
                    | ToolError::TurnEnded,
                ) => None,
            };
        }
        Ok(grounded)
    }

    /// Whether the assistant has claimed a change in this turn.
    pub(super) fn claims_change(&self) -> bool {
        let titles = self.titles();
        let said = self.parts.iter().filter_map(|part| match part {
            Part::Text { text, .. } => Some(text.as_str()),
            Part::Notice { .. } | Part::Plan { .. } | Part::ToolCall(_) => None,
        });
        claims_change(&said.collect::<Vec<_>>().join("\n\n"), &titles.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Notes that a tool waits for the user's yes.
    pub(super) fn offer(&mut self, tool: &str, tasks: Vec<(TaskId, Version)>, title: String) {
        let id = || self.ports.ids.next().into();
        let action = self.on_offer.action.get_or_insert_with(|| PendingAction {
            id: id(),
            tool: tool.to_owned(),
            tasks: Vec::new(),
        });
        let new = tasks.into_iter().filter(|(task, _)| !action.tasks.iter().any(|(known, _)| known == task));
        let new: Vec<_> = new.collect();
        if action.tool != tool || new.is_empty() {
            return;
        }
        if action.tasks.len() + new.len() > MAX_OFFERED {
            self.on_offer.left_out += 1;
            return;
        }
        action.tasks.extend(new);
        self.on_offer.titles.push(title);
    }

    fn offer_in_words(&self) -> String {
        let titles = self.on_offer.titles.iter().map(|title| format!("\u{201c}{title}\u{201d}"));
        let titles = titles.collect::<Vec<_>>().join(", ");
        let rest = match self.on_offer.left_out {
            0 => String::new(),
            n => format!(" {n} more are not on offer: {MAX_OFFERED} at a time."),
        };
        format!("Answer \u{201c}yes\u{201d} to delete {titles}. Until then they stay.{rest}")
    }

    /// What the assistant said last.
    fn final_text(&self) -> String {
        let words = self.parts.iter().rev().map_while(|part| match part {
            Part::Text { text, .. } => Some(Some(text.as_str())),
            Part::Notice { .. } | Part::Plan { .. } => Some(None),
            Part::ToolCall(_) => None,
        });
        let mut words: Vec<_> = words.flatten().collect();
        words.reverse();
        words.join("\n\n")
    }

    /// The titles that the turn's tools were told or told themselves: data, whatever they say.
    fn titles(&self) -> Vec<String> {
        let mut titles = Vec::new();
        for call in tool_calls(&self.parts) {
            gather(&call.parameters, &mut titles);
            if let Some(result) = &call.result {
                gather(&result.data, &mut titles);
            }
        }
        titles
    }
}

/// The texts in `value` that are titles by their names.
fn gather(value: &Value, titles: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name.ends_with("title") => titles.push(text.clone()),
                    other => gather(other, titles),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| gather(value, titles)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

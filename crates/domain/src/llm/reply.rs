//! A whole reply, collected from its events.

use futures_util::StreamExt as _;

use super::{FinishReason, LlmError, LlmEvent, LlmStream, LlmToolCall};
use crate::turn::Usage;

/// A whole reply of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlmReply {
    /// The text; may be empty.
    pub text: String,
    /// What the model said that it means to do, if it did.
    pub plan: Option<String>,
    /// The complete calls, in order.
    pub calls: Vec<LlmToolCall>,
    /// Why the model ended.
    pub reason: FinishReason,
    /// What it took.
    pub usage: Usage,
}

impl Default for LlmReply {
    fn default() -> Self {
        Self { text: String::new(), plan: None, calls: Vec::new(), reason: FinishReason::Stop, usage: Usage::default() }
    }
}

/// The longest reply that is taken, text, plan, arguments and calls together, in bytes. Arguments count twice if they come in
/// fragments and whole.
pub const MAX_REPLY_BYTES: usize = 256 * 1024;
/// What an event counts for beside its texts, so that empty ones without end are too long too.
const EVENT_BYTES: usize = 16;

/// Lets the events of one reply through until they are more than [`MAX_REPLY_BYTES`], without NUL characters: no
/// database keeps them.
#[derive(Debug, Default)]
pub struct ReplyBudget {
    taken: usize,
}

impl ReplyBudget {
    /// The event as it may be used.
    ///
    /// # Errors
    /// [`LlmError::BadReply`] if the reply is too long with it.
    pub fn admit(&mut self, event: LlmEvent) -> Result<LlmEvent, LlmError> {
        let (size, event) = match event {
            LlmEvent::TextDelta(text) => (text.len(), LlmEvent::TextDelta(without_nul(text))),
            LlmEvent::PlanDelta(text) => (text.len(), LlmEvent::PlanDelta(without_nul(text))),
            LlmEvent::ToolCallArguments { ref fragment, .. } => (fragment.len(), event),
            LlmEvent::ToolCallComplete { index, call } => {
                let size = call.id.len() + call.tool.len() + call.arguments.len();
                let call = LlmToolCall {
                    id: without_nul(call.id),
                    tool: without_nul(call.tool),
                    arguments: without_nul(call.arguments),
                };
                (size, LlmEvent::ToolCallComplete { index, call })
            }
            LlmEvent::ToolCallStarted { ref id, ref tool, .. } => (id.len() + tool.len(), event),
            // Thoughts are not kept; the transport bounds how long they may be.
            LlmEvent::Thinking => return Ok(event),
            LlmEvent::FallbackUsed { .. } | LlmEvent::Finished { .. } => (0, event),
        };
        self.taken = self.taken.saturating_add(size).saturating_add(EVENT_BYTES);
        // The last event only says that the reply is over.
        if self.taken > MAX_REPLY_BYTES && !matches!(event, LlmEvent::Finished { .. }) {
            return Err(LlmError::BadReply("the reply is too long".into()));
        }
        Ok(event)
    }
}

/// Reads `stream` to its end, within a [`ReplyBudget`].
///
/// # Errors
/// The stream's own error; [`LlmError::BadReply`] if it ends without [`LlmEvent::Finished`] or is too long. A call that
/// is not complete by then never was.
pub async fn collect(mut stream: LlmStream) -> Result<LlmReply, LlmError> {
    let mut reply = LlmReply::default();
    let mut budget = ReplyBudget::default();
    while let Some(event) = stream.next().await {
        match budget.admit(event?)? {
            LlmEvent::TextDelta(text) => reply.text.push_str(&text),
            LlmEvent::PlanDelta(text) => reply.plan.get_or_insert_default().push_str(&text),
            LlmEvent::Thinking
            | LlmEvent::ToolCallStarted { .. }
            | LlmEvent::ToolCallArguments { .. }
            | LlmEvent::FallbackUsed { .. } => {}
            LlmEvent::ToolCallComplete { call, .. } => reply.calls.push(call),
            LlmEvent::Finished { reason, usage } => {
                reply.reason = reason;
                reply.usage = usage.unwrap_or_default();
                return Ok(reply);
            }
        }
    }
    Err(LlmError::BadReply("the reply was cut".into()))
}

fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "") } else { text }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    async fn collected(events: Vec<Result<LlmEvent, LlmError>>) -> Result<LlmReply, LlmError> {
        collect(stream::iter(events).boxed()).await
    }

    fn finished() -> LlmEvent {
        LlmEvent::Finished { reason: FinishReason::Stop, usage: None }
    }

    #[tokio::test]
    async fn a_reply_is_the_sum_of_its_events_without_nul() {
        let call = LlmToolCall { id: "1".into(), tool: "add_task".into(), arguments: "{}\0".into() };
        let reply = collected(vec![
            Ok(LlmEvent::PlanDelta("I will".into())),
            Ok(LlmEvent::TextDelta("a\0".into())),
            Ok(LlmEvent::TextDelta("b".into())),
            Ok(LlmEvent::ToolCallComplete { index: 0, call }),
            Ok(finished()),
        ]);
        let reply = reply.await.unwrap();
        assert_eq!((reply.text.as_str(), reply.plan.as_deref()), ("ab", Some("I will")));
        assert_eq!(reply.calls[0].arguments, "{}");
    }

    #[tokio::test]
    async fn a_cut_stream_is_no_reply() {
        let begun = LlmEvent::ToolCallStarted { index: 0, id: "1".into(), tool: "add_task".into() };
        assert!(matches!(collected(vec![Ok(begun)]).await, Err(LlmError::BadReply(_))));
        let cut = vec![Ok(LlmEvent::TextDelta("a".into())), Err(LlmError::Unavailable("cut".into()))];
        assert!(matches!(collected(cut).await, Err(LlmError::Unavailable(_))));
    }

    #[tokio::test]
    async fn thoughts_are_not_counted() {
        let thoughts = std::iter::repeat_with(|| Ok(LlmEvent::Thinking)).take(MAX_REPLY_BYTES);
        assert!(collected(thoughts.chain([Ok(finished())]).collect()).await.is_ok());
    }

    #[tokio::test]
    async fn an_endless_reply_is_cut_off() {
        let endless = stream::repeat_with(|| Ok(LlmEvent::TextDelta("x".repeat(1024)))).boxed();
        assert!(matches!(collect(endless).await, Err(LlmError::BadReply(_))));
        let call = LlmToolCall { id: String::new(), tool: String::new(), arguments: String::new() };
        let endless = stream::repeat_with(move || Ok(LlmEvent::ToolCallComplete { index: 0, call: call.clone() }));
        assert!(matches!(collect(endless.boxed()).await, Err(LlmError::BadReply(_))));
    }
}

//! Complete replies, collected from their events.

use futures_util::StreamExt as _;

use super::{FinishReason, LlmError, LlmEvent, LlmStream, LlmToolCall};
use crate::conversation::turn::Usage;

/// A complete reply of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlmReply {
    /// The text; may be empty.
    pub text: String,
    /// The plan, if the model sent one.
    pub plan: Option<String>,
    /// The complete calls, in order.
    pub calls: Vec<LlmToolCall>,
    /// The reason why the reply ended.
    pub reason: FinishReason,
    /// Zero if the provider did not send it.
    pub usage: Usage,
}

impl Default for LlmReply {
    fn default() -> Self {
        Self { text: String::new(), plan: None, calls: Vec::new(), reason: FinishReason::Stop, usage: Usage::default() }
    }
}

/// Maximum size of a reply in bytes: text, plan and calls. Arguments count twice if they are sent in fragments and as a
/// whole.
pub const MAX_REPLY_BYTES: usize = 256 * 1024;
/// Maximum size of [`LlmEvent::ProviderData`], in bytes, which does not count towards [`MAX_REPLY_BYTES`]: twice the
/// longest signature that is known (64 KiB), or about 30,000 tokens of reasoning.
pub const MAX_PROVIDER_DATA_BYTES: usize = 128 * 1024;
/// Additional size of each event, which limits the number of empty events.
const EVENT_BYTES: usize = 16;

/// Limits the events of a reply to [`MAX_REPLY_BYTES`], and removes NUL characters, which databases refuse.
#[derive(Debug, Default)]
pub struct ReplyBudget {
    taken: usize,
}

impl ReplyBudget {
    /// Counts an event and returns it without NUL characters.
    ///
    /// # Errors
    /// [`LlmError::BadReply`] if it exceeds the limit.
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
            // The transport limits the size of reasoning.
            LlmEvent::Thinking => return Ok(event),
            LlmEvent::ProviderData(data) if data.len() > MAX_PROVIDER_DATA_BYTES => {
                return Err(LlmError::BadReply("the provider's own data is too long".into()));
            }
            LlmEvent::ProviderData(data) => (0, LlmEvent::ProviderData(without_nul(data))),
            LlmEvent::FallbackUsed { .. } | LlmEvent::Finished { .. } => (0, event),
        };
        self.taken = self.taken.saturating_add(size).saturating_add(EVENT_BYTES);
        // The last event has no content.
        if self.taken > MAX_REPLY_BYTES && !matches!(event, LlmEvent::Finished { .. }) {
            return Err(LlmError::BadReply("the reply is too long".into()));
        }
        Ok(event)
    }
}

/// Collects the events of `stream`, within a [`ReplyBudget`].
///
/// # Errors
/// The error of the stream; [`LlmError::BadReply`] if it ends without [`LlmEvent::Finished`] or is too long.
pub async fn collect(mut stream: LlmStream) -> Result<LlmReply, LlmError> {
    let mut reply = LlmReply::default();
    let mut budget = ReplyBudget::default();
    while let Some(event) = stream.next().await {
        match budget.admit(event?)? {
            LlmEvent::TextDelta(text) => reply.text.push_str(&text),
            LlmEvent::PlanDelta(text) => reply.plan.get_or_insert_default().push_str(&text),
            LlmEvent::Thinking
            | LlmEvent::ProviderData(_)
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
    Err(LlmError::BadReply("the reply was truncated".into()))
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
    async fn a_reply_is_collected_without_nul_characters() {
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
    async fn a_truncated_stream_is_an_error() {
        let started = LlmEvent::ToolCallStarted { index: 0, id: "1".into(), tool: "add_task".into() };
        assert!(matches!(collected(vec![Ok(started)]).await, Err(LlmError::BadReply(_))));
        let cut = vec![Ok(LlmEvent::TextDelta("a".into())), Err(LlmError::Unavailable("cut".into()))];
        assert!(matches!(collected(cut).await, Err(LlmError::Unavailable(_))));
    }

    #[tokio::test]
    async fn reasoning_does_not_count() {
        let reasoning = std::iter::repeat_with(|| Ok(LlmEvent::Thinking)).take(MAX_REPLY_BYTES);
        assert!(collected(reasoning.chain([Ok(finished())]).collect()).await.is_ok());
    }

    #[tokio::test]
    async fn provider_data_has_a_limit_of_its_own() {
        let data = |bytes| Ok(LlmEvent::ProviderData("x".repeat(bytes)));
        let text = || Ok(LlmEvent::TextDelta("x".repeat(MAX_REPLY_BYTES - 100)));
        assert!(collected(vec![text(), data(MAX_PROVIDER_DATA_BYTES), Ok(finished())]).await.is_ok());
        let too_long = collected(vec![data(MAX_PROVIDER_DATA_BYTES + 1), Ok(finished())]).await;
        assert!(matches!(too_long, Err(LlmError::BadReply(_))), "{too_long:?}");
    }

    #[tokio::test]
    async fn a_reply_over_the_limit_is_an_error() {
        let endless = stream::repeat_with(|| Ok(LlmEvent::TextDelta("x".repeat(1024)))).boxed();
        assert!(matches!(collect(endless).await, Err(LlmError::BadReply(_))));
        let call = LlmToolCall { id: String::new(), tool: String::new(), arguments: String::new() };
        let endless = stream::repeat_with(move || Ok(LlmEvent::ToolCallComplete { index: 0, call: call.clone() }));
        assert!(matches!(collect(endless.boxed()).await, Err(LlmError::BadReply(_))));
    }
}

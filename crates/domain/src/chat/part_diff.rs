//! Derives the events of a turn from the growing parts of its message.

use crate::chat::TurnEvent;
use crate::conversation::message::{Part, ToolCall};

/// Computes the events of what was added to a message since the last call. Parts are only appended, only the last text
/// grows, and calls get their results later.
#[derive(Debug, Default)]
pub(super) struct PartDiff {
    /// The open round.
    round: Option<u8>,
    /// The index of the part that was published last or is published next.
    part: usize,
    published: Published,
    /// The indexes of published calls without a result.
    unanswered: Vec<usize>,
}

/// How much of the current part was published.
#[derive(Clone, Copy, Debug, Default)]
enum Published {
    #[default]
    Nothing,
    /// A number of bytes of a text.
    Bytes(usize),
    Everything,
}

impl PartDiff {
    /// Returns the events of what is new in `parts`.
    pub fn new_events(&mut self, parts: &[Part]) -> Vec<TurnEvent> {
        let mut events = Vec::new();
        self.unanswered.retain(|index| match parts.get(*index) {
            Some(Part::ToolCall(call)) if call.result.is_some() => {
                events.push(TurnEvent::ToolCompleted(call.clone()));
                false
            }
            _ => true,
        });
        while let Some(part) = parts.get(self.part) {
            self.publish_part(part, &mut events);
            if self.part + 1 == parts.len() {
                break;
            }
            self.part += 1;
            self.published = Published::Nothing;
        }
        events
    }

    /// Returns the remaining events of a complete message.
    pub fn finish(&mut self) -> Vec<TurnEvent> {
        self.round.take().map(|_round| TurnEvent::RoundFinished).into_iter().collect()
    }

    fn publish_part(&mut self, part: &Part, events: &mut Vec<TurnEvent>) {
        match (part, self.published) {
            (Part::Text { round, text }, Published::Nothing | Published::Bytes(_)) => {
                let from = if let Published::Bytes(bytes) = self.published { bytes } else { 0 };
                if let Some(more) = text.get(from..).filter(|more| !more.is_empty()) {
                    self.enter(*round, events);
                    events.push(TurnEvent::TextDelta(more.to_owned()));
                    self.published = Published::Bytes(text.len());
                }
            }
            (Part::Notice { text }, Published::Nothing) => {
                events.push(TurnEvent::Notice(text.clone()));
                self.published = Published::Everything;
            }
            (Part::ToolCall(call), Published::Nothing) => {
                self.enter(call.round, events);
                events.push(TurnEvent::ToolCalled(ToolCall { result: None, ..call.clone() }));
                if call.result.is_some() {
                    events.push(TurnEvent::ToolCompleted(call.clone()));
                } else {
                    self.unanswered.push(self.part);
                }
                self.published = Published::Everything;
            }
            // Plans and provider data are for the provider only.
            (
                Part::Plan { .. }
                | Part::ProviderData { .. }
                | Part::Text { .. }
                | Part::Notice { .. }
                | Part::ToolCall(_),
                _,
            ) => {}
        }
    }

    fn enter(&mut self, round: u8, events: &mut Vec<TurnEvent>) {
        if self.round != Some(round) {
            events.extend(self.finish());
            events.push(TurnEvent::RoundStarted);
            self.round = Some(round);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conversation::message::ToolResult;

    fn text(round: u8, text: &str) -> Part {
        Part::Text { round, text: text.into() }
    }

    fn call(result: Option<ToolResult>) -> ToolCall {
        ToolCall { id: "c".into(), round: 0, tool: "t".into(), parameters: json!({}), result, changes: Vec::new() }
    }

    fn answered() -> ToolCall {
        call(Some(ToolResult { success: true, message: "ok".into(), data: json!({}) }))
    }

    #[test]
    fn a_growing_message_yields_its_increments() {
        let mut diff = PartDiff::default();
        assert_eq!(diff.new_events(&[]), []);
        assert_eq!(diff.new_events(&[text(0, "Hé")]), [TurnEvent::RoundStarted, TurnEvent::TextDelta("Hé".into())]);
        assert_eq!(diff.new_events(&[text(0, "Hé")]), []);
        assert_eq!(diff.new_events(&[text(0, "Héllo")]), [TurnEvent::TextDelta("llo".into())]);
        let waiting = [text(0, "Héllo"), Part::ToolCall(call(None))];
        assert_eq!(diff.new_events(&waiting), [TurnEvent::ToolCalled(call(None))]);
        let done = [text(0, "Héllo"), Part::ToolCall(answered())];
        assert_eq!(diff.new_events(&done), [TurnEvent::ToolCompleted(answered())]);
        let more = [done[0].clone(), done[1].clone(), text(1, "Done.")];
        assert_eq!(
            diff.new_events(&more),
            [TurnEvent::RoundFinished, TurnEvent::RoundStarted, TurnEvent::TextDelta("Done.".into())]
        );
        assert_eq!((diff.finish(), diff.finish()), (vec![TurnEvent::RoundFinished], vec![]));
    }

    #[test]
    fn late_results_yield_late_events() {
        let mut diff = PartDiff::default();
        let two = [Part::ToolCall(call(None)), Part::ToolCall(call(None))];
        assert_eq!(diff.new_events(&two).len(), 3, "a round with two calls");
        let answers = [TurnEvent::ToolCompleted(answered()), TurnEvent::ToolCompleted(answered())];
        assert_eq!(diff.new_events(&[Part::ToolCall(answered()), Part::ToolCall(answered())]), answers);
        assert_eq!(diff.new_events(&[Part::ToolCall(answered()), Part::ToolCall(answered())]), []);
    }

    #[test]
    fn a_complete_message_yields_all_events() {
        let parts = [
            Part::Notice { text: "fallback".into() },
            Part::Plan { round: 0, text: "secret".into() },
            Part::ProviderData { round: 0, source: "s".into(), data: "secret".into() },
            Part::ToolCall(answered()),
            Part::ToolCall(call(None)),
            text(1, "End."),
        ];
        let events = PartDiff::default().new_events(&parts);
        assert_eq!(
            events,
            [
                TurnEvent::Notice("fallback".into()),
                TurnEvent::RoundStarted,
                TurnEvent::ToolCalled(call(None)),
                TurnEvent::ToolCompleted(answered()),
                TurnEvent::ToolCalled(call(None)),
                TurnEvent::RoundFinished,
                TurnEvent::RoundStarted,
                TurnEvent::TextDelta("End.".into()),
            ]
        );
    }
}

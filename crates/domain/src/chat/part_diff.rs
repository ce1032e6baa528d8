//! What the growing parts of a message mean to those who follow it: one account of a turn, whether it runs here, runs
//! elsewhere or is long over.

use crate::message::{Part, ToolCall};
use crate::turn::TurnEvent;

/// Tells what is new in a message each time it is looked at. Parts are only ever added, the last text only grows, and
/// calls get their results later.
#[derive(Debug, Default)]
pub(super) struct PartDiff {
    /// The round that has begun and not ended.
    round: Option<u8>,
    /// The part that was told last, or is to be told next.
    part: usize,
    told: Told,
    /// The calls that were told and had no result yet.
    waiting: Vec<usize>,
}

/// How much of a part was told.
#[derive(Clone, Copy, Debug, Default)]
enum Told {
    #[default]
    Nothing,
    /// So many bytes of a text.
    Bytes(usize),
    Everything,
}

impl PartDiff {
    /// What is new in `parts`.
    pub fn tell(&mut self, parts: &[Part]) -> Vec<TurnEvent> {
        let mut events = Vec::new();
        self.waiting.retain(|place| match parts.get(*place) {
            Some(Part::ToolCall(call)) if call.result.is_some() => {
                events.push(TurnEvent::ToolCompleted(call.clone()));
                false
            }
            _ => true,
        });
        while let Some(part) = parts.get(self.part) {
            self.tell_part(part, &mut events);
            if self.part + 1 == parts.len() {
                break;
            }
            self.part += 1;
            self.told = Told::Nothing;
        }
        events
    }

    /// What there is to tell when the message is whole.
    pub fn end(&mut self) -> Vec<TurnEvent> {
        self.round.take().map(|_round| TurnEvent::RoundFinished).into_iter().collect()
    }

    fn tell_part(&mut self, part: &Part, events: &mut Vec<TurnEvent>) {
        match (part, self.told) {
            (Part::Text { round, text }, Told::Nothing | Told::Bytes(_)) => {
                let from = if let Told::Bytes(told) = self.told { told } else { 0 };
                if let Some(more) = text.get(from..).filter(|more| !more.is_empty()) {
                    self.enter(*round, events);
                    events.push(TurnEvent::TextDelta(more.to_owned()));
                    self.told = Told::Bytes(text.len());
                }
            }
            (Part::Notice { text }, Told::Nothing) => {
                events.push(TurnEvent::Notice(text.clone()));
                self.told = Told::Everything;
            }
            (Part::ToolCall(call), Told::Nothing) => {
                self.enter(call.round, events);
                events.push(TurnEvent::ToolCalled(ToolCall { result: None, ..call.clone() }));
                if call.result.is_some() {
                    events.push(TurnEvent::ToolCompleted(call.clone()));
                } else {
                    self.waiting.push(self.part);
                }
                self.told = Told::Everything;
            }
            // What a provider plans is kept for the provider.
            (Part::Plan { .. } | Part::Text { .. } | Part::Notice { .. } | Part::ToolCall(_), _) => {}
        }
    }

    fn enter(&mut self, round: u8, events: &mut Vec<TurnEvent>) {
        if self.round != Some(round) {
            events.extend(self.end());
            events.push(TurnEvent::RoundStarted);
            self.round = Some(round);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::message::ToolResult;

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
    fn a_growing_message_is_told_bit_by_bit() {
        let mut diff = PartDiff::default();
        assert_eq!(diff.tell(&[]), []);
        assert_eq!(diff.tell(&[text(0, "Hé")]), [TurnEvent::RoundStarted, TurnEvent::TextDelta("Hé".into())]);
        assert_eq!(diff.tell(&[text(0, "Hé")]), []);
        assert_eq!(diff.tell(&[text(0, "Héllo")]), [TurnEvent::TextDelta("llo".into())]);
        let waiting = [text(0, "Héllo"), Part::ToolCall(call(None))];
        assert_eq!(diff.tell(&waiting), [TurnEvent::ToolCalled(call(None))]);
        let done = [text(0, "Héllo"), Part::ToolCall(answered())];
        assert_eq!(diff.tell(&done), [TurnEvent::ToolCompleted(answered())]);
        let more = [done[0].clone(), done[1].clone(), text(1, "Done.")];
        assert_eq!(
            diff.tell(&more),
            [TurnEvent::RoundFinished, TurnEvent::RoundStarted, TurnEvent::TextDelta("Done.".into())]
        );
        assert_eq!((diff.end(), diff.end()), (vec![TurnEvent::RoundFinished], vec![]));
    }

    #[test]
    fn calls_that_are_answered_late_are_told_late() {
        let mut diff = PartDiff::default();
        let two = [Part::ToolCall(call(None)), Part::ToolCall(call(None))];
        assert_eq!(diff.tell(&two).len(), 3, "a round with two calls");
        let answers = [TurnEvent::ToolCompleted(answered()), TurnEvent::ToolCompleted(answered())];
        assert_eq!(diff.tell(&[Part::ToolCall(answered()), Part::ToolCall(answered())]), answers);
        assert_eq!(diff.tell(&[Part::ToolCall(answered()), Part::ToolCall(answered())]), []);
    }

    #[test]
    fn a_whole_message_is_told_at_once() {
        let parts = [
            Part::Notice { text: "stand-in".into() },
            Part::Plan { round: 0, text: "secret".into() },
            Part::ToolCall(answered()),
            Part::ToolCall(call(None)),
            text(1, "End."),
        ];
        let told = PartDiff::default().tell(&parts);
        assert_eq!(
            told,
            [
                TurnEvent::Notice("stand-in".into()),
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

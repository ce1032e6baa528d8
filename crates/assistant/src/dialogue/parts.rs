//! Splits a message into parts that each ask for one thing: "delete milk, add eggs and show me the list".
//!
//! Of all ways to cut a message at its joints, the one is taken whose readings explain the most words (dynamic
//! programming over the joints).

use std::ops::Range;

use crate::grammar::{Feature, GRAMMAR, Intent, Phrase, Reading};
use crate::matching::Message;

/// Maximum number of joints at which a message is cut. Of more, only those between sentences count.
const MAX_JOINTS: usize = 24;

/// What a joint has to gain: a word and a bit before "and", less behind a comma, little between sentences.
const CLAUSE_COST: i32 = 5;
const COMMA_COST: i32 = 3;
const SENTENCE_COST: i32 = 1;

/// What a part without a reading costs.
const UNREAD_COST: i32 = 3;

/// A part of a message.
#[derive(Clone, Debug)]
pub(crate) struct MessagePart {
    /// Its words.
    pub span: Range<usize>,
    /// The ways to understand it, the best first.
    pub readings: Vec<Reading>,
}

/// The best way to cut the message up to a joint.
struct Cut {
    score: i32,
    /// Where the last part begins, as an index of a joint.
    start: usize,
    readings: Vec<Reading>,
}

/// Returns the parts of a message; `None` if it has too many joints.
pub(crate) fn parts(message: &Message<'_>) -> Option<Vec<MessagePart>> {
    let mut joints = message.sentence.joints();
    if joints.len() > MAX_JOINTS {
        joints.retain(|(_, begins_sentence)| *begins_sentence);
    }
    if joints.len() > MAX_JOINTS {
        return None;
    }
    let end = message.sentence.all().end;
    let positions: Vec<usize> = std::iter::once(0).chain(joints.iter().map(|(at, _)| *at)).chain([end]).collect();
    let mut cuts: Vec<Option<Cut>> = positions.iter().map(|_| None).collect();
    for from in 0..positions.len() - 1 {
        let base = match (from, &cuts[from]) {
            (0, _) => 0,
            (_, Some(cut)) if joints[from - 1].1 => cut.score - SENTENCE_COST,
            (_, Some(cut)) if message.sentence.is_behind_comma(positions[from]) => cut.score - COMMA_COST,
            (_, Some(cut)) => cut.score - CLAUSE_COST,
            (_, None) => continue,
        };
        let ends = &positions[from + 1..];
        for (offset, readings) in GRAMMAR.readings_from(message, positions[from], ends).into_iter().enumerate() {
            let to = from + 1 + offset;
            let before = cuts[from].as_ref().and_then(|cut| cut.readings.first());
            let is_clause = from > 0 && !joints[from - 1].1;
            let usable = |reading: &Reading| !is_clause || may_follow(message, before, reading, positions[from]);
            let readings: Vec<Reading> = match readings.first() {
                Some(best) if usable(best) => readings,
                Some(_) | None => Vec::new(),
            };
            let score = base + readings.first().map_or(-UNREAD_COST, |best| best.score);
            if cuts[to].as_ref().is_none_or(|cut| score > cut.score) {
                cuts[to] = Some(Cut { score, start: from, readings });
            }
        }
    }
    let mut parts = Vec::new();
    let mut to = positions.len() - 1;
    while let Some(cut) = cuts[to].take() {
        parts.push(MessagePart { span: positions[cut.start]..positions[to], readings: cut.readings });
        if cut.start == 0 {
            break;
        }
        to = cut.start;
    }
    parts.reverse();
    Some(parts)
}

/// Whether a reading may be a part of its own inside a sentence: it is plain, and no words of a title before it ("add wash
/// and fold the laundry").
fn may_follow(message: &Message<'_>, before: Option<&Reading>, reading: &Reading, start: usize) -> bool {
    if matches!(reading.intent(), Intent::Errand | Intent::Comment) {
        return false;
    }
    let with_comma = message.sentence.is_behind_comma(start);
    if !reading.is_sure() {
        return with_comma && matches!(reading.intent(), Intent::Complete);
    }
    let open_title = before.is_some_and(|before| before.title.is_some() || before.new_title.is_some());
    let points = reading
        .item
        .as_ref()
        .is_none_or(|item| matches!(item.phrase, Phrase::Position | Phrase::First | Phrase::Last | Phrase::Several));
    let is_change = matches!(reading.intent(), Intent::Complete | Intent::Delete | Intent::Rename);
    let is_plain_add = reading.intent() != Intent::Add || reading.has(Feature::Add) || reading.names_list;
    !open_title
        || with_comma
        || message.tokens()[start].word == "then"
        || (is_plain_add && (!is_change || points || reading.names_list || reading.has(Feature::Done)))
}

//! Delivery of an answer: bytes, pace and faults. [`plan`] computes the steps without a clock or a socket; [`deliver`]
//! executes them.

use std::collections::VecDeque;
use std::time::Duration;

use actix_web::web::Bytes;
use futures_util::{Stream, future, stream};

use super::reply::Gate;
use super::server::Answering;
use super::{Fault, Reply};

/// Bytes that are sent at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub text: String,
    pub kind: Kind,
}

/// Role of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Carries no content.
    Around,
    /// Carries a piece of the answer.
    Piece,
    /// Carries a fragment of a tool call's arguments; counts as a piece.
    Arguments,
    /// Ends the answer.
    Closing,
    /// The last frame of the stream.
    Done,
}

/// A step of a delivery.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Send(Bytes),
    Sleep(Duration),
    Wait(Gate),
    /// Closes the connection in the middle of the body.
    Cut,
    /// Sends nothing more and keeps the connection open.
    Hang,
    /// Sends the same bytes forever.
    Repeat(Bytes),
}

/// Frames of faults, which differ by API.
pub(super) struct FaultFrames {
    /// An error event.
    pub error: Frame,
    /// A piece of text of about a kilobyte.
    pub filler: Frame,
}

/// Bytes per piece of an endless line.
const ENDLESS_PIECE: usize = 16 * 1024;

/// Plans the delivery of these frames with the pace, the gates and the fault of `reply`.
pub(super) fn plan(frames: Vec<Frame>, reply: &Reply, odd: &FaultFrames) -> VecDeque<Act> {
    let fault = reply.fault.as_ref();
    let (frames, end) = faulty(frames, fault, odd);
    let gap = reply.piece_gap.unwrap_or_default();
    let (mut acts, mut pieces) = (VecDeque::new(), 0);
    for frame in frames {
        if matches!(frame.kind, Kind::Piece | Kind::Arguments) {
            if pieces > 0 && !gap.is_zero() {
                acts.push_back(Act::Sleep(gap));
            }
            pieces += 1;
            acts.push_back(Act::Send(frame.text.into()));
            let held = reply.holds.iter().filter(|(after, _)| *after == pieces);
            acts.extend(held.map(|(_, gate)| Act::Wait(gate.clone())));
        } else {
            acts.push_back(Act::Send(frame.text.into()));
        }
    }
    acts.extend(end);
    acts
}

/// Returns the frames sent in spite of the fault, and the steps that replace the others.
fn faulty(mut frames: Vec<Frame>, fault: Option<&Fault>, odd: &FaultFrames) -> (Vec<Frame>, Option<Act>) {
    match fault {
        None | Some(Fault::Status { .. } | Fault::Silent | Fault::HtmlPage) => (frames, None),
        Some(Fault::CutAfter(pieces)) => (first_pieces(frames, *pieces), Some(Act::Cut)),
        Some(Fault::CutInArguments) => {
            let first = frames.iter().position(|frame| frame.kind == Kind::Arguments);
            frames.truncate(first.map_or(0, |first| first + 1));
            (frames, Some(Act::Cut))
        }
        Some(Fault::EndsAfter(pieces)) => (first_pieces(frames, *pieces), None),
        Some(Fault::HangsAfter(pieces)) => (first_pieces(frames, *pieces), Some(Act::Hang)),
        Some(Fault::ErrorAfter(pieces)) => {
            let mut frames = first_pieces(frames, *pieces);
            frames.push(odd.error.clone());
            (frames, None)
        }
        Some(Fault::NoDone) => {
            frames.retain(|frame| frame.kind != Kind::Done);
            (frames, None)
        }
        Some(Fault::Garbage) => {
            for frame in frames.iter_mut().filter(|frame| matches!(frame.kind, Kind::Piece | Kind::Arguments)) {
                frame.text = String::from("data: {\"choices\": [{\"delta\": <oops>\n\n");
            }
            (frames, None)
        }
        Some(Fault::EndlessLines) => (first_pieces(frames, 0), Some(Act::Repeat(odd.filler.text.clone().into()))),
        Some(Fault::EndlessLine) => {
            let mut frames = first_pieces(frames, 0);
            frames.push(Frame { text: "data: {\"text\": \"".to_owned(), kind: Kind::Around });
            (frames, Some(Act::Repeat("x".repeat(ENDLESS_PIECE).into())))
        }
    }
}

/// Returns the number of frames before piece `pieces` (from 0), or before the closing frame if there are fewer.
fn first_pieces(mut frames: Vec<Frame>, pieces: usize) -> Vec<Frame> {
    let is_piece = |frame: &Frame| matches!(frame.kind, Kind::Piece | Kind::Arguments);
    let mut ends = frames.iter().enumerate().filter(|(_, frame)| is_piece(frame)).map(|(at, _)| at).skip(pieces);
    let closing = || frames.iter().position(|frame| matches!(frame.kind, Kind::Closing | Kind::Done));
    if let Some(end) = ends.next().or_else(closing) {
        frames.truncate(end);
    }
    frames
}

/// The error of a body that a fault cuts.
#[derive(Debug, thiserror::Error)]
#[error("cut on purpose")]
pub(super) struct CutOnPurpose;

/// Executes the steps. `answering` records when the last byte is sent.
pub(super) fn deliver(acts: VecDeque<Act>, answering: Answering) -> impl Stream<Item = Result<Bytes, CutOnPurpose>> {
    stream::unfold((acts, answering), |(mut acts, answering)| async move {
        loop {
            match acts.pop_front() {
                Some(Act::Send(bytes)) => return Some((Ok(bytes), (acts, answering))),
                Some(Act::Sleep(time)) => tokio::time::sleep(time).await,
                Some(Act::Wait(gate)) => gate.passed().await,
                Some(Act::Cut) => {
                    // The server flushes whenever the body is pending.
                    tokio::task::yield_now().await;
                    return Some((Err(CutOnPurpose), (acts, answering)));
                }
                Some(Act::Hang) => future::pending().await,
                Some(Act::Repeat(bytes)) => {
                    tokio::task::yield_now().await;
                    acts.push_front(Act::Repeat(bytes.clone()));
                    return Some((Ok(bytes), (acts, answering)));
                }
                None => {
                    answering.done();
                    return None;
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str, kind: Kind) -> Frame {
        Frame { text: text.to_owned(), kind }
    }

    fn planned(reply: &Reply) -> Vec<String> {
        let frames = vec![
            frame("start", Kind::Around),
            frame("a", Kind::Piece),
            frame("b", Kind::Arguments),
            frame("c", Kind::Arguments),
            frame("finish", Kind::Closing),
            frame("done", Kind::Done),
        ];
        let odd = FaultFrames { error: frame("error", Kind::Closing), filler: frame("more", Kind::Piece) };
        let told = |act: Act| match act {
            Act::Send(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Act::Sleep(time) => format!("{time:?}"),
            Act::Wait(_) => "wait".to_owned(),
            Act::Cut => "CUT".to_owned(),
            Act::Hang => "HANG".to_owned(),
            Act::Repeat(bytes) => format!("{} for ever", bytes.len()),
        };
        plan(frames, reply, &odd).into_iter().map(told).collect()
    }

    #[test]
    fn every_fault_goes_wrong_at_its_own_place() {
        let whole = ["start", "a", "b", "c", "finish", "done"];
        let cases: [(Fault, &[&str]); 12] = [
            (Fault::CutAfter(0), &["start", "CUT"]),
            (Fault::CutAfter(2), &["start", "a", "b", "CUT"]),
            (Fault::CutAfter(9), &["start", "a", "b", "c", "CUT"]),
            (Fault::CutInArguments, &["start", "a", "b", "CUT"]),
            (Fault::EndsAfter(1), &["start", "a"]),
            (Fault::HangsAfter(1), &["start", "a", "HANG"]),
            (Fault::ErrorAfter(1), &["start", "a", "error"]),
            (Fault::NoDone, &whole[..5]),
            (Fault::EndlessLines, &["start", "4 for ever"]),
            (Fault::EndlessLine, &["start", "data: {\"text\": \"", "16384 for ever"]),
            (Fault::Silent, &whole),
            (Fault::status(500), &whole),
        ];
        for (fault, expected) in cases {
            assert_eq!(planned(&Reply::default().fault(fault.clone())), expected, "{fault:?}");
        }
        assert_eq!(planned(&Reply::default()), whole);
    }

    #[test]
    fn gaps_and_gates_stand_between_pieces() {
        let gate = Gate::new();
        let reply = Reply::default().piece_gap(Duration::from_millis(7)).held_after(2, &gate).held(&gate);
        assert_eq!(planned(&reply), ["start", "a", "7ms", "b", "wait", "7ms", "c", "finish", "done"]);
    }

    #[test]
    fn garbage_is_no_json() {
        let planned = planned(&Reply::default().fault(Fault::Garbage));
        let data = planned[1].strip_prefix("data: ").unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(data).is_err());
        assert_eq!(planned.len(), 6);
    }
}

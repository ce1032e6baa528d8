//! Delivery of an answer: bytes, pace and faults. [`plan`] computes the steps without a clock or a socket; [`deliver`]
//! executes them.

use std::collections::VecDeque;
use std::time::Duration;

use actix_web::web::Bytes;
use futures_util::{Stream, future, stream};

use super::{Fault, Gate, Reply};

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
    Framing,
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
pub(super) enum Step {
    Send(Bytes),
    Sleep(Duration),
    /// Waits until the gate is open.
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
pub(super) fn plan(frames: Vec<Frame>, reply: &Reply, fault_frames: &FaultFrames) -> VecDeque<Step> {
    let fault = reply.fault.as_ref();
    let (frames, end) = faulty(frames, fault, fault_frames);
    let gap = reply.piece_gap.unwrap_or_default();
    let (mut steps, mut pieces) = (VecDeque::new(), 0);
    for frame in frames {
        if matches!(frame.kind, Kind::Piece | Kind::Arguments) {
            if pieces > 0 && !gap.is_zero() {
                steps.push_back(Step::Sleep(gap));
            }
            pieces += 1;
            steps.push_back(Step::Send(frame.text.into()));
            let gates = reply.gates.iter().filter(|(after, _)| *after == pieces);
            steps.extend(gates.map(|(_, gate)| Step::Wait(gate.clone())));
        } else {
            steps.push_back(Step::Send(frame.text.into()));
        }
    }
    steps.extend(end);
    if reply.in_bytes { steps.into_iter().flat_map(in_bytes).collect() } else { steps }
}

/// Divides a step into single bytes.
fn in_bytes(step: Step) -> Vec<Step> {
    match step {
        Step::Send(bytes) => (0..bytes.len()).map(|at| Step::Send(bytes.slice(at..=at))).collect(),
        other => vec![other],
    }
}

/// Returns the frames sent in spite of the fault, and the steps that replace the others.
fn faulty(mut frames: Vec<Frame>, fault: Option<&Fault>, fault_frames: &FaultFrames) -> (Vec<Frame>, Option<Step>) {
    match fault {
        None
        | Some(Fault::Status { .. } | Fault::QuotaExhausted | Fault::FailedCall | Fault::Silent | Fault::HtmlPage) => {
            (frames, None)
        }
        Some(Fault::CutAfter(pieces)) => (first_pieces(frames, *pieces), Some(Step::Cut)),
        Some(Fault::CutInArguments) => {
            let first = frames.iter().position(|frame| frame.kind == Kind::Arguments);
            frames.truncate(first.map_or(0, |first| first + 1));
            (frames, Some(Step::Cut))
        }
        Some(Fault::EndsAfter(pieces)) => (first_pieces(frames, *pieces), None),
        Some(Fault::HangsAfter(pieces)) => (first_pieces(frames, *pieces), Some(Step::Hang)),
        Some(Fault::ErrorAfter(pieces)) => {
            let mut frames = first_pieces(frames, *pieces);
            frames.push(fault_frames.error.clone());
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
        Some(Fault::EndlessLines) => {
            (first_pieces(frames, 0), Some(Step::Repeat(fault_frames.filler.text.clone().into())))
        }
        Some(Fault::EndlessThoughts) => {
            (first_pieces(frames, usize::MAX), Some(Step::Repeat(fault_frames.filler.text.clone().into())))
        }
        Some(Fault::EndlessLine) => {
            let mut frames = first_pieces(frames, 0);
            frames.push(Frame { text: "data: {\"text\": \"".to_owned(), kind: Kind::Framing });
            (frames, Some(Step::Repeat("x".repeat(ENDLESS_PIECE).into())))
        }
    }
}

/// Returns the frames before piece `pieces` (from 0), or before the closing frame if there are fewer.
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

/// Executes the steps. `on_end` is called after the last byte of an answer that no fault cuts.
pub(super) fn deliver(steps: VecDeque<Step>, on_end: impl Fn()) -> impl Stream<Item = Result<Bytes, CutOnPurpose>> {
    stream::unfold((steps, on_end), |(mut steps, on_end)| async move {
        loop {
            match steps.pop_front() {
                Some(Step::Send(bytes)) => return Some((Ok(bytes), (steps, on_end))),
                Some(Step::Sleep(time)) => tokio::time::sleep(time).await,
                Some(Step::Wait(gate)) => gate.passed().await,
                Some(Step::Cut) => {
                    // The server flushes whenever the body is pending.
                    tokio::task::yield_now().await;
                    return Some((Err(CutOnPurpose), (steps, on_end)));
                }
                Some(Step::Hang) => future::pending().await,
                Some(Step::Repeat(bytes)) => {
                    tokio::task::yield_now().await;
                    steps.push_front(Step::Repeat(bytes.clone()));
                    return Some((Ok(bytes), (steps, on_end)));
                }
                None => {
                    on_end();
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
            frame("start", Kind::Framing),
            frame("a", Kind::Piece),
            frame("b", Kind::Arguments),
            frame("c", Kind::Arguments),
            frame("finish", Kind::Closing),
            frame("done", Kind::Done),
        ];
        let fault_frames = FaultFrames { error: frame("error", Kind::Closing), filler: frame("more", Kind::Piece) };
        let describe = |step: Step| match step {
            Step::Send(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Step::Sleep(time) => format!("{time:?}"),
            Step::Wait(_) => "wait".to_owned(),
            Step::Cut => "CUT".to_owned(),
            Step::Hang => "HANG".to_owned(),
            Step::Repeat(bytes) => format!("{} forever", bytes.len()),
        };
        plan(frames, reply, &fault_frames).into_iter().map(describe).collect()
    }

    #[test]
    fn every_fault_replaces_the_frames_after_its_position() {
        let whole = ["start", "a", "b", "c", "finish", "done"];
        let cases: [(Fault, &[&str]); 13] = [
            (Fault::CutAfter(0), &["start", "CUT"]),
            (Fault::CutAfter(2), &["start", "a", "b", "CUT"]),
            (Fault::CutAfter(9), &["start", "a", "b", "c", "CUT"]),
            (Fault::CutInArguments, &["start", "a", "b", "CUT"]),
            (Fault::EndsAfter(1), &["start", "a"]),
            (Fault::HangsAfter(1), &["start", "a", "HANG"]),
            (Fault::ErrorAfter(1), &["start", "a", "error"]),
            (Fault::NoDone, &whole[..5]),
            (Fault::EndlessLines, &["start", "4 forever"]),
            (Fault::EndlessThoughts, &["start", "a", "b", "c", "4 forever"]),
            (Fault::EndlessLine, &["start", "data: {\"text\": \"", "16384 forever"]),
            (Fault::Silent, &whole),
            (Fault::status(500), &whole),
        ];
        for (fault, expected) in cases {
            assert_eq!(planned(&Reply::default().fault(fault.clone())), expected, "{fault:?}");
        }
        assert_eq!(planned(&Reply::default()), whole);
    }

    #[test]
    fn gaps_and_gates_are_between_pieces() {
        let gate = Gate::new();
        let reply = Reply::default().piece_gap(Duration::from_millis(7)).held_after(2, &gate).held(&gate);
        assert_eq!(planned(&reply), ["start", "a", "7ms", "b", "wait", "7ms", "c", "finish", "done"]);
    }

    #[test]
    fn single_bytes_make_the_same_frames() {
        let planned = planned(&Reply::default().in_single_bytes());
        assert!(planned.iter().all(|step| step.len() == 1), "{planned:?}");
        assert_eq!(planned.concat(), "startabcfinishdone");
    }

    #[test]
    fn garbage_is_not_json() {
        let planned = planned(&Reply::default().fault(Fault::Garbage));
        let data = planned[1].strip_prefix("data: ").unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(data).is_err());
        assert_eq!(planned.len(), 6);
    }
}

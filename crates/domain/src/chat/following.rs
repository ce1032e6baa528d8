//! Following turns that do not run in this process: those that have ended and those of another process.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use super::part_diff::PartDiff;
use super::ports::ChatPorts;
use crate::chat::{TurnAnswer, TurnEvent, TurnEvents, TurnFailure, TurnFinished};
use crate::conversation::message::{content, tool_calls};
use crate::conversation::turn::{FailureCode, TurnState};
use crate::conversation::{ConversationRepoError, StoredAnswer};
use crate::id::{TurnId, UserId};

/// Interval between two reads of what another process has stored.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The stored answer with the current status of its changes.
pub(super) async fn stored_answer(
    ports: &ChatPorts,
    owner: UserId,
    stored: &StoredAnswer,
) -> Result<TurnAnswer, ConversationRepoError> {
    let message = &stored.message;
    let mut receipts = ports.changes.receipts(owner, vec![message.receipts()]).await?;
    let pending = ports.conversations.pending(owner, message.conversation, ports.clock.now()).await?;
    Ok(TurnAnswer {
        response: content(&message.parts),
        conversation: message.conversation,
        message: message.id,
        tool_calls: tool_calls(&message.parts).cloned().collect(),
        receipts: receipts.remove(&message.id).unwrap_or_default(),
        pending: pending.filter(|pending| pending.message == message.id),
        usage: stored.usage,
        state: message.status,
        created_at: message.created_at,
    })
}

/// The events of a turn that has ended.
pub(super) async fn replay_events(
    ports: &ChatPorts,
    owner: UserId,
    stored: &StoredAnswer,
) -> Result<TurnEvents, ConversationRepoError> {
    let mut diff = PartDiff::default();
    let mut events = vec![TurnEvent::Started(stored.turn.clone())];
    events.extend(diff.new_events(&stored.message.parts));
    events.extend(final_events(&mut diff, stored, stored_answer(ports, owner, stored).await?));
    Ok(stream::iter(events).boxed())
}

fn final_events(diff: &mut PartDiff, stored: &StoredAnswer, answer: TurnAnswer) -> Vec<TurnEvent> {
    let mut events = diff.finish();
    let failed = stored.message.status == TurnState::Failed;
    let failure = failed.then(|| TurnFailure::from(stored.error_code.unwrap_or(FailureCode::LeaseLost)));
    events.push(TurnEvent::Finished(Box::new(TurnFinished { answer, failure })));
    events
}

/// The events of a turn of another process, derived from the parts that it stores.
pub(super) fn poll_remote(ports: ChatPorts, owner: UserId, turn: TurnId) -> TurnEvents {
    struct Poll {
        ports: ChatPorts,
        diff: PartDiff,
        started: bool,
    }
    let poll = Poll { ports, diff: PartDiff::default(), started: false };
    stream::unfold(Some(poll), move |poll| async move {
        let mut poll = poll?;
        if poll.started {
            poll.ports.timer.sleep(POLL_INTERVAL).await;
        }
        // If the conversation was deleted or storage fails, the stream ends without a last event; the client may retry.
        let stored = poll.ports.conversations.answer(owner, turn).await.ok()?;
        let mut events = Vec::new();
        if !poll.started {
            events.push(TurnEvent::Started(stored.turn.clone()));
            poll.started = true;
        }
        events.extend(poll.diff.new_events(&stored.message.parts));
        if stored.message.status == TurnState::Running {
            return Some((stream::iter(events), Some(poll)));
        }
        let answer = stored_answer(&poll.ports, owner, &stored).await.ok()?;
        events.extend(final_events(&mut poll.diff, &stored, answer));
        Some((stream::iter(events), None))
    })
    .flatten()
    .boxed()
}

//! Following turns that do not run in this process: those that have ended and those of another process.

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};

use super::part_diff::PartDiff;
use super::ports::ChatPorts;
use crate::chat::{TurnAnswer, TurnEvent, TurnEvents, TurnFailure, TurnFinished};
use crate::conversation::message::{content, tool_calls};
use crate::conversation::turn::{FailureCode, TurnState};
use crate::conversation::{ConversationRepoError, StoredAnswer};
use crate::id::{TurnId, UserId};

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
pub(super) fn follow_elsewhere(ports: ChatPorts, owner: UserId, turn: TurnId) -> TurnEvents {
    struct Follower {
        ports: ChatPorts,
        wakes: BoxStream<'static, ()>,
        diff: PartDiff,
        started: bool,
    }
    let wakes = ports.signals.subscribe_elsewhere(turn);
    let follower = Follower { ports, wakes, diff: PartDiff::default(), started: false };
    stream::unfold(Some(follower), move |follower| async move {
        let mut follower = follower?;
        if follower.started {
            // At a shutdown the stream ends without a last event, as it does below.
            follower.wakes.next().await?;
        }
        // If the conversation was deleted or storage fails, the stream ends without a last event; the client may retry.
        let stored = follower.ports.conversations.answer(owner, turn).await.ok()?;
        let mut events = Vec::new();
        if !follower.started {
            events.push(TurnEvent::Started(stored.turn.clone()));
            follower.started = true;
        }
        events.extend(follower.diff.new_events(&stored.message.parts));
        if stored.message.status == TurnState::Running {
            return Some((stream::iter(events), Some(follower)));
        }
        let answer = stored_answer(&follower.ports, owner, &stored).await.ok()?;
        events.extend(final_events(&mut follower.diff, &stored, answer));
        Some((stream::iter(events), None))
    })
    .flatten()
    .boxed()
}

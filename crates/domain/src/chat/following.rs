//! Following a turn that does not run here: one that has ended, or that another process works on.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use super::part_diff::PartDiff;
use super::ports::ChatPorts;
use crate::conversation::{ConversationRepoError, StoredAnswer};
use crate::id::{TurnId, UserId};
use crate::message::{content, tool_calls};
use crate::turn::{FailureCode, TurnAnswer, TurnEvent, TurnEvents, TurnFailure, TurnFinished, TurnState};

/// How often storage is asked what another process has written.
const INTERVAL: Duration = Duration::from_millis(500);

/// The answer as it is stored, with what became of its changes.
pub(super) async fn stored_answer(
    ports: &ChatPorts,
    owner: UserId,
    stored: &StoredAnswer,
) -> Result<TurnAnswer, ConversationRepoError> {
    let message = &stored.message;
    let mut receipts = ports.changes.receipts(owner, std::slice::from_ref(message)).await?;
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
    events.extend(diff.tell(&stored.message.parts));
    events.extend(final_events(&mut diff, stored, stored_answer(ports, owner, stored).await?));
    Ok(stream::iter(events).boxed())
}

fn final_events(diff: &mut PartDiff, stored: &StoredAnswer, answer: TurnAnswer) -> Vec<TurnEvent> {
    let mut events = diff.end();
    let failed = stored.message.status == TurnState::Failed;
    let failure = failed.then(|| TurnFailure::from(stored.error_code.unwrap_or(FailureCode::LeaseLost)));
    events.push(TurnEvent::Finished(Box::new(TurnFinished { answer, failure })));
    events
}

/// The events of a turn that another process works on, as far as it stores them.
pub(super) fn poll_remote(ports: ChatPorts, owner: UserId, turn: TurnId) -> TurnEvents {
    /// What is known of the turn.
    struct Watch {
        ports: ChatPorts,
        diff: PartDiff,
        begun: bool,
    }
    let watch = Watch { ports, diff: PartDiff::default(), begun: false };
    stream::unfold(Some(watch), move |watch| async move {
        let mut watch = watch?;
        if watch.begun {
            watch.ports.timer.sleep(INTERVAL).await;
        }
        // A conversation that was deleted, or storage that is away, ends the account without an end; the client may
        // ask again.
        let stored = watch.ports.conversations.answer(owner, turn).await.ok()?;
        let mut events = Vec::new();
        if !watch.begun {
            events.push(TurnEvent::Started(stored.turn.clone()));
            watch.begun = true;
        }
        events.extend(watch.diff.tell(&stored.message.parts));
        if stored.message.status == TurnState::Running {
            return Some((stream::iter(events), Some(watch)));
        }
        let answer = stored_answer(&watch.ports, owner, &stored).await.ok()?;
        events.extend(final_events(&mut watch.diff, &stored, answer));
        Some((stream::iter(events), None))
    })
    .flatten()
    .boxed()
}

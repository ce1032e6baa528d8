//! Following a turn that does not run here: one that is over, or that another process works on.

use chrono::TimeDelta;
use futures_util::{StreamExt as _, stream};

use super::narration::Narration;
use super::service::ChatPorts;
use crate::conversation::StoredAnswer;
use crate::id::{TurnId, UserId};
use crate::message::{content, tool_calls};
use crate::turn::{FailureCode, TurnAnswer, TurnEnded, TurnEvent, TurnEvents, TurnFailure, TurnState};

/// How often storage is asked what another process has written.
const INTERVAL: TimeDelta = TimeDelta::milliseconds(500);

/// The answer as it is stored.
pub(super) fn as_stored(stored: &StoredAnswer) -> TurnAnswer {
    let parts = &stored.message.parts;
    TurnAnswer {
        response: content(parts),
        conversation: stored.message.conversation,
        message: stored.message.id,
        tool_calls: tool_calls(parts).cloned().collect(),
        usage: stored.usage,
        state: stored.message.status,
        grounded: stored.message.grounded,
        created_at: stored.message.created_at,
    }
}

/// The events of a turn that is over.
pub(super) fn retold(stored: &StoredAnswer) -> TurnEvents {
    let mut narration = Narration::default();
    let mut events = vec![TurnEvent::Begun(stored.turn.clone())];
    events.extend(narration.tell(&stored.message.parts));
    events.extend(over(&mut narration, stored));
    stream::iter(events).boxed()
}

fn over(narration: &mut Narration, stored: &StoredAnswer) -> Vec<TurnEvent> {
    let mut events = narration.end();
    let failed = stored.message.status == TurnState::Failed;
    let failure = failed.then(|| TurnFailure::from(stored.error_code.unwrap_or(FailureCode::Ended)));
    events.push(TurnEvent::Ended(Box::new(TurnEnded { answer: as_stored(stored), failure })));
    events
}

/// The events of a turn that another process works on, as far as it stores them.
pub(super) fn watched(ports: ChatPorts, owner: UserId, turn: TurnId) -> TurnEvents {
    /// What is known of the turn.
    struct Watch {
        ports: ChatPorts,
        narration: Narration,
        begun: bool,
    }
    let watch = Watch { ports, narration: Narration::default(), begun: false };
    stream::unfold(Some(watch), move |watch| async move {
        let mut watch = watch?;
        if watch.begun {
            watch.ports.clock.sleep_until(watch.ports.clock.now() + INTERVAL).await;
        }
        // A conversation that was deleted, or storage that is away, ends the account without an end; the client may
        // ask again.
        let stored = watch.ports.conversations.answer(owner, turn).await.ok()?;
        let mut events = Vec::new();
        if !watch.begun {
            events.push(TurnEvent::Begun(stored.turn.clone()));
            watch.begun = true;
        }
        events.extend(watch.narration.tell(&stored.message.parts));
        if stored.message.status == TurnState::Running {
            return Some((stream::iter(events), Some(watch)));
        }
        events.extend(over(&mut watch.narration, &stored));
        Some((stream::iter(events), None))
    })
    .flatten()
    .boxed()
}

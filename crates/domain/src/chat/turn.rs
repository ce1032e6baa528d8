//! One turn from start to end: starting it in storage, keeping its lease during the work, and storing the result.

mod arguments;
mod calls;
mod confirmation;
mod finish;
mod reply;
mod resume;
mod work;

use std::panic::AssertUnwindSafe;

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture, Either, Shared};
use serde_json::json;

use super::history::{MAX_MESSAGES, replay};
use super::ports::{ChatOptions, ChatPorts};
use super::system_text::system_text;
use super::{ChatError, ChatInput, MessageTarget, NewMessage, TurnAnswer};
use crate::change::RequestId;
use crate::chat::{StopReason, TurnEvent};
use crate::conversation::message::{Message, Part, Role, ToolCall};
use crate::conversation::turn::{Lease, Turn, TurnState, Usage};
use crate::conversation::{
    Conversation, ConversationRepoError, ConversationTarget, ConversationTitle, MessageCursor, MessageOrder, NewTurn,
    PendingAction, TurnStart,
};
use crate::id::{MessageId, UserId};
use crate::page::PageRequest;
use crate::principal::{Principal, Via};
use crate::tool::CONFIRM_PENDING;
use crate::user::TimeZone;

pub use calls::MAX_CALLS;
use calls::{Rounds, call_result};
use confirmation::{DeferredItems, OwnChanges};
use finish::TurnRun;
use reply::{ModelRun, Prompt};
use resume::{complete_calls, retained_parts};
pub(super) use work::Failure;
use work::{CallResult, Draft, TurnContext};

/// The stored message of a user who confirms by request instead of by text.
const CONFIRMED_TEXT: &str = "Confirmed.";

/// A request for a turn.
pub(super) struct TurnRequest {
    pub principal: Principal,
    pub request_id: RequestId,
    pub message: NewMessage,
    pub at: DateTime<Utc>,
}

/// A turn that was started in storage.
pub(super) struct StartedTurn {
    pub turn: Turn,
    /// The state of a resumed turn.
    pub resumed: Option<Resumed>,
    /// The pending action of the conversation.
    pub pending: Option<PendingAction>,
    /// The user's time zone.
    pub time_zone: TimeZone,
}

/// The stored state of a turn that is resumed.
pub(super) struct Resumed {
    /// The parts of the assistant's message so far.
    pub parts: Vec<Part>,
    /// The usage of earlier attempts.
    pub usage: Usage,
    /// The start of the first attempt.
    pub at: DateTime<Utc>,
}

/// Stores the user's message together with the running turn.
pub(super) async fn start(
    ports: &ChatPorts,
    options: ChatOptions,
    request: &TurnRequest,
) -> Result<TurnStart, ConversationRepoError> {
    let NewMessage { target, input, idempotency } = request.message.clone();
    let (text, confirms) = match &input {
        ChatInput::Text(text) => (text.as_str(), None),
        ChatInput::Confirm(id) => (CONFIRMED_TEXT, Some(*id)),
    };
    let new = || (ports.ids.next().into(), ConversationTitle::from_message(text));
    let target = match target {
        MessageTarget::Existing(id) => ConversationTarget::Existing(id),
        MessageTarget::New => {
            let (id, title) = new();
            ConversationTarget::New(id, title)
        }
        // A client that lists conversations uses their ids as keys.
        MessageTarget::Keyed(key) => {
            if let Some(found) = find_by_id(ports, request.principal.user, key.as_str()).await? {
                ConversationTarget::Existing(found.id)
            } else {
                let (id, title) = new();
                ConversationTarget::Keyed(key, id, title)
            }
        }
    };
    let turn = NewTurn {
        id: ports.ids.next().into(),
        target,
        user_message: ports.ids.next().into(),
        user_parts: vec![Part::Text { round: 0, text: text.to_owned() }],
        assistant_message: ports.ids.next().into(),
        lease: Lease { instance: ports.instance.clone(), ttl: Lease::TTL },
        provider: ports.llm.provider().to_owned(),
        model: ports.llm.model().to_owned(),
        confirms,
        // A confirmation calls no model.
        tokens_per_day: options.tokens_per_day.filter(|_| confirms.is_none()),
        at: request.at,
        idempotency,
    };
    ports.conversations.begin_turn(request.principal.user, turn).await
}

/// Returns the user's conversation if `id` is the id of one.
pub(super) async fn find_by_id(
    ports: &ChatPorts,
    owner: UserId,
    id: &str,
) -> Result<Option<Conversation>, ConversationRepoError> {
    let Ok(id) = id.parse() else { return Ok(None) };
    match ports.conversations.get(owner, id).await {
        Ok(conversation) => Ok(Some(conversation)),
        Err(error) => error.into_storage().map_or(Ok(None), |error| Err(error.into())),
    }
}

/// Runs a started turn and releases it in any case. If the process dies, the turn is failed once its lease has expired.
pub(super) async fn run_turn(
    ports: ChatPorts,
    options: ChatOptions,
    request: TurnRequest,
    started: StartedTurn,
    stopped: Shared<BoxFuture<'static, StopReason>>,
) -> Result<TurnAnswer, ChatError> {
    let StartedTurn { turn, resumed, pending, time_zone } = started;
    let TurnRequest { principal, request_id, message, at } = request;
    let (earlier_usage, started_at) =
        resumed.as_ref().map_or((Usage::default(), at), |resumed| (resumed.usage, resumed.at));
    let is_resumed = resumed.is_some();
    let model = ModelRun::new(ports.llm.as_ref());
    let principal = Principal { via: Via::Chat, ..principal };
    let context = TurnContext { ports, options, principal, request_id, turn, stopped };
    context.publish(TurnEvent::Started(context.turn.clone()));
    let draft = Draft::new(resumed.map(|resumed| retained_parts(resumed.parts)).unwrap_or_default(), context.elapsed());
    let (deferred, begun) = (DeferredItems::default(), context.elapsed());
    let mut turn = TurnRun { context, draft, model, deferred, earlier_usage, started_at, begun };
    let (ports, owner) = (turn.context.ports.clone(), turn.context.principal.clone());
    let running = turn.context.turn.clone();
    let outcome = {
        // Unwind safe: the draft is consistent at every await point and after every step.
        let working = work(&mut turn, &message.input, (at, time_zone), is_resumed, pending.as_ref());
        let working = Box::pin(AssertUnwindSafe(working).catch_unwind());
        match future::select(working, Box::pin(keep_lease(&ports, &owner, &running))).await {
            Either::Left((outcome, _)) => outcome.unwrap_or(Err(Failure::Panicked)),
            Either::Right(((), _)) => Err(Failure::LeaseLost),
        }
    };
    turn.finish(outcome).await
}

async fn work(
    turn: &mut TurnRun,
    input: &ChatInput,
    (at, zone): (DateTime<Utc>, TimeZone),
    is_resumed: bool,
    pending: Option<&PendingAction>,
) -> Result<(), Failure> {
    let TurnRun { context, draft, model, deferred, .. } = turn;
    if let ChatInput::Confirm(_) = input {
        return confirm(context, draft, pending).await;
    }
    // A new conversation has no other messages than the user's.
    let messages = if context.turn.position == 1 {
        vec![first_message(context, input, at)]
    } else {
        newest_messages(context).await?
    };
    let pending = pending.filter(|pending| is_untouched(pending, &messages, context.turn.assistant_message));
    let history = replay(&messages, context.options.history_tokens, &context.ports.llm.source());
    let prompt = Prompt { system: system_text(zone.date_at(at)), history, tools: Vec::new().into() };
    if is_resumed {
        complete_calls(context, draft).await?;
    }
    Rounds { context, draft, model, deferred, pending, corrections: 0, own_changes: OwnChanges::default() }
        .run(prompt)
        .await
}

/// Runs an action that the user confirmed by request, without a model.
async fn confirm(context: &TurnContext, draft: &mut Draft, pending: Option<&PendingAction>) -> Result<(), Failure> {
    if draft.parts.is_empty() {
        let call = ToolCall {
            id: "confirmed".to_owned(),
            round: 0,
            tool: CONFIRM_PENDING.to_owned(),
            parameters: json!({}),
            result: None,
            changes: Vec::new(),
        };
        draft.push_call(context, call);
    }
    let call = context.recording_context(0, 0, draft);
    let result = match (find_effect(context, &call).await?, pending) {
        (Some(result), _) => result,
        (None, Some(pending)) => call_result(context.ports.tools.run_pending(&call, pending).await)?,
        (None, None) => CallResult::failed("Nothing was done: the action is no longer pending."),
    };
    let message = result.result.message.clone();
    draft.answer_call(context, result).await?;
    draft.notice(context, message);
    Ok(())
}

async fn find_effect(context: &TurnContext, call: &crate::tool::ToolContext) -> Result<Option<CallResult>, Failure> {
    let found = context.ports.tools.find_effect(call, CONFIRM_PENDING).await;
    found.transpose().map(call_result).transpose()
}

/// Whether no model has written text or called a tool since the action was created. A failed turn in between keeps the
/// action, but what a model read in it, such as a title, must not make it confirm. `own` is the message of this turn.
fn is_untouched(pending: &PendingAction, messages: &[Message], own: MessageId) -> bool {
    let by_model = |part: &Part| matches!(part, Part::Text { .. } | Part::ToolCall(_));
    let mut since = messages.iter().skip_while(|message| message.id != pending.message);
    since.next().is_some()
        && since
            .all(|message| message.role != Role::Assistant || message.id == own || !message.parts.iter().any(by_model))
}

/// The user's message at the beginning of a conversation, as it was stored.
fn first_message(context: &TurnContext, input: &ChatInput, at: DateTime<Utc>) -> Message {
    let text = match input {
        ChatInput::Text(text) => text.as_str(),
        ChatInput::Confirm(_) => CONFIRMED_TEXT,
    };
    Message {
        id: context.turn.user_message,
        conversation: context.turn.conversation,
        position: context.turn.position,
        role: Role::User,
        parts: vec![Part::Text { round: 0, text: text.to_owned() }],
        status: TurnState::Complete,
        created_at: at,
    }
}

/// The newest messages of the conversation up to the user's, oldest first.
async fn newest_messages(context: &TurnContext) -> Result<Vec<Message>, Failure> {
    let after = Some(MessageCursor(context.turn.position.saturating_add(1)));
    let newest = PageRequest { limit: MAX_MESSAGES, after };
    let (owner, conversation) = (context.owner(), context.turn.conversation);
    let page = context.ports.conversations.messages(owner, conversation, MessageOrder::Descending, newest).await;
    let mut messages = page.map_err(Failure::from)?.items;
    messages.reverse();
    Ok(messages)
}

/// Renews the turn's lease periodically; returns when the lease is lost.
async fn keep_lease(ports: &ChatPorts, principal: &Principal, turn: &Turn) {
    let mut renewed_at = ports.timer.elapsed();
    loop {
        ports.timer.sleep(Lease::RENEWAL_INTERVAL).await;
        let now = ports.timer.elapsed();
        match ports.conversations.renew_lease(principal.user, turn.attempt(), Lease::TTL).await {
            Ok(()) => renewed_at = now,
            Err(error) => match error.into_storage() {
                // A storage failure is retried until the lease expires; after that, another instance may take the turn.
                Some(_) if ports.timer.elapsed().saturating_sub(renewed_at) < Lease::TTL => {}
                Some(_) | None => return,
            },
        }
    }
}

#[cfg(test)]
mod tests;

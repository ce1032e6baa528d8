//! One turn from its beginning to its end: taking the conversation, keeping the lease while the work is done, and
//! storing what came of it.

use std::panic::AssertUnwindSafe;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture, Either, Shared};

use super::consent::is_affirmative;
use super::following::as_stored;
use super::history::{MAX_MESSAGES, replay};
use super::narration::Narration;
use super::service::{ChatOptions, ChatPorts};
use super::system_text::system_text;
use super::turn_loop::{Failure, OnOffer, TurnLoop};
use super::{ChatError, NewMessage, Place, StoredTurn, TurnAnswer};
use crate::change::RequestId;
use crate::conversation::{
    BegunTurn, ConversationRepoError, ConversationTarget, ConversationTitle, MessageCursor, MessageOrder, NewTurn,
    PendingAction, TurnEnd,
};
use crate::id::ConversationId;
use crate::llm::{FinishReason, LlmError, LlmMessage};
use crate::message::{Part, content, tool_calls};
use crate::page::PageRequest;
use crate::principal::{Principal, Via};
use crate::turn::{FailureCode, Lease, StopReason, Turn, TurnEnded, TurnEvent, TurnFailure, TurnState, Usage};
use crate::user::UserRepoError;

/// Who asks for a turn, and what for.
pub(super) struct Asked {
    pub who: Principal,
    pub request_id: RequestId,
    pub message: NewMessage,
    pub at: DateTime<Utc>,
}

/// A turn that has begun and is to be worked on.
pub(super) struct Begun {
    pub turn: Turn,
    /// What is there of the turn already, if it is resumed.
    pub resumed: Option<Resumed>,
    /// What the user was offered before.
    pub pending: Option<PendingAction>,
}

/// What was there of a turn before it was resumed.
pub(super) struct Resumed {
    /// What the assistant's message is made of so far.
    pub parts: Vec<Part>,
    /// What it took.
    pub usage: Usage,
    /// When it was begun.
    pub at: DateTime<Utc>,
}

/// Stores the user's message, and with it that a turn runs.
pub(super) async fn begin(ports: &ChatPorts, asked: &Asked) -> Result<BegunTurn, ConversationRepoError> {
    let NewMessage { place, text, idempotency } = asked.message.clone();
    let new = || (ports.ids.next().into(), ConversationTitle::from_message(text.as_str()));
    let target = match place {
        Place::Existing(id) => ConversationTarget::Existing(id),
        Place::New => {
            let (id, title) = new();
            ConversationTarget::New(id, title)
        }
        // A client that lists conversations calls one by the id that it has here.
        Place::Keyed(key) => {
            if let Some(id) = existing(ports, asked, key.as_str()).await? {
                ConversationTarget::Existing(id)
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
        user_parts: vec![Part::Text { round: 0, text: text.as_str().to_owned() }],
        assistant_message: ports.ids.next().into(),
        lease: Lease { instance: ports.instance.clone(), until: asked.at + Lease::LENGTH },
        provider: ports.llm.provider().to_owned(),
        model: ports.llm.model().to_owned(),
        at: asked.at,
        idempotency,
    };
    ports.conversations.begin_turn(asked.who.user, turn).await
}

/// The user's conversation with this id, if it is one.
async fn existing(ports: &ChatPorts, asked: &Asked, id: &str) -> Result<Option<ConversationId>, ConversationRepoError> {
    let Ok(id) = id.parse::<ConversationId>() else { return Ok(None) };
    match ports.conversations.get(asked.who.user, id).await {
        Ok(conversation) => Ok(Some(conversation.id)),
        Err(error) => error.into_storage().map_or(Ok(None), |error| Err(error.into())),
    }
}

/// Runs a turn that has begun. It is released whatever happens; a process that dies leaves it to whoever finds its
/// lease over.
pub(super) async fn run_turn(
    ports: ChatPorts,
    options: ChatOptions,
    asked: Asked,
    begun: Begun,
    stopped: Shared<BoxFuture<'static, StopReason>>,
) -> Result<TurnAnswer, ChatError> {
    let Begun { turn, resumed, pending } = begun;
    let Asked { who, request_id, message, at } = asked;
    let (before, first_begun) = resumed.as_ref().map_or((Usage::default(), at), |resumed| (resumed.usage, resumed.at));
    let is_resumed = resumed.is_some();
    let mut work = TurnLoop {
        options,
        who: Principal { via: Via::Chat, ..who.clone() },
        request_id,
        turn: turn.clone(),
        user_text: message.text.as_str().to_owned(),
        system: String::new(),
        history: Vec::new(),
        parts: Vec::new(),
        narration: Narration::default(),
        stopped,
        usage: Usage::default(),
        answered_by: (ports.llm.provider().to_owned(), ports.llm.model().to_owned()),
        first_token_at: None,
        model_time: TimeDelta::zero(),
        saved_at: at,
        corrections: 0,
        finish_reason: FinishReason::Stop,
        told_of_stand_in: false,
        changed: false,
        on_offer: OnOffer::default(),
        ports,
    };
    work.publish(TurnEvent::Begun(turn.clone()));
    if let Some(resumed) = resumed {
        work.take_up(resumed.parts);
    }
    let ports = work.ports.clone();
    let worked = {
        // What the work has written so far is whole between any two steps, so it may be looked at after a panic.
        let working = Box::pin(AssertUnwindSafe(prepare_and_run(&mut work, at, is_resumed, pending)).catch_unwind());
        match future::select(working, Box::pin(keep_lease(&ports, &who, &turn, at))).await {
            Either::Left((worked, _)) => worked.unwrap_or(Err(Failure::Panicked)),
            Either::Right(((), _)) => Err(Failure::Ended),
        }
    };
    finish(work, worked, before, first_begun).await
}

async fn prepare_and_run(
    work: &mut TurnLoop,
    at: DateTime<Utc>,
    is_resumed: bool,
    pending: Option<PendingAction>,
) -> Result<bool, Failure> {
    let zone = match work.ports.users.get(work.who.user).await {
        Ok(user) => user.time_zone,
        Err(UserRepoError::NotFound | UserRepoError::EmailTaken | UserRepoError::ExternalAccountTaken) => {
            return Err(Failure::Ended);
        }
        Err(UserRepoError::Storage(error)) => return Err(Failure::Storage(error)),
    };
    work.system = system_text(zone.date_at(at));
    work.history = history(work).await?;
    if is_resumed {
        work.settle().await?;
    }
    if let Some(action) = pending.filter(|action| is_affirmative(&work.user_text, action.tasks.len())) {
        work.agree(&action).await?;
    }
    work.run().await?;
    work.be_honest().await
}

/// The newest messages of the conversation up to the user's.
async fn history(work: &TurnLoop) -> Result<Vec<LlmMessage>, Failure> {
    let after = Some(MessageCursor(work.turn.position.saturating_add(1)));
    let newest = PageRequest { limit: MAX_MESSAGES, after };
    let (owner, conversation) = (work.who.user, work.turn.conversation);
    let page = work.ports.conversations.messages(owner, conversation, MessageOrder::Descending, newest).await;
    let mut messages = page.map_err(Failure::from)?.items;
    messages.reverse();
    Ok(replay(&messages, work.options.history_tokens))
}

/// Prolongs the turn's lease again and again; returns when there is nothing left to prolong.
async fn keep_lease(ports: &ChatPorts, who: &Principal, turn: &Turn, begun: DateTime<Utc>) {
    let mut held_until = begun + Lease::LENGTH;
    loop {
        ports.clock.sleep_until(ports.clock.now() + Lease::RENEWAL).await;
        let until = ports.clock.now() + Lease::LENGTH;
        match ports.conversations.renew_lease(who.user, turn.attempt(), until).await {
            Ok(()) => held_until = until,
            Err(error) => match error.into_storage() {
                // Storage that is away for a moment is asked again until the lease is over: then the turn is anybody's.
                Some(_) if ports.clock.now() < held_until => {}
                Some(_) | None => return,
            },
        }
    }
}

/// Stores what came of the turn, releases it, and tells whoever follows it.
async fn finish(
    mut work: TurnLoop,
    worked: Result<bool, Failure>,
    before: Usage,
    begun: DateTime<Utc>,
) -> Result<TurnAnswer, ChatError> {
    let stored = StoredTurn { conversation: work.turn.conversation, message: work.turn.assistant_message };
    let (state, failure) = match &worked {
        Ok(_) => (TurnState::Complete, None),
        Err(Failure::Stopped(StopReason::User)) => (TurnState::Stopped, None),
        Err(Failure::Stopped(StopReason::Shutdown)) => (TurnState::Failed, Some(FailureCode::ShutDown)),
        Err(Failure::Model(error)) => (TurnState::Failed, Some(error.code())),
        Err(Failure::Storage(_)) => (TurnState::Failed, Some(FailureCode::Storage)),
        Err(Failure::Panicked) => (TurnState::Failed, Some(FailureCode::Internal)),
        Err(Failure::Ended) => return taken_away(work, stored, begun).await,
    };
    if state == TurnState::Failed {
        work.notice(apology(&work.parts, work.changed));
    }
    let grounded = match worked {
        Ok(grounded) => grounded,
        Err(_) => work.changed || !work.claims_change(),
    };
    if state == TurnState::Stopped && !grounded {
        work.notice("Nothing was changed.".to_owned());
    }
    let mut usage = before;
    usage += work.usage;
    let answer = TurnAnswer { usage, ..answer(&work, state, grounded, begun) };
    let end = end(&mut work, &answer, failure);
    let ended = work.ports.conversations.end_turn(work.who.user, work.turn.attempt(), end).await;
    let (answered, failure) = match (worked, ended.map_err(Failure::from)) {
        (Err(Failure::Stopped(StopReason::User)) | Ok(_), Ok(())) => (Ok(answer.clone()), None),
        (Err(Failure::Stopped(StopReason::User)) | Ok(_), Err(Failure::Storage(source))) => {
            (Err(ChatError::Interrupted { source, stored }), Some(FailureCode::Storage))
        }
        (Err(Failure::Stopped(StopReason::User)) | Ok(_), Err(_)) | (Err(Failure::Ended), _) => {
            return taken_away(work, stored, begun).await;
        }
        // The first failure is the one that tells; ending the turn most likely failed for the same reason.
        (Err(Failure::Model(source)), _) => (Err(ChatError::Model { source, stored }), failure),
        (Err(Failure::Storage(source)), _) => (Err(ChatError::Interrupted { source, stored }), failure),
        (Err(Failure::Stopped(StopReason::Shutdown)), _) => (Err(ChatError::ShutDown { stored }), failure),
        (Err(Failure::Panicked), _) => (Err(ChatError::Panicked { stored }), failure),
    };
    let failure = failure.map(|code| match &answered {
        Err(ChatError::Model { source: LlmError::RateLimited { retry_after, .. }, .. }) => {
            TurnFailure { retry_after: *retry_after, ..code.into() }
        }
        Err(ChatError::Model { source: LlmError::ModelRetired { setting, .. }, .. }) => {
            TurnFailure { setting: Some(setting), ..code.into() }
        }
        _ => code.into(),
    });
    tell_end(&mut work, TurnEnded { answer, failure });
    answered
}

/// What the work has written, as an answer; its usage is that of this try.
fn answer(work: &TurnLoop, state: TurnState, grounded: bool, begun: DateTime<Utc>) -> TurnAnswer {
    TurnAnswer {
        response: content(&work.parts),
        conversation: work.turn.conversation,
        message: work.turn.assistant_message,
        tool_calls: tool_calls(&work.parts).cloned().collect(),
        usage: work.usage,
        state,
        grounded,
        created_at: begun,
    }
}

/// What is stored of the turn beside its state.
fn end(work: &mut TurnLoop, answer: &TurnAnswer, error_code: Option<FailureCode>) -> TurnEnd {
    let (provider, model) = work.answered_by.clone();
    let pending = work.on_offer.action.take().filter(|_| answer.state == TurnState::Complete);
    TurnEnd {
        state: answer.state,
        parts: work.parts.clone(),
        grounded: answer.grounded,
        usage: work.usage,
        error_code,
        provider,
        model,
        first_token_at: work.first_token_at,
        model_time: work.model_time,
        pending,
        at: work.ports.clock.now(),
    }
}

fn tell_end(work: &mut TurnLoop, ended: TurnEnded) {
    for event in work.narration.end() {
        work.publish(event);
    }
    work.publish(TurnEvent::Ended(Box::new(ended)));
}

/// The turn does not run any more: it was stopped by way of another process, or its conversation was deleted, or
/// somebody found its lease over.
async fn taken_away(mut work: TurnLoop, stored: StoredTurn, begun: DateTime<Utc>) -> Result<TurnAnswer, ChatError> {
    let found = work.ports.conversations.answer(work.who.user, work.turn.id).await;
    let (answered, ended) = match found.as_ref().ok().map(as_stored) {
        Some(answer) if answer.state == TurnState::Stopped => (Ok(answer.clone()), TurnEnded { answer, failure: None }),
        other => {
            let grounded = || work.changed || !work.claims_change();
            let answer = other.unwrap_or_else(|| answer(&work, TurnState::Failed, grounded(), begun));
            let failure = Some(FailureCode::Ended.into());
            (Err(ChatError::Ended { stored }), TurnEnded { answer, failure })
        }
    };
    tell_end(&mut work, ended);
    answered
}

/// What a failed turn says in the conversation.
fn apology(parts: &[Part], changed: bool) -> String {
    if tool_calls(parts).any(|call| call.result.is_none()) {
        // It was on its way to storage when that failed, and may have arrived.
        return "The assistant could not finish, and it is not known whether its last step was done. Look before you \
                repeat it."
            .to_owned();
    }
    if !changed {
        return "The assistant could not answer. Nothing was changed.".to_owned();
    }
    let done = tool_calls(parts).filter_map(|call| call.result.as_ref()).filter(|result| result.success);
    let done: Vec<_> = done.map(|result| result.message.as_str()).collect();
    format!("The assistant could not finish. Until then: {}.", done.join("; "))
}

#[cfg(test)]
mod tests;

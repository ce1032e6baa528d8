//! One turn from its beginning to its end: taking the conversation, keeping the lease while the work is done, and
//! storing what came of it.

use std::panic::AssertUnwindSafe;

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use futures_util::future::{self, Either};

use super::history::{MAX_MESSAGES, replay};
use super::service::ChatPorts;
use super::system_text::system_text;
use super::turn_loop::{Failure, TurnLoop};
use super::{ChatError, StoredTurn, TurnAnswer, UserText};
use crate::change::RequestId;
use crate::conversation::{
    ConversationRepoError, ConversationTarget, ConversationTitle, MessageOrder, NewTurn, TurnEnd,
};
use crate::id::ConversationId;
use crate::llm::LlmMessage;
use crate::message::{Message, Part, content, tool_calls};
use crate::page::PageRequest;
use crate::principal::{Principal, Via};
use crate::storage::StorageError;
use crate::turn::{Lease, Turn, TurnState, Usage};
use crate::user::UserRepoError;

/// Runs a whole turn. The user's message is stored before the model is asked, and the turn is released whatever
/// happens; a process that dies leaves it to whoever finds its lease over.
pub(super) async fn run_turn(
    ports: ChatPorts,
    who: Principal,
    request_id: RequestId,
    conversation: Option<ConversationId>,
    text: UserText,
) -> Result<TurnAnswer, ChatError> {
    let at = ports.clock.now();
    let turn = begin(&ports, &who, conversation, &text, at).await?;
    let stored = StoredTurn { conversation: turn.conversation, message: turn.assistant_message };
    let mut work = TurnLoop {
        ports: ports.clone(),
        who: Principal { via: Via::Chat, ..who.clone() },
        request_id,
        turn: turn.clone(),
        user_text: text.as_str().to_owned(),
        system: String::new(),
        history: Vec::new(),
        parts: Vec::new(),
        usage: Usage::default(),
        corrections: 0,
    };
    let worked = {
        // What the work has written so far is whole between any two steps, so it may be looked at after a panic.
        let working = Box::pin(AssertUnwindSafe(prepare_and_run(&mut work, at)).catch_unwind());
        match future::select(working, Box::pin(keep_lease(&ports, &who, &turn, at))).await {
            Either::Left((worked, _)) => worked.unwrap_or(Err(Failure::Panicked)),
            Either::Right(((), _)) => Err(Failure::Ended),
        }
    };
    finish(&ports, &who, work, worked, stored, at).await
}

async fn begin(
    ports: &ChatPorts,
    who: &Principal,
    conversation: Option<ConversationId>,
    text: &UserText,
    at: DateTime<Utc>,
) -> Result<Turn, ConversationRepoError> {
    let target = match conversation {
        Some(id) => ConversationTarget::Existing(id),
        None => ConversationTarget::New(ports.ids.next().into(), ConversationTitle::from_message(text.as_str())),
    };
    let turn = NewTurn {
        id: ports.ids.next().into(),
        target,
        user_message: ports.ids.next().into(),
        user_parts: vec![Part::Text { round: 0, text: text.as_str().to_owned() }],
        assistant_message: ports.ids.next().into(),
        lease: Lease { instance: ports.instance.clone(), until: at + Lease::LENGTH },
        provider: ports.llm.provider().to_owned(),
        model: ports.llm.model().to_owned(),
        at,
    };
    ports.conversations.begin_turn(who.user, turn).await
}

async fn prepare_and_run(work: &mut TurnLoop, at: DateTime<Utc>) -> Result<(), Failure> {
    let zone = match work.ports.users.get(work.who.user).await {
        Ok(user) => user.time_zone,
        Err(UserRepoError::NotFound | UserRepoError::EmailTaken) => return Err(Failure::Ended),
        Err(UserRepoError::Storage(error)) => return Err(Failure::Storage(error)),
    };
    work.system = system_text(zone.date_at(at));
    work.history = history(work).await?;
    work.run().await
}

/// The newest messages of the conversation, the one that this turn writes left out.
async fn history(work: &TurnLoop) -> Result<Vec<LlmMessage>, Failure> {
    let newest = PageRequest::first(MAX_MESSAGES);
    let (owner, conversation) = (work.who.user, work.turn.conversation);
    let page = work.ports.conversations.messages(owner, conversation, MessageOrder::Descending, newest).await;
    let mut messages: Vec<Message> = match page {
        Ok(page) => page.items,
        Err(ConversationRepoError::Storage(error)) => return Err(Failure::Storage(error)),
        Err(
            ConversationRepoError::NotFound | ConversationRepoError::NoTurn | ConversationRepoError::TurnInProgress,
        ) => {
            return Err(Failure::Ended);
        }
    };
    messages.retain(|message| message.id != work.turn.assistant_message);
    messages.reverse();
    Ok(replay(&messages))
}

/// Prolongs the turn's lease again and again; returns when there is nothing left to prolong.
async fn keep_lease(ports: &ChatPorts, who: &Principal, turn: &Turn, begun: DateTime<Utc>) {
    let mut held_until = begun + Lease::LENGTH;
    loop {
        ports.clock.sleep_until(ports.clock.now() + Lease::RENEWAL).await;
        let until = ports.clock.now() + Lease::LENGTH;
        match ports.conversations.renew_lease(who.user, turn.id, until).await {
            Ok(()) => held_until = until,
            // Storage that is away for a moment is asked again until the lease is over: then the turn is anybody's.
            Err(ConversationRepoError::Storage(_)) if ports.clock.now() < held_until => {}
            Err(
                ConversationRepoError::Storage(_)
                | ConversationRepoError::NoTurn
                | ConversationRepoError::NotFound
                | ConversationRepoError::TurnInProgress,
            ) => return,
        }
    }
}

/// Stores what came of the turn and releases it.
async fn finish(
    ports: &ChatPorts,
    who: &Principal,
    work: TurnLoop,
    worked: Result<(), Failure>,
    stored: StoredTurn,
    begun: DateTime<Utc>,
) -> Result<TurnAnswer, ChatError> {
    let TurnLoop { mut parts, usage, turn, .. } = work;
    let (state, error_code) = match &worked {
        Ok(()) => (TurnState::Complete, None),
        Err(Failure::Model(error)) => (TurnState::Failed, Some(error.code())),
        Err(Failure::Storage(_)) => (TurnState::Failed, Some("storage")),
        Err(Failure::Panicked) => (TurnState::Failed, Some("internal")),
        Err(Failure::Ended) => return Err(ChatError::Ended { stored }),
    };
    if worked.is_err() {
        parts.push(Part::Notice { text: apology(&parts) });
    }
    let answer = TurnAnswer {
        response: content(&parts),
        conversation: stored.conversation,
        message: stored.message,
        tool_calls: tool_calls(&parts).cloned().collect(),
        usage,
        created_at: begun,
    };
    let error_code = error_code.map(str::to_owned);
    let end = TurnEnd { state, parts, grounded: true, usage, error_code, at: ports.clock.now() };
    let ended = ports.conversations.end_turn(who.user, turn.id, end).await;
    match worked {
        Err(Failure::Model(source)) => Err(ChatError::Model { source, stored }),
        // The first failure is the one that tells; ending the turn most likely failed for the same reason.
        Err(Failure::Storage(source)) => Err(ChatError::Interrupted { source, stored }),
        Err(Failure::Panicked) => Err(ChatError::Panicked { stored }),
        Ok(()) | Err(Failure::Ended) => match ended {
            Ok(()) => Ok(answer),
            Err(ConversationRepoError::Storage(source)) => Err(interrupted(source, stored)),
            Err(
                ConversationRepoError::NoTurn | ConversationRepoError::NotFound | ConversationRepoError::TurnInProgress,
            ) => Err(ChatError::Ended { stored }),
        },
    }
}

fn interrupted(source: StorageError, stored: StoredTurn) -> ChatError {
    ChatError::Interrupted { source, stored }
}

/// What a failed turn says in the conversation.
fn apology(parts: &[Part]) -> String {
    if tool_calls(parts).any(|call| call.result.is_none()) {
        // It was on its way to storage when that failed, and may have arrived.
        return "The assistant could not finish, and it is not known whether its last step was done. Look before you \
                repeat it."
            .to_owned();
    }
    let done = tool_calls(parts).filter_map(|call| call.result.as_ref()).filter(|result| result.success);
    let done: Vec<_> = done.map(|result| result.message.as_str()).collect();
    if done.is_empty() {
        "The assistant could not answer. Nothing was changed.".to_owned()
    } else {
        format!("The assistant could not finish. Until then: {}.", done.join("; "))
    }
}

#[cfg(test)]
mod tests;

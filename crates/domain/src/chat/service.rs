//! The use cases of the chat.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, Utc};
use futures_channel::oneshot;
use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use futures_util::{StreamExt as _, stream};

use super::following::{follow_elsewhere, replay_events, stored_answer};
use super::ports::{ChatOptions, ChatPorts};
use super::turn::{Resumed, StartedTurn, TurnRequest, find_by_id, run_turn, start};
use super::{ChatError, ChatInput, NewMessage, TurnAnswer};
use crate::change::{IdempotencyError, KeyedAnswer, Receipts, RequestId};
use crate::chat::{StopReason, TurnEvents, TurnSignals};
use crate::conversation::message::Message;
use crate::conversation::turn::Attempt;
use crate::conversation::{
    ClientKey, Conversation, ConversationCursor, ConversationRepoError, ConversationTitle, DailyUsage, Idempotency,
    MessageCursor, MessageOrder, PendingAction, StoredAnswer, TurnStart,
};
use crate::id::{ConversationId, TurnId, UserId};
use crate::page::{Page, PageRequest};
use crate::principal::{Principal, Scope};
use crate::runtime::rate_limit::{RateLimited, RatePolicy};

/// A message with the current status of its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRecord {
    /// The message.
    pub message: Message,
    /// The changes of its turn.
    pub receipts: Receipts,
    /// The action that its turn left pending, if it still is.
    pub pending: Option<PendingAction>,
}

/// Runs the turns of the acting user's conversations and gives access to their messages.
#[derive(Clone)]
pub struct ChatService {
    ports: ChatPorts,
    options: ChatOptions,
}

/// How the caller learns the result of a turn.
#[derive(Clone, Copy)]
enum Outcome {
    /// By awaiting it.
    Awaited,
    /// From the last event.
    Followed,
}

/// The effect of a new message.
enum Started {
    /// A running turn.
    Running(TurnEvents, Option<oneshot::Receiver<Result<TurnAnswer, ChatError>>>),
    /// The stored answer to the same message.
    AlreadyAnswered(Box<StoredAnswer>),
}

impl ChatService {
    /// Creates the service.
    pub fn new(ports: ChatPorts, options: ChatOptions) -> Self {
        Self { ports, options }
    }

    /// Returns the provider of the assistant.
    pub fn provider(&self) -> &str {
        self.ports.llm.provider()
    }

    /// Sends a message and waits for the answer. The turn runs in the background and continues if the caller is dropped.
    ///
    /// # Errors
    /// [`ChatError`].
    pub async fn send(
        &self,
        principal: &Principal,
        request: &RequestId,
        message: NewMessage,
    ) -> Result<TurnAnswer, ChatError> {
        match self.start(principal, request, message, Outcome::Awaited).await? {
            Started::Running(_events, Some(answer)) => answer.await.unwrap_or(Err(ChatError::Abandoned)),
            Started::Running(_events, None) => Err(ChatError::Abandoned),
            Started::AlreadyAnswered(stored) => Ok(stored_answer(&self.ports, principal.user, &stored).await?),
        }
    }

    /// Sends a message and streams the events of the turn. The turn continues if the caller is dropped;
    /// [`follow`](Self::follow) returns its events again.
    ///
    /// # Errors
    /// [`ChatError`] if the message was not stored. The last event has later failures.
    pub async fn stream(
        &self,
        principal: &Principal,
        request: &RequestId,
        message: NewMessage,
    ) -> Result<TurnEvents, ChatError> {
        match self.start(principal, request, message, Outcome::Followed).await? {
            Started::Running(events, _) => Ok(events),
            Started::AlreadyAnswered(stored) => Ok(replay_events(&self.ports, principal.user, &stored).await?),
        }
    }

    async fn start(
        &self,
        principal: &Principal,
        request_id: &RequestId,
        message: NewMessage,
        outcome: Outcome,
    ) -> Result<Started, ChatError> {
        principal.require(Scope::Chat)?;
        if let ChatInput::Confirm(_) = message.input {
            principal.require(Scope::TasksWrite)?;
        }
        let request = TurnRequest {
            principal: principal.clone(),
            request_id: request_id.clone(),
            message,
            at: self.ports.clock.now(),
        };
        let (sender, started) = oneshot::channel();
        self.ports.background.spawn(Box::pin(work(self.ports.clone(), self.options, request, outcome, sender)));
        started.await.unwrap_or(Err(ChatError::Abandoned))
    }

    /// Returns the events of a conversation's running turn from the first one; `None` if no turn runs.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation).
    pub async fn follow(&self, principal: &Principal, id: ConversationId) -> Result<Option<TurnEvents>, ChatError> {
        Ok(self.running_turn(&self.conversation(principal, id).await?))
    }

    /// Returns what [`follow`](Self::follow) returns for the conversation whose id or client key is `key`; `None` if there is
    /// no such conversation.
    ///
    /// # Errors
    /// [`ChatError`] without the scope `chat`, or if storage fails.
    pub async fn resume(&self, principal: &Principal, key: &ClientKey) -> Result<Option<TurnEvents>, ChatError> {
        principal.require(Scope::Chat)?;
        let conversation = match find_by_id(&self.ports, principal.user, key.as_str()).await? {
            Some(conversation) => Some(conversation),
            None => self.ports.conversations.find_by_key(principal.user, key).await?,
        };
        Ok(conversation.and_then(|conversation| self.running_turn(&conversation)))
    }

    /// The events of the running turn of a conversation, if one runs.
    fn running_turn(&self, conversation: &Conversation) -> Option<TurnEvents> {
        let turn = conversation.active_turn?;
        let here = self.ports.signals.subscribe(turn);
        Some(here.unwrap_or_else(|| follow_elsewhere(self.ports.clone(), conversation.user_id, turn)))
    }

    /// Stops the running turn of a conversation. What was written is kept. The repetition of a request with an idempotency
    /// key stops no later turn.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation), and [`ConversationRepoError::NoTurn`] if no turn runs.
    pub async fn stop(
        &self,
        principal: &Principal,
        id: ConversationId,
        request: Option<Idempotency>,
    ) -> Result<(), ChatError> {
        principal.require(Scope::Chat)?;
        let (owner, request, ledger) = (principal.user, request.as_ref(), self.ports.changes.ledger());
        let run = async {
            let turn = self.conversation(principal, id).await?.active_turn.ok_or(ConversationRepoError::NoTurn)?;
            // Stored first: if it is interrupted, the repetition stops the turn.
            ledger.store_answer(owner, request, KeyedAnswer::Stop { turn }, self.ports.clock.now()).await?;
            self.stop_turn(owner, turn).await
        };
        let replay = |answer| async move {
            let KeyedAnswer::Stop { turn } = answer else {
                return Err(IdempotencyError::from(KeyedAnswer::corrupt()).into());
            };
            match self.stop_turn(owner, turn).await {
                Err(ChatError::Conversations(ConversationRepoError::NoTurn)) => Ok(()),
                done => done,
            }
        };
        ledger.once(owner, request, run, replay).await
    }

    async fn stop_turn(&self, owner: UserId, turn: TurnId) -> Result<(), ChatError> {
        if self.ports.signals.stop(turn) {
            return Ok(());
        }
        // The turn runs in another process, which notices before its next step.
        Ok(self.ports.conversations.stop_turn(owner, turn, self.ports.clock.now()).await?)
    }

    /// Returns the usage of the caller's turns in the last `days` days including today (UTC), newest day first.
    ///
    /// # Errors
    /// [`ChatError`] without the scope `chat`, or if storage fails.
    pub async fn usage(&self, principal: &Principal, days: u16) -> Result<Vec<DailyUsage>, ChatError> {
        principal.require(Scope::Chat)?;
        let today = self.ports.clock.now().date_naive();
        let first = today.checked_sub_days(Days::new(u64::from(days.max(1)) - 1)).unwrap_or(today);
        let since: DateTime<Utc> = first.and_time(NaiveTime::MIN).and_utc();
        Ok(self.ports.conversations.usage(principal.user, since).await?)
    }

    /// Returns a page of conversations, last active first.
    ///
    /// # Errors
    /// [`ChatError`] without the scope `chat`, or if storage fails.
    pub async fn conversations(
        &self,
        principal: &Principal,
        page: PageRequest<ConversationCursor>,
    ) -> Result<Page<Conversation, ConversationCursor>, ChatError> {
        principal.require(Scope::Chat)?;
        Ok(self.ports.conversations.list(principal.user, page).await?)
    }

    /// Returns one conversation.
    ///
    /// # Errors
    /// [`ChatError`] without the scope `chat`, if the caller has no such conversation, or if storage fails.
    pub async fn conversation(&self, principal: &Principal, id: ConversationId) -> Result<Conversation, ChatError> {
        principal.require(Scope::Chat)?;
        Ok(self.ports.conversations.get(principal.user, id).await?)
    }

    /// Changes the title of a conversation.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation).
    pub async fn rename(
        &self,
        principal: &Principal,
        id: ConversationId,
        title: ConversationTitle,
    ) -> Result<Conversation, ChatError> {
        principal.require(Scope::Chat)?;
        Ok(self.ports.conversations.rename(principal.user, id, title).await?)
    }

    /// Deletes a conversation with its messages.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation).
    pub async fn delete(&self, principal: &Principal, id: ConversationId) -> Result<(), ChatError> {
        principal.require(Scope::Chat)?;
        Ok(self.ports.conversations.delete(principal.user, id).await?)
    }

    /// Returns a page of a conversation's messages.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation).
    pub async fn messages(
        &self,
        principal: &Principal,
        id: ConversationId,
        order: MessageOrder,
        page: PageRequest<MessageCursor>,
    ) -> Result<Page<MessageRecord, MessageCursor>, ChatError> {
        principal.require(Scope::Chat)?;
        let (ports, owner) = (&self.ports, principal.user);
        let Page { items, next } = ports.conversations.messages(owner, id, order, page).await?;
        let receipts = ports.changes.receipts(owner, items.iter().map(Message::receipts).collect()).await;
        let mut receipts = receipts.map_err(ConversationRepoError::from)?;
        let pending = ports.conversations.pending(owner, id, ports.clock.now()).await?;
        let record = |message: Message| MessageRecord {
            receipts: receipts.remove(&message.id).unwrap_or_default(),
            pending: pending.clone().filter(|pending| pending.message == message.id),
            message,
        };
        Ok(Page { items: items.into_iter().map(record).collect(), next })
    }
}

/// Starts a turn and runs it to its end. The receivers of `sender` and of the result may be dropped.
async fn work(
    ports: ChatPorts,
    options: ChatOptions,
    request: TurnRequest,
    outcome: Outcome,
    sender: oneshot::Sender<Result<Started, ChatError>>,
) {
    let started = match start(&ports, options, &request).await {
        Ok(TurnStart::New { turn, pending, time_zone }) => StartedTurn { turn, resumed: None, pending, time_zone },
        Ok(TurnStart::Resumed { turn, parts, usage, at, pending, time_zone }) => {
            StartedTurn { turn, resumed: Some(Resumed { parts, usage, at }), pending, time_zone }
        }
        Ok(TurnStart::AlreadyAnswered(stored)) => {
            let _dropped = sender.send(Ok(Started::AlreadyAnswered(stored)));
            return;
        }
        Ok(TurnStart::TokensUsedUp) => {
            let _dropped = sender.send(Err(ChatError::TokensUsedUp(tokens_used_up(options, request.at))));
            return;
        }
        Err(error) => {
            let _dropped = sender.send(Err(error.into()));
            return;
        }
    };
    let open = OpenTurn::new(&ports, started.turn.attempt());
    let events = ports.signals.subscribe(started.turn.id).unwrap_or_else(|| stream::empty().boxed());
    let (answer, answered) = oneshot::channel();
    let answered = match outcome {
        Outcome::Awaited => Some(answered),
        // The followers of events do not get the error, so it is logged.
        Outcome::Followed => {
            drop(answered);
            None
        }
    };
    let _dropped = sender.send(Ok(Started::Running(events, answered)));
    let outcome = run_turn(ports.clone(), options, request, started, open.stopped.clone()).await;
    if let Err(Err(error)) = answer.send(outcome) {
        ports.failures.record("a turn", &error);
    }
}

/// The limit of tokens per day (UTC), which ends with the day of `at`.
fn tokens_used_up(options: ChatOptions, at: DateTime<Utc>) -> RateLimited {
    let window = Duration::from_hours(24);
    let passed = (at.time() - NaiveTime::MIN).to_std().unwrap_or_default();
    let quota = options.tokens_per_day.map_or(0, u32::from);
    let policy = RatePolicy { name: "chat-tokens", quota, window };
    RateLimited { policy, retry_after: window.saturating_sub(passed) }
}

/// A turn that can be followed and stopped until this value is dropped.
struct OpenTurn {
    signals: Arc<dyn TurnSignals>,
    turn: Attempt,
    stopped: Shared<BoxFuture<'static, StopReason>>,
}

impl OpenTurn {
    fn new(ports: &ChatPorts, turn: Attempt) -> Self {
        let stopped = ports.signals.open(turn).shared();
        Self { signals: ports.signals.clone(), turn, stopped }
    }
}

impl Drop for OpenTurn {
    fn drop(&mut self) {
        self.signals.close(self.turn);
    }
}

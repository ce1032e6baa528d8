//! The chat's use cases.

use std::sync::Arc;

use chrono::{DateTime, Days, NaiveTime, Utc};
use futures_channel::oneshot;
use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use futures_util::{StreamExt as _, stream};

use super::following::{poll_remote, replay_events, stored_answer};
use super::ports::{ChatOptions, ChatPorts};
use super::turn::{Resumed, StartedTurn, TurnRequest, begin, run_turn};
use super::{ChatError, NewMessage, TurnAnswer};
use crate::change::{Receipts, RequestId};
use crate::conversation::{
    Conversation, ConversationCursor, ConversationRepoError, ConversationTitle, DailyUsage, MessageCursor,
    MessageOrder, PendingAction, StoredAnswer, TurnStart,
};
use crate::id::ConversationId;
use crate::message::Message;
use crate::page::{Page, PageRequest};
use crate::principal::{Principal, Scope};
use crate::turn::{Attempt, StopReason, TurnEvents, TurnSignals};

/// A message, with what became of its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRecord {
    /// The message.
    pub message: Message,
    /// What its turn changed.
    pub receipts: Receipts,
    /// What its turn put off and what still waits for confirmation.
    pub pending: Option<PendingAction>,
}

/// Lets whoever acts talk to the assistant about their tasks.
#[derive(Clone)]
pub struct ChatService {
    ports: ChatPorts,
    options: ChatOptions,
}

/// What the caller wants to know of a turn's end.
#[derive(Clone, Copy)]
enum Outcome {
    /// All of it.
    Awaited,
    /// What the last event says.
    Followed,
}

/// What comes of a message.
enum Started {
    /// A turn that runs.
    Running(TurnEvents, Option<oneshot::Receiver<Result<TurnAnswer, ChatError>>>),
    /// The answer that the same message already got.
    AlreadyAnswered(Box<StoredAnswer>),
}

impl ChatService {
    /// A service over these ports.
    pub fn new(ports: ChatPorts, options: ChatOptions) -> Self {
        Self { ports, options }
    }

    /// Says something and waits for the answer. The turn runs in the background: it goes on when the caller goes away.
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

    /// Says something and follows the turn. It goes on when the caller goes away, and
    /// [`follow`](Self::follow) takes it up again.
    ///
    /// # Errors
    /// [`ChatError`], if the message was not stored. What goes wrong later is in the last event.
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
        request: &RequestId,
        message: NewMessage,
        outcome: Outcome,
    ) -> Result<Started, ChatError> {
        principal.require(Scope::Chat)?;
        let asked = TurnRequest {
            principal: principal.clone(),
            request_id: request.clone(),
            message,
            at: self.ports.clock.now(),
        };
        let (start, started) = oneshot::channel();
        self.ports.background.spawn(Box::pin(work(self.ports.clone(), self.options, asked, outcome, start)));
        started.await.unwrap_or(Err(ChatError::Abandoned))
    }

    /// The events of the turn that runs in a conversation, from its beginning; `None` if none runs.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation).
    pub async fn follow(&self, principal: &Principal, id: ConversationId) -> Result<Option<TurnEvents>, ChatError> {
        let Some(turn) = self.conversation(principal, id).await?.active_turn else { return Ok(None) };
        let here = self.ports.signals.subscribe(turn);
        Ok(Some(here.unwrap_or_else(|| poll_remote(self.ports.clone(), principal.user, turn))))
    }

    /// Ends the turn that runs in a conversation. What was written is kept.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation), and [`ConversationRepoError::NoTurn`] if none runs.
    pub async fn stop(&self, principal: &Principal, id: ConversationId) -> Result<(), ChatError> {
        let turn = self.conversation(principal, id).await?.active_turn.ok_or(ConversationRepoError::NoTurn)?;
        if self.ports.signals.stop(turn) {
            return Ok(());
        }
        // Another process works on it, and finds out before its next step.
        Ok(self.ports.conversations.stop_turn(principal.user, turn, self.ports.clock.now()).await?)
    }

    /// What the caller's turns of the last `days` days took, today (UTC) included, newest day first.
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

    /// A page of conversations, last active first.
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

    /// One conversation.
    ///
    /// # Errors
    /// [`ChatError`] without the scope `chat`, if the caller has no such conversation, or if storage fails.
    pub async fn conversation(&self, principal: &Principal, id: ConversationId) -> Result<Conversation, ChatError> {
        principal.require(Scope::Chat)?;
        Ok(self.ports.conversations.get(principal.user, id).await?)
    }

    /// Gives a conversation another title.
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

    /// A page of a conversation's messages.
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
        let mut receipts = ports.changes.receipts(owner, &items).await.map_err(ConversationRepoError::from)?;
        let pending = ports.conversations.pending(owner, id, ports.clock.now()).await?;
        let record = |message: Message| MessageRecord {
            receipts: receipts.remove(&message.id).unwrap_or_default(),
            pending: pending.clone().filter(|pending| pending.message == message.id),
            message,
        };
        Ok(Page { items: items.into_iter().map(record).collect(), next })
    }
}

/// Begins a turn and works on it to its end. Whoever waits for either may go: it is in the conversation all the same.
async fn work(
    ports: ChatPorts,
    options: ChatOptions,
    asked: TurnRequest,
    outcome: Outcome,
    start: oneshot::Sender<Result<Started, ChatError>>,
) {
    let begun = match begin(&ports, &asked).await {
        Ok(TurnStart::New { turn, pending }) => StartedTurn { turn, resumed: None, pending },
        Ok(TurnStart::Resumed { turn, parts, usage, at, pending }) => {
            StartedTurn { turn, resumed: Some(Resumed { parts, usage, at }), pending }
        }
        Ok(TurnStart::AlreadyAnswered(stored)) => {
            let _gone = start.send(Ok(Started::AlreadyAnswered(stored)));
            return;
        }
        Err(error) => {
            let _gone = start.send(Err(error.into()));
            return;
        }
    };
    let open = OpenTurn::new(&ports, begun.turn.attempt());
    let events = ports.signals.subscribe(begun.turn.id).unwrap_or_else(|| stream::empty().boxed());
    let (answer, answered) = oneshot::channel();
    let answered = match outcome {
        Outcome::Awaited => Some(answered),
        // Who follows the events does not hear why the turn failed: the log does.
        Outcome::Followed => {
            drop(answered);
            None
        }
    };
    let _gone = start.send(Ok(Started::Running(events, answered)));
    let outcome = run_turn(ports.clone(), options, asked, begun, open.stopped.clone()).await;
    if let Err(Err(error)) = answer.send(outcome) {
        ports.failures.record("a turn", &error);
    }
}

/// A turn that can be followed and stopped as long as this value lives.
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

//! The chat's use cases.

use std::sync::Arc;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use futures_channel::oneshot;
use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use futures_util::{StreamExt as _, stream};

use super::following::{as_stored, retold, watched};
use super::turn::{Asked, Begun, Resumed, begin, run_turn};
use super::{ChatError, NewMessage, TurnAnswer};
use crate::change::RequestId;
use crate::conversation::{
    BegunTurn, Conversation, ConversationCursor, ConversationRepo, ConversationRepoError, ConversationTitle,
    MessageCursor, MessageOrder, StoredAnswer, UsageOfDay,
};
use crate::id::ConversationId;
use crate::llm::LlmClient;
use crate::message::Message;
use crate::page::{Page, PageRequest};
use crate::principal::{Principal, Scope};
use crate::runtime::{Background, Clock, FailureLog, IdGenerator};
use crate::tool::ToolExecutor;
use crate::turn::{Attempt, InstanceId, StopReason, TurnEvents, TurnSignals};
use crate::user::UserRepo;

/// The ports that [`ChatService`] stands on.
#[derive(Clone)]
pub struct ChatPorts {
    /// Conversations, turns and messages.
    pub conversations: Arc<dyn ConversationRepo>,
    /// Users, for their time zone.
    pub users: Arc<dyn UserRepo>,
    /// The assistant.
    pub llm: Arc<dyn LlmClient>,
    /// What the assistant can do.
    pub tools: Arc<dyn ToolExecutor>,
    /// Where turns run.
    pub background: Arc<dyn Background>,
    /// How they are followed and stopped.
    pub signals: Arc<dyn TurnSignals>,
    /// Where it is noted why one failed that nobody waits for.
    pub failures: Arc<dyn FailureLog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn IdGenerator>,
    /// Who works on the turns that begin here.
    pub instance: InstanceId,
}

/// What can be set about the chat.
#[derive(Clone, Copy, Debug)]
pub struct ChatOptions {
    /// So many tokens of a conversation a model is told, estimated; the newest message in any case.
    pub history_tokens: usize,
    /// So long one reply of a model may take, whatever the adapter allows.
    pub model_deadline: TimeDelta,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self { history_tokens: 8000, model_deadline: TimeDelta::seconds(120) }
    }
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
    Repeated(Box<StoredAnswer>),
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
        who: &Principal,
        request: &RequestId,
        message: NewMessage,
    ) -> Result<TurnAnswer, ChatError> {
        match self.start(who, request, message, Outcome::Awaited).await? {
            Started::Running(_events, Some(answer)) => answer.await.unwrap_or(Err(ChatError::Abandoned)),
            Started::Running(_events, None) => Err(ChatError::Abandoned),
            Started::Repeated(stored) => Ok(as_stored(&stored)),
        }
    }

    /// Says something and follows the turn. It goes on when the caller goes away, and
    /// [`follow`](Self::follow) takes it up again.
    ///
    /// # Errors
    /// [`ChatError`], if the message was not stored. What goes wrong later is in the last event.
    pub async fn stream(
        &self,
        who: &Principal,
        request: &RequestId,
        message: NewMessage,
    ) -> Result<TurnEvents, ChatError> {
        match self.start(who, request, message, Outcome::Followed).await? {
            Started::Running(events, _) => Ok(events),
            Started::Repeated(stored) => Ok(retold(&stored)),
        }
    }

    async fn start(
        &self,
        who: &Principal,
        request: &RequestId,
        message: NewMessage,
        outcome: Outcome,
    ) -> Result<Started, ChatError> {
        who.require(Scope::Chat)?;
        let asked = Asked { who: who.clone(), request_id: request.clone(), message, at: self.ports.clock.now() };
        let (start, started) = oneshot::channel();
        self.ports.background.spawn(Box::pin(work(self.ports.clone(), self.options, asked, outcome, start)));
        started.await.unwrap_or(Err(ChatError::Abandoned))
    }

    /// The events of the turn that runs in a conversation, from its beginning; `None` if none runs.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation).
    pub async fn follow(&self, who: &Principal, id: ConversationId) -> Result<Option<TurnEvents>, ChatError> {
        let Some(turn) = self.conversation(who, id).await?.active_turn else { return Ok(None) };
        let here = self.ports.signals.subscribe(turn);
        Ok(Some(here.unwrap_or_else(|| watched(self.ports.clone(), who.user, turn))))
    }

    /// Ends the turn that runs in a conversation. What was written is kept.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation), and [`ConversationRepoError::NoTurn`] if none runs.
    pub async fn stop(&self, who: &Principal, id: ConversationId) -> Result<(), ChatError> {
        let turn = self.conversation(who, id).await?.active_turn.ok_or(ConversationRepoError::NoTurn)?;
        if self.ports.signals.stop(turn) {
            return Ok(());
        }
        // Another process works on it, and finds out before its next step.
        Ok(self.ports.conversations.stop_turn(who.user, turn, self.ports.clock.now()).await?)
    }

    /// What the caller's turns of the last `days` days took, today (UTC) included, newest day first.
    ///
    /// # Errors
    /// [`ChatError`] without the scope `chat`, or if storage fails.
    pub async fn usage(&self, who: &Principal, days: u16) -> Result<Vec<UsageOfDay>, ChatError> {
        who.require(Scope::Chat)?;
        let today = self.ports.clock.now().date_naive();
        let first = today.checked_sub_days(Days::new(u64::from(days.max(1)) - 1)).unwrap_or(today);
        let since: DateTime<Utc> = first.and_time(NaiveTime::MIN).and_utc();
        Ok(self.ports.conversations.usage(who.user, since).await?)
    }

    /// A page of conversations, last active first.
    ///
    /// # Errors
    /// [`ChatError`] without the scope `chat`, or if storage fails.
    pub async fn conversations(
        &self,
        who: &Principal,
        page: PageRequest<ConversationCursor>,
    ) -> Result<Page<Conversation, ConversationCursor>, ChatError> {
        who.require(Scope::Chat)?;
        Ok(self.ports.conversations.list(who.user, page).await?)
    }

    /// One conversation.
    ///
    /// # Errors
    /// [`ChatError`] without the scope `chat`, if the caller has no such conversation, or if storage fails.
    pub async fn conversation(&self, who: &Principal, id: ConversationId) -> Result<Conversation, ChatError> {
        who.require(Scope::Chat)?;
        Ok(self.ports.conversations.get(who.user, id).await?)
    }

    /// Gives a conversation another title.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation).
    pub async fn rename(
        &self,
        who: &Principal,
        id: ConversationId,
        title: ConversationTitle,
    ) -> Result<Conversation, ChatError> {
        who.require(Scope::Chat)?;
        Ok(self.ports.conversations.rename(who.user, id, title).await?)
    }

    /// Deletes a conversation with its messages.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation).
    pub async fn delete(&self, who: &Principal, id: ConversationId) -> Result<(), ChatError> {
        who.require(Scope::Chat)?;
        Ok(self.ports.conversations.delete(who.user, id).await?)
    }

    /// A page of a conversation's messages.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation).
    pub async fn messages(
        &self,
        who: &Principal,
        id: ConversationId,
        order: MessageOrder,
        page: PageRequest<MessageCursor>,
    ) -> Result<Page<Message, MessageCursor>, ChatError> {
        who.require(Scope::Chat)?;
        Ok(self.ports.conversations.messages(who.user, id, order, page).await?)
    }
}

/// Begins a turn and works on it to its end. Whoever waits for either may go: it is in the conversation all the same.
async fn work(
    ports: ChatPorts,
    options: ChatOptions,
    asked: Asked,
    outcome: Outcome,
    start: oneshot::Sender<Result<Started, ChatError>>,
) {
    let begun = match begin(&ports, &asked).await {
        Ok(BegunTurn::New { turn, pending }) => Begun { turn, resumed: None, pending },
        Ok(BegunTurn::Resumed { turn, parts, usage, at }) => {
            Begun { turn, resumed: Some(Resumed { parts, usage, at }), pending: None }
        }
        Ok(BegunTurn::Repeated(stored)) => {
            let _gone = start.send(Ok(Started::Repeated(stored)));
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
        ports.failures.failed("a turn", &error);
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

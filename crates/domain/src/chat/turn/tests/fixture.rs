//! Ports for the tests of turns.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use uuid::Uuid;

use super::super::super::ChatService;
use super::super::*;
use crate::change::memory::Memory;
use crate::change::{Action, ChangeService, Receipt, Seq, TaskRef};
use crate::chat::{TurnEvents, TurnFinished, TurnSignals};
use crate::conversation::message::{Message, Role};
use crate::conversation::turn::{Attempt, TurnState};
use crate::conversation::{MockConversationRepo, TurnResult};
use crate::id::{TurnId, UserId};
use crate::llm::ScriptedLlm;
use crate::page::Page;
use crate::principal::Scopes;
use crate::runtime::event_log::RecordedEvents;
use crate::runtime::{Background, ManualClock, MockFailureLog, MockIdGenerator};
use crate::tool::{MockToolExecutor, ResolvedCall, ToolOutcome};

/// The time at which the tests' clocks start.
pub(super) fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// Signals that record published events and can stop a turn.
#[derive(Default)]
pub(super) struct RecordedSignals {
    events: Mutex<Vec<TurnEvent>>,
    stop: Mutex<Option<futures_channel::oneshot::Receiver<StopReason>>>,
    pub(super) closed: Mutex<bool>,
}

impl RecordedSignals {
    /// Returns the signals and a sender that stops the turn.
    pub(super) fn stoppable() -> (Arc<Self>, futures_channel::oneshot::Sender<StopReason>) {
        let (stop, stopped) = futures_channel::oneshot::channel();
        (Arc::new(Self { stop: Mutex::new(Some(stopped)), ..Self::default() }), stop)
    }

    pub(super) fn events(&self) -> Vec<TurnEvent> {
        self.events.lock().unwrap().clone()
    }

    /// Returns the last event.
    pub(super) fn ended(&self) -> TurnFinished {
        match self.events().pop() {
            Some(TurnEvent::Finished(ended)) => *ended,
            other => panic!("{other:?}"),
        }
    }
}

impl TurnSignals for RecordedSignals {
    fn open(&self, _turn: Attempt) -> BoxFuture<'static, StopReason> {
        let stop = self.stop.lock().unwrap().take();
        Box::pin(async move {
            match stop {
                Some(stop) => match stop.await {
                    Ok(reason) => reason,
                    Err(_never_stopped) => future::pending().await,
                },
                None => future::pending().await,
            }
        })
    }
    fn publish(&self, _turn: Attempt, event: TurnEvent) {
        self.events.lock().unwrap().push(event);
    }
    fn subscribe(&self, _turn: TurnId) -> Option<TurnEvents> {
        None
    }
    fn subscribe_elsewhere(&self, _turn: TurnId) -> BoxStream<'static, ()> {
        stream::repeat(()).boxed()
    }
    fn stop(&self, _turn: TurnId) -> bool {
        false
    }
    fn close(&self, _turn: Attempt) {
        *self.closed.lock().unwrap() = true;
    }
}

pub(super) struct TokioBackground;

impl Background for TokioBackground {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        tokio::spawn(work);
    }
}

pub(super) fn owner() -> UserId {
    Uuid::from_u128(7).into()
}

pub(super) fn principal() -> Principal {
    Principal { user: owner(), session: None, api_token: None, via: Via::Http, scopes: Scopes::all() }
}

/// The turn that a repository creates for `new` in a conversation with two messages.
pub(super) fn turn_of(new: &NewTurn) -> Turn {
    let (ConversationTarget::Existing(conversation)
    | ConversationTarget::New(conversation, _)
    | ConversationTarget::Keyed(_, conversation, _)) = new.target;
    Turn {
        id: new.id,
        conversation,
        user_message: new.user_message,
        position: 3,
        assistant_message: new.assistant_message,
        attempt: 1,
    }
}

/// An earlier message of the assistant: its id and its parts.
type EarlierMessage = (MessageId, Vec<Part>);

/// Records what a turn stores in a conversation whose last message is the user's.
#[derive(Clone, Default)]
pub(super) struct Recorded {
    pub(super) started: Arc<Mutex<Option<NewTurn>>>,
    /// The assistant's earlier messages, oldest first.
    pub(super) earlier: Arc<Mutex<Vec<EarlierMessage>>>,
    pub(super) ended: Arc<Mutex<Option<TurnResult>>>,
    pub(super) progress: Arc<Mutex<Vec<Vec<Part>>>>,
}

impl Recorded {
    pub(super) fn repo_without_progress(&self) -> MockConversationRepo {
        let mut repo = MockConversationRepo::new();
        let started = self.started.clone();
        repo.expect_begin_turn().withf(|user, _| *user == owner()).returning(move |_, new| {
            *started.lock().unwrap() = Some(new.clone());
            Ok(TurnStart::New { turn: turn_of(&new), pending: None, time_zone: time_zone() })
        });
        self.expect_messages(repo)
    }

    pub(super) fn expect_messages(&self, mut repo: MockConversationRepo) -> MockConversationRepo {
        let (started, earlier) = (self.started.clone(), self.earlier.clone());
        // The messages before the assistant's.
        let before = |page: &PageRequest<MessageCursor>| page.after == Some(MessageCursor(4));
        repo.expect_messages().withf(move |user, _, _, page| *user == owner() && before(page)).returning(
            move |_, conversation, _, _| {
                let started = started.lock().unwrap().clone().unwrap();
                let message = |id, position, role, parts, status| Message {
                    id,
                    conversation,
                    position,
                    role,
                    parts,
                    status,
                    created_at: started.at,
                };
                let mut items =
                    vec![message(started.user_message, 3, Role::User, started.user_parts.clone(), TurnState::Complete)];
                // Newest first.
                let answers = earlier.lock().unwrap().clone().into_iter().rev();
                items.extend(answers.map(|(id, parts)| message(id, 1, Role::Assistant, parts, TurnState::Complete)));
                Ok(Page { items, next: None })
            },
        );
        repo
    }

    pub(super) fn repo(&self) -> MockConversationRepo {
        self.expect_progress(self.repo_without_progress())
    }

    /// Expects everything that follows the start of a turn.
    pub(super) fn expect_rest(&self, repo: MockConversationRepo) -> MockConversationRepo {
        self.expect_progress(self.expect_messages(repo))
    }

    pub(super) fn expect_progress(&self, mut repo: MockConversationRepo) -> MockConversationRepo {
        let progress = self.progress.clone();
        repo.expect_save_progress().withf(|user, _, _| *user == owner()).returning(move |_, _, parts| {
            progress.lock().unwrap().push(parts.to_vec());
            Ok(())
        });
        let ended = self.ended.clone();
        repo.expect_end_turn().withf(|user, _, _| *user == owner()).returning(move |_, _, end| {
            *ended.lock().unwrap() = Some(end);
            Ok(())
        });
        repo
    }

    pub(super) fn ended(&self) -> TurnResult {
        self.ended.lock().unwrap().clone().expect("the turn has ended")
    }
}

pub(super) fn ports(conversations: MockConversationRepo, llm: Arc<ScriptedLlm>, tools: MockToolExecutor) -> ChatPorts {
    let mut ids = MockIdGenerator::new();
    let mut next = 1000;
    ids.expect_next().returning(move || {
        next += 1;
        Uuid::from_u128(next)
    });
    let mut failures = MockFailureLog::new();
    failures.expect_record().returning(|_, _| ());
    let clock = Arc::new(ManualClock::at(now()));
    ChatPorts {
        conversations: Arc::new(conversations),
        llm,
        tools: Arc::new(tools),
        changes: changes(&Memory::with([])),
        background: Arc::new(TokioBackground),
        signals: Arc::new(RecordedSignals::default()),
        failures: Arc::new(failures),
        events: Arc::new(RecordedEvents::default()),
        clock: clock.clone(),
        timer: clock,
        ids: Arc::new(ids),
        instance: "test".parse().unwrap(),
    }
}

pub(super) fn time_zone() -> TimeZone {
    "Pacific/Auckland".parse().unwrap()
}

/// The ports with a timer on which sleeps of `length` complete at once.
pub(super) fn skipping(length: Duration, ports: ChatPorts) -> ChatPorts {
    let timer = ManualClock::default();
    timer.skip(length);
    ChatPorts { timer: Arc::new(timer), ..ports }
}

pub(super) fn changes(memory: &Arc<Memory>) -> ChangeService {
    ChangeService::new(memory.ledger(), memory.clone())
}

/// A receipt of a change.
pub(super) fn receipt(action: Action, task: u128) -> Receipt {
    Receipt {
        seq: Seq(u64::try_from(task).unwrap()),
        operation_id: Uuid::from_u128(1).into(),
        action,
        task: TaskRef { id: Uuid::from_u128(task).into(), title: format!("t{task}").parse().unwrap() },
        previous_title: None,
        version: None,
    }
}

/// Tools that always succeed; all except `list_tasks` return a receipt.
pub(super) fn succeeding() -> MockToolExecutor {
    let mut tools = idle();
    tools.expect_run().withf(|context, _, _| context.origin.principal.user == owner()).returning(
        |_, tool, parameters| {
            let changes = if tool == "list_tasks" { vec![] } else { vec![receipt(Action::Created, 1)] };
            Ok(ToolOutcome::Done { message: format!("{tool} ran"), data: parameters, changes })
        },
    );
    tools
}

/// Tools that overwrite nothing and expect no call.
pub(super) fn idle() -> MockToolExecutor {
    let mut tools = MockToolExecutor::new();
    tools.expect_tools().returning(Vec::new);
    tools.expect_resolve().returning(|_, calls| Ok(vec![ResolvedCall::default(); calls.len()]));
    tools
}

pub(super) async fn send(ports: ChatPorts) -> Result<TurnAnswer, ChatError> {
    say(ports, "Add milk").await
}

pub(super) fn service(ports: ChatPorts) -> ChatService {
    ChatService::new(ports, ChatOptions::default())
}

pub(super) fn message(text: &str) -> NewMessage {
    NewMessage { target: MessageTarget::New, input: ChatInput::Text(text.parse().unwrap()), idempotency: None }
}

pub(super) async fn say(ports: ChatPorts, text: &str) -> Result<TurnAnswer, ChatError> {
    service(ports).send(&principal(), &"r".parse().unwrap(), message(text)).await
}

//! Deletions and edits without confirmation, deferral, and confirmation.

use super::*;
use crate::change::Action;
use crate::conversation::message::ToolCall;
use crate::conversation::{PendingItem, PendingItemAction};
use crate::task::{Task, Title};
use crate::tool::{ResolvedCall, TaskMatch, ToolContext, ToolSpec};

fn task(number: u128) -> Task {
    let title: Title = format!("t{number}").parse().unwrap();
    Task::new(Uuid::from_u128(number).into(), owner(), title, false, now())
}

fn item(number: u128) -> PendingItem {
    PendingItem::new(&task(number), PendingItemAction::Delete)
}

fn pending(items: Vec<PendingItem>) -> PendingAction {
    PendingAction {
        id: Uuid::from_u128(500).into(),
        message: Uuid::from_u128(501).into(),
        items,
        expires_at: now() + PendingAction::TTL,
    }
}

fn spec(name: &'static str, destructive: bool) -> ToolSpec {
    let read_only = name == "list_tasks";
    ToolSpec { name, description: "", parameters: Arc::new(json!({})), read_only, destructive, idempotent: false }
}

fn number_in(parameters: &Value) -> Option<u128> {
    parameters["task_identifier"].as_str()?.parse().ok()
}

/// Tools on tasks that are identified by numbers. Deletions are recorded in `deleted`.
fn deleting(deleted: &Arc<Mutex<Vec<u128>>>) -> MockToolExecutor {
    let mut tools = MockToolExecutor::new();
    tools
        .expect_tools()
        .returning(|| vec![spec("list_tasks", false), spec("delete_task", true), spec("add_task", false)]);
    tools.expect_resolve().returning(|_, calls: &[ToolCall]| {
        let resolve = |call: &ToolCall| match number_in(&call.parameters).filter(|_| call.tool == "delete_task") {
            Some(number) => {
                ResolvedCall { target: Some(TaskMatch::One(Box::new(task(number)))), overwrites: Some(item(number)) }
            }
            None => ResolvedCall::default(),
        };
        Ok(calls.iter().map(resolve).collect())
    });
    let recorded = deleted.clone();
    tools.expect_run().returning(move |context: &ToolContext, tool, parameters| {
        if tool == "confirm_pending" {
            return Err(ToolError::UnknownTool(tool.to_owned()));
        }
        let number = number_in(&parameters).filter(|_| tool == "delete_task");
        let changes = match number {
            Some(number) => {
                let Some(TaskMatch::One(target)) = &context.target else { panic!("identifiers are resolved once") };
                assert_eq!(target.id, task(number).id);
                recorded.lock().unwrap().push(number);
                vec![receipt(Action::Deleted, number)]
            }
            None if tool == "add_task" => vec![receipt(Action::Created, 900)],
            None => vec![],
        };
        Ok(ToolOutcome::Done { message: format!("{tool} ran"), data: json!({}), changes })
    });
    tools.expect_find_effect().returning(|_, _| Ok(None));
    let recorded = deleted.clone();
    tools.expect_run_pending().returning(move |context, pending| {
        let call = context.origin.call.unwrap();
        assert_eq!((call.round, call.index), (0, 0));
        let numbers: Vec<_> = pending.items.iter().map(|item| item.task.id.as_uuid().as_u128()).collect();
        recorded.lock().unwrap().extend(&numbers);
        let changes = numbers.into_iter().map(|number| receipt(Action::Deleted, number)).collect();
        Ok(ToolOutcome::Done { message: "Confirmed: …".into(), data: json!({}), changes })
    });
    tools
}

fn deletions(numbers: impl IntoIterator<Item = u128>) -> Step {
    let arguments: Vec<String> =
        numbers.into_iter().map(|number| json!({"task_identifier": number.to_string()}).to_string()).collect();
    Step::calls_raw(arguments.iter().map(|arguments| ("delete_task", arguments.as_str())))
}

/// Runs a turn in a conversation with this pending action. Returns the answer, the deleted tasks and the model.
async fn turn(
    pending: Option<PendingAction>,
    options: ChatOptions,
    steps: Vec<Step>,
    input: ChatInput,
) -> (TurnAnswer, Vec<u128>, Arc<ScriptedLlm>) {
    turn_after(Vec::new(), pending, options, steps, input).await
}

/// Runs a turn after failed turns with these parts, which followed the pending action.
async fn turn_after(
    failed: Vec<Vec<Part>>,
    pending: Option<PendingAction>,
    options: ChatOptions,
    steps: Vec<Step>,
    input: ChatInput,
) -> (TurnAnswer, Vec<u128>, Arc<ScriptedLlm>) {
    let recorded = Recorded::default();
    let question = pending.iter().map(|pending| (pending.message, vec![text("Shall I?")]));
    let failed = failed.into_iter().enumerate().map(|(n, parts)| (Uuid::from_u128(600 + n as u128).into(), parts));
    *recorded.earlier.lock().unwrap() = question.chain(failed).collect();
    let mut repo = MockConversationRepo::new();
    let started = recorded.started.clone();
    repo.expect_begin_turn().returning(move |_, new| {
        *started.lock().unwrap() = Some(new.clone());
        Ok(TurnStart::New { turn: turn_of(&new), pending: pending.clone(), time_zone: time_zone() })
    });
    let deleted = Arc::default();
    let llm = Arc::new(ScriptedLlm::new(steps));
    let ports = ports(recorded.expect_rest(repo), llm.clone(), deleting(&deleted));
    let message = NewMessage { target: MessageTarget::Existing(Uuid::from_u128(2).into()), input, idempotency: None };
    let service = super::super::super::ChatService::new(ports, options);
    let answer = service.send(&principal(), &"r".parse().unwrap(), message).await.unwrap();
    assert_eq!(recorded.ended().pending, answer.pending);
    let deleted = deleted.lock().unwrap().clone();
    (answer, deleted, llm)
}

fn text(text: &str) -> Part {
    Part::Text { round: 0, text: text.to_owned() }
}

async fn run(steps: Vec<Step>) -> (TurnAnswer, Vec<u128>) {
    let input = ChatInput::Text("message".parse().unwrap());
    let (answer, deleted, _) = turn(None, ChatOptions::default(), steps, input).await;
    (answer, deleted)
}

async fn with_pending(steps: Vec<Step>) -> (TurnAnswer, Vec<u128>, Arc<ScriptedLlm>) {
    let input = ChatInput::Text("oui".parse().unwrap());
    turn(Some(pending(vec![item(1), item(2)])), ChatOptions::default(), steps, input).await
}

fn pending_tasks(answer: &TurnAnswer) -> Vec<u128> {
    let items = answer.pending.iter().flat_map(|pending| &pending.items);
    items.map(|item| item.task.id.as_uuid().as_u128()).collect()
}

#[tokio::test]
async fn deletions_up_to_the_limit_run_and_one_more_defers_the_whole_round() {
    let (answer, deleted) = run(vec![deletions(1..=3), Step::says("Done.")]).await;
    assert_eq!((pending_tasks(&answer), deleted), (vec![], vec![1, 2, 3]));
    let (answer, deleted) = run(vec![deletions(1..=4), Step::says("Shall I?")]).await;
    assert_eq!((pending_tasks(&answer), deleted), (vec![1, 2, 3, 4], vec![]));
    assert!(answer.receipts.changes.is_empty());
    let results: Vec<_> = answer.tool_calls.iter().filter_map(|call| call.result.as_ref()).collect();
    assert!(results.iter().all(|result| !result.success && result.data["needs_confirmation"] == true), "{results:?}");
    let pending = answer.pending.unwrap();
    assert_eq!(pending.expires_at, now() + PendingAction::TTL);
    assert_eq!(pending.message, answer.message);
}

#[tokio::test]
async fn the_limit_covers_all_rounds_of_a_turn() {
    let (answer, deleted) = run(vec![deletions(1..=32), Step::says("Shall I?")]).await;
    assert_eq!((pending_tasks(&answer).len(), deleted.len()), (32, 0));
    let rounds = (1..=4).map(|number| deletions([number])).chain([Step::says("Shall I?")]);
    let (answer, deleted) = run(rounds.collect()).await;
    assert_eq!((pending_tasks(&answer), deleted), (vec![4], vec![1, 2, 3]));
}

#[tokio::test]
async fn a_task_counts_once_and_a_task_created_in_the_turn_does_not_count() {
    let twice = vec![deletions([1, 2]), deletions([2, 3]), Step::says("Done.")];
    assert_eq!(run(twice).await.1, [1, 2, 2, 3]);
    let own =
        vec![Step::calls("add_task", &json!({"title": "a"})), deletions([900]), deletions(1..=3), Step::says("Done.")];
    let (answer, deleted) = run(own).await;
    assert_eq!((pending_tasks(&answer), deleted), (vec![], vec![900, 1, 2, 3]));
}

#[tokio::test]
async fn a_deferred_round_still_adds_tasks() {
    let mut calls: Vec<(&str, String)> =
        (1..=4).map(|n| ("delete_task", json!({"task_identifier": n.to_string()}).to_string())).collect();
    calls.push(("add_task", json!({"title": "a"}).to_string()));
    let step = Step::calls_raw(calls.iter().map(|(tool, arguments)| (*tool, arguments.as_str())));
    let (answer, deleted) = run(vec![step, Step::says("Shall I?")]).await;
    assert_eq!((pending_tasks(&answer).len(), deleted.len(), answer.receipts.changes.len()), (4, 0, 1));
}

#[tokio::test]
async fn a_limit_of_zero_defers_every_deletion() {
    let options = ChatOptions { confirm_above: 0, ..ChatOptions::default() };
    let input = ChatInput::Text("delete 1".parse().unwrap());
    let (answer, deleted, _) = turn(None, options, vec![deletions([1]), Step::says("Shall I?")], input).await;
    assert_eq!((pending_tasks(&answer), deleted), (vec![1], vec![]));
}

#[tokio::test]
async fn a_request_confirms_without_a_model_and_answers_with_the_receipt() {
    let confirm = ChatInput::Confirm(Uuid::from_u128(500).into());
    let (answer, deleted, llm) =
        turn(Some(pending(vec![item(1), item(2)])), ChatOptions::default(), vec![], confirm).await;
    assert!(llm.requests().is_empty());
    assert_eq!((deleted, answer.response.as_str()), (vec![1, 2], "Confirmed: …"));
    assert_eq!((answer.receipts.changes.len(), answer.receipts.undoable), (2, true));
}

#[tokio::test]
async fn the_model_can_confirm_only_in_the_first_round() {
    let confirm = || Step::calls("confirm_pending", &json!({}));
    let (answer, deleted, llm) = with_pending(vec![confirm(), Step::says("C'est fait.")]).await;
    assert_eq!((deleted, answer.receipts.changes.len()), (vec![1, 2], 2));
    let offered: Vec<bool> =
        llm.requests().iter().map(|request| request.tools.iter().any(|tool| tool.name == "confirm_pending")).collect();
    assert_eq!(offered, [true, false]);
}

#[tokio::test]
async fn a_confirmation_next_to_text_or_other_calls_is_refused() {
    let confirm = || Step::calls("confirm_pending", &json!({}));
    let list = || Step::calls("list_tasks", &json!({}));
    let (answer, deleted, _) = with_pending(vec![list(), confirm(), Step::says("Here you are.")]).await;
    assert_eq!(deleted, Vec::<u128>::new());
    assert!(answer.tool_calls[1].result.as_ref().unwrap().message.contains("no tool named"));
    let Step::Events(mut events) = confirm() else { panic!() };
    events.insert(0, LlmEvent::TextDelta("Well, ".into()));
    assert!(with_pending(vec![Step::Events(events), Step::says("Sorry.")]).await.1.is_empty());
    let both = Step::calls_raw([("confirm_pending", "{}"), ("list_tasks", "{}")]);
    assert!(with_pending(vec![both, Step::says("Sorry.")]).await.1.is_empty());
    let (_, deleted) = run(vec![confirm(), Step::says("Sorry.")]).await;
    assert!(deleted.is_empty(), "without a pending action there is no such tool");
}

#[tokio::test]
async fn confirmed_deletions_do_not_count() {
    let confirm = Step::calls("confirm_pending", &json!({}));
    let (answer, deleted, _) = with_pending(vec![confirm, deletions(3..=5), Step::says("Done.")]).await;
    assert_eq!((pending_tasks(&answer), deleted), (vec![], vec![1, 2, 3, 4, 5]));
}

#[tokio::test]
async fn a_failed_turn_keeps_the_pending_action_unless_a_model_wrote_text_or_called_a_tool_in_it() {
    let confirm = || vec![Step::calls("confirm_pending", &json!({})), Step::says("Done.")];
    let after = |failed: Vec<Vec<Part>>, input: ChatInput| {
        turn_after(failed, Some(pending(vec![item(1)])), ChatOptions::default(), confirm(), input)
    };
    let yes = || ChatInput::Text("yes".parse().unwrap());
    let notice = || vec![Part::Notice { text: "The assistant could not answer.".into() }];
    assert_eq!(after(vec![notice(), vec![]], yes()).await.1, [1]);
    let list = ToolCall {
        id: "c".into(),
        round: 0,
        tool: "list_tasks".into(),
        parameters: json!({}),
        result: None,
        changes: Vec::new(),
    };
    for parts in [vec![Part::ToolCall(list)], vec![text("Let me see.")]] {
        let (answer, deleted, llm) = after(vec![notice(), parts.clone()], yes()).await;
        assert!(deleted.is_empty(), "{answer:?}");
        assert!(llm.requests()[0].tools.iter().all(|tool| tool.name != "confirm_pending"));
        // The user's own request needs no model.
        assert_eq!(after(vec![parts], ChatInput::Confirm(Uuid::from_u128(500).into())).await.1, [1]);
    }
}

#[tokio::test]
async fn a_confirmation_with_parameters_is_refused() {
    let (answer, deleted, _) =
        with_pending(vec![Step::calls("confirm_pending", &json!({"only": ["1"]})), Step::says("Sorry.")]).await;
    assert_eq!((deleted, answer.tool_calls[0].result.as_ref().unwrap().success), (vec![], false));
}

#[tokio::test]
async fn further_deletions_of_a_turn_with_deferred_items_are_deferred() {
    let (answer, deleted) = run(vec![deletions(1..=4), deletions([5]), Step::says("Shall I?")]).await;
    assert_eq!((pending_tasks(&answer), deleted), (vec![1, 2, 3, 4, 5], vec![]));
}

#[test]
fn each_task_is_deferred_once_with_the_version_that_the_turn_left() {
    let recorded = Recorded::default();
    let ports = ports(recorded.repo(), Arc::new(ScriptedLlm::new([])), idle());
    let context = TurnContext {
        ports,
        options: ChatOptions::default(),
        principal: principal(),
        request_id: "r".parse().unwrap(),
        turn: Turn {
            id: Uuid::from_u128(1).into(),
            conversation: Uuid::from_u128(2).into(),
            user_message: Uuid::from_u128(3).into(),
            position: 1,
            assistant_message: Uuid::from_u128(4).into(),
            attempt: 1,
        },
        stopped: future::pending().boxed().shared(),
    };
    let edit = |number| {
        let new_title = "new".parse().unwrap();
        PendingItem::new(&task(number), PendingItemAction::Update { new_title })
    };
    let mut deferred = DeferredItems::default();
    for item in [item(1), edit(1), edit(2), item(2), edit(3)] {
        deferred.add(&context, item);
    }
    let completed = task(3)
        .apply(&crate::task::TaskPatch { completed: crate::patch::Patch::Set(true), ..Default::default() }, now());
    deferred.record(&[crate::change::Receipt { version: Some(completed.version), ..receipt(Action::Completed, 3) }]);
    let items = deferred.take().unwrap().items;
    assert_eq!(items[..2], [item(1), item(2)], "a deletion replaces an edit and is replaced by none");
    assert_eq!((items[2].version, &items[2].action), (completed.version, &edit(3).action));
}

//! Undo and reading on tasks and a ledger in memory.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::*;
use crate::change::memory::{Memory, owner, task};
use crate::change::{Action, CallOrigin, Field, Receipt};
use crate::conversation::turn::Attempt;
use crate::id::TaskId;
use crate::patch::Patch;
use crate::principal::{Scopes, Via};
use crate::task::{Task, TaskPatch, TaskService};

const PAGE: NonZeroU16 = NonZeroU16::new(10).unwrap();

fn principal() -> Principal {
    Principal { user: owner(), session: None, api_token: None, via: Via::Http, scopes: Scopes::all() }
}

fn request() -> Origin {
    Origin::request(&principal(), &"r".parse().unwrap())
}

/// Call `index` of a turn in the conversation.
fn turn(number: u128, index: u8) -> Origin {
    let call = CallOrigin {
        conversation: Uuid::from_u128(99).into(),
        message: Uuid::from_u128(number + 100).into(),
        attempt: Attempt { turn: Uuid::from_u128(number).into(), number: 1 },
        round: 0,
        index,
    };
    Origin { principal: Principal { via: Via::Chat, ..principal() }, call: Some(call), ..request() }
}

fn message(number: u128) -> UndoTarget {
    UndoTarget::Message(Uuid::from_u128(99).into(), Uuid::from_u128(number + 100).into())
}

fn id(number: u128) -> TaskId {
    Uuid::from_u128(number).into()
}

fn titled(text: &str) -> TaskPatch {
    TaskPatch { title: Patch::Set(text.parse().unwrap()), ..TaskPatch::default() }
}

struct Fixture {
    memory: Arc<Memory>,
    tasks: TaskService,
    changes: ChangeService,
}

fn fixture(tasks: impl IntoIterator<Item = Task>) -> Fixture {
    let memory = Memory::with(tasks);
    let ledger = memory.ledger();
    let tasks = TaskService::new(memory.clone(), ledger.clone());
    Fixture { changes: ChangeService::new(ledger, memory.clone()), tasks, memory }
}

impl Fixture {
    async fn rename(&self, origin: &Origin, number: u128, title: &str) {
        self.tasks.update(origin, id(number), &titled(title), None).await.unwrap();
    }

    async fn undo(&self, target: UndoTarget) -> Result<Undone, ChangeError> {
        self.changes.undo(&request(), target, OnConflict::Fail).await
    }

    async fn skip(&self, target: UndoTarget) -> Undone {
        self.changes.undo(&request(), target, OnConflict::Skip).await.unwrap()
    }

    /// The fields that an undo restores.
    fn state(&self, number: u128) -> Option<(String, Option<DateTime<Utc>>, bool)> {
        let row = self.memory.row(number)?;
        Some((row.title.as_str().to_owned(), row.completed_at, row.deleted_at.is_some()))
    }
}

fn conflicts(error: ChangeError) -> Vec<(u64, Option<&'static str>, Option<u64>)> {
    let ChangeError::Conflicts(conflicts) = error else { panic!("{error:?}") };
    conflicts
        .into_iter()
        .map(|conflict| (conflict.seq.0, conflict.field.map(Field::name), conflict.later.map(|later| later.0)))
        .collect()
}

/// Adds a task, completes 1, renames 2 and deletes 3, in four calls of turn 1. Returns the number of the added task.
async fn turn_with_four_calls(fixture: &Fixture) -> u128 {
    let added = fixture.tasks.create(&turn(1, 0), "new".parse().unwrap(), false).await.unwrap().after.id;
    fixture.tasks.toggle(&turn(1, 1), id(1), None).await.unwrap();
    fixture.rename(&turn(1, 2), 2, "b2").await;
    fixture.tasks.delete(&turn(1, 3), id(3), None).await.unwrap();
    added.as_uuid().as_u128()
}

#[tokio::test]
async fn a_turn_is_undone_as_one_operation_and_redone_by_undoing_that() {
    let fixture = fixture([task(1, "a"), task(2, "b"), task(3, "c")]);
    let before: Vec<_> = (1..=3).map(|number| fixture.state(number)).collect();
    let added = turn_with_four_calls(&fixture).await;
    let after: Vec<_> = (1..=3).map(|number| fixture.state(number)).collect();
    let versions: Vec<_> = (1..=3).map(|number| fixture.memory.row(number).unwrap().version).collect();
    let undone = fixture.undo(message(1)).await.unwrap();
    assert_eq!((1..=3).map(|number| fixture.state(number)).collect::<Vec<_>>(), before);
    assert!(fixture.state(added).unwrap().2, "the added task is in the trash");
    assert!((1..=3).all(|number| fixture.memory.row(number).unwrap().version > versions[number as usize - 1]));
    assert_eq!(undone.entries.len(), 4);
    assert!(undone.entries.iter().all(|entry| entry.operation == undone.entries[0].operation));
    let redone = fixture.undo(UndoTarget::Operation(undone.entries[0].operation)).await.unwrap();
    assert_eq!(redone.entries.len(), 4);
    assert_eq!((1..=3).map(|number| fixture.state(number)).collect::<Vec<_>>(), after);
    assert!(!fixture.state(added).unwrap().2);
    // The undo is undone, so the turn can be undone again.
    fixture.undo(message(1)).await.unwrap();
    assert_eq!((1..=3).map(|number| fixture.state(number)).collect::<Vec<_>>(), before);
}

#[tokio::test]
async fn a_later_edit_is_a_conflict_that_can_be_skipped() {
    let fixture = fixture([task(1, "a"), task(2, "b"), task(3, "c")]);
    let added = turn_with_four_calls(&fixture).await;
    fixture.rename(&request(), 2, "mine").await;
    let before = fixture.memory.entries();
    assert_eq!(conflicts(fixture.undo(message(1)).await.unwrap_err()), [(3, Some("title"), Some(5))]);
    assert_eq!(fixture.memory.entries(), before, "nothing was changed");
    let undone = fixture.skip(message(1)).await;
    assert_eq!((undone.entries.len(), undone.conflicts.len()), (3, 1));
    assert_eq!(fixture.state(2).unwrap().0, "mine");
    assert!(fixture.state(added).unwrap().2 && !fixture.state(3).unwrap().2 && fixture.state(1).unwrap().1.is_none());
}

#[tokio::test]
async fn an_edit_of_another_field_is_no_conflict() {
    let fixture = fixture([task(1, "a")]);
    fixture.rename(&turn(1, 0), 1, "b").await;
    fixture.tasks.toggle(&request(), id(1), None).await.unwrap();
    fixture.undo(message(1)).await.unwrap();
    let (title, completed_at, _) = fixture.state(1).unwrap();
    assert_eq!(title, "a");
    assert!(completed_at.is_some());
}

#[tokio::test]
async fn changes_of_one_row_conflict_only_with_other_changes_in_between() {
    let fixture = fixture([task(1, "a")]);
    fixture.rename(&turn(1, 0), 1, "b").await;
    fixture.rename(&turn(1, 1), 1, "c").await;
    fixture.undo(message(1)).await.unwrap();
    assert_eq!(fixture.state(1).unwrap().0, "a");

    fixture.rename(&turn(2, 0), 1, "b").await;
    fixture.rename(&request(), 1, "x").await;
    fixture.rename(&turn(2, 1), 1, "c").await;
    let found = conflicts(fixture.undo(message(2)).await.unwrap_err());
    assert_eq!(found, [(5, Some("title"), Some(6))], "the change of the request, not the later one of the turn");
    fixture.skip(message(2)).await;
    assert_eq!(fixture.state(1).unwrap().0, "x");
}

#[tokio::test]
async fn a_created_row_with_later_changes_is_kept() {
    let fixture = fixture([]);
    let created = fixture.tasks.create(&turn(1, 0), "a".parse().unwrap(), false).await.unwrap().after;
    fixture.tasks.toggle(&request(), created.id, None).await.unwrap();
    assert_eq!(
        conflicts(fixture.undo(UndoTarget::Change(Seq(1))).await.unwrap_err()),
        [(1, Some("completed"), Some(2))]
    );
    let skipped = fixture.skip(UndoTarget::Change(Seq(1))).await;
    assert_eq!((skipped.entries.len(), skipped.conflicts.len()), (0, 1));
    assert!(!fixture.state(created.id.as_uuid().as_u128()).unwrap().2);
}

#[tokio::test]
async fn an_undone_change_conflicts_with_its_undo_and_is_left_out_of_a_larger_one() {
    let fixture = fixture([task(1, "a"), task(2, "b")]);
    fixture.rename(&turn(1, 0), 1, "a2").await;
    fixture.rename(&turn(1, 1), 2, "b2").await;
    fixture.undo(UndoTarget::Change(Seq(1))).await.unwrap();
    assert_eq!(conflicts(fixture.undo(UndoTarget::Change(Seq(1))).await.unwrap_err()), [(1, None, Some(3))]);
    assert_eq!(fixture.undo(message(1)).await.unwrap().entries.len(), 1);
    assert_eq!(conflicts(fixture.skip_error(message(1)).await), [(1, None, Some(3)), (2, None, Some(4))]);
}

impl Fixture {
    async fn skip_error(&self, target: UndoTarget) -> ChangeError {
        self.changes.undo(&request(), target, OnConflict::Skip).await.unwrap_err()
    }
}

#[tokio::test]
async fn concurrent_undos_take_effect_once() {
    let fixture = fixture([task(1, "a")]);
    fixture.rename(&turn(1, 0), 1, "b").await;
    let changes = fixture.changes.clone();
    // The other undo commits between the read and the commit of this one.
    let other = move |_: &Memory| {
        let undone = futures_util::FutureExt::now_or_never(changes.undo(&request(), message(1), OnConflict::Fail));
        undone.unwrap().unwrap();
    };
    *fixture.memory.before_commit.lock().unwrap() = Some(Box::new(other));
    assert_eq!(conflicts(fixture.undo(message(1)).await.unwrap_err()), [(1, None, Some(2))]);
    assert_eq!(fixture.state(1).unwrap().0, "a");
}

#[tokio::test]
async fn a_purged_row_cannot_be_undone() {
    let fixture = fixture([task(1, "a"), task(2, "b")]);
    fixture.rename(&turn(1, 0), 1, "a2").await;
    fixture.rename(&turn(1, 1), 2, "b2").await;
    fixture.tasks.delete(&request(), id(1), None).await.unwrap();
    fixture.tasks.purge(&request(), id(1)).await.unwrap();
    assert_eq!(conflicts(fixture.undo(message(1)).await.unwrap_err()), [(1, None, Some(4))]);
    assert_eq!(conflicts(fixture.undo(UndoTarget::Change(Seq(4))).await.unwrap_err()), [(4, None, None)]);
    assert_eq!(fixture.skip(message(1)).await.entries.len(), 1);
    assert_eq!(fixture.state(2).unwrap().0, "b");
}

#[tokio::test]
async fn an_unknown_change_is_not_found() {
    let fixture = fixture([]);
    for target in [UndoTarget::Change(Seq(1)), UndoTarget::Operation(Uuid::nil().into()), message(1)] {
        assert!(matches!(fixture.undo(target).await.unwrap_err(), ChangeError::NotFound));
    }
}

#[tokio::test]
async fn undo_last_turn_skips_undone_turns_undos_and_the_running_turn() {
    let fixture = fixture([task(1, "a"), task(2, "b")]);
    fixture.rename(&turn(1, 0), 1, "a2").await;
    fixture.rename(&turn(2, 0), 2, "b2").await;
    fixture.rename(&request(), 2, "b3").await;
    fixture.rename(&request(), 2, "b2").await;
    fixture.rename(&turn(3, 0), 2, "b4").await;
    let last = |number| {
        let changes = fixture.changes.clone();
        async move { changes.undo_last_turn(&turn(number, 1)).await }
    };
    let error = last(3).await.unwrap_err();
    assert_eq!(conflicts(error), [(2, Some("title"), Some(5))], "turn 2 and not the running turn");
    last(4).await.unwrap().unwrap();
    assert_eq!(fixture.state(2).unwrap().0, "b2", "turn 3");
    last(5).await.unwrap().unwrap();
    assert_eq!(fixture.state(2).unwrap().0, "b", "turn 2, whose change is the current one again");
    last(6).await.unwrap().unwrap();
    assert_eq!(fixture.state(1).unwrap().0, "a", "turn 1");
}

#[tokio::test]
async fn repeated_undos_go_back_turn_by_turn() {
    let fixture = fixture([task(1, "a")]);
    for (number, title) in [(1, "b"), (2, "c"), (3, "d")] {
        fixture.rename(&turn(number, 0), 1, title).await;
    }
    for (number, expected) in [(4, "c"), (5, "b"), (6, "a")] {
        fixture.changes.undo_last_turn(&turn(number, 0)).await.unwrap().unwrap();
        assert_eq!(fixture.state(1).unwrap().0, expected);
    }
    assert_eq!(fixture.changes.undo_last_turn(&turn(7, 0)).await.unwrap(), None);
    assert_eq!(fixture.changes.undo_last_turn(&request()).await.unwrap(), None, "there is no conversation");
}

#[tokio::test]
async fn entries_are_listed_in_order_and_deleted_ones_have_expired() {
    let fixture = fixture([task(1, "a")]);
    for title in ["b", "c", "d", "e"] {
        fixture.rename(&request(), 1, title).await;
    }
    let reader = principal();
    let list = |after| fixture.changes.list(&reader, Seq(after), PAGE);
    let page = list(1).await.unwrap();
    assert_eq!((page.head, page.entries.len(), page.entries[0].seq), (Seq(4), 3, Seq(2)));
    assert_eq!(list(4).await.unwrap().entries, []);
    fixture.memory.prune(2);
    for after in [0, 1, 5, u64::MAX] {
        assert!(matches!(list(after).await.unwrap_err(), ChangeError::CursorExpired), "{after}");
    }
    assert_eq!(list(2).await.unwrap().entries.len(), 2);
}

#[tokio::test]
async fn a_follower_gets_each_entry_once_and_in_order() {
    let fixture = fixture([task(1, "0")]);
    for n in 1..=250 {
        fixture.rename(&request(), 1, &n.to_string()).await;
    }
    let stream = fixture.changes.follow(&principal(), Some(Seq(3))).await.unwrap();
    let received: Vec<u64> = stream.map(|entry| entry.unwrap().seq.0).collect().await;
    assert_eq!(received, (4..=250).collect::<Vec<_>>());
    let from_head: Vec<_> = fixture.changes.follow(&principal(), None).await.unwrap().collect().await;
    assert!(from_head.is_empty());
    assert!(matches!(fixture.changes.follow(&principal(), Some(Seq(251))).await, Err(ChangeError::CursorExpired)));
}

#[tokio::test]
async fn receipts_contain_commits_and_their_undo_status() {
    let fixture = fixture([task(1, "a"), task(2, "b")]);
    fixture.rename(&turn(1, 0), 1, "a2").await;
    fixture.tasks.delete(&turn(1, 1), id(2), None).await.unwrap();
    fixture.undo(UndoTarget::Change(Seq(1))).await.unwrap();
    let stored = Receipt::all(&fixture.memory.entries()[..1]);
    let receipts = |memory: &Memory| {
        let entries = memory.entries();
        let of_turn: Vec<&Entry> = entries.iter().filter(|entry| entry.turn.is_some()).collect();
        let undone = HashMap::from([(Seq(1), Seq(3))]);
        Receipts::on_read(stored.clone(), &of_turn, &undone)
    };
    let found = receipts(&fixture.memory);
    let changes: Vec<_> =
        found.changes.iter().map(|change| (change.receipt.action, change.undone_by.map(|seq| seq.0))).collect();
    assert_eq!(changes, [(Action::Updated, Some(3)), (Action::Deleted, None)]);
    assert_eq!(found.changes[0].receipt.previous_title.as_ref().unwrap().as_str(), "a");
    assert!(found.undoable);
    fixture.memory.prune(3);
    let found = receipts(&fixture.memory);
    assert_eq!(
        (found.changes.len(), found.undoable),
        (1, false),
        "pruned entries keep their receipts and cannot be undone"
    );
}

#[tokio::test]
async fn without_the_scope_every_use_case_is_refused() {
    let fixture = fixture([]);
    let reader = Principal { scopes: [Scope::TasksRead].into_iter().collect(), ..principal() };
    let without_scopes = Principal { scopes: Scopes::default(), ..principal() };
    let refused = |error: ChangeError| assert!(matches!(error, ChangeError::InsufficientScope(_)), "{error:?}");
    refused(fixture.changes.list(&without_scopes, Seq(0), PAGE).await.unwrap_err());
    refused(fixture.changes.head(&without_scopes).await.unwrap_err());
    refused(fixture.changes.follow(&without_scopes, None).await.err().unwrap());
    let origin = Origin { principal: reader, ..request() };
    refused(fixture.changes.undo(&origin, message(1), OnConflict::Fail).await.unwrap_err());
    refused(fixture.changes.undo_last_turn(&Origin { call: turn(1, 0).call, ..origin }).await.unwrap_err());
}

#[tokio::test]
async fn a_field_that_a_turn_reverted_itself_does_not_conflict_with_a_later_edit() {
    let fixture = fixture([task(1, "a"), task(2, "b")]);
    fixture.rename(&turn(1, 0), 1, "x").await;
    fixture.rename(&turn(1, 1), 1, "a").await;
    fixture.rename(&turn(1, 2), 2, "b2").await;
    fixture.rename(&request(), 1, "edited").await;
    fixture.undo(message(1)).await.unwrap();
    assert_eq!((fixture.state(1).unwrap().0, fixture.state(2).unwrap().0), ("edited".to_owned(), "b".to_owned()));
    // If there is nothing else to undo, the conflict is reported.
    fixture.rename(&turn(2, 0), 2, "y").await;
    fixture.rename(&turn(2, 1), 2, "b").await;
    fixture.rename(&request(), 2, "edited").await;
    assert_eq!(conflicts(fixture.undo(message(2)).await.unwrap_err()).len(), 1);
}

#[tokio::test]
async fn an_edited_field_is_one_conflict() {
    let fixture = fixture([task(1, "a")]);
    fixture.rename(&turn(1, 0), 1, "b").await;
    fixture.rename(&turn(1, 1), 1, "c").await;
    fixture.rename(&request(), 1, "edited").await;
    assert_eq!(conflicts(fixture.undo(message(1)).await.unwrap_err()), [(2, Some("title"), Some(3))]);
}

#[tokio::test]
async fn undoing_the_last_turn_keeps_its_own_undos() {
    let fixture = fixture([task(1, "a")]);
    fixture.rename(&turn(1, 0), 1, "b").await;
    fixture.changes.undo_last_turn(&turn(2, 0)).await.unwrap().unwrap();
    let added = fixture.tasks.create(&turn(2, 1), "two".parse().unwrap(), false).await.unwrap().after.id;
    fixture.changes.undo_last_turn(&turn(3, 0)).await.unwrap().unwrap();
    assert_eq!(fixture.state(1).unwrap().0, "a");
    assert!(fixture.state(added.as_uuid().as_u128()).unwrap().2);
}

#[tokio::test]
async fn the_retention_of_a_task_that_an_undo_moved_to_the_trash_starts_with_the_undo() {
    let fixture = fixture([task(1, "a")]);
    fixture.tasks.delete(&request(), id(1), None).await.unwrap();
    fixture.tasks.restore(&request(), id(1)).await.unwrap();
    fixture.memory.clock.advance(std::time::Duration::from_mins(1));
    fixture.undo(UndoTarget::Change(Seq(2))).await.unwrap();
    let row = fixture.memory.row(1).unwrap();
    assert!(row.deleted_at.unwrap() < row.updated_at);
    assert_eq!(fixture.tasks.empty_trash(&request(), row.deleted_at.unwrap()).await.unwrap(), 0);
    assert_eq!(fixture.tasks.empty_trash(&request(), row.updated_at).await.unwrap(), 1);
}

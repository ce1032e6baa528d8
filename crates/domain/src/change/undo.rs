//! Planning of an undo: each field that a change set gets its previous value back, if it still has the value of the change.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Action, EntityId, Entry, Row, Seq, Write};
use crate::id::TaskId;
use crate::task::Task;

/// A change that cannot be undone, or cannot be undone in one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The entry of the change.
    pub seq: Seq,
    /// The row.
    pub entity: EntityId,
    /// The field that was changed later; `None` if the row was purged or the change is already undone.
    pub field: Option<Field>,
    /// The later entry that blocks the undo, if known.
    pub later: Option<Seq>,
}

/// The fields of a task that a change can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The title.
    Title,
    /// The completion.
    Completed,
    /// The time of the move to the trash.
    Deleted,
}

impl Field {
    const ALL: [Self; 3] = [Self::Title, Self::Completed, Self::Deleted];

    /// Returns the name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Completed => "completed",
            Self::Deleted => "deleted_at",
        }
    }

    pub(super) fn differs(self, a: &Task, b: &Task) -> bool {
        match self {
            Self::Title => a.title != b.title,
            Self::Completed => a.completed_at != b.completed_at,
            Self::Deleted => a.deleted_at != b.deleted_at,
        }
    }

    fn copy(self, from: &Task, to: &mut Task) {
        match self {
            Self::Title => to.title = from.title.clone(),
            Self::Completed => to.completed_at = from.completed_at,
            Self::Deleted => to.deleted_at = from.deleted_at,
        }
    }
}

/// The writes of an undo, and the changes that cannot be undone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct UndoPlan {
    pub writes: Vec<Write>,
    pub conflicts: Vec<Conflict>,
}

/// Plans the undo of `entries` on the current rows. Each entry, newest first, is undone on the result of undoing the later
/// ones, so that several of `entries` on one row do not conflict, but other changes in between do.
///
/// Each field conflicts at most once, at its newest change. A field to which `entries` as a whole give its previous value
/// does not conflict: there is nothing to undo in it.
pub(super) fn plan(entries: &[Entry], mut current: HashMap<TaskId, Task>, now: DateTime<Utc>) -> UndoPlan {
    let mut plan = UndoPlan::default();
    let mut entries: Vec<&Entry> = entries.iter().collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.seq));
    let mut conflicting: HashSet<(TaskId, Field)> = HashSet::new();
    let mut unchanged = Vec::new();
    for entry in &entries {
        let EntityId::Task(id) = entry.entity;
        let conflict = |field: Option<Field>| Conflict { seq: entry.seq, entity: entry.entity, field, later: None };
        let (Some(row), Some(Row::Task(after))) = (current.get(&id), &entry.after) else {
            plan.conflicts.push(conflict(None));
            continue;
        };
        let (restored, changed) = match &entry.before {
            Some(Row::Task(before)) => undo_fields(row, before, after, |field| conflicting.contains(&(id, field))),
            // A created task that was edited since is kept.
            None if Field::ALL.iter().any(|field| conflicting.contains(&(id, *field))) => continue,
            None => undo_creation(row, after, now),
        };
        for field in changed.into_iter().filter(|field| conflicting.insert((id, *field))) {
            let conflicts = if is_net_zero(&entries, id, field) { &mut unchanged } else { &mut plan.conflicts };
            conflicts.push(conflict(Some(field)));
        }
        let restored = restored.bump_version(row, now);
        if restored != *row {
            let before = current.insert(id, restored.clone());
            plan.writes.push(Write::Task { before, after: Some(restored), undoes: Some(entry.seq) });
        }
    }
    if plan.writes.is_empty() && plan.conflicts.is_empty() {
        plan.conflicts = unchanged;
    }
    plan
}

/// Whether `entries`, newest first, change the field of the row in one chain that ends at its first value.
fn is_net_zero(entries: &[&Entry], id: TaskId, field: Field) -> bool {
    let changes = entries.iter().filter(|entry| entry.entity == EntityId::Task(id));
    let changes = changes.filter_map(|entry| match (&entry.before, &entry.after) {
        (Some(Row::Task(before)), Some(Row::Task(after))) => field.differs(before, after).then_some((before, after)),
        _ => None,
    });
    let changes: Vec<_> = changes.collect();
    let is_chain = changes.windows(2).all(|pair| !field.differs(pair[0].0, pair[1].1));
    let (Some((_, last)), Some((first, _))) = (changes.first(), changes.last()) else { return false };
    is_chain && !field.differs(first, last)
}

/// Returns the row with the fields of a change reverted, and the fields that were changed later. Fields for which
/// `is_conflicting` holds are left as they are.
fn undo_fields(row: &Task, before: &Task, after: &Task, is_conflicting: impl Fn(Field) -> bool) -> (Task, Vec<Field>) {
    let mut restored = row.clone();
    let mut changed = Vec::new();
    for field in Field::ALL.into_iter().filter(|field| field.differs(before, after) && !is_conflicting(*field)) {
        if field.differs(row, after) {
            changed.push(field);
        } else {
            field.copy(before, &mut restored);
        }
    }
    (restored, changed)
}

/// Returns the row moved to the trash if it is as it was created, and otherwise the fields that were changed later.
fn undo_creation(row: &Task, created: &Task, now: DateTime<Utc>) -> (Task, Vec<Field>) {
    let changed: Vec<_> = Field::ALL.into_iter().filter(|field| field.differs(row, created)).collect();
    let deleted_at = if changed.is_empty() { Some(now) } else { row.deleted_at };
    (Task { deleted_at, ..row.clone() }, changed)
}

/// Sets the latest blocking entry of each conflict. `later` must be in ledger order.
pub(super) fn name_later(conflicts: &mut [Conflict], later: &[Entry]) {
    for conflict in conflicts {
        let is_blocking =
            |entry: &&Entry| entry.entity == conflict.entity && entry.seq > conflict.seq && sets(entry, conflict.field);
        conflict.later = conflict.later.or(later.iter().rev().find(is_blocking).map(|entry| entry.seq));
    }
}

fn sets(entry: &Entry, field: Option<Field>) -> bool {
    let Some(field) = field else { return entry.action == Action::Purged };
    match (&entry.before, &entry.after) {
        (Some(Row::Task(before)), Some(Row::Task(after))) => field.differs(before, after),
        _ => true,
    }
}

//! What an undo writes: for each field that a change set, the value from before it, where the value is still the change's.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::{Action, EntityId, Entry, Row, Seq, Write};
use crate::id::TaskId;
use crate::task::Task;

/// A change that cannot be undone, or cannot be undone in one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The entry of the change.
    pub seq: Seq,
    /// The row.
    pub entity: EntityId,
    /// The field that has another value now; `None` if the whole row is concerned: it was purged, or is undone already.
    pub field: Option<&'static str>,
    /// The later entry that is in the way, if it is known.
    pub later: Option<Seq>,
}

/// The fields of a task that a change can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Field {
    Title,
    Completed,
    Deleted,
}

impl Field {
    const ALL: [Self; 3] = [Self::Title, Self::Completed, Self::Deleted];

    pub fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Completed => "completed",
            Self::Deleted => "deleted_at",
        }
    }

    /// The field with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    pub fn differs(self, a: &Task, b: &Task) -> bool {
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

/// What is to be written, and what stands against it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub writes: Vec<Write>,
    pub conflicts: Vec<Conflict>,
}

/// Plans the undo of `entries` on the rows as they are now: each is undone, newest first, on what the undo of the later
/// ones leaves. So several changes of one row are no conflict with each other, and changes of others between them are.
///
/// A field is in conflict once, at its newest change. One that the entries leave as it was before them is in no conflict:
/// there is nothing to undo in it, whoever changed it since.
pub(super) fn plan(entries: &[Entry], mut current: HashMap<TaskId, Task>, now: DateTime<Utc>) -> Plan {
    let mut plan = Plan::default();
    let mut entries: Vec<&Entry> = entries.iter().collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.seq));
    let mut blocked: HashSet<(TaskId, Field)> = HashSet::new();
    let mut unchanged = Vec::new();
    for entry in &entries {
        let EntityId::Task(id) = entry.entity;
        let conflict = |field: Option<Field>| Conflict {
            seq: entry.seq,
            entity: entry.entity,
            field: field.map(Field::name),
            later: None,
        };
        let (Some(row), Some(Row::Task(after))) = (current.get(&id), &entry.after) else {
            plan.conflicts.push(conflict(None));
            continue;
        };
        let (restored, changed) = match &entry.before {
            Some(Row::Task(before)) => undo_fields(row, before, after, |field| blocked.contains(&(id, field))),
            // Who has edited the row since wants to keep it.
            None if Field::ALL.iter().any(|field| blocked.contains(&(id, *field))) => continue,
            None => undo_creation(row, after, now),
        };
        for field in changed.into_iter().filter(|field| blocked.insert((id, *field))) {
            let conflicts = if is_net_zero(&entries, id, field) { &mut unchanged } else { &mut plan.conflicts };
            conflicts.push(conflict(Some(field)));
        }
        let restored = restored.touched(row, now);
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

/// Whether `entries`, newest first, change the field of a row in one chain that ends where it began.
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

/// The row with the fields of a change as they were before it, and the fields that have another value by now. Fields that
/// are `blocked` stay.
fn undo_fields(row: &Task, before: &Task, after: &Task, blocked: impl Fn(Field) -> bool) -> (Task, Vec<Field>) {
    let mut restored = row.clone();
    let mut changed = Vec::new();
    for field in Field::ALL.into_iter().filter(|field| field.differs(before, after) && !blocked(*field)) {
        if field.differs(row, after) {
            changed.push(field);
        } else {
            field.copy(before, &mut restored);
        }
    }
    (restored, changed)
}

/// The row in the trash, if it is as it was created.
fn undo_creation(row: &Task, created: &Task, now: DateTime<Utc>) -> (Task, Vec<Field>) {
    let changed: Vec<_> = Field::ALL.into_iter().filter(|field| field.differs(row, created)).collect();
    let deleted_at = if changed.is_empty() { Some(now) } else { row.deleted_at };
    (Task { deleted_at, ..row.clone() }, changed)
}

/// Names the latest of `later` that is in the way of each conflict. `later` is in the order of the ledger.
pub(super) fn name_later(conflicts: &mut [Conflict], later: &[Entry]) {
    for conflict in conflicts {
        let in_the_way =
            |entry: &&Entry| entry.entity == conflict.entity && entry.seq > conflict.seq && sets(entry, conflict.field);
        conflict.later = conflict.later.or(later.iter().rev().find(in_the_way).map(|entry| entry.seq));
    }
}

fn sets(entry: &Entry, field: Option<&'static str>) -> bool {
    let Some(field) = field.and_then(Field::from_name) else { return entry.action == Action::Purged };
    match (&entry.before, &entry.after) {
        (Some(Row::Task(before)), Some(Row::Task(after))) => field.differs(before, after),
        _ => true,
    }
}

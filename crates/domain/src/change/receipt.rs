//! Receipts: the changes of a turn as listed in its answer. They are derived only from committed entries.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{Action, Entry, Row, Seq, UndoLink};
use crate::id::{OperationId, TaskId};
use crate::task::{Task, Title, Version};

/// A committed change, in its serialized form in messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The number of the ledger entry.
    pub seq: Seq,
    /// The operation that the change is part of.
    pub operation_id: OperationId,
    /// The action on the task.
    pub action: Action,
    /// The task after the change.
    pub task: TaskRef,
    /// The title before the change, if it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_title: Option<Title>,
    /// The task's version after the change. It is not stored with messages.
    #[serde(skip)]
    pub version: Option<Version>,
}

/// A task by id and title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRef {
    /// The task's id.
    pub id: TaskId,
    /// The task's title.
    pub title: Title,
}

impl From<&Task> for TaskRef {
    fn from(task: &Task) -> Self {
        Self { id: task.id, title: task.title.clone() }
    }
}

impl Receipt {
    /// Returns the receipt of an entry; `None` if its row was purged.
    pub fn of(entry: &Entry) -> Option<Self> {
        let task = |row: &Option<Row>| row.as_ref().and_then(Row::as_task).cloned();
        let (before, after) = (task(&entry.before), task(&entry.after));
        let current = after.as_ref().or(before.as_ref())?;
        let previous_title = before.as_ref().map(|task| &task.title).filter(|title| **title != current.title).cloned();
        Some(Self {
            seq: entry.seq,
            operation_id: entry.operation,
            action: entry.action,
            task: current.into(),
            previous_title,
            version: Some(current.version),
        })
    }

    /// Returns the receipts of `entries`.
    pub fn all(entries: &[Entry]) -> Vec<Self> {
        entries.iter().filter_map(Self::of).collect()
    }
}

/// A receipt, and whether its change was undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptStatus {
    /// The receipt.
    pub receipt: Receipt,
    /// The entry that undid the change, if any.
    pub undone_by: Option<Seq>,
}

/// The receipts of one turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipts {
    /// The changes in the order in which they were committed.
    pub changes: Vec<ReceiptStatus>,
    /// Whether any of the changes can be undone: it is in the ledger, its row is not purged, and it is not undone.
    pub undoable: bool,
}

impl Receipts {
    /// Returns the receipts of changes that were just committed.
    pub fn fresh(receipts: impl IntoIterator<Item = Receipt>) -> Self {
        let changes: Vec<_> = receipts.into_iter().map(|receipt| ReceiptStatus { receipt, undone_by: None }).collect();
        Self { undoable: !changes.is_empty(), changes }
    }

    /// Returns the receipts that are stored with a message, completed by the entries of its turn in the ledger.
    pub fn on_read(stored: impl IntoIterator<Item = Receipt>, entries: &[&Entry], undone: &HashMap<Seq, Seq>) -> Self {
        let mut receipts: BTreeMap<Seq, Receipt> =
            entries.iter().filter_map(|entry| Receipt::of(entry)).map(|receipt| (receipt.seq, receipt)).collect();
        receipts.extend(stored.into_iter().map(|receipt| (receipt.seq, receipt)));
        let undoable = entries.iter().any(|entry| entry.after.is_some() && !undone.contains_key(&entry.seq));
        let status = |receipt: Receipt| ReceiptStatus { undone_by: undone.get(&receipt.seq).copied(), receipt };
        Self { changes: receipts.into_values().map(status).collect(), undoable }
    }
}

/// Returns which entries are undone, and by which entry: the one that undoes it and is not undone itself. `links` must be
/// complete.
pub(crate) fn undone_by(mut links: Vec<UndoLink>) -> HashMap<Seq, Seq> {
    // An undo has a higher number than the entry that it undoes, so newer links are decided first.
    links.sort_by_key(|link| std::cmp::Reverse(link.seq));
    let mut undone = HashMap::new();
    for UndoLink { seq, undoes } in links {
        if !undone.contains_key(&seq) {
            undone.entry(undoes).or_insert(seq);
        }
    }
    undone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(pairs: &[(u64, u64)]) -> Vec<UndoLink> {
        pairs.iter().map(|(seq, undoes)| UndoLink { seq: Seq(*seq), undoes: Seq(*undoes) }).collect()
    }

    #[test]
    fn an_entry_is_undone_until_its_undo_is_undone() {
        assert_eq!(undone_by(links(&[(2, 1)])), HashMap::from([(Seq(1), Seq(2))]));
        assert_eq!(undone_by(links(&[(2, 1), (3, 2)])), HashMap::from([(Seq(2), Seq(3))]));
        let undone = undone_by(links(&[(4, 3), (2, 1), (3, 2)]));
        assert_eq!(undone, HashMap::from([(Seq(3), Seq(4)), (Seq(1), Seq(2))]));
        assert_eq!(undone_by(links(&[(2, 1), (3, 2), (5, 1)])), HashMap::from([(Seq(2), Seq(3)), (Seq(1), Seq(5))]));
    }
}

//! Receipts: what a turn changed, as an answer tells it. They are made from committed entries alone.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{Action, Entry, Row, Seq, UndoLink};
use crate::id::{OperationId, TaskId};
use crate::task::{Task, Title, Version};

/// One change that was committed. This is its form in stored messages too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The number of the ledger entry.
    pub seq: Seq,
    /// The operation that the change is part of.
    pub operation_id: OperationId,
    /// What happened to the task.
    pub action: Action,
    /// The task after the change.
    pub task: TaskRef,
    /// The title before the change, if the change gave it another one.
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
    /// The receipt of an entry; `None` if its row has been purged.
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

    /// The receipts of `entries`.
    pub fn all(entries: &[Entry]) -> Vec<Self> {
        entries.iter().filter_map(Self::of).collect()
    }
}

/// A receipt, and whether its change still stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptStatus {
    /// The receipt.
    pub receipt: Receipt,
    /// The entry that undid the change, if one did.
    pub undone_by: Option<Seq>,
}

/// The receipts of one turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipts {
    /// The changes in the order in which they were committed.
    pub changes: Vec<ReceiptStatus>,
    /// Whether any of them can be undone: it is in the ledger, its row was not purged, and it is not undone.
    pub undoable: bool,
}

impl Receipts {
    /// The receipts of changes that were just committed.
    pub fn fresh(receipts: impl IntoIterator<Item = Receipt>) -> Self {
        let changes: Vec<_> = receipts.into_iter().map(|receipt| ReceiptStatus { receipt, undone_by: None }).collect();
        Self { undoable: !changes.is_empty(), changes }
    }

    /// The receipts that are stored with a message, completed by the entries that the ledger has of its turn.
    pub fn on_read(stored: impl IntoIterator<Item = Receipt>, entries: &[&Entry], undone: &HashMap<Seq, Seq>) -> Self {
        let mut receipts: BTreeMap<Seq, Receipt> =
            entries.iter().filter_map(|entry| Receipt::of(entry)).map(|receipt| (receipt.seq, receipt)).collect();
        receipts.extend(stored.into_iter().map(|receipt| (receipt.seq, receipt)));
        let undoable = entries.iter().any(|entry| entry.after.is_some() && !undone.contains_key(&entry.seq));
        let status = |receipt: Receipt| ReceiptStatus { undone_by: undone.get(&receipt.seq).copied(), receipt };
        Self { changes: receipts.into_values().map(status).collect(), undoable }
    }
}

/// Which entries are undone, and by which entry: one that undoes it and is not undone itself. `links` is complete.
pub(crate) fn undone_by(mut links: Vec<UndoLink>) -> HashMap<Seq, Seq> {
    // An undo comes after what it undoes, so the newest links are decided first.
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
        let thrice = undone_by(links(&[(4, 3), (2, 1), (3, 2)]));
        assert_eq!(thrice, HashMap::from([(Seq(3), Seq(4)), (Seq(1), Seq(2))]));
        assert_eq!(undone_by(links(&[(2, 1), (3, 2), (5, 1)])), HashMap::from([(Seq(2), Seq(3)), (Seq(1), Seq(5))]));
    }
}

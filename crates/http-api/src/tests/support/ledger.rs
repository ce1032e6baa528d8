//! Fixtures of the ledger.

use std::sync::{Arc, Mutex};

use domain::change::{Action, Change, EntityId, Entry, Row, Seq, Write};
use domain::principal::Via;
use domain::task::Task;

use super::{OPERATION, Ports, TASK, now, task};

/// The commits, in order.
pub(crate) type Commits = Arc<Mutex<Vec<(Vec<Write>, Change)>>>;

/// An entry of the task [`TASK`] by a request.
pub(crate) fn entry(seq: u64, action: Action, before: Option<Task>, after: Option<Task>) -> Entry {
    Entry {
        seq: Seq(seq),
        at: now(),
        operation: OPERATION.parse().unwrap(),
        entity: EntityId::Task(TASK.parse().unwrap()),
        action,
        before: before.map(Row::Task),
        after: after.map(Row::Task),
        via: Via::Http,
        turn: None,
        conversation: None,
        message: None,
        undoes: None,
    }
}

/// The entry of a renamed task.
pub(crate) fn renamed(seq: u64, from: &str, to: &str) -> Entry {
    let titled = |version, title: &str| Task { title: title.parse().unwrap(), ..task(version) };
    entry(seq, Action::Updated, Some(titled(1, from)), Some(titled(2, to)))
}

/// Makes every commit succeed, with entries numbered from 42.
pub(crate) fn accept_commits(ports: &mut Ports) -> Commits {
    let commits = Commits::default();
    let recorded = Arc::clone(&commits);
    ports.changes.expect_commit().returning(move |_, writes, change| {
        recorded.lock().unwrap().push((writes.to_vec(), change.clone()));
        Ok(writes.iter().zip(42..).map(|(write, seq)| committed(write, change, seq)).collect())
    });
    commits
}

fn committed(write: &Write, change: &Change, seq: u64) -> Entry {
    let Write::Task { before, after, undoes } = write.clone();
    Entry {
        at: change.at,
        operation: change.operation,
        entity: write.entity().unwrap(),
        via: change.actor.via,
        undoes,
        ..entry(seq, write.action(), before, after)
    }
}

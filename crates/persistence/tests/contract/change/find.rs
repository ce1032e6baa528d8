//! Search of ledger entries, and the links between undos.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use domain::change::{Change, ChangeRepo as _, EntityId, Entry, EntrySelector, Seq, UndoLink, Write};
use domain::conversation::turn::Turn;
use domain::conversation::{ConversationRepo as _, ConversationTarget};
use domain::id::{MessageId, UserId};
use domain::task::Task;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, call, change, effect, id, new_task, new_turn};

on_both_databases!(
    entries_are_found_by_number_and_operation,
    entries_are_found_by_message,
    the_newest_entries_of_rows_are_found,
    the_newest_entries_of_other_turns_are_found_without_undos,
    a_search_may_exceed_the_parameters_of_one_statement,
    undo_links_are_followed_transitively,
    a_long_chain_of_undos_is_read_in_one_statement,
);

/// An empty list of sequence numbers.
const NONE: [u64; 0] = [];

async fn seqs(fixture: &Fixture, owner: UserId, selector: &EntrySelector) -> anyhow::Result<Vec<u64>> {
    let found = fixture.changes.find(owner, selector).await?;
    Ok(found.into_iter().map(|entry| entry.seq.0).collect())
}

async fn add(fixture: &Fixture, owner: UserId, count: usize, change: &Change) -> anyhow::Result<Vec<Entry>> {
    let writes: Vec<_> =
        (0..count).map(|_| Ok(Write::create(new_task(owner, "Milk")?))).collect::<anyhow::Result<_>>()?;
    Ok(fixture.changes.commit(owner, &writes, change).await?)
}

fn limit(limit: u16) -> NonZeroU16 {
    NonZeroU16::new(limit).unwrap_or(NonZeroU16::MIN)
}

async fn entries_are_found_by_number_and_operation(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (one, other) = (change(owner, at(2)), change(owner, at(1)));
    let first = add(&fixture, owner, 3, &one).await?;
    let second = add(&fixture, owner, 12, &other).await?;
    assert_eq!(fixture.changes.find(owner, &EntrySelector::Operation(one.operation)).await?, first);
    assert_eq!(fixture.changes.find(owner, &EntrySelector::Operation(other.operation)).await?, second);
    assert_eq!(fixture.changes.find(owner, &EntrySelector::Operation(id())).await?, []);
    assert_eq!(fixture.changes.find(owner, &EntrySelector::Seq(Seq(2))).await?, first[1..2]);
    for none in [0, 16, u64::MAX] {
        assert_eq!(fixture.changes.find(owner, &EntrySelector::Seq(Seq(none))).await?, []);
    }
    Ok(())
}

async fn entries_are_found_by_message(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, turn) = fixture.conversation(owner).await?;
    let (elsewhere, other) = fixture.conversation(owner).await?;
    // Entries of two calls with others between them.
    for (turn, index) in [(&turn, 0), (&other, 0), (&turn, 1)] {
        add(&fixture, owner, 2, &effect(owner, call(turn, index), at(1))).await?;
        add(&fixture, owner, 1, &change(owner, at(1))).await?;
    }
    let of = |turn: &Turn| turn.assistant_message;
    let message = |conversation, message| EntrySelector::Message(conversation, message);
    assert_eq!(seqs(&fixture, owner, &message(conversation, of(&turn))).await?, [1, 2, 7, 8]);
    assert_eq!(seqs(&fixture, owner, &message(elsewhere, of(&other))).await?, [4, 5]);
    // The conversation and the message must both match.
    assert_eq!(seqs(&fixture, owner, &message(elsewhere, of(&turn))).await?, NONE);
    assert_eq!(seqs(&fixture, owner, &message(conversation, turn.user_message)).await?, NONE);
    let messages = |messages: &[MessageId]| EntrySelector::Messages(messages.to_vec());
    assert_eq!(seqs(&fixture, owner, &messages(&[of(&other), id(), of(&turn)])).await?, [1, 2, 4, 5, 7, 8]);
    assert_eq!(seqs(&fixture, owner, &messages(&[of(&other)])).await?, [4, 5]);
    assert_eq!(seqs(&fixture, owner, &messages(&[])).await?, NONE);
    Ok(())
}

/// Toggles the task and returns the new task.
async fn toggle(fixture: &Fixture, task: &Task) -> anyhow::Result<Task> {
    let after = task.toggle(at(1));
    fixture.write(task.user_id, Write::replace(task.clone(), after.clone())).await?;
    Ok(after)
}

async fn the_newest_entries_of_rows_are_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (one, two) = (fixture.task(owner, "1").await?, fixture.task(owner, "2").await?);
    let three = toggle(&fixture, &fixture.task(owner, "3").await?).await?;
    let two = toggle(&fixture, &two).await?;
    let one = toggle(&fixture, &one).await?;
    toggle(&fixture, &one).await?;
    let rows = |rows: &[&Task], after, most| EntrySelector::Rows {
        rows: rows.iter().map(|task| EntityId::Task(task.id)).collect(),
        after: Seq(after),
        limit: limit(most),
    };
    for (selector, expected) in [
        (rows(&[&one, &two], 0, 100), &[1, 2, 5, 6, 7][..]),
        (rows(&[&one, &two], 1, 100), &[2, 5, 6, 7]),
        (rows(&[&one, &two], 5, 100), &[6, 7]),
        (rows(&[&one, &two], 7, 100), &[]),
        (rows(&[&one, &two], u64::MAX, 100), &[]),
        // The newest entries in ascending order.
        (rows(&[&one, &two], 0, 3), &[5, 6, 7]),
        (rows(&[&one, &two], 5, 1), &[7]),
        (rows(&[&three], 0, 100), &[3, 4]),
        (rows(&[], 0, 100), &[]),
    ] {
        assert_eq!(seqs(&fixture, owner, &selector).await?, expected, "{selector:?}");
    }
    Ok(())
}

async fn the_newest_entries_of_other_turns_are_found_without_undos(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, turn) = fixture.conversation(owner).await?;
    let (_, elsewhere) = fixture.conversation(owner).await?;
    let task = add(&fixture, owner, 1, &effect(owner, call(&turn, 0), at(1))).await?;
    add(&fixture, owner, 2, &effect(owner, call(&elsewhere, 0), at(1))).await?;
    fixture.conversations.stop_turn(owner, turn.id, at(1)).await?;
    let next = fixture.begin(owner, new_turn(ConversationTarget::Existing(conversation), at(2))?).await?;
    add(&fixture, owner, 1, &change(owner, at(2))).await?;
    let task = task[0].after.as_ref().and_then(|row| row.as_task()).cloned();
    let task = task.ok_or_else(|| anyhow::anyhow!("no task"))?;
    let undo = Write::Task { before: Some(task.clone()), after: Some(task.delete(at(2))), undoes: Some(Seq(1)) };
    fixture.changes.commit(owner, &[undo], &effect(owner, call(&next, 0), at(2))).await?;
    add(&fixture, owner, 3, &effect(owner, call(&next, 1), at(2))).await?;
    let turns = |except, before: Option<u64>, most| EntrySelector::Turns {
        conversation,
        except,
        before: before.map(Seq),
        limit: limit(most),
    };
    for (selector, expected) in [
        (turns(id(), None, 100), &[1, 6, 7, 8][..]),
        (turns(next.id, None, 100), &[1]),
        (turns(turn.id, None, 100), &[6, 7, 8]),
        (turns(id(), Some(8), 100), &[1, 6, 7]),
        (turns(id(), Some(u64::MAX), 100), &[1, 6, 7, 8]),
        (turns(id(), Some(1), 100), &[]),
        (turns(id(), None, 2), &[7, 8]),
        (turns(id(), Some(7), 1), &[6]),
    ] {
        assert_eq!(seqs(&fixture, owner, &selector).await?, expected, "{selector:?}");
    }
    Ok(())
}

async fn a_search_may_exceed_the_parameters_of_one_statement(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (one, other) = (fixture.task(owner, "1").await?, fixture.task(owner, "2").await?);
    let many = |first: EntityId, last: EntityId| {
        let others = (0..20_000).map(|_| EntityId::Task(id()));
        [first].into_iter().chain(others).chain([last]).collect::<Vec<_>>()
    };
    let rows = |first, last, most| {
        let rows = many(first, last);
        EntrySelector::Rows { rows, after: Seq(0), limit: limit(most) }
    };
    // The newest entry is returned whichever statement selects it.
    let (one, other) = (EntityId::Task(one.id), EntityId::Task(other.id));
    assert_eq!(seqs(&fixture, owner, &rows(one, other, 1)).await?, [2]);
    assert_eq!(seqs(&fixture, owner, &rows(other, one, 1)).await?, [2]);
    assert_eq!(seqs(&fixture, owner, &rows(other, one, 2)).await?, [1, 2]);
    let messages = EntrySelector::Messages((0..20_000).map(|_| id()).collect());
    assert_eq!(seqs(&fixture, owner, &messages).await?, NONE);
    let numbers: Vec<_> = (0..20_000).map(Seq).collect();
    assert_eq!(fixture.changes.undo_links(owner, &numbers).await?, []);
    Ok(())
}

/// Commits an undo of the entry `undoes` by toggling the task. Returns the new task.
async fn undo(fixture: &Fixture, task: &Task, undoes: u64) -> anyhow::Result<Task> {
    let after = task.toggle(at(1));
    let write = Write::Task { before: Some(task.clone()), after: Some(after.clone()), undoes: Some(Seq(undoes)) };
    fixture.write(task.user_id, write).await?;
    Ok(after)
}

async fn links(fixture: &Fixture, owner: UserId, seqs: &[u64]) -> anyhow::Result<BTreeSet<(u64, u64)>> {
    let seqs: Vec<_> = seqs.iter().copied().map(Seq).collect();
    let found = fixture.changes.undo_links(owner, &seqs).await?;
    let links: BTreeSet<_> = found.iter().map(|UndoLink { seq, undoes }| (seq.0, undoes.0)).collect();
    anyhow::ensure!(links.len() == found.len(), "a link twice in {found:?}");
    Ok(links)
}

async fn undo_links_are_followed_transitively(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut task = fixture.task(owner, "1").await?;
    fixture.task(owner, "2").await?;
    // 3 and 7 undo 1, 4 undoes 3, 5 undoes 4, 6 undoes 2.
    for undoes in [1, 3, 4, 2, 1] {
        task = undo(&fixture, &task, undoes).await?;
    }
    let chain = BTreeSet::from([(3, 1), (7, 1), (4, 3), (5, 4)]);
    assert_eq!(links(&fixture, owner, &[1]).await?, chain);
    assert_eq!(links(&fixture, owner, &[2]).await?, BTreeSet::from([(6, 2)]));
    assert_eq!(links(&fixture, owner, &[4]).await?, BTreeSet::from([(5, 4)]));
    // A link that is reachable from two entries is returned once.
    assert_eq!(links(&fixture, owner, &[1, 3, 4]).await?, chain);
    assert_eq!(links(&fixture, owner, &[5, 6, 7, 99, u64::MAX]).await?, BTreeSet::new());
    assert_eq!(links(&fixture, owner, &[]).await?, BTreeSet::new());
    Ok(())
}

async fn a_long_chain_of_undos_is_read_in_one_statement(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut task = fixture.task(owner, "1").await?;
    let mut writes = Vec::new();
    for undoes in 1..=1_000 {
        let after = task.toggle(at(1));
        writes.push(Write::Task { before: Some(task), after: Some(after.clone()), undoes: Some(Seq(undoes)) });
        task = after;
    }
    fixture.changes.commit(owner, &writes, &change(owner, at(1))).await?;
    fixture.statements();
    let expected: BTreeSet<_> = (1..=1_000).map(|undoes| (undoes + 1, undoes)).collect();
    assert_eq!(links(&fixture, owner, &[1]).await?, expected);
    assert_eq!(fixture.statements().len(), 1);
    Ok(())
}

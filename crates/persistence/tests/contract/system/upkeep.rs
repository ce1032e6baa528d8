//! Upkeep of the trash, the ledger and pending actions, and the heads of many users.

use std::collections::BTreeSet;

use domain::change::{ChangeRepo as _, Seq, Write};
use domain::conversation::turn::TurnState;
use domain::conversation::{ConversationRepo as _, TurnResult};
use domain::id::UserId;
use domain::system::SystemRepo as _;
use domain::user::UserRepo as _;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, change, end, id, new_task, put_off};

on_both_databases!(
    users_with_old_trash_are_found,
    at_most_a_hundred_users_with_trash_are_found,
    entries_older_than_the_limit_are_deleted,
    entries_after_a_kept_entry_are_kept,
    entries_are_deleted_in_batches,
    numbering_continues_after_a_deletion,
    expired_pending_actions_are_deleted,
    heads_of_existing_users_are_returned,
);

/// An empty list of sequence numbers.
const NONE: [u64; 0] = [];

async fn with_trash(fixture: &Fixture, until: i64) -> anyhow::Result<BTreeSet<UserId>> {
    let found = fixture.system.users_with_trash(at(until)).await?;
    let users: BTreeSet<_> = found.iter().copied().collect();
    anyhow::ensure!(users.len() == found.len(), "a user twice in {found:?}");
    Ok(users)
}

async fn users_with_old_trash_are_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, bob, eve) = (fixture.user().await?, fixture.user().await?, fixture.user().await?);
    for (owner, when) in [(ada, 5), (ada, 5), (ada, 1_000_000), (bob, 6)] {
        fixture.trash(&fixture.task(owner, "Milk").await?, at(when)).await?;
    }
    fixture.task(eve, "Milk").await?;
    assert_eq!(with_trash(&fixture, 4).await?, BTreeSet::new());
    assert_eq!(with_trash(&fixture, 5).await?, BTreeSet::from([ada]));
    assert_eq!(with_trash(&fixture, 2_000_000).await?, BTreeSet::from([ada, bob]));
    Ok(())
}

async fn at_most_a_hundred_users_with_trash_are_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for _ in 0..101 {
        let owner = fixture.user().await?;
        fixture.write(owner, Write::create(new_task(owner, "Milk")?.delete(at(1)))).await?;
    }
    assert_eq!(with_trash(&fixture, 1).await?.len(), 100);
    Ok(())
}

/// Commits a change at this time.
async fn changed(fixture: &Fixture, owner: UserId, when: i64) -> anyhow::Result<()> {
    fixture.changes.commit(owner, &[Write::create(new_task(owner, "Milk")?)], &change(owner, at(when))).await?;
    Ok(())
}

async fn seqs(fixture: &Fixture, owner: UserId) -> anyhow::Result<Vec<u64>> {
    Ok(fixture.entries(owner).await?.iter().map(|entry| entry.seq.0).collect())
}

async fn entries_older_than_the_limit_are_deleted(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, bob, eve) = (fixture.user().await?, fixture.user().await?, fixture.user().await?);
    for when in [1, 2, 3, 3, 1_000_000] {
        changed(&fixture, ada, when).await?;
    }
    changed(&fixture, bob, 2).await?;
    changed(&fixture, eve, 3).await?;
    assert_eq!(fixture.system.delete_changes(at(1)).await?, 0);
    assert_eq!(fixture.system.delete_changes(at(3)).await?, 3);
    assert_eq!(fixture.system.delete_changes(at(3)).await?, 0);
    assert_eq!(seqs(&fixture, ada).await?, [3, 4, 5]);
    assert_eq!(seqs(&fixture, bob).await?, NONE);
    assert_eq!(seqs(&fixture, eve).await?, [1]);
    assert_eq!(fixture.system.delete_changes(at(2_000_000)).await?, 4);
    Ok(())
}

/// Sequence numbers stay gapless even if a clock was set back.
async fn entries_after_a_kept_entry_are_kept(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for when in [1, 1, 9, 1, 9, 1] {
        changed(&fixture, owner, when).await?;
    }
    for deleted in [2, 0] {
        assert_eq!(fixture.system.delete_changes(at(9)).await?, deleted);
        assert_eq!(seqs(&fixture, owner).await?, [3, 4, 5, 6]);
    }
    assert_eq!(fixture.system.delete_changes(at(10)).await?, 4);
    Ok(())
}

async fn entries_are_deleted_in_batches(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut task = new_task(owner, "Milk")?;
    fixture.write(owner, Write::create(task.clone())).await?;
    for _ in 0..11 {
        let mut writes = Vec::new();
        for _ in 0..1_000 {
            let after = task.toggle(at(1));
            writes.push(Write::replace(task, after.clone()));
            task = after;
        }
        fixture.changes.commit(owner, &writes, &change(owner, at(1))).await?;
    }
    changed(&fixture, owner, 2).await?;
    assert_eq!(fixture.system.delete_changes(at(2)).await?, 11_001);
    assert_eq!(seqs(&fixture, owner).await?, [11_002]);
    Ok(())
}

async fn numbering_continues_after_a_deletion(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    changed(&fixture, owner, 1).await?;
    changed(&fixture, owner, 2).await?;
    assert_eq!(fixture.system.delete_changes(at(9)).await?, 2);
    assert_eq!(fixture.changes.head(owner).await?.seq, Seq(2));
    changed(&fixture, owner, 10).await?;
    assert_eq!(seqs(&fixture, owner).await?, [3]);
    Ok(())
}

async fn expired_pending_actions_are_deleted(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut conversations = Vec::new();
    for until in [7, 8] {
        let (conversation, turn) = fixture.conversation(owner).await?;
        let pending = Some(put_off(turn.assistant_message, &[new_task(owner, "Milk")?], at(until)));
        let ended = TurnResult { pending, ..end(TurnState::Complete, at(1)) };
        fixture.conversations.end_turn(owner, turn.attempt(), ended).await?;
        conversations.push(conversation);
    }
    assert_eq!(fixture.system.delete_changes(at(7)).await?, 0);
    assert_eq!(fixture.system.delete_changes(at(8)).await?, 1);
    assert_eq!(fixture.conversations.pending(owner, conversations[0], at(2)).await?, None);
    assert!(fixture.conversations.pending(owner, conversations[1], at(2)).await?.is_some());
    Ok(())
}

async fn heads_of_existing_users_are_returned(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, bob, deleted) = (fixture.user().await?, fixture.user().await?, fixture.user().await?);
    fixture.user().await?;
    changed(&fixture, ada, 1).await?;
    changed(&fixture, ada, 1).await?;
    fixture.users.delete(deleted, 0).await?;
    let mut users: Vec<UserId> = (0..20_000).map(|_| id()).collect();
    users.extend([ada, deleted, bob]);
    let heads = fixture.system.change_heads(&users).await?;
    assert_eq!(heads.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([(ada, Seq(2)), (bob, Seq(0))]));
    fixture.statements();
    assert_eq!(fixture.system.change_heads(&[ada]).await?, [(ada, Seq(2))]);
    assert_eq!(fixture.statements().len(), 1);
    assert_eq!(fixture.system.change_heads(&[]).await?, []);
    Ok(())
}

//! Pages of the ledger, and its head.

use std::num::NonZeroU16;

use domain::change::{ChangeRepo as _, ChangeRepoError, EntryPage, Head, Seq, Write};
use domain::id::UserId;
use domain::user::{UserPatch, UserRepo as _};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, id, new_task};

on_both_databases!(
    entries_follow_their_cursor_in_order,
    the_head_has_the_newest_number_and_the_time_zone,
    the_ledger_of_a_missing_user_is_not_found,
    the_head_is_read_no_later_than_the_entries,
);

async fn entries_follow_their_cursor_in_order(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    let empty = EntryPage { head: Seq(0), entries: Vec::new() };
    for after in [0, 1, u64::MAX] {
        assert_eq!(fixture.changes.list(owner, Seq(after), NonZeroU16::MAX).await?, empty);
    }
    let mut entries = Vec::new();
    // More than ten, so that an order by text would fail.
    for _ in 0..12 {
        entries.push(fixture.write(owner, Write::create(new_task(owner, "Milk")?)).await?);
        fixture.task(other, "Bread").await?;
    }
    for after in 0..=12 {
        for limit in [1, 2, 11, 12, 13] {
            let page =
                fixture.changes.list(owner, Seq(after), NonZeroU16::new(limit).unwrap_or(NonZeroU16::MIN)).await?;
            let from = usize::try_from(after)?;
            let until = entries.len().min(from + usize::from(limit));
            assert_eq!(page, EntryPage { head: Seq(12), entries: entries[from..until].to_vec() }, "{after}, {limit}");
        }
    }
    for beyond in [13, u64::MAX] {
        let page = fixture.changes.list(owner, Seq(beyond), NonZeroU16::MAX).await?;
        assert_eq!(page, EntryPage { head: Seq(12), entries: Vec::new() });
    }
    Ok(())
}

async fn the_head_has_the_newest_number_and_the_time_zone(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let head = fixture.changes.head(owner).await?;
    assert_eq!((head.seq, head.time_zone.name()), (Seq(0), "UTC"));
    fixture.task(owner, "Milk").await?;
    let zone = UserPatch { time_zone: Some("Europe/Berlin".parse()?).into(), ..UserPatch::default() };
    fixture.users.update(owner, zone, at(1)).await?;
    let expected = Head { seq: Seq(1), time_zone: "Europe/Berlin".parse()? };
    assert_eq!(fixture.changes.head(owner).await?, expected);
    Ok(())
}

async fn the_ledger_of_a_missing_user_is_not_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (deleted, missing) = (fixture.user().await?, id::<UserId>());
    fixture.task(deleted, "Milk").await?;
    fixture.users.delete(deleted, 0).await?;
    for user in [deleted, missing] {
        let listed = fixture.changes.list(user, Seq(0), NonZeroU16::MAX).await;
        assert!(matches!(listed, Err(ChangeRepoError::NotFound)), "{listed:?}");
        let head = fixture.changes.head(user).await;
        assert!(matches!(head, Err(ChangeRepoError::NotFound)), "{head:?}");
        assert_eq!(fixture.changes.undo_links(user, &[Seq(1)]).await?, []);
    }
    Ok(())
}

/// During concurrent commits, the entries of a page reach at least the head that it returns.
async fn the_head_is_read_no_later_than_the_entries(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let changes = fixture.changes.clone();
    let writer = tokio::spawn(async move {
        for _ in 0..100 {
            let write = Write::create(new_task(owner, "Milk")?);
            changes.commit(owner, &[write], &crate::fixture::change(owner, at(1))).await?;
        }
        anyhow::Ok(())
    });
    let mut seen = 0;
    while seen < 100 {
        let page = fixture.changes.list(owner, Seq(0), NonZeroU16::MAX).await?;
        let newest = page.entries.last().map_or(0, |entry| entry.seq.0);
        assert_eq!((page.entries.len() as u64, newest), (page.head.0, page.head.0));
        assert!(page.head.0 >= seen, "{} after {seen}", page.head);
        seen = page.head.0;
        if writer.is_finished() {
            break;
        }
    }
    writer.await??;
    assert_eq!(fixture.changes.head(owner).await?.seq, Seq(100));
    Ok(())
}

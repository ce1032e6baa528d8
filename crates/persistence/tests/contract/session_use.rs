//! Sessions: who was seen to use them, and what is stored of that.

use std::num::NonZeroU16;

use domain::id::UserId;
use domain::page::PageRequest;
use domain::session::{Client, NewSession, Session, SessionRepo as _, SessionRepoError};
use domain::storage::StorageError;
use sea_orm::ConnectionTrait as _;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, client, id, new_session};

on_both_databases!(
    use_is_noted_with_who_it_was,
    a_note_that_comes_late_leaves_a_later_one,
    a_session_that_is_gone_is_not_brought_back_by_a_note,
    a_stored_client_that_makes_no_sense_is_corrupt,
);

async fn only(fixture: &Fixture, owner: UserId) -> anyhow::Result<Session> {
    let mut listed = fixture.sessions.list(owner, PageRequest::first(NonZeroU16::MAX), at(1)).await?.items;
    anyhow::ensure!(listed.len() == 1, "{listed:?}");
    Ok(listed.remove(0))
}

async fn use_is_noted_with_who_it_was(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let laptop = client("Laptop", "192.0.2.7")?;
    let created = fixture.sessions.create(owner, NewSession { client: laptop, ..new_session(at(9)) }).await?;
    for (moment, client) in [(1, client("Phone", "2001:db8::1")?), (2, Client::default())] {
        fixture.sessions.touch(owner, created.id, client.clone(), at(moment)).await?;
        let expected = Session { client, last_used_at: at(moment), ..created.clone() };
        assert_eq!(only(&fixture, owner).await?, expected);
        assert_eq!(fixture.sessions.status(owner, created.id, at(3)).await?.last_used_at, at(moment));
    }
    Ok(())
}

async fn a_note_that_comes_late_leaves_a_later_one(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let session = fixture.session(owner).await?;
    fixture.sessions.touch(owner, session, client("Phone", "::1")?, at(5)).await?;
    let noted = only(&fixture, owner).await?;
    for late in [4, 5] {
        fixture.sessions.touch(owner, session, client("Laptop", "::2")?, at(late)).await?;
        assert_eq!(only(&fixture, owner).await?, noted);
    }
    Ok(())
}

async fn a_session_that_is_gone_is_not_brought_back_by_a_note(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    let gone = fixture.session(owner).await?;
    fixture.sessions.end(owner, gone).await?;
    let kept = fixture.session(owner).await?;
    for (user, session) in [(owner, gone), (other, kept), (owner, id()), (id(), kept)] {
        fixture.sessions.touch(user, session, client("Phone", "::1")?, at(1)).await?;
    }
    let outcome = fixture.sessions.status(owner, gone, at(1)).await;
    assert!(matches!(outcome, Err(SessionRepoError::NotFound)), "{outcome:?}");
    let only = only(&fixture, owner).await?;
    assert_eq!((only.id, only.client, only.last_used_at), (kept, Client::default(), at(0)));
    Ok(())
}

async fn a_stored_client_that_makes_no_sense_is_corrupt(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    fixture.session(owner).await?;
    let db = fixture.database.connection_for_migrations();
    for columns in ["peer = 'nowhere'", "peer = '192.0.2.7:80'", "peer = NULL, device = '  '"] {
        db.execute_unprepared(&format!("UPDATE sessions SET {columns}")).await?;
        let outcome = fixture.sessions.list(owner, PageRequest::first(NonZeroU16::MIN), at(1)).await;
        let corrupt = matches!(outcome, Err(SessionRepoError::Storage(StorageError::Corrupt(_))));
        assert!(corrupt, "{columns}: {outcome:?}");
    }
    Ok(())
}

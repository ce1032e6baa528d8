//! Sessions: recording of the last use and its client.

use std::num::NonZeroU16;

use domain::id::UserId;
use domain::page::PageRequest;
use domain::session::{Client, NewSession, Session, SessionRepo as _, SessionRepoError};
use domain::storage::StorageError;
use sea_orm::ConnectionTrait as _;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, client, id, new_session};

on_both_databases!(
    use_is_recorded_with_the_client,
    an_older_use_does_not_overwrite_a_newer_one,
    recording_use_does_not_recreate_an_ended_session,
    an_invalid_stored_client_is_corrupt,
);

async fn only(fixture: &Fixture, owner: UserId) -> anyhow::Result<Session> {
    let mut listed = fixture.sessions.list(owner, PageRequest::first(NonZeroU16::MAX), at(1)).await?.items;
    anyhow::ensure!(listed.len() == 1, "{listed:?}");
    Ok(listed.remove(0))
}

async fn use_is_recorded_with_the_client(test: TestDatabase) -> anyhow::Result<()> {
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

async fn an_older_use_does_not_overwrite_a_newer_one(test: TestDatabase) -> anyhow::Result<()> {
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

async fn recording_use_does_not_recreate_an_ended_session(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    let ended = fixture.session(owner).await?;
    fixture.sessions.end(owner, ended).await?;
    let kept = fixture.session(owner).await?;
    for (user, session) in [(owner, ended), (other, kept), (owner, id()), (id(), kept)] {
        fixture.sessions.touch(user, session, client("Phone", "::1")?, at(1)).await?;
    }
    let outcome = fixture.sessions.status(owner, ended, at(1)).await;
    assert!(matches!(outcome, Err(SessionRepoError::NotFound)), "{outcome:?}");
    let only = only(&fixture, owner).await?;
    assert_eq!((only.id, only.client, only.last_used_at), (kept, Client::default(), at(0)));
    Ok(())
}

async fn an_invalid_stored_client_is_corrupt(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    fixture.session(owner).await?;
    let db = fixture.raw();
    for columns in ["peer = 'nowhere'", "peer = '192.0.2.7:80'", "peer = NULL, device = '  '"] {
        db.execute_unprepared(&format!("UPDATE sessions SET {columns}")).await?;
        let outcome = fixture.sessions.list(owner, PageRequest::first(NonZeroU16::MIN), at(1)).await;
        let corrupt = matches!(outcome, Err(SessionRepoError::Storage(StorageError::Corrupt(_))));
        assert!(corrupt, "{columns}: {outcome:?}");
    }
    Ok(())
}

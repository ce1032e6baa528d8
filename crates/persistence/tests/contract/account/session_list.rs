//! Sessions: the paged list.

use std::num::NonZeroU16;

use domain::id::{SessionId, UserId};
use domain::page::{Page, PageRequest};
use domain::session::{NewSession, Session, SessionRepo as _};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, client, new_session};

on_both_databases!(
    the_newest_session_is_listed_first,
    expired_sessions_are_not_listed,
    a_page_continues_where_the_last_one_ended,
);

fn page(limit: u16, after: Option<SessionId>) -> anyhow::Result<PageRequest<SessionId>> {
    Ok(PageRequest { limit: NonZeroU16::try_from(limit)?, after })
}

async fn listed(fixture: &Fixture, owner: UserId, limit: u16) -> anyhow::Result<Page<Session, SessionId>> {
    Ok(fixture.sessions.list(owner, page(limit, None)?, at(1)).await?)
}

async fn the_newest_session_is_listed_first(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    fixture.session(other).await?;
    let mut sessions = Vec::new();
    for device in ["Laptop", "Phone", "curl/8.5"] {
        let new = NewSession { client: client(device, "::1")?, ..new_session(at(9)) };
        sessions.insert(0, fixture.sessions.create(owner, new).await?);
    }
    assert_eq!(listed(&fixture, owner, 9).await?, Page { items: sessions, next: None });
    assert_eq!(listed(&fixture, fixture.user().await?, 9).await?, Page { items: Vec::new(), next: None });
    Ok(())
}

async fn expired_sessions_are_not_listed(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let active = fixture.sessions.create(owner, new_session(at(2))).await?;
    fixture.sessions.create(owner, new_session(at(1))).await?;
    let another = fixture.sessions.create(owner, new_session(at(3))).await?;
    fixture.sessions.create(owner, new_session(at(0))).await?;
    // They do not count towards the limit of a page.
    assert_eq!(listed(&fixture, owner, 2).await?, Page { items: vec![another, active], next: None });
    assert_eq!(fixture.sessions.list(owner, page(9, None)?, at(3)).await?.items, []);
    Ok(())
}

async fn a_page_continues_where_the_last_one_ended(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        sessions.insert(0, fixture.sessions.create(owner, new_session(at(9))).await?);
    }
    let first = listed(&fixture, owner, 2).await?;
    assert_eq!(first, Page { items: sessions[..2].to_vec(), next: Some(sessions[1].id) });
    // Sessions that are created or ended between two pages do not shift the next one.
    fixture.session(owner).await?;
    fixture.sessions.end(owner, sessions[1].id).await?;
    let second = fixture.sessions.list(owner, page(2, first.next)?, at(1)).await?;
    assert_eq!(second, Page { items: sessions[2..4].to_vec(), next: Some(sessions[3].id) });
    let last = fixture.sessions.list(owner, page(2, second.next)?, at(1)).await?;
    assert_eq!(last, Page { items: sessions[4..].to_vec(), next: None });
    Ok(())
}

//! API tokens.

use std::num::NonZeroU16;

use domain::api_token::{ApiToken, ApiTokenRepo as _, ApiTokenRepoError, ApiTokenStatus, NewApiToken};
use domain::id::{ApiTokenId, UserId};
use domain::page::{Page, PageRequest};
use domain::principal::Scopes;
use domain::session::SessionRepo as _;
use domain::storage::StorageError;
use domain::system::SystemRepo as _;
use sea_orm::ConnectionTrait as _;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, id, new_api_token, token};

on_both_databases!(
    a_token_is_returned_as_it_is_stored,
    a_token_is_created_only_in_an_active_session,
    a_token_outlives_the_session_that_created_it,
    the_newest_token_is_listed_first_and_expired_ones_are_kept,
    a_page_continues_where_the_last_one_ended,
    a_deleted_token_is_not_found,
    last_use_is_recorded_and_never_decreases,
    a_token_with_a_scope_that_cannot_be_granted_is_corrupt,
);

fn page(limit: u16, after: Option<ApiTokenId>) -> anyhow::Result<PageRequest<ApiTokenId>> {
    Ok(PageRequest { limit: NonZeroU16::try_from(limit)?, after })
}

async fn listed(fixture: &Fixture, owner: UserId) -> anyhow::Result<Vec<ApiToken>> {
    Ok(fixture.api_tokens.list(owner, page(99, None)?).await?.items)
}

async fn created(fixture: &Fixture, owner: UserId, count: usize) -> anyhow::Result<Vec<ApiToken>> {
    let session = fixture.session(owner).await?;
    let mut tokens = Vec::new();
    for _ in 0..count {
        tokens.insert(0, fixture.api_tokens.create(owner, session, new_api_token(at(1))?).await?);
    }
    Ok(tokens)
}

async fn a_token_is_returned_as_it_is_stored(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let session = fixture.session(owner).await?;
    for (name, scopes, expires_at) in [
        ("CI", &["tasks:read"][..], None),
        ("‏עדה‏ 🧑\u{200D}🚀", &["chat", "tasks:write"], Some(at(9))),
        (&"é".repeat(100), &["tasks:read", "tasks:write", "chat"], Some(at(1))),
    ] {
        let scopes = Scopes::granted(scopes.iter().copied())?;
        let new = NewApiToken { name: name.parse()?, scopes, expires_at, ..new_api_token(at(3))? };
        let created = fixture.api_tokens.create(owner, session, new.clone()).await?;
        let NewApiToken { id, name, scopes, hash, .. } = new;
        let status = ApiTokenStatus { id, user: owner, scopes: scopes.clone(), last_used_at: None, expires_at };
        let expected = ApiToken { id, user_id: owner, name, scopes, created_at: at(3), last_used_at: None, expires_at };
        assert_eq!(created, expected);
        assert_eq!(listed(&fixture, owner).await?[0], expected);
        assert_eq!(fixture.system.api_token(&hash).await?, Some(status));
    }
    assert_eq!(fixture.system.api_token(&token()).await?, None);
    Ok(())
}

async fn a_token_is_created_only_in_an_active_session(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    let (session, others, ended) =
        (fixture.session(owner).await?, fixture.session(other).await?, fixture.session(owner).await?);
    fixture.sessions.end(owner, ended).await?;
    for (user, session, made_at) in [
        (owner, id(), 1),
        (owner, others, 1),
        (other, session, 1),
        (id(), session, 1),
        (owner, ended, 1),
        // The session has expired by then.
        (owner, session, 100_000_000),
    ] {
        let outcome = fixture.api_tokens.create(user, session, new_api_token(at(made_at))?).await;
        assert!(matches!(outcome, Err(ApiTokenRepoError::NotFound)), "{outcome:?}");
    }
    assert_eq!(fixture.number("SELECT COUNT(*) FROM api_tokens").await?, 0);
    fixture.api_tokens.create(owner, session, new_api_token(at(99_999_999))?).await?;
    Ok(())
}

async fn a_token_outlives_the_session_that_created_it(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let session = fixture.session(owner).await?;
    let new = new_api_token(at(1))?;
    fixture.api_tokens.create(owner, session, new.clone()).await?;
    fixture.sessions.end_all(owner).await?;
    assert!(fixture.system.api_token(&new.hash).await?.is_some());
    Ok(())
}

async fn the_newest_token_is_listed_first_and_expired_ones_are_kept(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    created(&fixture, other, 1).await?;
    let session = fixture.session(owner).await?;
    let mut tokens = Vec::new();
    for expires_at in [None, Some(at(2)), Some(at(99))] {
        let new = NewApiToken { expires_at, ..new_api_token(at(1))? };
        tokens.insert(0, fixture.api_tokens.create(owner, session, new).await?);
    }
    fixture.system.delete_expired(at(98)).await?;
    assert_eq!(listed(&fixture, owner).await?, tokens);
    Ok(())
}

async fn a_page_continues_where_the_last_one_ended(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let tokens = created(&fixture, owner, 5).await?;
    let first = fixture.api_tokens.list(owner, page(2, None)?).await?;
    assert_eq!(first, Page { items: tokens[..2].to_vec(), next: Some(tokens[1].id) });
    created(&fixture, owner, 1).await?;
    fixture.api_tokens.delete(owner, tokens[1].id).await?;
    let second = fixture.api_tokens.list(owner, page(2, first.next)?).await?;
    assert_eq!(second, Page { items: tokens[2..4].to_vec(), next: Some(tokens[3].id) });
    let last = fixture.api_tokens.list(owner, page(2, second.next)?).await?;
    assert_eq!(last, Page { items: tokens[4..].to_vec(), next: None });
    Ok(())
}

async fn a_deleted_token_is_not_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    let session = fixture.session(owner).await?;
    let (new, kept) = (new_api_token(at(1))?, created(&fixture, owner, 1).await?);
    fixture.api_tokens.create(owner, session, new.clone()).await?;
    fixture.api_tokens.delete(owner, new.id).await?;
    assert_eq!(fixture.system.api_token(&new.hash).await?, None);
    for (user, token) in [(owner, new.id), (owner, id()), (other, kept[0].id), (id(), kept[0].id)] {
        let outcome = fixture.api_tokens.delete(user, token).await;
        assert!(matches!(outcome, Err(ApiTokenRepoError::NotFound)), "{outcome:?}");
    }
    // A late recording of use does not recreate it.
    fixture.api_tokens.touch(owner, new.id, at(2)).await?;
    assert_eq!(listed(&fixture, owner).await?, kept);
    Ok(())
}

async fn last_use_is_recorded_and_never_decreases(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    let tokens = created(&fixture, owner, 2).await?;
    for (noted, expected) in [(5, 5), (4, 5), (6, 6)] {
        fixture.api_tokens.touch(owner, tokens[0].id, at(noted)).await?;
        let used = ApiToken { last_used_at: Some(at(expected)), ..tokens[0].clone() };
        assert_eq!(listed(&fixture, owner).await?, [used, tokens[1].clone()]);
    }
    fixture.api_tokens.touch(other, tokens[1].id, at(9)).await?;
    fixture.api_tokens.touch(owner, id(), at(9)).await?;
    assert_eq!(listed(&fixture, owner).await?[1], tokens[1]);
    Ok(())
}

/// A token cannot gain the scope of the whole account by an edit of its row.
async fn a_token_with_a_scope_that_cannot_be_granted_is_corrupt(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let session = fixture.session(owner).await?;
    let new = new_api_token(at(1))?;
    fixture.api_tokens.create(owner, session, new.clone()).await?;
    let db = fixture.raw();
    for scopes in ["account", "tasks:read account", "admin", " ", "chat "] {
        db.execute_unprepared(&format!("UPDATE api_tokens SET scopes = '{scopes}'")).await?;
        let outcome = fixture.system.api_token(&new.hash).await;
        assert!(matches!(outcome, Err(StorageError::Corrupt(_))), "{scopes}: {outcome:?}");
        let outcome = fixture.api_tokens.list(owner, page(1, None)?).await;
        let corrupt = matches!(outcome, Err(ApiTokenRepoError::Storage(StorageError::Corrupt(_))));
        assert!(corrupt, "{scopes}: {outcome:?}");
    }
    Ok(())
}

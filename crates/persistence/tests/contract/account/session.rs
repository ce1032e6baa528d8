//! Sessions and refresh tokens: creation, rotation and end.

use domain::id::{SessionId, UserId};
use domain::secret::SecretHash;
use domain::session::{
    Client, CodePurpose, NewSession, Rotation, Session, SessionRepo as _, SessionRepoError, SessionStatus,
};
use domain::system::{RefreshTokenOwner, SystemRepo as _};
use domain::user::UserRepo as _;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, client, id, new_code, new_password, new_session, token};

on_both_databases!(
    a_session_is_returned_as_it_is_stored,
    a_session_is_created_only_at_the_users_token_version,
    a_session_is_active_until_it_expires,
    a_missing_session_is_not_found,
    rotation_extends_the_session_and_spends_the_token,
    rotating_a_spent_token_returns_reused_and_changes_nothing,
    of_two_concurrent_rotations_of_one_token_one_returns_reused,
    an_unknown_token_or_session_cannot_be_rotated,
    ending_a_session_deletes_its_tokens_and_codes,
    ending_all_sessions_affects_only_the_owner,
);

fn rotation(spent: SecretHash, next: SecretHash, seconds: i64) -> Rotation {
    let (at, expires_at) = (at(seconds * 1_000_000), at((seconds + 100) * 1_000_000));
    Rotation { spent, next, client: Client::default(), at, expires_at }
}

async fn session(fixture: &Fixture) -> anyhow::Result<(UserId, SessionId, SecretHash)> {
    let owner = fixture.user().await?;
    let new = new_session(at(100_000_000));
    let session = fixture.sessions.create(owner, new.clone()).await?;
    Ok((owner, session.id, new.refresh))
}

fn not_found<T: std::fmt::Debug>(outcome: Result<T, SessionRepoError>) {
    match outcome {
        Err(SessionRepoError::NotFound) => {}
        other => panic!("{other:?}"),
    }
}

async fn a_session_is_returned_as_it_is_stored(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for client in [Client::default(), client("Firefox 🦊", "192.0.2.7")?, client("x", "2001:db8::1")?] {
        let new = NewSession { at: at(3), client: client.clone(), ..new_session(at(9)) };
        let created = fixture.sessions.create(owner, new.clone()).await?;
        let expected =
            Session { id: new.id, user_id: owner, client, created_at: at(3), last_used_at: at(3), expires_at: at(9) };
        assert_eq!(created, expected);
        let status = fixture.sessions.status(owner, new.id, at(4)).await?;
        let expected = SessionStatus { token_version: 0, created_at: at(3), last_used_at: at(3), expires_at: at(9) };
        assert_eq!(status, expected);
        let found = fixture.system.session_by_refresh_token(&new.refresh).await?;
        assert_eq!(found, Some(RefreshTokenOwner { user: owner, session: new.id, expires_at: at(9) }));
    }
    Ok(())
}

async fn a_session_is_created_only_at_the_users_token_version(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let new = |token_version| NewSession { token_version, ..new_session(at(9)) };
    for (user, token_version) in [(owner, 1), (owner, u32::MAX), (id(), 0)] {
        not_found(fixture.sessions.create(user, new(token_version)).await);
    }
    fixture.users.change_password(owner, new_password(0), at(1)).await?;
    not_found(fixture.sessions.create(owner, new(0)).await);
    // The session that the password change created.
    assert_eq!(fixture.number("SELECT COUNT(*) FROM sessions").await?, 1);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM refresh_tokens").await?, 1);
    let created = fixture.sessions.create(owner, new(1)).await?;
    assert_eq!(fixture.sessions.status(owner, created.id, at(1)).await?.token_version, 1);
    Ok(())
}

async fn a_session_is_active_until_it_expires(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, session, _) = session(&fixture).await?;
    for now in [at(0), at(99_999_999)] {
        assert_eq!(fixture.sessions.status(owner, session, now).await?.expires_at, at(100_000_000));
    }
    for now in [at(100_000_000), at(100_000_001), at(200_000_000)] {
        not_found(fixture.sessions.status(owner, session, now).await);
    }
    Ok(())
}

async fn a_missing_session_is_not_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, session, _) = session(&fixture).await?;
    let other = fixture.user().await?;
    for (user, session) in [(owner, id()), (other, session), (id(), session)] {
        not_found(fixture.sessions.status(user, session, at(1)).await);
    }
    fixture.sessions.status(owner, session, at(1)).await?;
    fixture.users.delete(owner, 0).await?;
    not_found(fixture.sessions.status(owner, session, at(1)).await);
    Ok(())
}

async fn rotation_extends_the_session_and_spends_the_token(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, session, first) = session(&fixture).await?;
    let (second, third) = (token(), token());
    let phone = Rotation { client: client("Phone", "192.0.2.7")?, ..rotation(first.clone(), second.clone(), 50) };
    fixture.sessions.rotate(owner, session, phone.clone()).await?;
    let page = domain::page::PageRequest::first(std::num::NonZeroU16::MIN);
    let listed = fixture.sessions.list(owner, page, at(50_000_000)).await?.items;
    assert_eq!((&listed[0].client, listed[0].last_used_at), (&phone.client, at(50_000_000)));
    fixture.sessions.rotate(owner, session, rotation(second.clone(), third.clone(), 60)).await?;
    let expected = SessionStatus {
        token_version: 0,
        created_at: at(0),
        last_used_at: at(60_000_000),
        expires_at: at(160_000_000),
    };
    assert_eq!(fixture.sessions.status(owner, session, at(159_999_999)).await?, expected);
    // Spent tokens identify their session, too.
    for token in [first, second, third] {
        let found = fixture.system.session_by_refresh_token(&token).await?;
        assert_eq!(found, Some(RefreshTokenOwner { user: owner, session, expires_at: at(160_000_000) }));
    }
    Ok(())
}

async fn rotating_a_spent_token_returns_reused_and_changes_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, session, first) = session(&fixture).await?;
    let (second, other) = (token(), token());
    fixture.sessions.rotate(owner, session, rotation(first.clone(), second.clone(), 50)).await?;
    let before = fixture.sessions.status(owner, session, at(60_000_000)).await?;
    let again = fixture.sessions.rotate(owner, session, rotation(first, other.clone(), 60)).await;
    assert!(matches!(again, Err(SessionRepoError::Reused)), "{again:?}");
    assert_eq!(fixture.system.session_by_refresh_token(&other).await?, None);
    assert_eq!(fixture.sessions.status(owner, session, at(60_000_000)).await?, before);
    fixture.sessions.rotate(owner, session, rotation(second, token(), 70)).await?;
    Ok(())
}

async fn of_two_concurrent_rotations_of_one_token_one_returns_reused(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for _ in 0..10 {
        let (owner, session, first) = session(&fixture).await?;
        let rotate = |spent: SecretHash| {
            let sessions = fixture.sessions.clone();
            tokio::spawn(async move { sessions.rotate(owner, session, rotation(spent, token(), 50)).await })
        };
        let (one, other) = (rotate(first.clone()), rotate(first));
        let outcomes = [one.await?, other.await?];
        let reused = outcomes.iter().filter(|outcome| matches!(outcome, Err(SessionRepoError::Reused))).count();
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!((reused, done), (1, 1), "{outcomes:?}");
    }
    Ok(())
}

async fn an_unknown_token_or_session_cannot_be_rotated(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, first_session, first) = session(&fixture).await?;
    let (other, other_session, other_token) = session(&fixture).await?;
    let mine = new_session(at(100_000_000));
    fixture.sessions.create(owner, mine.clone()).await?;
    for (user, session, spent, seconds) in [
        (owner, first_session, token(), 50),
        (owner, id(), first.clone(), 50),
        (other, first_session, first.clone(), 50),
        (owner, other_session, other_token, 50),
        // A token of another session of the same user.
        (owner, mine.id, first.clone(), 50),
        // The session has expired.
        (owner, first_session, first.clone(), 100),
    ] {
        not_found(fixture.sessions.rotate(user, session, rotation(spent, token(), seconds)).await);
    }
    assert_eq!(fixture.sessions.status(owner, first_session, at(1)).await?.last_used_at, at(0));
    fixture.sessions.rotate(owner, first_session, rotation(first, token(), 99)).await?;
    Ok(())
}

async fn ending_a_session_deletes_its_tokens_and_codes(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, session, first) = session(&fixture).await?;
    let kept = fixture.session(owner).await?;
    let (code, kept_code) = (new_code(CodePurpose::Link, Some(session)), new_code(CodePurpose::Link, Some(kept)));
    fixture.sessions.create_code(owner, code.clone()).await?;
    fixture.sessions.create_code(owner, kept_code.clone()).await?;
    fixture.sessions.end(owner, session).await?;
    not_found(fixture.sessions.end(owner, session).await);
    not_found(fixture.sessions.end(owner, id()).await);
    not_found(fixture.sessions.end(fixture.user().await?, kept).await);
    not_found(fixture.sessions.status(owner, session, at(1)).await);
    assert_eq!(fixture.system.session_by_refresh_token(&first).await?, None);
    assert_eq!(fixture.system.redeem_code(&code.hash, CodePurpose::Link, at(1)).await?, None);
    not_found(fixture.sessions.rotate(owner, session, rotation(first, token(), 50)).await);
    fixture.sessions.status(owner, kept, at(1)).await?;
    assert!(fixture.system.redeem_code(&kept_code.hash, CodePurpose::Link, at(1)).await?.is_some());
    Ok(())
}

async fn ending_all_sessions_affects_only_the_owner(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, one, first) = session(&fixture).await?;
    let another = fixture.session(owner).await?;
    let (other, others, _) = session(&fixture).await?;
    fixture.sessions.create_code(owner, new_code(CodePurpose::Link, Some(one))).await?;
    fixture.sessions.end_all(owner).await?;
    for session in [one, another] {
        not_found(fixture.sessions.status(owner, session, at(1)).await);
    }
    assert_eq!(fixture.system.session_by_refresh_token(&first).await?, None);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM one_time_codes").await?, 0);
    fixture.sessions.status(other, others, at(1)).await?;
    // Ending all sessions succeeds for users without sessions and for missing users.
    fixture.sessions.end_all(owner).await?;
    fixture.sessions.end_all(id()).await?;
    fixture.session(owner).await?;
    Ok(())
}

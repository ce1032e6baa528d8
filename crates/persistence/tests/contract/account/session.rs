//! Sessions and refresh tokens: creation and end. Rotation is in [`super::rotation`].

use domain::id::{SessionId, UserId};
use domain::secret::SecretHash;
use domain::session::{Client, CodePurpose, NewSession, Session, SessionRepo as _, SessionRepoError, SessionStatus};
use domain::system::{RefreshTokenOwner, SystemRepo as _};
use domain::user::UserRepo as _;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, client, id, new_code, new_password, new_session};

on_both_databases!(
    a_session_is_returned_as_it_is_stored,
    a_session_is_created_only_at_the_users_token_version,
    a_session_is_active_until_it_expires,
    a_missing_session_is_not_found,
    ending_a_session_deletes_its_tokens_and_codes,
    ending_all_sessions_affects_only_the_owner,
);

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

//! Sessions and refresh tokens.

use domain::id::{SessionId, UserId};
use domain::session::{NewSession, RefreshTokenHash, Rotation, Session, SessionRepo as _, SessionRepoError};
use domain::system::{RefreshTokenOwner, SystemRepo as _};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, id, new_session, token};

on_both_databases!(
    a_session_is_returned_as_it_is_stored,
    a_session_is_alive_until_it_expires,
    a_session_that_is_not_there_has_no_token_version,
    rotating_prolongs_the_session_and_spends_the_token,
    a_spent_token_is_reused_and_changes_nothing,
    of_two_rotations_of_one_token_one_is_reuse,
    an_unknown_token_or_session_cannot_be_rotated,
    an_ended_session_stays_ended,
);

fn rotation(spent: RefreshTokenHash, next: RefreshTokenHash, seconds: i64) -> Rotation {
    Rotation { spent, next, at: at(seconds * 1_000_000), expires_at: at((seconds + 100) * 1_000_000) }
}

async fn session(fixture: &Fixture) -> anyhow::Result<(UserId, SessionId, RefreshTokenHash)> {
    let owner = fixture.user().await?;
    let new = new_session(at(100_000_000));
    let session = fixture.sessions.create(owner, new.clone()).await?;
    Ok((owner, session.id, new.refresh))
}

async fn a_session_is_returned_as_it_is_stored(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let new = NewSession { at: at(3), ..new_session(at(9)) };
    let created = fixture.sessions.create(owner, new.clone()).await?;
    let expected = Session { id: new.id, user_id: owner, created_at: at(3), last_used_at: at(3), expires_at: at(9) };
    assert_eq!(created, expected);
    let found = fixture.system.session_by_refresh_token(&new.refresh).await?;
    assert_eq!(found, Some(RefreshTokenOwner { user: owner, session: new.id, expires_at: at(9) }));
    Ok(())
}

async fn a_session_is_alive_until_it_expires(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, session, _) = session(&fixture).await?;
    let sessions = &fixture.sessions;
    for now in [at(0), at(99_999_999)] {
        assert_eq!(sessions.token_version(owner, session, now).await?, 0);
    }
    for now in [at(100_000_000), at(100_000_001), at(200_000_000)] {
        let outcome = sessions.token_version(owner, session, now).await;
        assert!(matches!(outcome, Err(SessionRepoError::NotFound)), "{outcome:?}");
    }
    Ok(())
}

async fn a_session_that_is_not_there_has_no_token_version(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, session, _) = session(&fixture).await?;
    let other = fixture.user().await?;
    for (user, session) in [(owner, id()), (other, session), (id(), session)] {
        let outcome = fixture.sessions.token_version(user, session, at(1)).await;
        assert!(matches!(outcome, Err(SessionRepoError::NotFound)), "{outcome:?}");
    }
    fixture.statements();
    fixture.sessions.token_version(owner, session, at(1)).await?;
    assert_eq!(fixture.statements().len(), 1);
    Ok(())
}

async fn rotating_prolongs_the_session_and_spends_the_token(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, session, first) = session(&fixture).await?;
    let (second, third) = (token(), token());
    fixture.sessions.rotate(owner, session, rotation(first.clone(), second.clone(), 50)).await?;
    fixture.sessions.rotate(owner, session, rotation(second.clone(), third.clone(), 60)).await?;
    assert_eq!(fixture.sessions.token_version(owner, session, at(159_999_999)).await?, 0);
    // Spent or not, they all tell whose they are.
    for token in [first, second, third] {
        let found = fixture.system.session_by_refresh_token(&token).await?;
        assert_eq!(found, Some(RefreshTokenOwner { user: owner, session, expires_at: at(160_000_000) }));
    }
    Ok(())
}

async fn a_spent_token_is_reused_and_changes_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, session, first) = session(&fixture).await?;
    let (second, other) = (token(), token());
    fixture.sessions.rotate(owner, session, rotation(first.clone(), second.clone(), 50)).await?;
    let again = fixture.sessions.rotate(owner, session, rotation(first, other.clone(), 60)).await;
    assert!(matches!(again, Err(SessionRepoError::Reused)), "{again:?}");
    assert_eq!(fixture.system.session_by_refresh_token(&other).await?, None);
    let kept = fixture.system.session_by_refresh_token(&second).await?;
    assert_eq!(kept.map(|kept| kept.expires_at), Some(at(150_000_000)));
    fixture.sessions.rotate(owner, session, rotation(second, token(), 70)).await?;
    Ok(())
}

async fn of_two_rotations_of_one_token_one_is_reuse(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for _ in 0..10 {
        let (owner, session, first) = session(&fixture).await?;
        let rotate = |spent: RefreshTokenHash| {
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
        // Of another session of the same user.
        (owner, mine.id, first.clone(), 50),
        // The session is over.
        (owner, first_session, first.clone(), 100),
    ] {
        let outcome = fixture.sessions.rotate(user, session, rotation(spent, token(), seconds)).await;
        assert!(matches!(outcome, Err(SessionRepoError::NotFound)), "{outcome:?}");
    }
    fixture.sessions.rotate(owner, first_session, rotation(first, token(), 99)).await?;
    Ok(())
}

async fn an_ended_session_stays_ended(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, session, first) = session(&fixture).await?;
    let kept = fixture.sessions.create(owner, new_session(at(100_000_000))).await?;
    for _ in 0..2 {
        fixture.sessions.end(owner, session).await?;
        let version = fixture.sessions.token_version(owner, session, at(1)).await;
        assert!(matches!(version, Err(SessionRepoError::NotFound)), "{version:?}");
        assert_eq!(fixture.system.session_by_refresh_token(&first).await?, None);
        let rotated = fixture.sessions.rotate(owner, session, rotation(first.clone(), token(), 50)).await;
        assert!(matches!(rotated, Err(SessionRepoError::NotFound)), "{rotated:?}");
    }
    assert_eq!(fixture.sessions.token_version(owner, kept.id, at(1)).await?, 0);
    Ok(())
}

//! Refresh tokens: rotation, and the reuse of replaced ones.

use domain::id::{SessionId, UserId};
use domain::secret::SecretHash;
use domain::session::{Client, Rotation, SessionRepo as _, SessionRepoError, SessionStatus};
use domain::system::{RefreshTokenOwner, SystemRepo as _};
use domain::user::UserRepo as _;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, client, id, new_password, new_session, token};

on_both_databases!(
    rotation_extends_the_session_and_spends_the_token,
    a_replaced_token_leads_to_the_current_one_until_the_interval_ends,
    a_token_that_was_replaced_several_times_leads_to_the_current_one,
    reuse_after_the_interval_returns_reused_and_changes_nothing,
    concurrent_rotations_of_one_token_store_one_and_all_return_it,
    an_unknown_token_or_session_cannot_be_rotated,
    no_token_of_an_ended_session_can_be_rotated,
);

const CURRENT: &str = "SELECT COUNT(*) FROM refresh_tokens WHERE spent_at IS NULL";

/// A rotation at a time in microseconds, at which a token can be reused for 30 s.
fn rotation_at(spent: &SecretHash, next: &SecretHash, micros: i64) -> Rotation {
    let (now, replaced_since, expires_at) = (at(micros), at(micros - 30_000_000), at(micros + 100_000_000));
    Rotation {
        spent: spent.clone(),
        next: next.clone(),
        client: Client::default(),
        at: now,
        replaced_since,
        expires_at,
    }
}

fn rotation(spent: &SecretHash, next: &SecretHash, seconds: i64) -> Rotation {
    rotation_at(spent, next, seconds * 1_000_000)
}

async fn session(fixture: &Fixture) -> anyhow::Result<(UserId, SessionId, SecretHash)> {
    let owner = fixture.user().await?;
    let new = new_session(at(100_000_000));
    let session = fixture.sessions.create(owner, new.clone()).await?;
    Ok((owner, session.id, new.refresh))
}

fn not_found<T: std::fmt::Debug>(outcome: &Result<T, SessionRepoError>) {
    assert!(matches!(outcome, Err(SessionRepoError::NotFound)), "{outcome:?}");
}

async fn rotation_extends_the_session_and_spends_the_token(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, session, first) = session(&fixture).await?;
    let (second, third) = (token(), token());
    let phone = Rotation { client: client("Phone", "192.0.2.7")?, ..rotation(&first, &second, 50) };
    assert_eq!(fixture.sessions.rotate(owner, session, phone.clone()).await?, second);
    let page = domain::page::PageRequest::first(std::num::NonZeroU16::MIN);
    let listed = fixture.sessions.list(owner, page, at(50_000_000)).await?.items;
    assert_eq!((&listed[0].client, listed[0].last_used_at), (&phone.client, at(50_000_000)));
    assert_eq!(fixture.sessions.rotate(owner, session, rotation(&second, &third, 60)).await?, third);
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

async fn a_replaced_token_leads_to_the_current_one_until_the_interval_ends(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, session, first) = session(&fixture).await?;
    let (second, other) = (token(), token());
    let rotate = |spent, next, micros| fixture.sessions.rotate(owner, session, rotation_at(spent, next, micros));
    rotate(&first, &second, 50_000_000).await?;
    // The clock of another process may be behind.
    for micros in [49_000_000, 50_000_000, 79_000_000, 80_000_000] {
        assert_eq!(rotate(&first, &other, micros).await?, second, "{micros}");
    }
    assert_eq!(fixture.system.session_by_refresh_token(&other).await?, None);
    let status = fixture.sessions.status(owner, session, at(80_000_000)).await?;
    assert_eq!((status.last_used_at, status.expires_at), (at(80_000_000), at(180_000_000)));
    for micros in [80_000_001, 81_000_000, 99_000_000] {
        let late = rotate(&first, &other, micros).await;
        assert!(matches!(late, Err(SessionRepoError::Reused)), "{micros}: {late:?}");
    }
    // Reuse delays the end of the interval for nobody, and the current token is still valid.
    assert_eq!(rotate(&second, &other, 99_000_000).await?, other);
    Ok(())
}

async fn a_token_that_was_replaced_several_times_leads_to_the_current_one(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, session, first) = session(&fixture).await?;
    let (second, third, other) = (token(), token(), token());
    let rotate = |spent, next, seconds| fixture.sessions.rotate(owner, session, rotation(spent, next, seconds));
    rotate(&first, &second, 50).await?;
    rotate(&second, &third, 60).await?;
    for replaced in [&first, &second] {
        assert_eq!(rotate(replaced, &other, 70).await?, third);
    }
    let late = rotate(&first, &other, 85).await;
    assert!(matches!(late, Err(SessionRepoError::Reused)), "{late:?}");
    assert_eq!(rotate(&second, &other, 85).await?, third);
    assert_eq!(fixture.number(CURRENT).await?, 1);
    Ok(())
}

async fn reuse_after_the_interval_returns_reused_and_changes_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, session, first) = session(&fixture).await?;
    let (second, other) = (token(), token());
    fixture.sessions.rotate(owner, session, rotation(&first, &second, 50)).await?;
    let before = fixture.sessions.status(owner, session, at(60_000_000)).await?;
    let again = fixture.sessions.rotate(owner, session, rotation(&first, &other, 81)).await;
    assert!(matches!(again, Err(SessionRepoError::Reused)), "{again:?}");
    assert_eq!(fixture.system.session_by_refresh_token(&other).await?, None);
    assert_eq!(fixture.sessions.status(owner, session, at(60_000_000)).await?, before);
    fixture.sessions.rotate(owner, session, rotation(&second, &token(), 90)).await?;
    Ok(())
}

async fn concurrent_rotations_of_one_token_store_one_and_all_return_it(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for round in 1..=10 {
        let (owner, session, first) = session(&fixture).await?;
        let rotate = |_| {
            let (sessions, next) = (fixture.sessions.clone(), token());
            let rotation = rotation(&first, &next, 50);
            tokio::spawn(async move { (next, sessions.rotate(owner, session, rotation).await) })
        };
        let together: Vec<_> = (0..4).map(rotate).collect();
        let (mut offered, mut returned) = (Vec::new(), Vec::new());
        for one in together {
            let (next, outcome) = one.await?;
            offered.push(next);
            returned.push(outcome?);
        }
        returned.dedup();
        assert_eq!(returned.len(), 1, "{round}");
        assert_eq!(offered.iter().filter(|next| **next == returned[0]).count(), 1, "{round}");
        assert_eq!(fixture.number(CURRENT).await?, round);
        fixture.sessions.rotate(owner, session, rotation(&returned[0], &token(), 90)).await?;
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
        not_found(&fixture.sessions.rotate(user, session, rotation(&spent, &token(), seconds)).await);
    }
    assert_eq!(fixture.sessions.status(owner, first_session, at(1)).await?.last_used_at, at(0));
    fixture.sessions.rotate(owner, first_session, rotation(&first, &token(), 99)).await?;
    Ok(())
}

async fn no_token_of_an_ended_session_can_be_rotated(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for by_password in [false, true] {
        let (owner, session, first) = session(&fixture).await?;
        let second = token();
        fixture.sessions.rotate(owner, session, rotation(&first, &second, 50)).await?;
        if by_password {
            fixture.users.change_password(owner, new_password(0), at(50_000_000)).await?;
        } else {
            fixture.sessions.end(owner, session).await?;
        }
        for old in [&first, &second] {
            not_found(&fixture.sessions.rotate(owner, session, rotation(old, &token(), 51)).await);
            assert_eq!(fixture.system.session_by_refresh_token(old).await?, None);
        }
    }
    Ok(())
}

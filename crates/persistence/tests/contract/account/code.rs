//! One-time codes and states of external sign-ins, each of which is valid once.

use domain::id::{SessionId, UserId};
use domain::session::{CodeOwner, CodePurpose, NewCode, SessionRepo as _, SessionRepoError};
use domain::system::SystemRepo as _;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, id, new_code, token};

on_both_databases!(
    a_code_is_redeemed_once,
    a_code_is_valid_for_its_purpose_only,
    a_code_is_valid_until_it_expires,
    a_code_requires_its_user_and_an_active_session,
    of_concurrent_redemptions_one_succeeds,
    a_state_is_spent_once,
    of_concurrent_spends_of_a_state_one_succeeds,
);

const BOTH: [CodePurpose; 2] = [CodePurpose::SignIn, CodePurpose::Link];

async fn a_code_is_redeemed_once(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let session = fixture.session(owner).await?;
    for purpose in BOTH {
        for session in [None, Some(session)] {
            let (code, kept) = (new_code(purpose, session), new_code(purpose, session));
            fixture.sessions.create_code(owner, code.clone()).await?;
            fixture.sessions.create_code(owner, kept).await?;
            let redeemed = fixture.system.redeem_code(&code.hash, purpose, at(1)).await?;
            assert_eq!(redeemed, Some(CodeOwner { user: owner, session }));
            assert_eq!(fixture.system.redeem_code(&code.hash, purpose, at(1)).await?, None);
        }
    }
    assert_eq!(fixture.system.redeem_code(&token(), CodePurpose::SignIn, at(1)).await?, None);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM one_time_codes").await?, 4);
    Ok(())
}

async fn a_code_is_valid_for_its_purpose_only(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for (purpose, other) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
        let code = new_code(purpose, None);
        fixture.sessions.create_code(owner, code.clone()).await?;
        assert_eq!(fixture.system.redeem_code(&code.hash, other, at(1)).await?, None);
        // The failed redemption did not use up the code.
        assert!(fixture.system.redeem_code(&code.hash, purpose, at(1)).await?.is_some());
    }
    Ok(())
}

async fn a_code_is_valid_until_it_expires(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let code = new_code(CodePurpose::SignIn, None);
    fixture.sessions.create_code(owner, code.clone()).await?;
    for expired in [60_000_000, 60_000_001] {
        assert_eq!(fixture.system.redeem_code(&code.hash, code.purpose, at(expired)).await?, None);
    }
    assert!(fixture.system.redeem_code(&code.hash, code.purpose, at(59_999_999)).await?.is_some());
    Ok(())
}

async fn a_code_requires_its_user_and_an_active_session(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    let (session, others) = (fixture.session(owner).await?, fixture.session(other).await?);
    let late = NewCode { at: at(100_000_000), ..new_code(CodePurpose::Link, Some(session)) };
    let tied = |session: SessionId| new_code(CodePurpose::Link, Some(session));
    let cases: [(UserId, NewCode); 5] = [
        (id(), new_code(CodePurpose::SignIn, None)),
        (owner, tied(id())),
        (owner, tied(others)),
        (other, tied(session)),
        // The session has expired by then.
        (owner, late),
    ];
    for (user, code) in cases {
        let outcome = fixture.sessions.create_code(user, code).await;
        assert!(matches!(outcome, Err(SessionRepoError::NotFound)), "{outcome:?}");
    }
    assert_eq!(fixture.number("SELECT COUNT(*) FROM one_time_codes").await?, 0);
    fixture.sessions.create_code(owner, NewCode { at: at(99_999_999), ..tied(session) }).await?;
    Ok(())
}

async fn of_concurrent_redemptions_one_succeeds(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for _ in 0..10 {
        let code = new_code(CodePurpose::SignIn, None);
        fixture.sessions.create_code(owner, code.clone()).await?;
        let redeem = |_| {
            let (system, hash) = (fixture.system.clone(), code.hash.clone());
            tokio::spawn(async move { system.redeem_code(&hash, CodePurpose::SignIn, at(1)).await })
        };
        let together: Vec<_> = (0..4).map(redeem).collect();
        let mut answers = 0;
        for one in together {
            answers += usize::from(one.await??.is_some());
        }
        assert_eq!(answers, 1);
    }
    Ok(())
}

async fn a_state_is_spent_once(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (state, other) = (token(), token());
    assert!(fixture.system.spend_state(&state, at(5)).await?);
    for again in [5, 6] {
        assert!(!fixture.system.spend_state(&state, at(again)).await?);
    }
    assert!(fixture.system.spend_state(&other, at(5)).await?);
    // It is stored until it expires.
    fixture.system.delete_expired(at(4)).await?;
    assert!(!fixture.system.spend_state(&state, at(5)).await?);
    assert_eq!(fixture.system.delete_expired(at(5)).await?, 2);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM spent_states").await?, 0);
    Ok(())
}

async fn of_concurrent_spends_of_a_state_one_succeeds(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for _ in 0..10 {
        let state = token();
        let spend = |_| {
            let (system, state) = (fixture.system.clone(), state.clone());
            tokio::spawn(async move { system.spend_state(&state, at(1)).await })
        };
        let together: Vec<_> = (0..4).map(spend).collect();
        let mut first = 0;
        for one in together {
            first += usize::from(one.await??);
        }
        assert_eq!(first, 1);
    }
    Ok(())
}

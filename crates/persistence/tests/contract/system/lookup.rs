//! Look-ups without an owner, failing of turns, and deletion of expired rows.

use std::num::NonZeroU16;

use chrono::{DateTime, TimeDelta, Utc};
use domain::conversation::turn::{FailureCode, TurnState};
use domain::conversation::{ConversationRepo as _, ConversationTarget, MessageOrder};
use domain::id::{ConversationId, UserId};
use domain::page::PageRequest;
use domain::session::{CodePurpose, NewCode, SessionRepo as _, SessionRepoError};
use domain::system::{RefreshTokenOwner, SystemRepo as _};
use domain::text::NormalizedText;
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use test_database::{Kind, TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, new_code, new_conversation, new_session, new_turn, token};

on_both_databases!(
    credentials_are_found_by_the_folded_email,
    a_session_is_found_by_its_refresh_token,
    a_restarted_instance_fails_its_own_turns,
    turns_with_an_expired_lease_are_failed,
    the_reason_of_a_failed_turn_is_stored,
    expired_rows_are_deleted,
);

async fn states(fixture: &Fixture, owner: UserId, id: ConversationId) -> anyhow::Result<(bool, Vec<TurnState>)> {
    let all = PageRequest::first(NonZeroU16::MAX);
    let messages = fixture.conversations.messages(owner, id, MessageOrder::Ascending, all).await?.items;
    let running = fixture.conversations.get(owner, id).await?.active_turn.is_some();
    Ok((running, messages.into_iter().map(|message| message.status).collect()))
}

async fn credentials_are_found_by_the_folded_email(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let ada = fixture.known_user("Ada@Example.com").await?;
    fixture.known_user("bob@example.com").await?;
    for email in ["Ada@Example.com", "ADA@EXAMPLE.COM"] {
        let found = fixture.system.credentials_by_email(&NormalizedText::new(email)).await?;
        let found = found.ok_or_else(|| anyhow::anyhow!("{email}"))?;
        assert_eq!(found.user, ada);
        let hash = found.password_hash.map(|hash| hash.expose().to_owned());
        assert_eq!(hash.as_deref(), Some("$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA"));
    }
    assert!(fixture.system.credentials_by_email(&NormalizedText::new("eve@example.com")).await?.is_none());
    Ok(())
}

async fn a_session_is_found_by_its_refresh_token(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let new = new_session(at(9));
    fixture.sessions.create(owner, new.clone()).await?;
    fixture.sessions.create(owner, new_session(at(9))).await?;
    // An expired session is returned, too: the caller compares the time.
    let found = fixture.system.session_by_refresh_token(&new.refresh).await?;
    assert_eq!(found, Some(RefreshTokenOwner { user: owner, session: new.id, expires_at: at(9) }));
    assert_eq!(fixture.system.session_by_refresh_token(&token()).await?, None);
    Ok(())
}

async fn a_restarted_instance_fails_its_own_turns(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, bob) = (fixture.user().await?, fixture.user().await?);
    let mut own = Vec::new();
    for owner in [ada, bob] {
        own.push((owner, fixture.conversation(owner).await?.0));
    }
    let mut elsewhere = new_turn(new_conversation()?, at(0))?;
    elsewhere.lease.instance = "elsewhere".parse()?;
    let elsewhere = fixture.begin(ada, elsewhere).await?.conversation;

    assert_eq!(fixture.system.fail_turns_of(&"nobody".parse()?, at(1)).await?, 0);
    assert_eq!(fixture.system.fail_turns_of(&"here".parse()?, at(1)).await?, 2);
    assert_eq!(fixture.system.fail_turns_of(&"here".parse()?, at(1)).await?, 0);
    for (owner, conversation) in own {
        let expected = (false, vec![TurnState::Complete, TurnState::Failed]);
        assert_eq!(states(&fixture, owner, conversation).await?, expected);
    }
    let running = (true, vec![TurnState::Complete, TurnState::Running]);
    assert_eq!(states(&fixture, ada, elsewhere).await?, running);
    Ok(())
}

async fn turns_with_an_expired_lease_are_failed(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, bob) = (fixture.user().await?, fixture.user().await?);
    let (expired, turn) = fixture.conversation(ada).await?;
    let (running, _) = fixture.conversation(bob).await?;
    // The times of the tests are years away from the database's.
    for when in [at(0), DateTime::<Utc>::UNIX_EPOCH, at(0) + TimeDelta::days(3650)] {
        assert_eq!(fixture.system.fail_expired_turns(when).await?, 0, "{when}");
    }
    fixture.expire(ada, turn.attempt()).await?;
    assert_eq!(fixture.system.fail_expired_turns(DateTime::UNIX_EPOCH).await?, 1);
    assert_eq!(fixture.system.fail_expired_turns(at(1)).await?, 0);
    assert_eq!(states(&fixture, ada, expired).await?, (false, vec![TurnState::Complete, TurnState::Failed]));
    assert_eq!(states(&fixture, bob, running).await?, (true, vec![TurnState::Complete, TurnState::Running]));
    Ok(())
}

async fn the_reason_of_a_failed_turn_is_stored(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let failed = |code: FailureCode| format!("SELECT COUNT(*) FROM turns WHERE error_code = '{code}'");
    fixture.conversation(owner).await?;
    fixture.system.fail_turns_of(&"here".parse()?, at(1)).await?;
    assert_eq!(fixture.number(&failed(FailureCode::InstanceRestarted)).await?, 1);
    let (_, turn) = fixture.conversation(owner).await?;
    fixture.expire(owner, turn.attempt()).await?;
    fixture.system.fail_expired_turns(at(1)).await?;
    assert_eq!(fixture.number(&failed(FailureCode::LeaseExpired)).await?, 1);
    // A new turn also fails an earlier one whose lease has expired.
    let (conversation, turn) = fixture.conversation(owner).await?;
    fixture.expire(owner, turn.attempt()).await?;
    fixture.begin(owner, new_turn(ConversationTarget::Existing(conversation), at(1))?).await?;
    assert_eq!(fixture.number(&failed(FailureCode::LeaseExpired)).await?, 2);
    Ok(())
}

/// Otherwise concurrent upkeep of two instances could deadlock.
#[tokio::test]
async fn failing_expired_turns_skips_locked_turns() -> anyhow::Result<()> {
    let name = "failing_expired_turns_skips_locked_turns";
    let Some(test) = TestDatabase::create_or_skip(Kind::Postgres, name).await? else { return Ok(()) };
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (_, locked) = fixture.conversation(owner).await?;
    let (_, free) = fixture.conversation(owner).await?;
    for turn in [&locked, &free] {
        fixture.expire(owner, turn.attempt()).await?;
    }
    let other = fixture.raw().begin().await?;
    let lock = format!("UPDATE turns SET lease_until = lease_until WHERE id = '{}'", locked.id);
    other.execute_unprepared(&lock).await?;
    assert_eq!(fixture.system.fail_expired_turns(at(1)).await?, 1);
    other.rollback().await?;
    assert_eq!(fixture.system.fail_expired_turns(at(1)).await?, 1);
    Ok(())
}

async fn expired_rows_are_deleted(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (expired, active) = (new_session(at(5)), new_session(at(6)));
    for new in [&expired, &active] {
        fixture.sessions.create(owner, new.clone()).await?;
    }
    for end in [5, 6] {
        let code = NewCode { expires_at: at(end), ..new_code(CodePurpose::SignIn, None) };
        fixture.sessions.create_code(owner, code).await?;
        fixture.system.spend_state(&token(), at(end)).await?;
    }
    assert_eq!(fixture.system.delete_expired(at(4)).await?, 0);
    assert_eq!(fixture.system.delete_expired(at(5)).await?, 3);
    assert_eq!(fixture.system.delete_expired(at(5)).await?, 0);
    assert_eq!(fixture.system.session_by_refresh_token(&expired.refresh).await?, None);
    let status = fixture.sessions.status(owner, expired.id, at(0)).await;
    assert!(matches!(status, Err(SessionRepoError::NotFound)), "{status:?}");
    fixture.sessions.status(owner, active.id, at(5)).await?;
    for table in ["one_time_codes", "spent_states"] {
        assert_eq!(fixture.number(&format!("SELECT COUNT(*) FROM {table}")).await?, 1, "{table}");
    }
    Ok(())
}

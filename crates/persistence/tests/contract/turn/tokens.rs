//! The limit of tokens per day.

use std::num::NonZeroU32;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use domain::conversation::turn::TurnState;
use domain::conversation::{
    ConversationRepo as _, ConversationRepoError, ConversationTarget, KeyReuse, NewTurn, TurnStart,
};
use domain::id::UserId;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, end, id, new_conversation, new_turn, request};

on_both_databases!(
    a_turn_is_refused_from_the_limit_of_its_day,
    each_day_is_counted_from_zero,
    a_deleted_conversation_does_not_give_tokens_back,
    a_repeated_request_is_answered_but_not_resumed,
    any_number_of_tokens_can_be_counted,
    the_limit_adds_one_statement_and_none_if_there_is_no_limit,
);

fn limited(limit: u32, at: DateTime<Utc>) -> anyhow::Result<NewTurn> {
    Ok(NewTurn { tokens_per_day: NonZeroU32::new(limit), ..new_turn(new_conversation()?, at)? })
}

async fn is_refused(fixture: &Fixture, owner: UserId, turn: NewTurn) -> anyhow::Result<bool> {
    match fixture.conversations.begin_turn(owner, turn).await? {
        TurnStart::TokensUsedUp => Ok(true),
        TurnStart::New { .. } => Ok(false),
        other => anyhow::bail!("{other:?}"),
    }
}

async fn rows(fixture: &Fixture) -> anyhow::Result<[i64; 3]> {
    let mut counts = [0; 3];
    for (count, table) in counts.iter_mut().zip(["conversations", "turns", "messages"]) {
        *count = fixture.number(&format!("SELECT COUNT(*) FROM {table}")).await?;
    }
    Ok(counts)
}

/// The beginning of a day.
fn midnight() -> DateTime<Utc> {
    at(0).date_naive().and_time(NaiveTime::MIN).and_utc()
}

async fn a_turn_is_refused_from_the_limit_of_its_day(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    fixture.conversations.count_tokens(owner, 60, at(0)).await?;
    fixture.conversations.count_tokens(owner, 40, at(1)).await?;
    assert!(!is_refused(&fixture, owner, limited(101, at(2))?).await?);
    // In an existing conversation, in one with a key, and in a missing one.
    let (conversation, _) = fixture.conversation(other).await?;
    fixture.conversations.count_tokens(other, 100, at(0)).await?;
    let before = rows(&fixture).await?;
    for limit in [100, 99, 1] {
        assert!(is_refused(&fixture, owner, limited(limit, at(2))?).await?, "{limit}");
    }
    let keyed = ConversationTarget::Keyed("slug".parse()?, id(), "Groceries".parse()?);
    for target in [ConversationTarget::Existing(conversation), keyed, ConversationTarget::Existing(id())] {
        let turn = NewTurn { target, ..limited(100, at(20_000_000))? };
        assert!(is_refused(&fixture, other, turn).await?);
    }
    assert_eq!(rows(&fixture).await?, before);
    Ok(())
}

async fn each_day_is_counted_from_zero(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let tomorrow = midnight() + Days::new(1);
    let last = tomorrow - TimeDelta::microseconds(1);
    for at in [midnight(), last] {
        fixture.conversations.count_tokens(owner, 50, at).await?;
    }
    for at in [midnight(), last] {
        assert!(is_refused(&fixture, owner, limited(100, at)?).await?, "{at}");
    }
    assert!(!is_refused(&fixture, owner, limited(1, tomorrow)?).await?);
    assert!(!is_refused(&fixture, owner, limited(1, midnight() - TimeDelta::microseconds(1))?).await?);
    fixture.conversations.count_tokens(owner, 7, tomorrow).await?;
    assert!(!is_refused(&fixture, owner, limited(8, tomorrow)?).await?);
    assert!(is_refused(&fixture, owner, limited(7, tomorrow)?).await?);
    Ok(())
}

async fn a_deleted_conversation_does_not_give_tokens_back(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, turn) = fixture.conversation(owner).await?;
    fixture.conversations.count_tokens(owner, 7, at(1)).await?;
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(1))).await?;
    fixture.conversations.delete(owner, conversation).await?;
    assert!(is_refused(&fixture, owner, limited(7, at(2))?).await?);
    fixture.conversations.count_tokens(id(), 7, at(1)).await?;
    Ok(())
}

async fn a_repeated_request_is_answered_but_not_resumed(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let keyed = |key: &str, fingerprint, when| -> anyhow::Result<NewTurn> {
        let idempotency = Some(request(key, fingerprint, KeyReuse::Refuse)?);
        Ok(NewTurn { idempotency, ..limited(7, at(when))? })
    };
    let mut turns = Vec::new();
    for key in ["complete", "failed", "running"] {
        turns.push(fixture.begin(owner, keyed(key, 1, 0)?).await?);
    }
    for (turn, state) in turns.iter().zip([TurnState::Complete, TurnState::Failed]) {
        fixture.conversations.end_turn(owner, turn.attempt(), end(state, at(1))).await?;
    }
    fixture.conversations.count_tokens(owner, 7, at(1)).await?;
    let complete = fixture.conversations.begin_turn(owner, keyed("complete", 1, 2)?).await?;
    assert!(matches!(&complete, TurnStart::AlreadyAnswered(answer) if answer.turn == turns[0]), "{complete:?}");
    for key in ["failed", "new"] {
        assert!(is_refused(&fixture, owner, keyed(key, 1, 2)?).await?, "{key}");
    }
    let running = fixture.conversations.begin_turn(owner, keyed("running", 1, 2)?).await;
    assert!(matches!(running, Err(ConversationRepoError::IdempotencyInProgress)), "{running:?}");
    let reused = fixture.conversations.begin_turn(owner, keyed("complete", 2, 2)?).await;
    assert!(matches!(reused, Err(ConversationRepoError::IdempotencyKeyReused)), "{reused:?}");
    Ok(())
}

async fn any_number_of_tokens_can_be_counted(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for tokens in [u64::MAX, u64::MAX, 0] {
        fixture.conversations.count_tokens(owner, tokens, at(0)).await?;
    }
    assert!(is_refused(&fixture, owner, limited(u32::MAX, at(1))?).await?);
    Ok(())
}

async fn the_limit_adds_one_statement_and_none_if_there_is_no_limit(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for (turn, statements) in [(new_turn(new_conversation()?, at(0))?, 4), (limited(7, at(0))?, 5)] {
        fixture.statements();
        fixture.begin(owner, turn).await?;
        assert_eq!(fixture.statements().len(), statements);
    }
    fixture.conversations.count_tokens(owner, 7, at(0)).await?;
    assert_eq!(fixture.statements().len(), 1);
    Ok(())
}

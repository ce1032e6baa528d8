//! Turns: stored answers, stopping, and usage.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::conversation::turn::{FailureCode, TurnState, Usage};
use domain::conversation::{
    ConversationRepo as _, ConversationRepoError, ConversationTarget, DailyUsage, MessageOrder, TurnResult,
};
use domain::id::{TurnId, UserId};
use domain::page::PageRequest;
use sea_orm::{ConnectionTrait as _, Statement};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, LEASE, at, end, id, new_conversation, new_turn, text};

on_both_databases!(
    an_answer_is_read_in_its_current_state,
    a_stopped_turn_keeps_its_parts,
    a_missing_turn_has_no_answer_and_cannot_be_stopped,
    the_provider_and_the_failure_code_are_stored,
    usage_is_grouped_by_day_provider_and_model,
    usage_starts_at_the_requested_time,
);

async fn an_answer_is_read_in_its_current_state(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, first) = fixture.conversation(owner).await?;
    fixture.conversations.end_turn(owner, first.attempt(), end(TurnState::Complete, at(1))).await?;
    let turn = fixture.begin(owner, new_turn(ConversationTarget::Existing(conversation), at(2))?).await?;
    fixture.conversations.save_progress(owner, turn.attempt(), &text("Add")).await?;
    let message = |index: usize| {
        let all = PageRequest::first(std::num::NonZeroU16::MAX);
        let messages = fixture.conversations.messages(owner, conversation, MessageOrder::Ascending, all);
        async move { anyhow::Ok(messages.await?.items.swap_remove(index)) }
    };
    fixture.statements();
    let running = fixture.conversations.answer(owner, turn.id).await?;
    assert_eq!(fixture.statements().len(), 1);
    assert_eq!((&running.turn, running.usage, running.error_code), (&turn, Usage::default(), None));
    assert_eq!(running.message, message(3).await?);
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(3))).await?;
    let failed = fixture.conversations.answer(owner, turn.id).await?;
    assert_eq!((&failed.turn, failed.usage), (&turn, Usage { tokens_in: 3, tokens_out: 4 }));
    assert_eq!(failed.error_code, Some(FailureCode::Timeout));
    assert_eq!(failed.message, message(3).await?);
    assert_eq!(failed.message.status, TurnState::Failed);
    let complete = fixture.conversations.answer(owner, first.id).await?;
    assert_eq!((complete.turn, complete.message), (first, message(1).await?));
    Ok(())
}

async fn a_stopped_turn_keeps_its_parts(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, turn) = fixture.conversation(owner).await?;
    let (_, other) = fixture.conversation(owner).await?;
    fixture.conversations.save_progress(owner, turn.attempt(), &text("Add")).await?;
    fixture.conversations.stop_turn(owner, turn.id, at(5)).await?;
    let stopped = fixture.conversations.answer(owner, turn.id).await?;
    assert_eq!((stopped.message.status, stopped.message.parts), (TurnState::Stopped, text("Add")));
    let found = fixture.conversations.get(owner, conversation).await?;
    assert_eq!((found.active_turn, found.updated_at), (None, at(5)));
    let number = "SELECT COUNT(*) FROM turns WHERE state = 'stopped' AND ended_at IS NOT NULL AND error_code IS NULL";
    assert_eq!(fixture.number(number).await?, 1);
    let too_late = [
        fixture.conversations.stop_turn(owner, turn.id, at(6)).await.err(),
        fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(6))).await.err(),
        fixture.conversations.save_progress(owner, turn.attempt(), &[]).await.err(),
        fixture.conversations.renew_lease(owner, turn.attempt(), LEASE).await.err(),
    ];
    for outcome in too_late {
        assert!(matches!(outcome, Some(ConversationRepoError::NoTurn)), "{outcome:?}");
    }
    assert_eq!(fixture.conversations.get(owner, conversation).await?, found);
    // The next turn may begin; the turn of another conversation is still running.
    fixture.begin(owner, new_turn(ConversationTarget::Existing(conversation), at(6))?).await?;
    assert_eq!(fixture.conversations.answer(owner, other.id).await?.message.status, TurnState::Running);
    Ok(())
}

async fn a_missing_turn_has_no_answer_and_cannot_be_stopped(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, other_turn) = fixture.conversation(owner).await?;
    fixture.conversations.delete(owner, conversation).await?;
    for missing in [other_turn.id, id::<TurnId>()] {
        let answer = fixture.conversations.answer(owner, missing).await;
        assert!(matches!(answer, Err(ConversationRepoError::NoTurn)), "{answer:?}");
        let stopped = fixture.conversations.stop_turn(owner, missing, at(1)).await;
        assert!(matches!(stopped, Err(ConversationRepoError::NoTurn)), "{stopped:?}");
    }
    Ok(())
}

async fn the_provider_and_the_failure_code_are_stored(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (_, turn) = fixture.conversation(owner).await?;
    let ended = TurnResult {
        provider: "cohere".into(),
        model: "command".into(),
        error_code: Some(FailureCode::RateLimited),
        usage: Usage { tokens_in: 3, tokens_out: u64::from(u32::MAX) + 1 },
        first_token_at: Some(at(7)),
        model_time: Duration::from_micros(1_234_567),
        ..end(TurnState::Failed, at(9))
    };
    fixture.conversations.end_turn(owner, turn.attempt(), ended).await?;
    let db = fixture.raw_reads();
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), "SELECT * FROM turns")).await?;
    let row = row.ok_or_else(|| anyhow::anyhow!("no turn"))?;
    let texts =
        ["state", "instance", "provider", "model", "error_code"].map(|column| row.try_get::<String>("", column));
    let texts = texts.into_iter().collect::<Result<Vec<_>, _>>()?;
    assert_eq!(texts, ["failed", "here", "cohere", "command", "rate_limited"]);
    let numbers = ["tokens_in", "tokens_out", "model_time_us"].map(|column| row.try_get::<i64>("", column));
    let numbers = numbers.into_iter().collect::<Result<Vec<_>, _>>()?;
    assert_eq!(numbers, [3, i64::from(u32::MAX) + 1, 1_234_567]);
    assert_eq!(fixture.conversations.answer(owner, turn.id).await?.error_code, Some(FailureCode::RateLimited));
    // A failure code of another version is read as unknown.
    let db = fixture.raw();
    db.execute_unprepared("UPDATE turns SET error_code = 'of_the_future'").await?;
    assert_eq!(fixture.conversations.answer(owner, turn.id).await?.error_code, None);
    for (column, expected) in [("started_at", 0), ("first_token_at", 7), ("ended_at", 9)] {
        assert_eq!(row.try_get::<DateTime<Utc>>("", column)?, at(expected), "{column}");
    }
    Ok(())
}

/// Begins a turn at `when` in a new conversation, and ends it.
async fn ended(fixture: &Fixture, owner: UserId, when: DateTime<Utc>, end: TurnResult) -> anyhow::Result<()> {
    let turn = fixture.begin(owner, new_turn(new_conversation()?, when)?).await?;
    // Usage belongs to the day on which the turn began.
    let end = TurnResult { at: when + TimeDelta::days(3), ..end };
    Ok(fixture.conversations.end_turn(owner, turn.attempt(), end).await?)
}

fn of_day(day: NaiveDate, provider: &str, model: &str, turns: u64) -> DailyUsage {
    let usage = Usage { tokens_in: 3 * turns, tokens_out: 4 * turns };
    DailyUsage { day, provider: provider.into(), model: model.into(), turns, usage }
}

async fn usage_is_grouped_by_day_provider_and_model(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    let midnight = at(0).date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let day = midnight.date_naive();
    assert_eq!(fixture.conversations.usage(owner, midnight).await?, []);
    let by = |provider: &str, model: &str, state| TurnResult {
        provider: provider.into(),
        model: model.into(),
        ..end(state, at(0))
    };
    let (first, last) = (midnight, midnight + TimeDelta::days(1) - TimeDelta::microseconds(1));
    for (when, end) in [
        (first, by("openai", "a", TurnState::Complete)),
        (last, by("openai", "a", TurnState::Stopped)),
        (last, by("openai", "a", TurnState::Failed)),
        (last, by("openai", "B", TurnState::Complete)),
        (last, by("cohere", "a", TurnState::Complete)),
        (last + TimeDelta::microseconds(1), by("openai", "a", TurnState::Complete)),
    ] {
        ended(&fixture, owner, when, end).await?;
    }
    // Running turns and other users' turns are not counted.
    fixture.conversation(owner).await?;
    ended(&fixture, other, first, by("openai", "a", TurnState::Complete)).await?;
    let expected = [
        of_day(day.succ_opt().unwrap_or(day), "openai", "a", 1),
        of_day(day, "cohere", "a", 1),
        of_day(day, "openai", "B", 1),
        of_day(day, "openai", "a", 3),
    ];
    fixture.statements();
    assert_eq!(fixture.conversations.usage(owner, midnight).await?, expected);
    assert_eq!(fixture.statements().len(), 1);
    assert_eq!(fixture.conversations.usage(other, midnight).await?, [of_day(day, "openai", "a", 1)]);
    Ok(())
}

async fn usage_starts_at_the_requested_time(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for when in [0, 1, 2] {
        ended(&fixture, owner, at(when), end(TurnState::Complete, at(0))).await?;
    }
    for (since, turns) in [(0, 3), (1, 2), (2, 1)] {
        let expected = of_day(at(0).date_naive(), "offline", "v1", turns);
        assert_eq!(fixture.conversations.usage(owner, at(since)).await?, [expected]);
    }
    assert_eq!(fixture.conversations.usage(owner, at(3)).await?, []);
    Ok(())
}

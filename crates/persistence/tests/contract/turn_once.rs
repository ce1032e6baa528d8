//! Turns: requests that come again.

use domain::conversation::{
    ConversationRepo as _, ConversationRepoError, ConversationTarget, KeyReuse, NewTurn, StoredAnswer, TurnStart,
};
use domain::id::{ConversationId, UserId};
use domain::page::PageRequest;
use domain::turn::{IDEMPOTENCY_TTL, Turn, TurnState};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, as_new, at, end, new_conversation, new_turn, request};

on_both_databases!(
    a_key_costs_no_statement,
    a_request_that_was_answered_is_answered_alike,
    a_request_that_is_being_answered_is_in_progress,
    a_key_that_is_used_for_something_else_is_refused,
    a_key_that_was_inferred_and_fits_something_else_is_none,
    a_key_that_is_known_tells_more_than_what_else_is_in_the_way,
    a_key_is_free_after_a_day,
    a_key_is_free_when_its_conversation_is_deleted,
    the_same_key_of_two_users_is_two_turns,
);

/// A lease is 15 s long.
const DEAD: i64 = 15_000_000;
/// `IDEMPOTENCY_TTL` in microseconds.
const DAY: i64 = 86_400_000_000;

type Outcome = Result<TurnStart, ConversationRepoError>;

/// A request with the key "key" that asks for `what` in a conversation of its own.
fn keyed(what: u8, reuse: KeyReuse, when: i64) -> anyhow::Result<NewTurn> {
    Ok(NewTurn { idempotency: Some(request("key", what, reuse)?), ..new_turn(new_conversation()?, at(when))? })
}

fn within(id: ConversationId, turn: NewTurn) -> NewTurn {
    NewTurn { target: ConversationTarget::Existing(id), ..turn }
}

async fn send(fixture: &Fixture, owner: UserId, what: u8, reuse: KeyReuse, when: i64) -> anyhow::Result<Outcome> {
    Ok(fixture.conversations.begin_turn(owner, keyed(what, reuse, when)?).await)
}

async fn begun(fixture: &Fixture, owner: UserId) -> anyhow::Result<Turn> {
    Ok(as_new(send(fixture, owner, 1, KeyReuse::Refuse, 0).await??))
}

async fn conversations(fixture: &Fixture, owner: UserId) -> anyhow::Result<usize> {
    Ok(fixture.conversations.list(owner, PageRequest::first(std::num::NonZeroU16::MAX)).await?.items.len())
}

fn repeated(outcome: Outcome) -> anyhow::Result<StoredAnswer> {
    match outcome {
        Ok(TurnStart::AlreadyAnswered(answer)) => Ok(*answer),
        other => anyhow::bail!("{other:?}"),
    }
}

async fn a_key_costs_no_statement(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    fixture.statements();
    // The conversation, the turn, the messages.
    let turn = begun(&fixture, owner).await?;
    assert_eq!(fixture.statements().len(), 3);
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(1))).await?;
    // And, where a conversation goes on, what is dead in it and what waits for confirmation.
    let mut next = new_turn(ConversationTarget::Existing(turn.conversation), at(2))?;
    next.idempotency = Some(request("next", 1, KeyReuse::Refuse)?);
    fixture.statements();
    fixture.begin(owner, next).await?;
    assert_eq!(fixture.statements().len(), 5);
    Ok(())
}

async fn a_request_that_was_answered_is_answered_alike(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for state in [TurnState::Complete, TurnState::Stopped] {
        let owner = fixture.user().await?;
        let turn = begun(&fixture, owner).await?;
        fixture.conversations.end_turn(owner, turn.attempt(), end(state, at(1))).await?;
        let stored = fixture.conversations.answer(owner, turn.id).await?;
        assert_eq!((&stored.turn, stored.message.status), (&turn, state));
        let before = fixture.conversations.get(owner, turn.conversation).await?;
        for when in [2, DAY - 1] {
            assert_eq!(repeated(send(&fixture, owner, 1, KeyReuse::Refuse, when).await?)?, stored);
            assert_eq!(repeated(send(&fixture, owner, 1, KeyReuse::StartNew, when).await?)?, stored);
            let here = within(turn.conversation, keyed(1, KeyReuse::Refuse, when)?);
            assert_eq!(repeated(fixture.conversations.begin_turn(owner, here).await)?, stored);
        }
        // Nothing is left of them.
        assert_eq!(fixture.conversations.get(owner, turn.conversation).await?, before);
        assert_eq!(conversations(&fixture, owner).await?, 1);
    }
    assert_eq!(fixture.number("SELECT COUNT(*) FROM turns").await?, 2);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM messages").await?, 4);
    Ok(())
}

async fn a_request_that_is_being_answered_is_in_progress(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let turn = begun(&fixture, owner).await?;
    for when in [1, DEAD - 1] {
        let elsewhere = send(&fixture, owner, 1, KeyReuse::StartNew, when).await?;
        assert!(matches!(elsewhere, Err(ConversationRepoError::IdempotencyInProgress)), "{elsewhere:?}");
        let here = within(turn.conversation, keyed(1, KeyReuse::Refuse, when)?);
        let here = fixture.conversations.begin_turn(owner, here).await;
        assert!(matches!(here, Err(ConversationRepoError::IdempotencyInProgress)), "{here:?}");
    }
    assert_eq!(conversations(&fixture, owner).await?, 1);
    assert_eq!(fixture.conversations.get(owner, turn.conversation).await?.message_count, 2);
    Ok(())
}

async fn a_key_that_is_used_for_something_else_is_refused(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let turn = begun(&fixture, owner).await?;
    for state in [None, Some(TurnState::Failed)] {
        if let Some(state) = state {
            fixture.conversations.end_turn(owner, turn.attempt(), end(state, at(1))).await?;
        }
        for when in [2, DEAD, DAY - 1] {
            let outcome = send(&fixture, owner, 2, KeyReuse::Refuse, when).await?;
            assert!(matches!(outcome, Err(ConversationRepoError::IdempotencyKeyReused)), "{outcome:?}");
        }
    }
    assert_eq!(conversations(&fixture, owner).await?, 1);
    Ok(())
}

async fn a_key_that_was_inferred_and_fits_something_else_is_none(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let turn = begun(&fixture, owner).await?;
    let here = within(turn.conversation, keyed(2, KeyReuse::StartNew, 1)?);
    let here = fixture.conversations.begin_turn(owner, here).await;
    assert!(matches!(here, Err(ConversationRepoError::TurnInProgress)), "{here:?}");
    let one = as_new(send(&fixture, owner, 2, KeyReuse::StartNew, 1).await??);
    // Again as if there were no key: it names the first turn still.
    let other = as_new(send(&fixture, owner, 2, KeyReuse::StartNew, 1).await??);
    assert!(one.id != other.id && one.conversation != other.conversation);
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(1))).await?;
    assert_eq!(repeated(send(&fixture, owner, 1, KeyReuse::Refuse, 2).await?)?.turn, turn);
    Ok(())
}

async fn a_key_that_is_known_tells_more_than_what_else_is_in_the_way(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let turn = begun(&fixture, owner).await?;
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(1))).await?;
    // Another turn runs there.
    fixture.begin(owner, new_turn(ConversationTarget::Existing(turn.conversation), at(2))?).await?;
    let missing = crate::fixture::id();
    for conversation in [turn.conversation, missing] {
        let again = within(conversation, keyed(1, KeyReuse::Refuse, 3)?);
        assert_eq!(repeated(fixture.conversations.begin_turn(owner, again).await)?.turn, turn);
        let other = within(conversation, keyed(2, KeyReuse::Refuse, 3)?);
        let other = fixture.conversations.begin_turn(owner, other).await;
        assert!(matches!(other, Err(ConversationRepoError::IdempotencyKeyReused)), "{other:?}");
    }
    for when in [3, DAY] {
        let other = within(missing, keyed(2, KeyReuse::StartNew, when)?);
        let other = fixture.conversations.begin_turn(owner, other).await;
        assert!(matches!(other, Err(ConversationRepoError::NotFound)), "{other:?}");
    }
    // A key that is not known tells nothing.
    for (conversation, found) in [(turn.conversation, true), (missing, false)] {
        let mut other = within(conversation, keyed(1, KeyReuse::Refuse, 3)?);
        other.idempotency = Some(request("other", 1, KeyReuse::Refuse)?);
        match fixture.conversations.begin_turn(owner, other).await {
            Err(ConversationRepoError::TurnInProgress) if found => {}
            Err(ConversationRepoError::NotFound) if !found => {}
            other => anyhow::bail!("{other:?}"),
        }
    }
    Ok(())
}

async fn a_key_is_free_after_a_day(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    assert_eq!(at(DAY) - at(0), IDEMPOTENCY_TTL);
    let old = begun(&fixture, owner).await?;
    fixture.conversations.end_turn(owner, old.attempt(), end(TurnState::Complete, at(DAY - 1))).await?;
    assert_eq!(repeated(send(&fixture, owner, 1, KeyReuse::Refuse, DAY - 1).await?)?.turn, old);
    // The day is counted from the turn's beginning, whatever is asked for.
    let new = as_new(send(&fixture, owner, 2, KeyReuse::Refuse, DAY).await??);
    let outcome = send(&fixture, owner, 1, KeyReuse::Refuse, DAY + 1).await?;
    assert!(matches!(outcome, Err(ConversationRepoError::IdempotencyKeyReused)), "{outcome:?}");
    fixture.conversations.end_turn(owner, new.attempt(), end(TurnState::Complete, at(DAY + 2))).await?;
    assert_eq!(repeated(send(&fixture, owner, 2, KeyReuse::Refuse, 2 * DAY - 1).await?)?.turn, new);
    // The old turn is there, without its key; a turn that runs for longer than a day loses it, too.
    assert_eq!(fixture.conversations.answer(owner, old.id).await?.turn, old);
    let running = as_new(send(&fixture, owner, 1, KeyReuse::Refuse, 2 * DAY).await??);
    fixture.conversations.renew_lease(owner, running.attempt(), at(4 * DAY)).await?;
    let next = as_new(send(&fixture, owner, 1, KeyReuse::Refuse, 3 * DAY).await??);
    let here = within(running.conversation, keyed(1, KeyReuse::Refuse, 4 * DAY - 1)?);
    assert!(
        matches!(fixture.conversations.begin_turn(owner, here).await?, TurnStart::Resumed { turn, .. } if turn == Turn { attempt: 2, ..next })
    );
    Ok(())
}

async fn a_key_is_free_when_its_conversation_is_deleted(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let old = begun(&fixture, owner).await?;
    fixture.conversations.delete(owner, old.conversation).await?;
    let here = within(old.conversation, keyed(1, KeyReuse::Refuse, 1)?);
    let here = fixture.conversations.begin_turn(owner, here).await;
    assert!(matches!(here, Err(ConversationRepoError::NotFound)), "{here:?}");
    begun(&fixture, owner).await?;
    Ok(())
}

async fn the_same_key_of_two_users_is_two_turns(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    let turn = begun(&fixture, ada).await?;
    fixture.conversations.end_turn(ada, turn.attempt(), end(TurnState::Complete, at(1))).await?;
    let other = begun(&fixture, eve).await?;
    assert_eq!(repeated(send(&fixture, ada, 1, KeyReuse::Refuse, 2).await?)?.turn, turn);
    let outcome = send(&fixture, eve, 1, KeyReuse::Refuse, 2).await?;
    assert!(matches!(outcome, Err(ConversationRepoError::IdempotencyInProgress)), "{outcome:?}");
    // A key that is too old is taken from its owner's turn alone.
    as_new(send(&fixture, ada, 1, KeyReuse::Refuse, DAY).await??);
    fixture.conversations.end_turn(eve, other.attempt(), end(TurnState::Complete, at(DAY))).await?;
    assert_eq!(repeated(send(&fixture, eve, 1, KeyReuse::Refuse, DAY - 1).await?)?.turn, other);
    Ok(())
}

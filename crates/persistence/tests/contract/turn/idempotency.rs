//! Turns: idempotency keys.

use domain::conversation::turn::{IDEMPOTENCY_TTL, Turn, TurnState};
use domain::conversation::{
    ConversationRepo as _, ConversationRepoError, ConversationTarget, KeyReuse, NewTurn, StoredAnswer, TurnStart,
};
use domain::id::{ConversationId, UserId};
use domain::page::PageRequest;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, as_new, at, end, new_conversation, new_turn, request};

on_both_databases!(
    an_idempotency_key_adds_one_look_up,
    a_repeated_request_returns_the_stored_answer,
    a_repeated_request_of_a_running_turn_is_in_progress,
    a_key_with_another_fingerprint_is_refused,
    an_inferred_key_with_another_fingerprint_is_ignored,
    the_result_for_a_known_key_takes_precedence,
    a_key_is_released_after_a_day,
    a_key_is_released_with_its_conversation,
    idempotency_keys_are_scoped_to_the_user,
);

/// `IDEMPOTENCY_TTL` in microseconds.
const DAY: i64 = 86_400_000_000;

type Outcome = Result<TurnStart, ConversationRepoError>;

/// Returns a request with the key "key" and this fingerprint, in a new conversation.
fn keyed(fingerprint: u8, reuse: KeyReuse, when: i64) -> anyhow::Result<NewTurn> {
    Ok(NewTurn { idempotency: Some(request("key", fingerprint, reuse)?), ..new_turn(new_conversation()?, at(when))? })
}

fn within(id: ConversationId, turn: NewTurn) -> NewTurn {
    NewTurn { target: ConversationTarget::Existing(id), ..turn }
}

async fn send(
    fixture: &Fixture,
    owner: UserId,
    fingerprint: u8,
    reuse: KeyReuse,
    when: i64,
) -> anyhow::Result<Outcome> {
    Ok(fixture.conversations.begin_turn(owner, keyed(fingerprint, reuse, when)?).await)
}

async fn begin(fixture: &Fixture, owner: UserId) -> anyhow::Result<Turn> {
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

async fn an_idempotency_key_adds_one_look_up(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    fixture.statements();
    // The look-up of the key among those of other requests; inserts of the conversation, the turn and the messages; and
    // the look-up of the time zone.
    let turn = begin(&fixture, owner).await?;
    assert_eq!(fixture.statements().len(), 5);
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(1))).await?;
    // In an existing conversation also the updates of an expired turn and its message, and the look-up of a pending action.
    let mut next = new_turn(ConversationTarget::Existing(turn.conversation), at(2))?;
    next.idempotency = Some(request("next", 1, KeyReuse::Refuse)?);
    fixture.statements();
    fixture.begin(owner, next).await?;
    assert_eq!(fixture.statements().len(), 8);
    Ok(())
}

async fn a_repeated_request_returns_the_stored_answer(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for state in [TurnState::Complete, TurnState::Stopped] {
        let owner = fixture.user().await?;
        let turn = begin(&fixture, owner).await?;
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
        // Refused requests store nothing.
        assert_eq!(fixture.conversations.get(owner, turn.conversation).await?, before);
        assert_eq!(conversations(&fixture, owner).await?, 1);
    }
    assert_eq!(fixture.number("SELECT COUNT(*) FROM turns").await?, 2);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM messages").await?, 4);
    Ok(())
}

async fn a_repeated_request_of_a_running_turn_is_in_progress(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let turn = begin(&fixture, owner).await?;
    // Its lease is valid by the database's time, whatever time the request has.
    for when in [1, DAY - 1] {
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

async fn a_key_with_another_fingerprint_is_refused(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let turn = begin(&fixture, owner).await?;
    for state in [None, Some(TurnState::Failed)] {
        if let Some(state) = state {
            fixture.conversations.end_turn(owner, turn.attempt(), end(state, at(1))).await?;
        }
        for when in [2, DAY - 1] {
            let outcome = send(&fixture, owner, 2, KeyReuse::Refuse, when).await?;
            assert!(matches!(outcome, Err(ConversationRepoError::IdempotencyKeyReused)), "{outcome:?}");
        }
    }
    assert_eq!(conversations(&fixture, owner).await?, 1);
    Ok(())
}

async fn an_inferred_key_with_another_fingerprint_is_ignored(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let turn = begin(&fixture, owner).await?;
    let here = within(turn.conversation, keyed(2, KeyReuse::StartNew, 1)?);
    let here = fixture.conversations.begin_turn(owner, here).await;
    assert!(matches!(here, Err(ConversationRepoError::TurnInProgress)), "{here:?}");
    let one = as_new(send(&fixture, owner, 2, KeyReuse::StartNew, 1).await??);
    // The key still refers to the first turn, so that it is ignored again.
    let other = as_new(send(&fixture, owner, 2, KeyReuse::StartNew, 1).await??);
    assert!(one.id != other.id && one.conversation != other.conversation);
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(1))).await?;
    assert_eq!(repeated(send(&fixture, owner, 1, KeyReuse::Refuse, 2).await?)?.turn, turn);
    Ok(())
}

async fn the_result_for_a_known_key_takes_precedence(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let turn = begin(&fixture, owner).await?;
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(1))).await?;
    // Another turn is running in that conversation.
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
    // An unknown key changes no error.
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

async fn a_key_is_released_after_a_day(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    assert_eq!(at(DAY) - at(0), IDEMPOTENCY_TTL);
    let old = begin(&fixture, owner).await?;
    fixture.conversations.end_turn(owner, old.attempt(), end(TurnState::Complete, at(DAY - 1))).await?;
    assert_eq!(repeated(send(&fixture, owner, 1, KeyReuse::Refuse, DAY - 1).await?)?.turn, old);
    // The day is counted from the beginning of the turn, for any fingerprint.
    let new = as_new(send(&fixture, owner, 2, KeyReuse::Refuse, DAY).await??);
    let outcome = send(&fixture, owner, 1, KeyReuse::Refuse, DAY + 1).await?;
    assert!(matches!(outcome, Err(ConversationRepoError::IdempotencyKeyReused)), "{outcome:?}");
    fixture.conversations.end_turn(owner, new.attempt(), end(TurnState::Complete, at(DAY + 2))).await?;
    assert_eq!(repeated(send(&fixture, owner, 2, KeyReuse::Refuse, 2 * DAY - 1).await?)?.turn, new);
    // The old turn still exists, without its key. A turn that runs for longer than a day loses its key, too.
    assert_eq!(fixture.conversations.answer(owner, old.id).await?.turn, old);
    let running = as_new(send(&fixture, owner, 1, KeyReuse::Refuse, 2 * DAY).await??);
    let next = as_new(send(&fixture, owner, 1, KeyReuse::Refuse, 3 * DAY).await??);
    for turn in [&running, &next] {
        fixture.expire(owner, turn.attempt()).await?;
    }
    let here = within(running.conversation, keyed(1, KeyReuse::Refuse, 4 * DAY - 1)?);
    assert!(
        matches!(fixture.conversations.begin_turn(owner, here).await?, TurnStart::Resumed { turn, .. } if turn == Turn { attempt: 2, ..next })
    );
    Ok(())
}

async fn a_key_is_released_with_its_conversation(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let old = begin(&fixture, owner).await?;
    fixture.conversations.delete(owner, old.conversation).await?;
    let here = within(old.conversation, keyed(1, KeyReuse::Refuse, 1)?);
    let here = fixture.conversations.begin_turn(owner, here).await;
    assert!(matches!(here, Err(ConversationRepoError::NotFound)), "{here:?}");
    begin(&fixture, owner).await?;
    Ok(())
}

async fn idempotency_keys_are_scoped_to_the_user(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    let turn = begin(&fixture, ada).await?;
    fixture.conversations.end_turn(ada, turn.attempt(), end(TurnState::Complete, at(1))).await?;
    let other = begin(&fixture, eve).await?;
    assert_eq!(repeated(send(&fixture, ada, 1, KeyReuse::Refuse, 2).await?)?.turn, turn);
    let outcome = send(&fixture, eve, 1, KeyReuse::Refuse, 2).await?;
    assert!(matches!(outcome, Err(ConversationRepoError::IdempotencyInProgress)), "{outcome:?}");
    // An expired key is released only from the owner's turn.
    as_new(send(&fixture, ada, 1, KeyReuse::Refuse, DAY).await??);
    fixture.conversations.end_turn(eve, other.attempt(), end(TurnState::Complete, at(DAY))).await?;
    assert_eq!(repeated(send(&fixture, eve, 1, KeyReuse::Refuse, DAY - 1).await?)?.turn, other);
    Ok(())
}

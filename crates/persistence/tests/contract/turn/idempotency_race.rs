//! Turns: concurrent requests with one idempotency key.

use domain::conversation::turn::{Turn, TurnState};
use domain::conversation::{
    ConversationRepo as _, ConversationRepoError, ConversationTarget, KeyReuse, NewTurn, TurnStart,
};
use domain::id::UserId;
use test_database::{TestDatabase, on_both_databases};
use tokio::task::JoinHandle;

use crate::fixture::{Fixture, as_new, at, end, id, new_conversation, new_turn, request};

on_both_databases!(
    of_concurrent_equal_requests_exactly_one_begins,
    of_concurrent_equal_requests_exactly_one_resumes,
    of_concurrent_equal_requests_exactly_one_takes_an_expired_key,
    concurrent_conversations_with_one_client_key_are_one,
    a_request_repeated_during_the_end_of_its_turn_is_in_progress_or_answered,
);

const ROUNDS: usize = 8;
const TOGETHER: usize = 4;
const DAY: i64 = 86_400_000_000;

type Outcome = Result<TurnStart, ConversationRepoError>;

fn keyed(key: &str, target: ConversationTarget, when: i64) -> anyhow::Result<NewTurn> {
    Ok(NewTurn { idempotency: Some(request(key, 1, KeyReuse::Refuse)?), ..new_turn(target, at(when))? })
}

fn send(fixture: &Fixture, owner: UserId, turn: NewTurn) -> JoinHandle<Outcome> {
    let conversations = fixture.conversations.clone();
    tokio::spawn(async move { conversations.begin_turn(owner, turn).await })
}

/// Returns the result of the one request that begins or resumes; the others must be in progress.
async fn one_wins(handles: Vec<JoinHandle<Outcome>>) -> anyhow::Result<TurnStart> {
    let mut winners = Vec::new();
    for handle in handles {
        match handle.await? {
            Ok(start) => winners.push(start),
            Err(ConversationRepoError::IdempotencyInProgress) => {}
            Err(other) => return Err(other.into()),
        }
    }
    anyhow::ensure!(winners.len() == 1, "{winners:?}");
    Ok(winners.remove(0))
}

async fn of_concurrent_equal_requests_exactly_one_begins(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for round in 0..ROUNDS {
        let key = round.to_string();
        let new = |_| anyhow::Ok(send(&fixture, owner, keyed(&key, new_conversation()?, 0)?));
        as_new(one_wins((0..TOGETHER).map(new).collect::<Result<_, _>>()?).await?);
        // The same in an existing conversation.
        let (conversation, turn) = fixture.conversation(owner).await?;
        fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(1))).await?;
        let target = || ConversationTarget::Existing(conversation);
        let new = |_| anyhow::Ok(send(&fixture, owner, keyed(&format!("{key}b"), target(), 2)?));
        as_new(one_wins((0..TOGETHER).map(new).collect::<Result<_, _>>()?).await?);
        assert_eq!(fixture.conversations.get(owner, conversation).await?.message_count, 4);
    }
    let rounds = i64::try_from(ROUNDS)?;
    assert_eq!(fixture.number("SELECT COUNT(*) FROM conversations").await?, 2 * rounds);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM turns").await?, 3 * rounds);
    Ok(())
}

async fn of_concurrent_equal_requests_exactly_one_resumes(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for round in 0..ROUNDS {
        let key = round.to_string();
        let turn = fixture.begin(owner, keyed(&key, new_conversation()?, 0)?).await?;
        // In every other round the expired turn is already failed.
        if round % 2 == 0 {
            fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(1))).await?;
        } else {
            fixture.expire(owner, turn.attempt()).await?;
        }
        let new = |_| anyhow::Ok(send(&fixture, owner, keyed(&key, new_conversation()?, 2)?));
        let winner = one_wins((0..TOGETHER).map(new).collect::<Result<_, _>>()?).await?;
        let TurnStart::Resumed { turn: resumed, .. } = winner else { anyhow::bail!("{winner:?}") };
        assert_eq!(resumed, Turn { attempt: 2, ..turn.clone() });
        assert_eq!(fixture.conversations.get(owner, turn.conversation).await?.active_turn, Some(turn.id));
    }
    assert_eq!(fixture.number("SELECT COUNT(*) FROM turns").await?, i64::try_from(ROUNDS)?);
    Ok(())
}

async fn of_concurrent_equal_requests_exactly_one_takes_an_expired_key(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for round in 0..ROUNDS {
        let key = round.to_string();
        let old = fixture.begin(owner, keyed(&key, new_conversation()?, 0)?).await?;
        let new = |_| anyhow::Ok(send(&fixture, owner, keyed(&key, new_conversation()?, DAY)?));
        let winner = as_new(one_wins((0..TOGETHER).map(new).collect::<Result<_, _>>()?).await?);
        assert_ne!(winner.id, old.id);
    }
    assert_eq!(fixture.number("SELECT COUNT(*) FROM turns").await?, 2 * i64::try_from(ROUNDS)?);
    Ok(())
}

async fn concurrent_conversations_with_one_client_key_are_one(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for round in 0..ROUNDS {
        let mut together = Vec::new();
        for _ in 0..TOGETHER {
            let target = ConversationTarget::Keyed(round.to_string().parse()?, id(), "Groceries".parse()?);
            together.push(send(&fixture, owner, new_turn(target, at(0))?));
        }
        let mut winners: Vec<Turn> = Vec::new();
        for handle in together {
            match handle.await? {
                Ok(start) => winners.push(as_new(start)),
                Err(ConversationRepoError::TurnInProgress) => {}
                Err(other) => return Err(other.into()),
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(fixture.conversations.get(owner, winners[0].conversation).await?.message_count, 2);
    }
    assert_eq!(fixture.number("SELECT COUNT(*) FROM conversations").await?, i64::try_from(ROUNDS)?);
    Ok(())
}

async fn a_request_repeated_during_the_end_of_its_turn_is_in_progress_or_answered(
    test: TestDatabase,
) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for round in 0..ROUNDS {
        let key = round.to_string();
        let turn = fixture.begin(owner, keyed(&key, new_conversation()?, 0)?).await?;
        let again = send(&fixture, owner, keyed(&key, ConversationTarget::Existing(turn.conversation), 1)?);
        let conversations = fixture.conversations.clone();
        let attempt = turn.attempt();
        let ended =
            tokio::spawn(async move { conversations.end_turn(owner, attempt, end(TurnState::Complete, at(1))).await });
        let again = again.await?;
        let expected =
            matches!(again, Ok(TurnStart::AlreadyAnswered(_)) | Err(ConversationRepoError::IdempotencyInProgress));
        assert!(expected, "{again:?}");
        ended.await??;
        assert_eq!(fixture.conversations.answer(owner, turn.id).await?.message.status, TurnState::Complete);
    }
    Ok(())
}

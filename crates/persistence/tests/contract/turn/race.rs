//! Turns: concurrent operations.

use std::num::NonZeroU16;

use domain::conversation::turn::{Attempt, Turn, TurnState};
use domain::conversation::{ConversationRepo as _, ConversationRepoError, ConversationTarget, MessageOrder};
use domain::id::{ConversationId, UserId};
use domain::page::PageRequest;
use domain::system::SystemRepo as _;
use test_database::{TestDatabase, on_both_databases};
use tokio::task::JoinHandle;

use crate::fixture::{Fixture, LEASE, as_new, at, end as end_of, new_turn};

on_both_databases!(
    of_concurrent_turns_exactly_one_begins,
    of_concurrent_replacements_of_an_expired_turn_exactly_one_begins,
    an_expired_turn_that_ends_while_it_is_replaced_ends_once,
    deleting_a_conversation_is_serialized_with_the_end_of_its_turn,
    upkeep_is_serialized_with_lease_renewal,
    concurrent_upkeep_fails_each_turn_once,
);

const ROUNDS: usize = 10;

type Outcome<T> = Result<T, ConversationRepoError>;

fn begin(fixture: &Fixture, owner: UserId, id: ConversationId, when: i64) -> anyhow::Result<JoinHandle<Outcome<Turn>>> {
    let (conversations, turn) = (fixture.conversations.clone(), new_turn(ConversationTarget::Existing(id), at(when))?);
    Ok(tokio::spawn(async move { conversations.begin_turn(owner, turn).await.map(as_new) }))
}

fn end(fixture: &Fixture, owner: UserId, turn: Attempt) -> JoinHandle<Outcome<()>> {
    let conversations = fixture.conversations.clone();
    let end = end_of(TurnState::Complete, at(1));
    tokio::spawn(async move { conversations.end_turn(owner, turn, end).await })
}

async fn states(fixture: &Fixture, owner: UserId, id: ConversationId) -> anyhow::Result<Vec<TurnState>> {
    let all = PageRequest::first(NonZeroU16::MAX);
    let messages = fixture.conversations.messages(owner, id, MessageOrder::Ascending, all).await?.items;
    let positions: Vec<u32> = messages.iter().map(|message| message.position).collect();
    let expected: Vec<u32> = (1..).take(messages.len()).collect();
    anyhow::ensure!(positions == expected, "positions {positions:?}");
    Ok(messages.into_iter().map(|message| message.status).collect())
}

/// Returns the one turn that begins; the others must fail with `TurnInProgress`.
async fn one_wins(handles: Vec<JoinHandle<Outcome<Turn>>>) -> anyhow::Result<Turn> {
    let mut winners = Vec::new();
    for handle in handles {
        match handle.await? {
            Ok(turn) => winners.push(turn),
            Err(ConversationRepoError::TurnInProgress) => {}
            Err(other) => return Err(other.into()),
        }
    }
    anyhow::ensure!(winners.len() == 1, "{} turns began", winners.len());
    Ok(winners.remove(0))
}

async fn of_concurrent_turns_exactly_one_begins(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, turn) = fixture.conversation(owner).await?;
    end(&fixture, owner, turn.attempt()).await??;
    for round in 1..=ROUNDS {
        let together = (0..4).map(|_| begin(&fixture, owner, conversation, 1)).collect::<Result<_, _>>()?;
        let winner = one_wins(together).await?;
        assert_eq!(fixture.conversations.get(owner, conversation).await?.active_turn, Some(winner.id));
        assert_eq!(states(&fixture, owner, conversation).await?.len(), 2 + 2 * round);
        end(&fixture, owner, winner.attempt()).await??;
    }
    Ok(())
}

async fn of_concurrent_replacements_of_an_expired_turn_exactly_one_begins(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for _ in 0..ROUNDS {
        let (conversation, expired) = fixture.conversation(owner).await?;
        fixture.expire(owner, expired.attempt()).await?;
        let together = (0..3).map(|_| begin(&fixture, owner, conversation, 1)).collect::<Result<_, _>>()?;
        one_wins(together).await?;
        let expected = [TurnState::Complete, TurnState::Failed, TurnState::Complete, TurnState::Running];
        assert_eq!(states(&fixture, owner, conversation).await?, expected);
    }
    Ok(())
}

async fn an_expired_turn_that_ends_while_it_is_replaced_ends_once(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for _ in 0..ROUNDS {
        let (conversation, expired) = fixture.conversation(owner).await?;
        fixture.expire(owner, expired.attempt()).await?;
        let next = begin(&fixture, owner, conversation, 1)?;
        let ended = end(&fixture, owner, expired.attempt());
        next.await??;
        let first = match ended.await? {
            Ok(()) => TurnState::Complete,
            Err(ConversationRepoError::NoTurn) => TurnState::Failed,
            Err(other) => return Err(other.into()),
        };
        let expected = [TurnState::Complete, first, TurnState::Complete, TurnState::Running];
        assert_eq!(states(&fixture, owner, conversation).await?, expected);
    }
    Ok(())
}

async fn deleting_a_conversation_is_serialized_with_the_end_of_its_turn(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for _ in 0..ROUNDS {
        let (conversation, turn) = fixture.conversation(owner).await?;
        fixture.expire(owner, turn.attempt()).await?;
        let ended = end(&fixture, owner, turn.attempt());
        let conversations = fixture.conversations.clone();
        let failed = {
            let system = fixture.system.clone();
            tokio::spawn(async move { system.fail_expired_turns(at(1)).await })
        };
        let deleted = tokio::spawn(async move { conversations.delete(owner, conversation).await });
        deleted.await??;
        failed.await??;
        let ended = ended.await?;
        assert!(matches!(ended, Ok(()) | Err(ConversationRepoError::NoTurn)), "{ended:?}");
        let found = fixture.conversations.get(owner, conversation).await;
        assert!(matches!(found, Err(ConversationRepoError::NotFound)), "{found:?}");
    }
    Ok(())
}

async fn upkeep_is_serialized_with_lease_renewal(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for _ in 0..ROUNDS {
        let (conversation, turn) = fixture.conversation(owner).await?;
        fixture.expire(owner, turn.attempt()).await?;
        let (system, conversations) = (fixture.system.clone(), fixture.conversations.clone());
        let failed = tokio::spawn(async move { system.fail_expired_turns(at(1)).await });
        let renewed = tokio::spawn(async move { conversations.renew_lease(owner, turn.attempt(), LEASE).await });
        let (failed, renewed) = (failed.await??, renewed.await?);
        // The states of the turn and of its message agree in either order.
        let expected = if renewed.is_ok() && failed == 0 { TurnState::Running } else { TurnState::Failed };
        assert_eq!(states(&fixture, owner, conversation).await?, [TurnState::Complete, expected]);
        let active = fixture.conversations.get(owner, conversation).await?.active_turn;
        assert_eq!(active.is_some(), expected == TurnState::Running);
        fixture.conversations.delete(owner, conversation).await?;
    }
    Ok(())
}

async fn concurrent_upkeep_fails_each_turn_once(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for _ in 0..ROUNDS {
        for _ in 0..8 {
            let (_, turn) = fixture.conversation(owner).await?;
            fixture.expire(owner, turn.attempt()).await?;
        }
        let (expired, restarted) = (fixture.system.clone(), fixture.system.clone());
        let here: domain::conversation::turn::InstanceId = "here".parse()?;
        let sweep =
            |system: persistence::SeaSystemRepo| tokio::spawn(async move { system.fail_expired_turns(at(1)).await });
        let sweeps = [sweep(expired.clone()), sweep(expired)];
        let restart = tokio::spawn(async move { restarted.fail_turns_of(&here, at(1)).await });
        let mut failed = restart.await??;
        for sweep in sweeps {
            failed += sweep.await??;
        }
        assert_eq!(failed, 8);
    }
    Ok(())
}

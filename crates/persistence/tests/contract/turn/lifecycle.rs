//! Turns: beginning, lease and end.

use std::num::NonZeroU16;

use domain::conversation::message::Message;
use domain::conversation::turn::{Attempt, Turn, TurnState};
use domain::conversation::{
    ConversationRepo as _, ConversationRepoError, ConversationTarget, KeyReuse, MessageOrder, NewTurn, TurnResult,
    TurnStart,
};
use domain::id::{ConversationId, TurnId, UserId};
use domain::page::PageRequest;
use domain::patch::Patch;
use domain::system::SystemRepo as _;
use domain::user::{TimeZone, UserPatch, UserRepo as _};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, LEASE, at, id, new_conversation, new_turn, request, text};

on_both_databases!(
    a_turn_creates_or_continues_a_conversation,
    a_second_turn_is_refused_and_stores_nothing,
    a_turn_with_an_expired_lease_is_failed_by_the_next_one,
    a_renewed_lease_keeps_the_turn_running,
    a_turn_ends_once_in_any_final_state,
    a_missing_turn_cannot_be_continued,
    a_turn_begins_with_the_users_time_zone,
    the_progress_of_a_turn_differs_after_all_that_is_stored_for_it,
);

fn end(state: TurnState, microseconds: i64) -> TurnResult {
    crate::fixture::end(state, at(microseconds))
}

async fn messages(fixture: &Fixture, owner: UserId, id: ConversationId) -> anyhow::Result<Vec<Message>> {
    let all = PageRequest::first(NonZeroU16::MAX);
    Ok(fixture.conversations.messages(owner, id, MessageOrder::Ascending, all).await?.items)
}

async fn begin(fixture: &Fixture, owner: UserId, id: ConversationId, when: i64) -> Result<Turn, ConversationRepoError> {
    let turn = new_turn(ConversationTarget::Existing(id), at(when)).map_err(|_| ConversationRepoError::NoTurn)?;
    fixture.begin(owner, turn).await
}

async fn the_progress_of_a_turn_differs_after_all_that_is_stored_for_it(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let keyed = || -> anyhow::Result<NewTurn> {
        let idempotency = Some(request("key", 1, KeyReuse::Refuse)?);
        Ok(NewTurn { idempotency, ..new_turn(new_conversation()?, at(0))? })
    };
    let turn = fixture.begin(owner, keyed()?).await?;
    let progress = || async {
        fixture.statements();
        let progress = fixture.system.turn_progress(&[turn.id, id()]).await?;
        assert_eq!(fixture.statements().len(), 1);
        assert_eq!(progress.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [turn.id]);
        anyhow::Ok(progress[0].1)
    };
    let mut all = vec![progress().await?];
    assert_eq!((all[0].attempt, all[0].state), (1, TurnState::Running));
    for parts in ["a", "ab"].map(text) {
        fixture.conversations.save_progress(owner, turn.attempt(), &parts).await?;
        all.push(progress().await?);
    }
    let failed = TurnResult { parts: text("ab"), ..end(TurnState::Failed, 1) };
    fixture.conversations.end_turn(owner, turn.attempt(), failed).await?;
    all.push(progress().await?);
    // The parts of the first attempt are kept.
    let resumed = fixture.conversations.begin_turn(owner, keyed()?).await?;
    assert!(matches!(resumed, TurnStart::Resumed { .. }), "{resumed:?}");
    all.push(progress().await?);
    assert_eq!((all[4].attempt, all[4].state), (2, TurnState::Running));
    for (index, one) in all.iter().enumerate() {
        assert!(!all[..index].contains(one), "{index}: {all:?}");
    }
    fixture.conversations.delete(owner, turn.conversation).await?;
    assert_eq!(fixture.system.turn_progress(&[turn.id]).await?, []);
    Ok(())
}

async fn a_turn_creates_or_continues_a_conversation(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let first = new_turn(new_conversation()?, at(0))?;
    let turn = fixture.begin(owner, first.clone()).await?;
    let ConversationTarget::New(conversation, _) = first.target else { anyhow::bail!("a new one") };
    let expected = Turn {
        id: first.id,
        conversation,
        user_message: first.user_message,
        position: 1,
        assistant_message: first.assistant_message,
        attempt: 1,
    };
    assert_eq!(turn, expected);
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, 1)).await?;
    let ended = fixture.conversations.get(owner, conversation).await?;
    assert_eq!((ended.active_turn, ended.message_count, ended.updated_at), (None, 2, at(1)));

    let second = begin(&fixture, owner, conversation, 2).await?;
    let going_on = fixture.conversations.get(owner, conversation).await?;
    assert_eq!((going_on.active_turn, going_on.message_count), (Some(second.id), 4));
    assert_eq!((going_on.created_at, going_on.updated_at), (at(0), at(2)));
    let ids: Vec<_> = messages(&fixture, owner, conversation).await?.into_iter().map(|one| one.id).collect();
    assert_eq!(ids, [turn.user_message, turn.assistant_message, second.user_message, second.assistant_message]);
    Ok(())
}

async fn a_second_turn_is_refused_and_stores_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, _) = fixture.conversation(owner).await?;
    let before =
        (fixture.conversations.get(owner, conversation).await?, messages(&fixture, owner, conversation).await?);
    // Its lease is valid by the database's time, whatever time the request has.
    for when in [1, 1_000_000_000_000] {
        let outcome = begin(&fixture, owner, conversation, when).await;
        assert!(matches!(outcome, Err(ConversationRepoError::TurnInProgress)), "{outcome:?}");
    }
    let after = (fixture.conversations.get(owner, conversation).await?, messages(&fixture, owner, conversation).await?);
    assert_eq!(before, after);
    // Another conversation of the same user is not affected.
    fixture.conversation(owner).await?;
    Ok(())
}

async fn a_turn_with_an_expired_lease_is_failed_by_the_next_one(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, expired) = fixture.conversation(owner).await?;
    fixture.conversations.save_progress(owner, expired.attempt(), &text("Add")).await?;
    let (other, other_turn) = fixture.conversation(owner).await?;
    fixture.expire(owner, expired.attempt()).await?;
    let next = begin(&fixture, owner, conversation, 1).await?;
    let messages = messages(&fixture, owner, conversation).await?;
    let states: Vec<_> = messages.iter().map(|message| message.status).collect();
    let expected = [TurnState::Complete, TurnState::Failed, TurnState::Complete, TurnState::Running];
    assert_eq!(states, expected);
    // Saved progress is kept.
    assert_eq!(messages[1].parts, text("Add"));
    assert_eq!(fixture.conversations.get(owner, conversation).await?.active_turn, Some(next.id));
    let too_late = fixture.conversations.end_turn(owner, expired.attempt(), end(TurnState::Complete, 2)).await;
    assert!(matches!(too_late, Err(ConversationRepoError::NoTurn)), "{too_late:?}");
    assert_eq!(fixture.conversations.get(owner, other).await?.active_turn, Some(other_turn.id));
    Ok(())
}

async fn a_renewed_lease_keeps_the_turn_running(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, turn) = fixture.conversation(owner).await?;
    fixture.statements();
    fixture.expire(owner, turn.attempt()).await?;
    assert_eq!(fixture.statements().len(), 1);
    fixture.conversations.renew_lease(owner, turn.attempt(), LEASE).await?;
    let outcome = begin(&fixture, owner, conversation, 1).await;
    assert!(matches!(outcome, Err(ConversationRepoError::TurnInProgress)), "{outcome:?}");
    fixture.expire(owner, turn.attempt()).await?;
    begin(&fixture, owner, conversation, 1).await?;
    Ok(())
}

async fn a_turn_ends_once_in_any_final_state(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for state in [TurnState::Complete, TurnState::Stopped, TurnState::Failed] {
        let (conversation, turn) = fixture.conversation(owner).await?;
        fixture.conversations.end_turn(owner, turn.attempt(), end(state, 1)).await?;
        let before =
            (fixture.conversations.get(owner, conversation).await?, messages(&fixture, owner, conversation).await?);
        assert_eq!((before.0.active_turn, before.1[1].status), (None, state));
        let again = [
            fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, 2)).await.err(),
            fixture.conversations.save_progress(owner, turn.attempt(), &text("More")).await.err(),
            fixture.conversations.renew_lease(owner, turn.attempt(), LEASE).await.err(),
        ];
        for outcome in again {
            assert!(matches!(outcome, Some(ConversationRepoError::NoTurn)), "{outcome:?}");
        }
        let after =
            (fixture.conversations.get(owner, conversation).await?, messages(&fixture, owner, conversation).await?);
        assert_eq!(before, after);
    }
    Ok(())
}

async fn a_missing_turn_cannot_be_continued(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let missing = id::<TurnId>();
    let outcomes = [
        fixture
            .conversations
            .end_turn(owner, Attempt { turn: missing, number: 1 }, end(TurnState::Complete, 2))
            .await
            .err(),
        fixture.conversations.save_progress(owner, Attempt { turn: missing, number: 1 }, &[]).await.err(),
        fixture.conversations.renew_lease(owner, Attempt { turn: missing, number: 1 }, LEASE).await.err(),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Some(ConversationRepoError::NoTurn)), "{outcome:?}");
    }
    Ok(())
}

async fn a_turn_begins_with_the_users_time_zone(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let zone: TimeZone = "Asia/Kolkata".parse()?;
    let patch = UserPatch { time_zone: Patch::Set(zone), ..UserPatch::default() };
    fixture.users.update(owner, patch, at(0)).await?;
    let keyed = |when| -> anyhow::Result<NewTurn> {
        let idempotency = Some(request("key", 1, KeyReuse::Refuse)?);
        Ok(NewTurn { idempotency, ..new_turn(new_conversation()?, at(when))? })
    };
    let first = fixture.conversations.begin_turn(owner, keyed(0)?).await?;
    let TurnStart::New { turn, time_zone, .. } = first else { anyhow::bail!("{first:?}") };
    assert_eq!(time_zone, zone);
    fixture.expire(owner, turn.attempt()).await?;
    let second = fixture.conversations.begin_turn(owner, keyed(1)?).await?;
    assert!(matches!(second, TurnStart::Resumed { time_zone, .. } if time_zone == zone), "{second:?}");
    Ok(())
}

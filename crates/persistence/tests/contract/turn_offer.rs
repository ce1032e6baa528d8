//! What is on offer in a conversation, and conversations that the client has a name for.

use domain::conversation::{
    BegunTurn, ConversationRepo as _, ConversationRepoError, ConversationTarget, KeyReuse, NewTurn, PendingAction,
    TurnEnd,
};
use domain::id::{ConversationId, UserId};
use domain::task::Version;
use domain::turn::{Attempt, TurnState};
use sea_orm::ConnectionTrait as _;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, end, id, new_conversation, new_turn, offer, request};

on_both_databases!(
    an_offer_goes_to_the_next_message_alone,
    an_offer_stays_in_its_conversation,
    a_turn_that_does_not_begin_leaves_the_offer,
    a_turn_that_goes_on_overtakes_what_was_offered_meanwhile,
    of_several_offers_the_last_one_counts,
    a_turn_that_has_ended_offers_nothing,
    a_turn_whose_offer_cannot_be_stored_does_not_end,
    a_conversation_is_found_by_the_clients_key,
    the_same_clients_key_of_two_users_is_two_conversations,
);

fn three() -> PendingAction {
    let version = |number| Version::new(number).unwrap_or(Version::FIRST);
    offer(&[(id(), version(7)), (id(), version(1)), (id(), version(u32::MAX))])
}

async fn begin(
    fixture: &Fixture,
    owner: UserId,
    target: ConversationTarget,
    when: i64,
) -> anyhow::Result<(Attempt, Option<PendingAction>)> {
    match fixture.conversations.begin_turn(owner, new_turn(target, at(when))?).await? {
        BegunTurn::New { turn, pending } => Ok((turn.attempt(), pending)),
        other => anyhow::bail!("{other:?}"),
    }
}

/// A conversation in which `action` is on offer.
async fn offered(fixture: &Fixture, owner: UserId, action: &PendingAction) -> anyhow::Result<ConversationId> {
    let (conversation, turn) = fixture.conversation(owner).await?;
    let end = TurnEnd { pending: Some(action.clone()), ..end(TurnState::Complete, at(1)) };
    fixture.conversations.end_turn(owner, turn.attempt(), end).await?;
    Ok(conversation)
}

async fn an_offer_goes_to_the_next_message_alone(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let action = three();
    let conversation = offered(&fixture, owner, &action).await?;
    let target = || ConversationTarget::Existing(conversation);
    let (turn, pending) = begin(&fixture, owner, target(), 2).await?;
    assert_eq!(pending, Some(action));
    fixture.conversations.end_turn(owner, turn, end(TurnState::Complete, at(3))).await?;
    assert_eq!(begin(&fixture, owner, target(), 4).await?.1, None);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM pending_actions WHERE settled_at IS NOT NULL").await?, 1);
    fixture.conversations.delete(owner, conversation).await?;
    assert_eq!(fixture.number("SELECT COUNT(*) FROM pending_actions").await?, 0);
    Ok(())
}

async fn an_offer_stays_in_its_conversation(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (one, other) = (three(), three());
    let conversation = offered(&fixture, owner, &one).await?;
    let elsewhere = offered(&fixture, owner, &other).await?;
    assert_eq!(begin(&fixture, owner, new_conversation()?, 2).await?.1, None);
    assert_eq!(begin(&fixture, owner, ConversationTarget::Existing(elsewhere), 2).await?.1, Some(other));
    assert_eq!(begin(&fixture, owner, ConversationTarget::Existing(conversation), 2).await?.1, Some(one));
    Ok(())
}

async fn a_turn_that_does_not_begin_leaves_the_offer(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let idempotency = Some(request("key", 1, KeyReuse::Refuse)?);
    let first = NewTurn { idempotency: idempotency.clone(), ..new_turn(new_conversation()?, at(0))? };
    let turn = fixture.begin(owner, first).await?;
    let action = three();
    let ended = TurnEnd { pending: Some(action.clone()), ..end(TurnState::Complete, at(1)) };
    fixture.conversations.end_turn(owner, turn.attempt(), ended).await?;
    let target = ConversationTarget::Existing(turn.conversation);
    let again = NewTurn { idempotency, ..new_turn(target.clone(), at(2))? };
    let again = fixture.conversations.begin_turn(owner, again).await?;
    assert!(matches!(again, BegunTurn::Repeated(_)), "{again:?}");
    assert_eq!(begin(&fixture, owner, target, 3).await?.1, Some(action));
    Ok(())
}

async fn a_turn_that_goes_on_overtakes_what_was_offered_meanwhile(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let keyed = |when| -> anyhow::Result<NewTurn> {
        let idempotency = Some(request("key", 1, KeyReuse::Refuse)?);
        Ok(NewTurn { idempotency, ..new_turn(new_conversation()?, at(when))? })
    };
    let failed = fixture.begin(owner, keyed(0)?).await?;
    fixture.conversations.end_turn(owner, failed.attempt(), end(TurnState::Failed, at(1))).await?;
    let target = ConversationTarget::Existing(failed.conversation);
    let (turn, _) = begin(&fixture, owner, target.clone(), 2).await?;
    let ended = TurnEnd { pending: Some(three()), ..end(TurnState::Complete, at(3)) };
    fixture.conversations.end_turn(owner, turn, ended).await?;
    let again = fixture.conversations.begin_turn(owner, keyed(4)?).await?;
    let BegunTurn::Resumed { turn: again, .. } = again else { anyhow::bail!("{again:?}") };
    fixture.conversations.end_turn(owner, again.attempt(), end(TurnState::Complete, at(5))).await?;
    assert_eq!(begin(&fixture, owner, target, 6).await?.1, None);
    Ok(())
}

async fn of_several_offers_the_last_one_counts(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    // The later one has the lower id.
    let (later, earlier) = (three(), three());
    let conversation = offered(&fixture, owner, &earlier).await?;
    let target = || ConversationTarget::Existing(conversation);
    let (turn, _) = begin(&fixture, owner, target(), 2).await?;
    let ended = TurnEnd { pending: Some(later.clone()), ..end(TurnState::Complete, at(3)) };
    fixture.conversations.end_turn(owner, turn, ended).await?;
    // No turn leaves two, so this is done by hand.
    let db = fixture.database.connection_for_migrations();
    db.execute_unprepared("UPDATE pending_actions SET settled_at = NULL").await?;
    assert_eq!(begin(&fixture, owner, target(), 4).await?.1, Some(later));
    assert_eq!(fixture.number("SELECT COUNT(*) FROM pending_actions WHERE settled_at IS NULL").await?, 0);
    Ok(())
}

async fn a_turn_that_has_ended_offers_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (_, turn) = fixture.conversation(owner).await?;
    fixture.conversations.stop_turn(owner, turn.id, at(1)).await?;
    let late = TurnEnd { pending: Some(three()), ..end(TurnState::Complete, at(2)) };
    let late = fixture.conversations.end_turn(owner, turn.attempt(), late).await;
    assert!(matches!(late, Err(ConversationRepoError::NoTurn)), "{late:?}");
    assert_eq!(fixture.number("SELECT COUNT(*) FROM pending_actions").await?, 0);
    Ok(())
}

async fn a_turn_whose_offer_cannot_be_stored_does_not_end(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let action = three();
    offered(&fixture, owner, &action).await?;
    let (conversation, turn) = fixture.conversation(owner).await?;
    // The id is taken.
    let ended = TurnEnd { pending: Some(action), ..end(TurnState::Complete, at(2)) };
    assert!(fixture.conversations.end_turn(owner, turn.attempt(), ended).await.is_err());
    assert_eq!(fixture.conversations.answer(owner, turn.id).await?.message.status, TurnState::Running);
    let found = fixture.conversations.get(owner, conversation).await?;
    assert_eq!((found.active_turn, found.updated_at), (Some(turn.id), at(0)));
    Ok(())
}

fn slug(slug: &str, title: &str) -> anyhow::Result<ConversationTarget> {
    Ok(ConversationTarget::Keyed(slug.parse()?, id(), title.parse()?))
}

async fn a_conversation_is_found_by_the_clients_key(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let new = new_turn(slug("one", "Groceries")?, at(0))?;
    let ConversationTarget::Keyed(_, proposed, _) = &new.target else { anyhow::bail!("keyed") };
    fixture.statements();
    let first = fixture.begin(owner, new.clone()).await?;
    assert_eq!(fixture.statements().len(), 3);
    assert_eq!((first.conversation, first.position), (*proposed, 1));
    let busy = fixture.conversations.begin_turn(owner, new_turn(slug("one", "Else")?, at(1))?).await;
    assert!(matches!(busy, Err(ConversationRepoError::TurnInProgress)), "{busy:?}");
    let action = three();
    let ended = TurnEnd { pending: Some(action.clone()), ..end(TurnState::Complete, at(2)) };
    fixture.conversations.end_turn(owner, first.attempt(), ended).await?;

    let second = fixture.conversations.begin_turn(owner, new_turn(slug("one", "Else")?, at(3))?).await?;
    let BegunTurn::New { turn: second, pending } = second else { anyhow::bail!("{second:?}") };
    assert_eq!((second.conversation, second.position, pending), (first.conversation, 3, Some(action)));
    let found = fixture.conversations.get(owner, first.conversation).await?;
    assert_eq!((found.title.as_str(), found.message_count), ("Groceries", 4));
    assert_eq!((found.created_at, found.updated_at), (at(0), at(3)));
    // A dead turn in it makes room.
    let third = fixture.begin(owner, new_turn(slug("one", "Else")?, at(15_000_003))?).await?;
    assert_eq!((third.conversation, third.position), (first.conversation, 5));
    // Another key is another conversation, and so is a deleted one's.
    let other = fixture.begin(owner, new_turn(slug("two", "Else")?, at(3))?).await?;
    assert_ne!(other.conversation, first.conversation);
    fixture.conversations.delete(owner, first.conversation).await?;
    let anew = fixture.begin(owner, new_turn(slug("one", "Else")?, at(4))?).await?;
    assert_ne!(anew.conversation, first.conversation);
    Ok(())
}

async fn the_same_clients_key_of_two_users_is_two_conversations(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    let one = fixture.begin(ada, new_turn(slug("one", "Groceries")?, at(0))?).await?;
    let other = fixture.begin(eve, new_turn(slug("one", "Mine")?, at(0))?).await?;
    assert_ne!(one.conversation, other.conversation);
    assert_eq!(fixture.conversations.get(ada, one.conversation).await?.message_count, 2);
    Ok(())
}

//! Conversations with a client key.

use domain::conversation::turn::TurnState;
use domain::conversation::{ConversationRepo as _, ConversationRepoError, ConversationTarget, TurnResult, TurnStart};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, end, id, new_task, new_turn, put_off};

on_both_databases!(a_conversation_is_found_by_its_client_key, client_keys_are_scoped_to_the_user,);

fn slug(slug: &str, title: &str) -> anyhow::Result<ConversationTarget> {
    Ok(ConversationTarget::Keyed(slug.parse()?, id(), title.parse()?))
}

async fn a_conversation_is_found_by_its_client_key(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let new = new_turn(slug("one", "Groceries")?, at(0))?;
    let ConversationTarget::Keyed(_, proposed, _) = &new.target else { anyhow::bail!("keyed") };
    fixture.statements();
    let first = fixture.begin(owner, new.clone()).await?;
    // Whether the conversation is new is not known when the look-ups of an expired turn and a pending action are sent.
    assert_eq!(fixture.statements().len(), 7);
    assert_eq!((first.conversation, first.position), (*proposed, 1));
    let busy = fixture.conversations.begin_turn(owner, new_turn(slug("one", "Else")?, at(1))?).await;
    assert!(matches!(busy, Err(ConversationRepoError::TurnInProgress)), "{busy:?}");
    let action = put_off(first.assistant_message, &[new_task(owner, "Milk")?], at(9));
    let ended = TurnResult { pending: Some(action.clone()), ..end(TurnState::Complete, at(2)) };
    fixture.conversations.end_turn(owner, first.attempt(), ended).await?;

    let second = fixture.conversations.begin_turn(owner, new_turn(slug("one", "Else")?, at(3))?).await?;
    let TurnStart::New { turn: second, pending, .. } = second else { anyhow::bail!("{second:?}") };
    assert_eq!((second.conversation, second.position, pending), (first.conversation, 3, Some(action)));
    let found = fixture.conversations.get(owner, first.conversation).await?;
    assert_eq!((found.title.as_str(), found.message_count), ("Groceries", 4));
    assert_eq!((found.created_at, found.updated_at), (at(0), at(3)));
    assert_eq!(fixture.conversations.find_by_key(owner, &"one".parse()?).await?, Some(found));
    assert_eq!(fixture.conversations.find_by_key(owner, &"two".parse()?).await?, None);
    // A turn whose lease has expired does not block it.
    fixture.expire(owner, second.attempt()).await?;
    let third = fixture.begin(owner, new_turn(slug("one", "Else")?, at(15_000_003))?).await?;
    assert_eq!((third.conversation, third.position), (first.conversation, 5));
    // Another key, and the key of a deleted conversation, create a new conversation.
    let other = fixture.begin(owner, new_turn(slug("two", "Else")?, at(3))?).await?;
    assert_ne!(other.conversation, first.conversation);
    fixture.conversations.delete(owner, first.conversation).await?;
    let anew = fixture.begin(owner, new_turn(slug("one", "Else")?, at(4))?).await?;
    assert_ne!(anew.conversation, first.conversation);
    Ok(())
}

async fn client_keys_are_scoped_to_the_user(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    let one = fixture.begin(ada, new_turn(slug("one", "Groceries")?, at(0))?).await?;
    let other = fixture.begin(eve, new_turn(slug("one", "Mine")?, at(0))?).await?;
    assert_ne!(one.conversation, other.conversation);
    for (user, turn) in [(ada, &one), (eve, &other)] {
        let found = fixture.conversations.find_by_key(user, &"one".parse()?).await?.map(|found| found.id);
        assert_eq!(found, Some(turn.conversation));
    }
    assert_eq!(fixture.conversations.get(ada, one.conversation).await?.message_count, 2);
    Ok(())
}

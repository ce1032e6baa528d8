//! Conversations: reading, listing, renaming, deleting, and the tasks that were last shown.

use std::num::NonZeroU16;

use domain::conversation::turn::{Attempt, TurnState};
use domain::conversation::{
    Conversation, ConversationRepo as _, ConversationRepoError, ConversationTarget, ConversationTitle, MessageOrder,
};
use domain::id::{ConversationId, TaskId, UserId};
use domain::page::PageRequest;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, LEASE, at, end, id, new_turn};

on_both_databases!(
    a_conversation_is_read_as_it_was_created,
    a_missing_conversation_is_not_found,
    the_most_recently_active_conversation_is_listed_first,
    pages_contain_every_conversation_once_despite_equal_times,
    renaming_keeps_updated_at,
    a_title_is_stored_byte_for_byte,
    deleting_a_conversation_deletes_its_turns_and_messages_while_one_is_running,
    shown_tasks_keep_their_order,
);

async fn begin(fixture: &Fixture, owner: UserId, title: &str, microseconds: i64) -> anyhow::Result<Conversation> {
    let target = ConversationTarget::New(id(), title.parse::<ConversationTitle>()?);
    let turn = fixture.begin(owner, new_turn(target, at(microseconds))?).await?;
    Ok(fixture.conversations.get(owner, turn.conversation).await?)
}

async fn all(fixture: &Fixture, owner: UserId, size: u16) -> anyhow::Result<Vec<Conversation>> {
    let limit = NonZeroU16::new(size).unwrap_or(NonZeroU16::MIN);
    let (mut shown, mut request) = (Vec::new(), PageRequest::first(limit));
    loop {
        let page = fixture.conversations.list(owner, request.clone()).await?;
        anyhow::ensure!(page.items.len() <= usize::from(size), "a page of {}", page.items.len());
        shown.extend(page.items);
        match page.next {
            Some(next) => request.after = Some(next),
            None => return Ok(shown),
        }
    }
}

async fn a_conversation_is_read_as_it_was_created(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, turn) = fixture.conversation(owner).await?;
    let expected = Conversation {
        id: conversation,
        user_id: owner,
        title: "Groceries".parse()?,
        active_turn: Some(turn.id),
        message_count: 2,
        created_at: at(0),
        updated_at: at(0),
    };
    fixture.statements();
    assert_eq!(fixture.conversations.get(owner, conversation).await?, expected);
    assert_eq!(fixture.statements().len(), 1);
    assert_eq!(all(&fixture, owner, 9).await?, [expected]);
    assert_eq!(fixture.statements().len(), 1);
    Ok(())
}

async fn a_missing_conversation_is_not_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversations, missing) = (&fixture.conversations, id::<ConversationId>());
    let first = PageRequest::first(NonZeroU16::MIN);
    let turn = new_turn(ConversationTarget::Existing(missing), at(0))?;
    let outcomes = [
        conversations.get(owner, missing).await.err(),
        conversations.rename(owner, missing, "Milk".parse()?).await.err(),
        conversations.delete(owner, missing).await.err(),
        conversations.messages(owner, missing, MessageOrder::Ascending, first).await.err(),
        conversations.begin_turn(owner, turn).await.err(),
        conversations.set_shown_tasks(owner, missing, &[]).await.err(),
        conversations.shown_tasks(owner, missing).await.err(),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Some(ConversationRepoError::NotFound)), "{outcome:?}");
    }
    Ok(())
}

async fn the_most_recently_active_conversation_is_listed_first(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    assert_eq!(all(&fixture, owner, 1).await?, []);
    // Fractions of no, three and six digits, in an order that differs from the lengths of the texts.
    let mut conversations = Vec::new();
    for microseconds in [500_000, 499_999, 0, 1_000_000, 500_001, 100_000, 999_999, 10] {
        conversations.push(begin(&fixture, owner, "Groceries", microseconds).await?);
    }
    let titles = |shown: Vec<Conversation>| shown.into_iter().map(|one| one.updated_at).collect::<Vec<_>>();
    let expected = [1_000_000, 999_999, 500_001, 500_000, 499_999, 100_000, 10, 0].map(at);
    for size in [1, 3, 8, 9] {
        assert_eq!(titles(all(&fixture, owner, size).await?), expected, "pages of {size}");
    }
    // A new turn in the oldest conversation.
    let oldest = &conversations[2];
    let running = oldest.active_turn.ok_or_else(|| anyhow::anyhow!("no turn"))?;
    fixture.expire(owner, Attempt { turn: running, number: 1 }).await?;
    let turn = new_turn(ConversationTarget::Existing(oldest.id), at(60_000_000))?;
    fixture.conversations.begin_turn(owner, turn).await?;
    assert_eq!(all(&fixture, owner, 3).await?[0].id, oldest.id);
    Ok(())
}

async fn pages_contain_every_conversation_once_despite_equal_times(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut conversations = Vec::new();
    for _ in 0..5 {
        conversations.push(begin(&fixture, owner, "Groceries", 0).await?);
    }
    conversations.push(begin(&fixture, owner, "Groceries", 1).await?);
    conversations.reverse();
    for size in 1..=7 {
        assert_eq!(all(&fixture, owner, size).await?, conversations, "pages of {size}");
    }
    Ok(())
}

async fn renaming_keeps_updated_at(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let before = begin(&fixture, owner, "Groceries", 7).await?;
    fixture.statements();
    let renamed = fixture.conversations.rename(owner, before.id, "Shopping".parse()?).await?;
    assert_eq!(fixture.statements().len(), 1);
    assert!(before.active_turn.is_some());
    assert_eq!(renamed, Conversation { title: "Shopping".parse()?, ..before });
    assert_eq!(fixture.conversations.get(owner, renamed.id).await?, renamed);
    Ok(())
}

async fn a_title_is_stored_byte_for_byte(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for title in ["🧑\u{200D}🚀", "‏שלום‏", "cafe\u{301}", "'; DROP TABLE conversations; --", &"é".repeat(200)]
    {
        let conversation = begin(&fixture, owner, title, 0).await?;
        assert_eq!(conversation.title.as_str(), title);
        let renamed = fixture.conversations.rename(owner, conversation.id, title.parse()?).await?;
        assert_eq!(renamed.title.as_str(), title);
    }
    Ok(())
}

async fn deleting_a_conversation_deletes_its_turns_and_messages_while_one_is_running(
    test: TestDatabase,
) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let kept = begin(&fixture, owner, "Kept", 0).await?;
    let (conversation, turn) = fixture.conversation(owner).await?;
    fixture.conversations.delete(owner, conversation).await?;
    let first = PageRequest::first(NonZeroU16::MIN);
    let messages = fixture.conversations.messages(owner, conversation, MessageOrder::Ascending, first).await;
    assert!(matches!(messages, Err(ConversationRepoError::NotFound)), "{messages:?}");
    let end = end(TurnState::Complete, at(1));
    let ended = [
        fixture.conversations.end_turn(owner, turn.attempt(), end).await.err(),
        fixture.conversations.save_progress(owner, turn.attempt(), &[]).await.err(),
        fixture.conversations.renew_lease(owner, turn.attempt(), LEASE).await.err(),
    ];
    for outcome in ended {
        assert!(matches!(outcome, Some(ConversationRepoError::NoTurn)), "{outcome:?}");
    }
    assert_eq!(all(&fixture, owner, 9).await?, [kept]);
    Ok(())
}

async fn shown_tasks_keep_their_order(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let before = begin(&fixture, owner, "Groceries", 7).await?;
    assert_eq!(fixture.conversations.shown_tasks(owner, before.id).await?, []);
    let (one, two): (TaskId, TaskId) = (id(), id());
    for shown in [vec![two, one], vec![one], vec![]] {
        fixture.statements();
        fixture.conversations.set_shown_tasks(owner, before.id, &shown).await?;
        assert_eq!(fixture.conversations.shown_tasks(owner, before.id).await?, shown);
        assert_eq!(fixture.statements().len(), 2);
    }
    assert_eq!(fixture.conversations.get(owner, before.id).await?, before);
    Ok(())
}

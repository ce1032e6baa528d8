//! Messages: pages and parts.

use std::num::NonZeroU16;

use domain::change::{Action, Receipt, Seq, TaskRef};
use domain::conversation::message::{Message, Part, Role, ToolCall, ToolResult};
use domain::conversation::turn::TurnState;
use domain::conversation::{ConversationRepo as _, ConversationTarget, MessageCursor, MessageOrder, TurnResult};
use domain::id::{ConversationId, UserId};
use domain::page::PageRequest;
use serde_json::json;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, end, id, new_turn, text};

on_both_databases!(
    a_turn_stores_a_user_message_and_an_assistant_message,
    pages_contain_every_message_once_in_either_order,
    a_page_after_the_last_message_is_empty,
    every_kind_of_part_is_read_as_it_was_stored,
    nul_characters_are_removed_before_storage,
);

async fn page(
    fixture: &Fixture,
    owner: UserId,
    id: ConversationId,
    order: MessageOrder,
    size: u16,
) -> anyhow::Result<Vec<Message>> {
    let limit = NonZeroU16::new(size).unwrap_or(NonZeroU16::MIN);
    let (mut shown, mut request) = (Vec::new(), PageRequest::first(limit));
    loop {
        let page = fixture.conversations.messages(owner, id, order, request.clone()).await?;
        anyhow::ensure!(page.items.len() <= usize::from(size), "a page of {}", page.items.len());
        shown.extend(page.items);
        match page.next {
            Some(next) => request.after = Some(next),
            None => return Ok(shown),
        }
    }
}

fn complete(parts: Vec<Part>, microseconds: i64) -> TurnResult {
    TurnResult { parts, ..end(TurnState::Complete, at(microseconds)) }
}

async fn a_turn_stores_a_user_message_and_an_assistant_message(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, turn) = fixture.conversation(owner).await?;
    let question = Message {
        id: turn.user_message,
        conversation,
        position: 1,
        role: Role::User,
        parts: text("Add milk"),
        status: TurnState::Complete,
        created_at: at(0),
    };
    let mut answer = Message {
        id: turn.assistant_message,
        position: 2,
        role: Role::Assistant,
        parts: Vec::new(),
        status: TurnState::Running,
        ..question.clone()
    };
    fixture.statements();
    let messages = page(&fixture, owner, conversation, MessageOrder::Ascending, 9).await?;
    assert_eq!(fixture.statements().len(), 1);
    assert_eq!(messages, [question.clone(), answer.clone()]);

    fixture.conversations.save_progress(owner, turn.attempt(), &text("Add")).await?;
    answer.parts = text("Add");
    let messages = page(&fixture, owner, conversation, MessageOrder::Ascending, 9).await?;
    assert_eq!(messages, [question.clone(), answer.clone()]);

    fixture.conversations.end_turn(owner, turn.attempt(), complete(text("Added."), 5)).await?;
    let answer = Message { parts: text("Added."), status: TurnState::Complete, ..answer };
    let messages = page(&fixture, owner, conversation, MessageOrder::Ascending, 9).await?;
    assert_eq!(messages, [question, answer]);
    Ok(())
}

async fn pages_contain_every_message_once_in_either_order(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, turn) = fixture.conversation(owner).await?;
    fixture.conversations.end_turn(owner, turn.attempt(), complete(text("1"), 1)).await?;
    for number in 2..=3 {
        let turn = new_turn(ConversationTarget::Existing(conversation), at(number))?;
        let turn = fixture.begin(owner, turn).await?;
        fixture.conversations.end_turn(owner, turn.attempt(), complete(text("2"), number)).await?;
    }
    let mut expected: Vec<u32> = (1..=6).collect();
    for order in [MessageOrder::Ascending, MessageOrder::Descending] {
        for size in 1..=7 {
            let shown = page(&fixture, owner, conversation, order, size).await?;
            let positions: Vec<u32> = shown.iter().map(|message| message.position).collect();
            assert_eq!(positions, expected, "{order:?}, pages of {size}");
        }
        expected.reverse();
    }
    Ok(())
}

async fn a_page_after_the_last_message_is_empty(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, _) = fixture.conversation(owner).await?;
    for (order, last) in
        [(MessageOrder::Ascending, 2), (MessageOrder::Ascending, u32::MAX), (MessageOrder::Descending, 1)]
    {
        let request = PageRequest { limit: NonZeroU16::MIN, after: Some(MessageCursor(last)) };
        let page = fixture.conversations.messages(owner, conversation, order, request).await?;
        assert_eq!((page.items, page.next), (Vec::new(), None), "{order:?} behind {last}");
    }
    Ok(())
}

async fn every_kind_of_part_is_read_as_it_was_stored(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, turn) = fixture.conversation(owner).await?;
    let result = ToolResult {
        success: true,
        message: "Task '🧑\u{200D}🚀 ‏שלום‏ cafe\u{301}' created successfully".into(),
        data: json!({"b": [1, 2.5, -3, 9_007_199_254_740_993_i64, true, null], "a": {"": "x"}, "aa": ""}),
    };
    let receipt = Receipt {
        seq: Seq(7),
        operation_id: id(),
        action: Action::Updated,
        task: TaskRef { id: id(), title: "Oat milk".parse()? },
        previous_title: Some("Milk".parse()?),
        version: None,
    };
    let call = |result| {
        Part::ToolCall(ToolCall {
            id: "call_1".into(),
            round: 1,
            tool: "add_task".into(),
            parameters: json!({"title": "a\u{1}\n\t\"\\"}),
            result,
            changes: vec![receipt.clone()],
        })
    };
    let no_json = Part::ToolCall(ToolCall {
        id: String::new(),
        round: 2,
        tool: "x".into(),
        parameters: json!("{cut o"),
        result: None,
        changes: Vec::new(),
    });
    let parts = vec![
        Part::Plan { round: 0, text: "I will add it.".into() },
        call(Some(result)),
        call(None),
        no_json,
        Part::Text { round: 2, text: "é".repeat(100_000) },
        Part::Notice { text: "Nothing was changed.".into() },
    ];
    fixture.conversations.save_progress(owner, turn.attempt(), &parts).await?;
    let shown = page(&fixture, owner, conversation, MessageOrder::Descending, 9).await?;
    assert_eq!(shown[0].parts, parts);
    fixture.conversations.end_turn(owner, turn.attempt(), complete(parts.clone(), 1)).await?;
    let shown = page(&fixture, owner, conversation, MessageOrder::Descending, 9).await?;
    assert_eq!(shown[0].parts, parts);
    Ok(())
}

async fn nul_characters_are_removed_before_storage(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, turn) = fixture.conversation(owner).await?;
    fixture.conversations.save_progress(owner, turn.attempt(), &text("\0a\0")).await?;
    let shown = page(&fixture, owner, conversation, MessageOrder::Descending, 9).await?;
    assert_eq!(shown[0].parts, text("a"));
    fixture.conversations.end_turn(owner, turn.attempt(), complete(text("b\0c"), 1)).await?;
    let shown = page(&fixture, owner, conversation, MessageOrder::Descending, 9).await?;
    assert_eq!(shown[0].parts, text("bc"));
    let mut next = new_turn(ConversationTarget::Existing(conversation), at(2))?;
    next.user_parts = text("d\0e");
    fixture.conversations.begin_turn(owner, next).await?;
    let shown = page(&fixture, owner, conversation, MessageOrder::Descending, 9).await?;
    assert_eq!(shown[1].parts, text("de"));
    Ok(())
}

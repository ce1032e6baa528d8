//! The limit of tokens per day.

use std::num::NonZeroU32;
use std::time::Duration;

use super::super::super::ChatService;
use super::*;

const LIMIT: Option<NonZeroU32> = NonZeroU32::new(9_000);

async fn send_limited(ports: ChatPorts, input: ChatInput) -> Result<TurnAnswer, ChatError> {
    let options = ChatOptions { tokens_per_day: LIMIT, ..ChatOptions::default() };
    let message = NewMessage { input, ..message("Add milk") };
    ChatService::new(ports, options).send(&principal(), &"r".parse().unwrap(), message).await
}

fn text() -> ChatInput {
    message("Add milk").input
}

fn two_rounds() -> Arc<ScriptedLlm> {
    Arc::new(ScriptedLlm::new([Step::calls("add_task", &json!({"title": "milk"})), Step::says("Added milk.")]))
}

#[tokio::test]
async fn the_tokens_of_all_rounds_are_counted_however_the_turn_ends() {
    let ends: [fn() -> Result<(), ConversationRepoError>; 3] = [
        || Ok(()),
        // The conversation was deleted.
        || Err(ConversationRepoError::NoTurn),
        || Err(StorageError::Unavailable("down".into()).into()),
    ];
    for end in ends {
        let mut repo = Recorded::default().repo_without_progress();
        repo.expect_save_progress().returning(|_, _, _| Ok(()));
        repo.expect_end_turn().returning(move |_, _, _| end());
        repo.expect_answer().returning(|_, _| Err(ConversationRepoError::NoTurn));
        repo.expect_count_tokens()
            .withf(|user, tokens, at| (*user, *tokens, *at) == (owner(), 30, now()))
            .times(1)
            .returning(|_, _, _| Err(StorageError::Unavailable("down".into()).into()));
        let answer = send_limited(ports(repo, two_rounds(), succeeding()), text()).await;
        // A turn does not fail because its tokens cannot be counted.
        assert_eq!(answer.is_ok(), end().is_ok(), "{answer:?}");
    }
}

#[tokio::test]
async fn tokens_are_not_counted_without_a_limit() {
    // The repository expects no count.
    send(ports(Recorded::default().repo(), two_rounds(), succeeding())).await.unwrap();
}

#[tokio::test]
async fn used_up_tokens_refuse_a_message_until_the_end_of_the_day() {
    let mut repo = MockConversationRepo::new();
    repo.expect_begin_turn().withf(|_, new| new.tokens_per_day == LIMIT).returning(|_, _| Ok(TurnStart::TokensUsedUp));
    let llm = two_rounds();
    let error = send_limited(ports(repo, llm.clone(), idle()), text()).await.unwrap_err();
    let ChatError::TokensUsedUp(limited) = error else { panic!("{error:?}") };
    assert_eq!((limited.policy.quota, limited.policy.window), (9_000, Duration::from_hours(24)));
    assert_eq!(limited.retry_after, Duration::from_hours(12), "it is noon");
    assert!(llm.requests().is_empty());
}

#[tokio::test]
async fn a_confirmation_by_request_is_not_limited() {
    let mut repo = MockConversationRepo::new();
    repo.expect_begin_turn()
        .withf(|_, new| new.confirms.is_some() && new.tokens_per_day.is_none())
        .returning(|_, _| Err(ConversationRepoError::NotPending));
    let confirm = ChatInput::Confirm(Uuid::from_u128(500).into());
    let error = send_limited(ports(repo, two_rounds(), idle()), confirm).await.unwrap_err();
    assert!(matches!(error, ChatError::Conversations(ConversationRepoError::NotPending)), "{error:?}");
}

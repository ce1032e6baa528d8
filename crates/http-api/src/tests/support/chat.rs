//! Fixtures of conversations and turns.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use domain::change::{Action, Receipt, Seq, TaskRef};
use domain::conversation::turn::Turn;
use domain::conversation::{Conversation, ConversationTarget, MockConversationRepo, NewTurn, TurnStart};
use domain::llm::{ScriptedLlm, Step};
use domain::page::Page;
use domain::user::TimeZone;

use super::ports::{CONVERSATION, OPERATION, Ports, TASK, json, me, now, signed_in};

pub(crate) const CHAT: &str = "/api/{user_id}/chat";

pub(crate) fn chat_request(body: &str) -> TestRequest {
    json(signed_in(Method::POST, CHAT), body)
}

/// The turn that [`repo_starting_turns`] starts for `new`.
pub(crate) fn started_turn(new: &NewTurn) -> Turn {
    let (ConversationTarget::Existing(conversation)
    | ConversationTarget::New(conversation, _)
    | ConversationTarget::Keyed(_, conversation, _)) = new.target;
    Turn {
        id: new.id,
        conversation,
        user_message: new.user_message,
        position: 3,
        assistant_message: new.assistant_message,
        attempt: 1,
    }
}

/// The receipt of a change to the task "milk".
pub(crate) fn receipt(seq: u64, action: Action) -> Receipt {
    Receipt {
        seq: Seq(seq),
        operation_id: OPERATION.parse().unwrap(),
        action,
        task: TaskRef { id: TASK.parse().unwrap(), title: "milk".parse().unwrap() },
        previous_title: None,
        version: None,
    }
}

/// A repository in which every turn starts.
pub(crate) fn repo_starting_turns() -> MockConversationRepo {
    let mut repo = MockConversationRepo::new();
    repo.expect_begin_turn().returning(|_, new| {
        Ok(TurnStart::New { turn: started_turn(&new), pending: None, time_zone: TimeZone::default() })
    });
    repo
}

/// A repository without messages in which every turn starts and ends.
pub(crate) fn conversation_repo() -> MockConversationRepo {
    let mut repo = repo_starting_turns();
    repo.expect_messages().returning(|_, _, _, _| Ok(Page { items: Vec::new(), next: None }));
    repo.expect_save_progress().returning(|_, _, _| Ok(()));
    repo.expect_end_turn().returning(|_, _, _| Ok(()));
    repo
}

pub(crate) fn ports_with_llm(steps: impl IntoIterator<Item = Step>) -> Ports {
    let mut ports = Ports::new();
    ports.conversations = conversation_repo();
    ports.llm = ScriptedLlm::new(steps);
    ports.tools.expect_tools().returning(Vec::new);
    ports.tools.expect_resolve().returning(|_, calls| Ok(vec![domain::tool::ResolvedCall::default(); calls.len()]));
    ports
}

pub(crate) fn conversation() -> Conversation {
    Conversation {
        id: CONVERSATION.parse().unwrap(),
        user_id: me(),
        title: "Groceries".parse().unwrap(),
        active_turn: None,
        message_count: 2,
        created_at: now(),
        updated_at: now(),
    }
}

//! The chat's use cases.

use std::sync::Arc;

use super::turn::run_turn;
use super::{ChatError, TurnAnswer, UserText};
use futures_channel::oneshot;

use crate::change::RequestId;
use crate::conversation::{
    Conversation, ConversationCursor, ConversationRepo, ConversationTitle, MessageCursor, MessageOrder,
};
use crate::id::ConversationId;
use crate::llm::LlmClient;
use crate::message::Message;
use crate::page::{Page, PageRequest};
use crate::principal::{Principal, Scope};
use crate::runtime::{Background, Clock, IdGenerator};
use crate::tool::ToolExecutor;
use crate::turn::InstanceId;
use crate::user::UserRepo;

/// The ports that [`ChatService`] stands on.
#[derive(Clone)]
pub struct ChatPorts {
    /// Conversations, turns and messages.
    pub conversations: Arc<dyn ConversationRepo>,
    /// Users, for their time zone.
    pub users: Arc<dyn UserRepo>,
    /// The assistant.
    pub llm: Arc<dyn LlmClient>,
    /// What the assistant can do.
    pub tools: Arc<dyn ToolExecutor>,
    /// Where turns run.
    pub background: Arc<dyn Background>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn IdGenerator>,
    /// Who works on the turns that begin here.
    pub instance: InstanceId,
}

/// Lets whoever acts talk to the assistant about their tasks.
#[derive(Clone)]
pub struct ChatService {
    ports: ChatPorts,
}

impl ChatService {
    /// A service over these ports.
    pub fn new(ports: ChatPorts) -> Self {
        Self { ports }
    }

    /// Says `text` in a conversation, or in a new one, and waits for the answer. The turn runs in the background:
    /// it goes on when the caller goes away.
    ///
    /// # Errors
    /// [`ChatError`].
    pub async fn send(
        &self,
        who: &Principal,
        request: &RequestId,
        conversation: Option<ConversationId>,
        text: UserText,
    ) -> Result<TurnAnswer, ChatError> {
        who.require(Scope::Chat)?;
        let (answer, answered) = oneshot::channel();
        let work = run_turn(self.ports.clone(), who.clone(), request.clone(), conversation, text);
        self.ports.background.spawn(Box::pin(async move {
            // Whoever waited for the answer may have gone; it is in the conversation all the same.
            let _gone = answer.send(work.await);
        }));
        answered.await.unwrap_or(Err(ChatError::Abandoned))
    }

    /// A page of conversations, last active first.
    ///
    /// # Errors
    /// [`ChatError`] without the scope `chat`, or if storage fails.
    pub async fn conversations(
        &self,
        who: &Principal,
        page: PageRequest<ConversationCursor>,
    ) -> Result<Page<Conversation, ConversationCursor>, ChatError> {
        who.require(Scope::Chat)?;
        Ok(self.ports.conversations.list(who.user, page).await?)
    }

    /// One conversation.
    ///
    /// # Errors
    /// [`ChatError`] without the scope `chat`, if the caller has no such conversation, or if storage fails.
    pub async fn conversation(&self, who: &Principal, id: ConversationId) -> Result<Conversation, ChatError> {
        who.require(Scope::Chat)?;
        Ok(self.ports.conversations.get(who.user, id).await?)
    }

    /// Gives a conversation another title.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation).
    pub async fn rename(
        &self,
        who: &Principal,
        id: ConversationId,
        title: ConversationTitle,
    ) -> Result<Conversation, ChatError> {
        who.require(Scope::Chat)?;
        Ok(self.ports.conversations.rename(who.user, id, title).await?)
    }

    /// Deletes a conversation with its messages.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation).
    pub async fn delete(&self, who: &Principal, id: ConversationId) -> Result<(), ChatError> {
        who.require(Scope::Chat)?;
        Ok(self.ports.conversations.delete(who.user, id).await?)
    }

    /// A page of a conversation's messages.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation).
    pub async fn messages(
        &self,
        who: &Principal,
        id: ConversationId,
        order: MessageOrder,
        page: PageRequest<MessageCursor>,
    ) -> Result<Page<Message, MessageCursor>, ChatError> {
        who.require(Scope::Chat)?;
        Ok(self.ports.conversations.messages(who.user, id, order, page).await?)
    }
}

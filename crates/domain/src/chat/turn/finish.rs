//! How a turn ends: what came of it is stored, the conversation is released, and whoever follows it is told.

use chrono::{DateTime, Utc};

use super::super::following::stored_answer;
use super::super::{ChatError, StoredTurn, TurnAnswer};
use super::work::{Draft, Failure, TurnContext};
use super::{ModelRun, PutOff};
use crate::change::Receipts;
use crate::conversation::TurnResult;
use crate::llm::{FinishReason, LlmError};
use crate::message::{Part, content, receipts, tool_calls};
use crate::turn::{FailureCode, StopReason, TurnEvent, TurnFailure, TurnFinished, TurnState, Usage};

/// A turn whose work is over.
pub(super) struct Finished {
    pub context: TurnContext,
    pub draft: Draft,
    pub model: ModelRun,
    pub put_off: PutOff,
    /// What earlier attempts took.
    pub earlier_usage: Usage,
    /// When the first attempt began.
    pub begun: DateTime<Utc>,
}

impl Finished {
    /// Stores what came of the turn, releases it, and tells whoever follows it.
    pub async fn finish(mut self, worked: Result<(), Failure>) -> Result<TurnAnswer, ChatError> {
        let turn = &self.context.turn;
        let stored = StoredTurn { conversation: turn.conversation, message: turn.assistant_message };
        let (state, failure) = match &worked {
            Ok(()) => (TurnState::Complete, None),
            Err(Failure::Stopped(StopReason::User)) => (TurnState::Stopped, None),
            Err(Failure::Stopped(StopReason::Shutdown)) => (TurnState::Failed, Some(FailureCode::ShutDown)),
            Err(Failure::Model(error)) => (TurnState::Failed, Some(error.code())),
            Err(Failure::Storage(_)) => (TurnState::Failed, Some(FailureCode::Storage)),
            Err(Failure::Panicked) => (TurnState::Failed, Some(FailureCode::Internal)),
            Err(Failure::LeaseLost) => return self.on_lease_lost(stored).await,
        };
        self.append_notices(state);
        let answer = self.answer(state);
        let ended = self.end(&answer, failure).await;
        let (answered, failure) = match (worked, ended) {
            (Err(Failure::Stopped(StopReason::User)) | Ok(()), Ok(())) => (Ok(answer.clone()), None),
            (Err(Failure::Stopped(StopReason::User)) | Ok(()), Err(Failure::Storage(source))) => {
                (Err(ChatError::Interrupted { source, stored }), Some(FailureCode::Storage))
            }
            (Err(Failure::Stopped(StopReason::User)) | Ok(()), Err(_)) | (Err(Failure::LeaseLost), _) => {
                return self.on_lease_lost(stored).await;
            }
            // The first failure is the one that tells; ending the turn most likely failed for the same reason.
            (Err(Failure::Model(source)), _) => (Err(ChatError::Model { source, stored }), failure),
            (Err(Failure::Storage(source)), _) => (Err(ChatError::Interrupted { source, stored }), failure),
            (Err(Failure::Stopped(StopReason::Shutdown)), _) => (Err(ChatError::ShutDown { stored }), failure),
            (Err(Failure::Panicked), _) => (Err(ChatError::Panicked { stored }), failure),
        };
        let failure = failure.map(|code| match &answered {
            Err(ChatError::Model { source: LlmError::RateLimited { retry_after, .. }, .. }) => {
                TurnFailure { retry_after: *retry_after, ..code.into() }
            }
            Err(ChatError::Model { source: LlmError::ModelRetired { setting, .. }, .. }) => {
                TurnFailure { setting: Some(setting), ..code.into() }
            }
            _ => code.into(),
        });
        self.publish_end(TurnFinished { answer, failure });
        answered
    }

    /// Says what the reply cannot say itself: that it was cut off, or why there is none.
    fn append_notices(&mut self, state: TurnState) {
        let notice = match (state, self.model.finish_reason) {
            (TurnState::Failed, _) => Some(apology(&self.draft)),
            (TurnState::Complete, FinishReason::Length) => {
                Some("The answer was cut off: it reached the model's limit.".to_owned())
            }
            (TurnState::Complete, FinishReason::Other) => Some("The answer was cut off by the provider.".to_owned()),
            _ => None,
        };
        if let Some(text) = notice {
            self.draft.notice(&self.context, text);
        }
    }

    /// What the work has written, as an answer.
    fn answer(&mut self, state: TurnState) -> TurnAnswer {
        let parts = &self.draft.parts;
        let mut usage = self.earlier_usage;
        usage += self.model.usage;
        TurnAnswer {
            response: content(parts),
            conversation: self.context.turn.conversation,
            message: self.context.turn.assistant_message,
            tool_calls: tool_calls(parts).cloned().collect(),
            receipts: Receipts::fresh(receipts(parts).cloned()),
            // A turn that failed is tried again; one that was stopped wants nothing more.
            pending: self.put_off.take().filter(|_| state == TurnState::Complete),
            usage,
            state,
            created_at: self.begun,
        }
    }

    async fn end(&self, answer: &TurnAnswer, error_code: Option<FailureCode>) -> Result<(), Failure> {
        let end = TurnResult {
            state: answer.state,
            parts: self.draft.parts.clone(),
            usage: self.model.usage,
            error_code,
            provider: self.model.answered_by.provider.clone(),
            model: self.model.answered_by.model.clone(),
            first_token_at: self.model.first_token_at,
            model_time: self.model.model_time,
            pending: answer.pending.clone(),
            at: self.context.now(),
        };
        let context = &self.context;
        Ok(context.ports.conversations.end_turn(context.owner(), context.turn.attempt(), end).await?)
    }

    fn publish_end(&mut self, ended: TurnFinished) {
        self.draft.publish_end(&self.context);
        self.context.publish(TurnEvent::Finished(Box::new(ended)));
    }

    /// The turn does not run any more: it was stopped by way of another process, or its conversation was deleted, or
    /// another process found its lease expired.
    async fn on_lease_lost(mut self, stored: StoredTurn) -> Result<TurnAnswer, ChatError> {
        let (ports, owner) = (&self.context.ports, self.context.owner());
        let found = match ports.conversations.answer(owner, self.context.turn.id).await {
            Ok(found) => stored_answer(ports, owner, &found).await.ok(),
            Err(_) => None,
        };
        let (answered, ended) = match found {
            Some(answer) if answer.state == TurnState::Stopped => {
                (Ok(answer.clone()), TurnFinished { answer, failure: None })
            }
            other => {
                let answer = match other {
                    Some(answer) => answer,
                    None => self.answer(TurnState::Failed),
                };
                (
                    Err(ChatError::LeaseLost { stored }),
                    TurnFinished { answer, failure: Some(FailureCode::LeaseLost.into()) },
                )
            }
        };
        self.publish_end(ended);
        answered
    }
}

/// What a failed turn says in the conversation.
fn apology(draft: &Draft) -> String {
    if tool_calls(&draft.parts).any(|call| call.result.is_none()) {
        // It was on its way to storage when that failed, and may have arrived.
        return "The assistant could not finish, and it is not known whether its last step was done. Look before you \
                repeat it."
            .to_owned();
    }
    if !draft.has_changes() {
        return "The assistant could not answer. Nothing was changed.".to_owned();
    }
    let done = draft.parts.iter().filter_map(|part| match part {
        Part::ToolCall(call) => call.result.as_ref().filter(|result| result.success),
        Part::Text { .. } | Part::Notice { .. } | Part::Plan { .. } => None,
    });
    let done: Vec<_> = done.map(|result| result.message.as_str()).collect();
    format!("The assistant could not finish. Until then: {}.", done.join("; "))
}

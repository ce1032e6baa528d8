//! The end of a turn: storing the result, releasing the conversation, and publishing the last event.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::super::following::stored_answer;
use super::super::{ChatError, StoredTurn, TurnAnswer};
use super::confirmation::DeferredItems;
use super::reply::ModelRun;
use super::work::{Draft, Failure, TurnContext};
use crate::change::Receipts;
use crate::chat::{StopReason, TurnEvent, TurnFailure, TurnFinished};
use crate::conversation::TurnResult;
use crate::conversation::message::{Part, content, receipts, tool_calls};
use crate::conversation::turn::{FailureCode, TurnState, Usage};
use crate::llm::{FinishReason, LlmError};
use crate::runtime::event_log::{LoggedEvent, TurnEnd};

/// A turn and what has been done in it.
pub(super) struct TurnRun {
    pub context: TurnContext,
    pub draft: Draft,
    pub model: ModelRun,
    pub deferred: DeferredItems,
    /// The usage of earlier attempts.
    pub earlier_usage: Usage,
    /// The start of the first attempt.
    pub started_at: DateTime<Utc>,
    /// The timer's time at the start of this attempt.
    pub begun: Duration,
}

impl TurnRun {
    /// Stores the result of the turn, releases the conversation, and publishes the last event.
    pub async fn finish(mut self, worked: Result<(), Failure>) -> Result<TurnAnswer, ChatError> {
        self.count_tokens().await;
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
        let ended = self.store_end(&answer, failure).await;
        let (answered, failure) = match (worked, ended) {
            (Err(Failure::Stopped(StopReason::User)) | Ok(()), Ok(())) => (Ok(answer.clone()), None),
            (Err(Failure::Stopped(StopReason::User)) | Ok(()), Err(Failure::Storage(source))) => {
                (Err(ChatError::Interrupted { source, stored }), Some(FailureCode::Storage))
            }
            (Err(Failure::Stopped(StopReason::User)) | Ok(()), Err(_)) | (Err(Failure::LeaseLost), _) => {
                return self.on_lease_lost(stored).await;
            }
            // The first failure is the relevant one; storing the end most likely failed for the same reason.
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

    /// Counts the tokens of this attempt if they are limited, whatever has become of the turn.
    async fn count_tokens(&self) {
        let TurnContext { ports, options, .. } = &self.context;
        let tokens = self.model.usage.total();
        if options.tokens_per_day.is_some() && tokens > 0 {
            let counted = ports.conversations.count_tokens(self.context.owner(), tokens, self.context.now()).await;
            if let Err(error) = counted {
                ports.failures.record("counting the tokens of a turn", &error);
            }
        }
    }

    /// Adds a notice if the reply was cut off or the turn failed.
    fn append_notices(&mut self, state: TurnState) {
        let notice = match (state, self.model.finish_reason) {
            (TurnState::Failed, _) => Some(failure_notice(&self.draft)),
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

    /// The answer with what has been written so far.
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
            // A failed turn is retried, and a stopped one must not leave anything to confirm.
            pending: self.deferred.take().filter(|_| state == TurnState::Complete),
            usage,
            state,
            created_at: self.started_at,
        }
    }

    async fn store_end(&self, answer: &TurnAnswer, error_code: Option<FailureCode>) -> Result<(), Failure> {
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

    fn publish_end(&mut self, finished: TurnFinished) {
        self.note_end(&finished);
        self.draft.publish_end(&self.context);
        self.context.publish(TurnEvent::Finished(Box::new(finished)));
    }

    /// Takes note of the end for operators.
    fn note_end(&self, TurnFinished { answer, failure }: &TurnFinished) {
        let Self { context, draft, model, begun, .. } = self;
        let rounds: HashSet<u8> = draft.parts.iter().filter_map(Part::round).collect();
        let end = TurnEnd {
            user: context.owner(),
            conversation: context.turn.conversation,
            turn: context.turn.id,
            state: answer.state,
            failure: failure.map(|failure| failure.code),
            provider: model.answered_by.provider.clone(),
            model: model.answered_by.model.clone(),
            rounds: rounds.len(),
            tool_calls: answer.tool_calls.len(),
            usage: model.usage,
            duration: context.elapsed().saturating_sub(*begun),
        };
        context.ports.events.record(LoggedEvent::TurnEnded(Box::new(end)));
    }

    /// Ends a turn that is not running any more: it was stopped through another process, its conversation was deleted, or
    /// another process found its lease expired.
    async fn on_lease_lost(mut self, stored: StoredTurn) -> Result<TurnAnswer, ChatError> {
        let (ports, owner) = (&self.context.ports, self.context.owner());
        let found = match ports.conversations.answer(owner, self.context.turn.id).await {
            Ok(found) => stored_answer(ports, owner, &found).await.ok(),
            Err(_) => None,
        };
        let (answered, finished) = match found {
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
        self.publish_end(finished);
        answered
    }
}

/// The notice that ends the message of a failed turn.
fn failure_notice(draft: &Draft) -> String {
    if tool_calls(&draft.parts).any(|call| call.result.is_none()) {
        // Storage failed during the call, which may have been committed.
        return "The assistant could not finish, and it is not known whether its last step was done. Look before you \
                repeat it."
            .to_owned();
    }
    if !draft.has_changes() {
        return "The assistant could not answer. Nothing was changed.".to_owned();
    }
    let done = draft.parts.iter().filter_map(|part| match part {
        Part::ToolCall(call) => call.result.as_ref().filter(|result| result.success),
        Part::Text { .. } | Part::Notice { .. } | Part::Plan { .. } | Part::ProviderData { .. } => None,
    });
    let done: Vec<_> = done.map(|result| result.message.as_str()).collect();
    format!("The assistant could not finish. Until then: {}.", done.join("; "))
}

//! What happens in a turn, as frames. Pure: it remembers only what the protocol makes the writer remember, which text,
//! step and calls are open, and the frames of one turn are the same whenever and by whomever it is read.

use domain::chat::{TurnEvent, TurnFinished};
use domain::message::ToolCall;
use domain::turn::TurnState;
use serde_json::{Map, Value};

use super::frame::{Frame, Metadata, ProviderMetadata};
use crate::chat::UsageBody;
use crate::code::Code;
use crate::error::turn_failure;
use crate::problem::Problem;
use crate::receipt::{self, PendingBody};

/// Writes the frames of one message.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// How many texts there were.
    texts: usize,
    /// The text that more is coming of.
    open_text: Option<String>,
    /// Whether a step is open.
    in_step: bool,
    /// The calls that have no result yet.
    waiting: Vec<String>,
    /// Whether the end was told.
    ended: bool,
    frames: Vec<Frame>,
}

impl Encoder {
    /// What was written since this was last asked.
    pub(super) fn take(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.frames)
    }

    /// Something happened.
    pub(super) fn tell(&mut self, event: TurnEvent) {
        match event {
            TurnEvent::Started(turn) => {
                let message = turn.assistant_message.as_uuid();
                let message_metadata = Metadata {
                    conversation_id: Some(turn.conversation.as_uuid()),
                    message_id: Some(message),
                    status: Some(TurnState::Running.as_str()),
                    ..Metadata::default()
                };
                self.frames.push(Frame::Start { message_id: message, message_metadata });
            }
            TurnEvent::RoundStarted => self.open_step(),
            TurnEvent::TextDelta(delta) => self.text(delta),
            TurnEvent::Notice(text) => self.notice(text),
            TurnEvent::ToolCalled(call) => self.call(call),
            TurnEvent::ToolCompleted(call) => self.result(call),
            TurnEvent::RoundFinished => self.close(),
            TurnEvent::Finished(ended) => self.end(*ended),
        }
    }

    /// Nothing more will happen. An account without an end is one that the server lost sight of: how the turn ended, or
    /// whether it did, is in the conversation.
    pub(super) fn no_more(&mut self) {
        if !self.ended {
            let problem = Problem::new(Code::InternalError).message(
                "The assistant's answer can no longer be followed. Look into the conversation for what came of it.",
            );
            self.fail(Metadata::default(), &problem);
        }
    }

    fn text(&mut self, delta: String) {
        if delta.is_empty() {
            return;
        }
        let id = match &self.open_text {
            Some(id) => id.clone(),
            None => self.open_text(None),
        };
        self.frames.push(Frame::TextDelta { id, delta });
    }

    /// The server says something in its own name: in the step that is open, or, between rounds, in one of its own.
    fn notice(&mut self, delta: String) {
        if !self.in_step {
            self.open_step();
        }
        self.close_text();
        let id = self.open_text(Some(ProviderMetadata::NOTICE));
        self.frames.push(Frame::TextDelta { id, delta });
        self.close_text();
    }

    fn call(&mut self, call: ToolCall) {
        self.close_text();
        self.waiting.push(call.id.clone());
        self.frames.push(Frame::ToolInputAvailable {
            tool_call_id: call.id,
            tool_name: call.tool,
            input: call.parameters,
            provider_executed: true,
        });
    }

    /// A failure that has nothing to show but its words is an error. One that has, such as the tasks that could be
    /// meant, is an output, because an error can carry words only.
    fn result(&mut self, call: ToolCall) {
        let Some(result) = call.result else { return };
        self.waiting.retain(|waiting| *waiting != call.id);
        let (tool_call_id, provider_executed) = (call.id, true);
        self.frames.push(if result.success || !is_nothing(&result.data) {
            Frame::ToolOutputAvailable { tool_call_id, output: result.into(), provider_executed }
        } else {
            Frame::ToolOutputError { tool_call_id, error_text: result.message, provider_executed }
        });
    }

    fn end(&mut self, TurnFinished { answer, failure }: TurnFinished) {
        let metadata = Metadata {
            status: Some(answer.state.as_str()),
            created_at: Some(answer.created_at),
            undoable: Some(answer.receipts.undoable),
            changes: Some(receipt::bodies(answer.receipts)),
            pending: answer.pending.map(PendingBody::from),
            usage: Some(UsageBody::from(answer.usage)),
            ..Metadata::default()
        };
        if let Some(failure) = failure {
            return self.fail(metadata, &turn_failure(failure));
        }
        self.ended = true;
        self.close();
        if answer.state == TurnState::Stopped {
            self.frames.push(Frame::MessageMetadata { message_metadata: metadata });
            self.frames.push(Frame::Abort { reason: TurnState::Stopped.as_str() });
        } else {
            self.frames.push(Frame::Finish { finish_reason: "stop", message_metadata: metadata });
        }
    }

    /// Readers look at nothing after the error.
    fn fail(&mut self, metadata: Metadata, problem: &Problem) {
        self.ended = true;
        self.close();
        let message_metadata =
            Metadata { code: Some(problem.code().as_str()), retry_after: problem.retry_after_seconds(), ..metadata };
        self.frames.push(Frame::MessageMetadata { message_metadata });
        self.frames.push(Frame::Error { error_text: problem.words().to_owned() });
    }

    fn open_step(&mut self) {
        self.close();
        self.in_step = true;
        self.frames.push(Frame::StartStep);
    }

    fn open_text(&mut self, provider_metadata: Option<ProviderMetadata>) -> String {
        let id = format!("text-{}", self.texts);
        self.texts += 1;
        self.open_text = Some(id.clone());
        self.frames.push(Frame::TextStart { id: id.clone(), provider_metadata });
        id
    }

    fn close_text(&mut self) {
        if let Some(id) = self.open_text.take() {
            self.frames.push(Frame::TextEnd { id });
        }
    }

    /// Closes everything that is open: readers leave it unfinished for ever otherwise.
    fn close(&mut self) {
        self.close_text();
        for tool_call_id in std::mem::take(&mut self.waiting) {
            let error_text = "The turn ended before this was done, or before it was known to be done.".to_owned();
            self.frames.push(Frame::ToolOutputError { tool_call_id, error_text, provider_executed: true });
        }
        if std::mem::take(&mut self.in_step) {
            self.frames.push(Frame::FinishStep);
        }
    }
}

fn is_nothing(data: &Value) -> bool {
    data.is_null() || data.as_object().is_some_and(Map::is_empty)
}

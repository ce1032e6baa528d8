//! Encodes the events of a turn as frames. It is a pure function of the events: it only keeps track of the open text, step
//! and calls, as the protocol requires, so every client of a turn gets the same frames.

use domain::chat::{TurnEvent, TurnFinished};
use domain::conversation::message::ToolCall;
use domain::conversation::turn::TurnState;
use serde_json::{Map, Value};

use super::frame::{Frame, Metadata, ProviderMetadata};
use crate::problem::{Code, Problem, turn_failure};
use crate::schema::receipt::{self, PendingBody};
use crate::schema::tool_call::UsageBody;

/// The encoder of one message.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// The number of texts so far.
    texts: usize,
    /// The id of the open text.
    open_text: Option<String>,
    /// Whether a step is open.
    in_step: bool,
    /// The ids of the calls without a result.
    open_calls: Vec<String>,
    /// Whether the final frame was written.
    ended: bool,
    frames: Vec<Frame>,
}

impl Encoder {
    /// Takes the frames that were encoded since the last call.
    pub(super) fn take(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.frames)
    }

    /// Encodes an event.
    pub(super) fn encode(&mut self, event: TurnEvent) {
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
            TurnEvent::Finished(finished) => self.end(*finished),
        }
    }

    /// Ends the message. If the events ended without the end of the turn, the server lost track of it; its result is in the
    /// conversation.
    pub(super) fn finish(&mut self) {
        if !self.ended {
            let problem = Problem::new(Code::InternalError).with_message(
                "The assistant's answer can no longer be followed. Read the conversation for its result.",
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

    /// A text of the server, in the open step or, between rounds, in a step of its own.
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
        self.open_calls.push(call.id.clone());
        self.frames.push(Frame::ToolInputAvailable {
            tool_call_id: call.id,
            tool_name: call.tool,
            input: call.parameters,
            provider_executed: true,
        });
    }

    /// A failure without data is an error. One with data, such as candidate tasks, is an output, because an error frame has
    /// only a text.
    fn result(&mut self, call: ToolCall) {
        let Some(result) = call.result else { return };
        self.open_calls.retain(|open| *open != call.id);
        let (tool_call_id, provider_executed) = (call.id, true);
        self.frames.push(if result.success || !is_empty(&result.data) {
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

    /// Writes the error frame, after which clients read nothing.
    fn fail(&mut self, metadata: Metadata, problem: &Problem) {
        self.ended = true;
        self.close();
        let message_metadata =
            Metadata { code: Some(problem.code().as_str()), retry_after: problem.retry_after_seconds(), ..metadata };
        self.frames.push(Frame::MessageMetadata { message_metadata });
        self.frames.push(Frame::Error { error_text: problem.message().to_owned() });
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

    /// Closes everything that is open. Clients would show it as unfinished forever.
    fn close(&mut self) {
        self.close_text();
        for tool_call_id in std::mem::take(&mut self.open_calls) {
            let error_text = "The turn ended before the result of this call was known.".to_owned();
            self.frames.push(Frame::ToolOutputError { tool_call_id, error_text, provider_executed: true });
        }
        if std::mem::take(&mut self.in_step) {
            self.frames.push(Frame::FinishStep);
        }
    }
}

fn is_empty(data: &Value) -> bool {
    data.is_null() || data.as_object().is_some_and(Map::is_empty)
}

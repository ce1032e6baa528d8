//! One reply of the model, taken into the message while it comes in.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use futures_util::future::{self, BoxFuture, Either};

use super::history::replay_parts;
use super::turn_loop::{Failure, TurnLoop};
use crate::llm::{LlmError, LlmEvent, LlmRequest, LlmToolCall, ReplyBudget};
use crate::message::Part;
use crate::tool::ToolSpec;

/// How often what was written is stored while a model goes on writing.
const SAVE_EVERY: TimeDelta = TimeDelta::seconds(5);

/// What ends a reply from outside: its deadline, or whoever stops the turn.
type Limit = BoxFuture<'static, Failure>;

/// What is gathered of one reply beside its text.
#[derive(Default)]
struct Gathered {
    budget: ReplyBudget,
    plan: String,
    calls: Vec<LlmToolCall>,
    /// White space that is shown once something follows it.
    held: String,
}

impl TurnLoop {
    /// Asks the model and returns the calls that it wants. Its words are in the message, and were told, as they came.
    pub(super) async fn ask(&mut self, round: u8, tools: Arc<[ToolSpec]>) -> Result<Vec<LlmToolCall>, Failure> {
        let mut messages = self.history.clone();
        messages.extend(replay_parts(&self.parts));
        let request = LlmRequest { system: self.system.clone(), messages, tools };
        let asked = self.ports.clock.now();
        self.answered_by = (self.ports.llm.provider().to_owned(), self.ports.llm.model().to_owned());
        let calls = self.read_reply(round, request).await;
        self.model_time += self.ports.clock.now() - asked;
        calls
    }

    async fn read_reply(&mut self, round: u8, request: LlmRequest) -> Result<Vec<LlmToolCall>, Failure> {
        let mut limit = self.limit();
        let llm = self.ports.llm.clone();
        let stream = within(&mut limit, llm.respond(request)).await?;
        let mut stream = stream.map_err(Failure::Model)?;
        let mut gathered = Gathered::default();
        while let Some(event) = within(&mut limit, stream.next()).await? {
            let event = gathered.budget.admit(event.map_err(Failure::Model)?).map_err(Failure::Model)?;
            if let LlmEvent::Finished { reason, usage } = event {
                self.usage += usage.unwrap_or_default();
                self.finish_reason = reason;
                if !gathered.plan.trim().is_empty() {
                    self.parts.push(Part::Plan { round, text: gathered.plan });
                }
                return Ok(gathered.calls);
            }
            self.take(round, event, &mut gathered);
            if self.ports.clock.now() - self.saved_at >= SAVE_EVERY {
                match self.save().await {
                    // Storage that is away for a moment is asked again; before a tool runs, it has to be there.
                    Ok(()) | Err(Failure::Storage(_)) => {}
                    Err(failure) => return Err(failure),
                }
            }
        }
        Err(Failure::Model(LlmError::BadReply("the reply was cut".into())))
    }

    fn limit(&self) -> Limit {
        let (clock, stopped) = (self.ports.clock.clone(), self.stopped.clone());
        let deadline = self.options.model_deadline;
        Box::pin(async move {
            let over = clock.sleep_until(clock.now() + deadline);
            match future::select(over, stopped).await {
                Either::Left(((), _)) => {
                    let cause = format!("no whole reply within {} s", deadline.num_seconds());
                    Failure::Model(LlmError::Timeout(cause.into()))
                }
                Either::Right((reason, _)) => Failure::Stopped(reason),
            }
        })
    }

    fn take(&mut self, round: u8, event: LlmEvent, gathered: &mut Gathered) {
        match event {
            LlmEvent::TextDelta(delta) => {
                self.first_token();
                self.say(round, &delta, &mut gathered.held);
            }
            LlmEvent::PlanDelta(delta) => {
                self.first_token();
                gathered.plan.push_str(&delta);
            }
            LlmEvent::ToolCallBegun { .. } => self.first_token(),
            LlmEvent::ToolCallComplete { call, .. } => {
                self.first_token();
                gathered.calls.push(call);
            }
            LlmEvent::StoodIn { provider, model } => self.stood_in(provider, model),
            LlmEvent::Thinking | LlmEvent::ToolCallArguments { .. } | LlmEvent::Finished { .. } => {}
        }
    }

    fn first_token(&mut self) {
        if self.first_token_at.is_none() {
            self.first_token_at = Some(self.ports.clock.now());
        }
    }

    /// Adds to the round's text. White space at its beginning and its end is left out.
    fn say(&mut self, round: u8, delta: &str, held: &mut String) {
        let open = matches!(self.parts.last(), Some(Part::Text { round: last, .. }) if *last == round);
        let delta = if open { delta } else { delta.trim_start() };
        let solid = delta.trim_end();
        if solid.is_empty() {
            held.push_str(delta);
            return;
        }
        let text = std::mem::take(held) + solid;
        held.push_str(&delta[solid.len()..]);
        match self.parts.last_mut() {
            Some(Part::Text { round: last, text: said }) if *last == round => said.push_str(&text),
            _ => self.parts.push(Part::Text { round, text }),
        }
        self.tell();
    }

    /// Says, once in a turn, that another model answers than the one that should.
    fn stood_in(&mut self, provider: String, model: String) {
        if !self.told_of_stand_in {
            self.told_of_stand_in = true;
            let missing = self.ports.llm.provider();
            self.notice(format!(
                "The assistant \u{201c}{missing}\u{201d} could not answer; \u{201c}{provider}\u{201d} answers in its place."
            ));
        }
        self.answered_by = (provider, model);
    }
}

/// What comes of `work`, unless the limit comes first.
async fn within<T>(limit: &mut Limit, work: impl Future<Output = T>) -> Result<T, Failure> {
    match future::select(pin!(work), limit).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right((failure, _)) => Err(failure),
    }
}

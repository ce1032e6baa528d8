//! One reply of the model, taken into the message while it comes in.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;
use futures_util::future::{self, BoxFuture, Either};

use super::super::history::replay_parts;
use super::work::{Draft, Failure, TurnContext};
use crate::llm::{FinishReason, LlmClient, LlmError, LlmEvent, LlmMessage, LlmRequest, LlmToolCall, ReplyBudget};
use crate::message::Part;
use crate::tool::ToolSpec;
use crate::turn::Usage;

/// How often the message is stored while a model goes on writing.
const SAVE_INTERVAL: Duration = Duration::from_secs(5);

/// What ends a reply from outside: its deadline, or whoever stops the turn.
type Limit = BoxFuture<'static, Failure>;

/// What the model is told besides what the turn has done so far.
pub(super) struct Prompt {
    pub system: String,
    /// The conversation up to the user's message.
    pub history: Vec<LlmMessage>,
    pub tools: Arc<[ToolSpec]>,
}

/// A model by its provider and its name.
#[derive(Clone, Debug)]
pub(super) struct ModelRef {
    pub provider: String,
    pub model: String,
}

/// What the model did in a turn.
pub(super) struct ModelRun {
    pub usage: Usage,
    /// The model that answers.
    pub answered_by: ModelRef,
    pub first_token_at: Option<DateTime<Utc>>,
    /// How long the model was waited for in all.
    pub model_time: Duration,
    /// Why the last reply ended.
    pub finish_reason: FinishReason,
    fallback_told: bool,
}

impl ModelRun {
    pub fn new(llm: &dyn LlmClient) -> Self {
        Self {
            usage: Usage::default(),
            answered_by: model_ref(llm),
            first_token_at: None,
            model_time: Duration::ZERO,
            finish_reason: FinishReason::Stop,
            fallback_told: false,
        }
    }
}

fn model_ref(llm: &dyn LlmClient) -> ModelRef {
    ModelRef { provider: llm.provider().to_owned(), model: llm.model().to_owned() }
}

/// Asks the model and returns the calls that it makes. Its words are in the draft, and were published, as they came.
pub(super) async fn ask(
    context: &TurnContext,
    draft: &mut Draft,
    model: &mut ModelRun,
    prompt: &Prompt,
    round: u8,
) -> Result<Vec<LlmToolCall>, Failure> {
    let mut messages = prompt.history.clone();
    messages.extend(replay_parts(&draft.parts));
    let request = LlmRequest { system: prompt.system.clone(), messages, tools: prompt.tools.clone() };
    let started = context.elapsed();
    model.answered_by = model_ref(context.ports.llm.as_ref());
    let mut reply = Reply { context, draft, model, round, plan: String::new(), calls: Vec::new(), held: String::new() };
    let read = reply.read(request).await;
    let calls = reply.calls;
    model.model_time += context.elapsed().saturating_sub(started);
    read.map(|()| calls)
}

/// A reply while it comes in.
struct Reply<'t> {
    context: &'t TurnContext,
    draft: &'t mut Draft,
    model: &'t mut ModelRun,
    round: u8,
    plan: String,
    calls: Vec<LlmToolCall>,
    /// White space that is shown once something follows it.
    held: String,
}

impl Reply<'_> {
    async fn read(&mut self, request: LlmRequest) -> Result<(), Failure> {
        let mut limit = self.limit();
        let llm = self.context.ports.llm.clone();
        let stream = within(&mut limit, llm.respond(request)).await?;
        let mut stream = stream.map_err(Failure::Model)?;
        let mut budget = ReplyBudget::default();
        while let Some(event) = within(&mut limit, stream.next()).await? {
            let event = budget.admit(event.map_err(Failure::Model)?).map_err(Failure::Model)?;
            if let LlmEvent::Finished { reason, usage } = event {
                self.model.usage += usage.unwrap_or_default();
                self.model.finish_reason = reason;
                if !self.plan.trim().is_empty() {
                    let text = std::mem::take(&mut self.plan);
                    self.draft.parts.push(Part::Plan { round: self.round, text });
                }
                return Ok(());
            }
            self.take(event);
            if self.context.elapsed().saturating_sub(self.draft.saved_at) >= SAVE_INTERVAL {
                match self.draft.save(self.context).await {
                    // Storage that is away for a moment is asked again; before a tool runs, it has to be there.
                    Ok(()) | Err(Failure::Storage(_)) => {}
                    Err(failure) => return Err(failure),
                }
            }
        }
        Err(Failure::Model(LlmError::BadReply("the reply was cut".into())))
    }

    fn limit(&self) -> Limit {
        let deadline = self.context.options.model_deadline;
        let (expired, stopped) = (self.context.ports.timer.sleep(deadline), self.context.stopped.clone());
        Box::pin(async move {
            match future::select(expired, stopped).await {
                Either::Left(((), _)) => {
                    let cause = format!("no whole reply within {} s", deadline.as_secs());
                    Failure::Model(LlmError::Timeout(cause.into()))
                }
                Either::Right((reason, _)) => Failure::Stopped(reason),
            }
        })
    }

    fn take(&mut self, event: LlmEvent) {
        match event {
            LlmEvent::TextDelta(delta) => {
                self.first_token();
                self.say(&delta);
            }
            LlmEvent::PlanDelta(delta) => {
                self.first_token();
                self.plan.push_str(&delta);
            }
            LlmEvent::ToolCallStarted { .. } => self.first_token(),
            LlmEvent::ToolCallComplete { call, .. } => {
                self.first_token();
                self.calls.push(call);
            }
            LlmEvent::FallbackUsed { provider, model } => self.use_fallback(ModelRef { provider, model }),
            LlmEvent::Thinking | LlmEvent::ToolCallArguments { .. } | LlmEvent::Finished { .. } => {}
        }
    }

    fn first_token(&mut self) {
        if self.model.first_token_at.is_none() {
            self.model.first_token_at = Some(self.context.now());
        }
    }

    /// Adds to the round's text. White space at its beginning and its end is left out.
    fn say(&mut self, delta: &str) {
        let open = matches!(self.draft.parts.last(), Some(Part::Text { round, .. }) if *round == self.round);
        let delta = if open { delta } else { delta.trim_start() };
        let solid = delta.trim_end();
        if solid.is_empty() {
            self.held.push_str(delta);
            return;
        }
        let text = std::mem::take(&mut self.held) + solid;
        self.held.push_str(&delta[solid.len()..]);
        match self.draft.parts.last_mut() {
            Some(Part::Text { round, text: said }) if *round == self.round => said.push_str(&text),
            _ => self.draft.parts.push(Part::Text { round: self.round, text }),
        }
        self.draft.publish(self.context);
    }

    /// Says, once in a turn, that a fallback answers.
    fn use_fallback(&mut self, fallback: ModelRef) {
        if !self.model.fallback_told {
            self.model.fallback_told = true;
            let missing = self.context.ports.llm.provider();
            let text = format!(
                "The assistant \u{201c}{missing}\u{201d} could not answer; \u{201c}{}\u{201d} answers in its place.",
                fallback.provider
            );
            self.draft.notice(self.context, text);
        }
        self.model.answered_by = fallback;
    }
}

/// What comes of `work`, unless the limit comes first.
async fn within<T>(limit: &mut Limit, work: impl Future<Output = T>) -> Result<T, Failure> {
    match future::select(pin!(work), limit).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right((failure, _)) => Err(failure),
    }
}

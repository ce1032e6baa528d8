//! One reply of the model, added to the message as it is received.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;
use futures_util::future::{self, BoxFuture, Either};

use super::super::history::replay_parts;
use super::work::{Draft, Failure, TurnContext};
use crate::conversation::message::Part;
use crate::conversation::turn::Usage;
use crate::llm::{FinishReason, LlmClient, LlmError, LlmEvent, LlmMessage, LlmRequest, LlmToolCall, ReplyBudget};
use crate::tool::ToolSpec;

/// Minimum interval between two saves of the message while a reply is received.
const SAVE_INTERVAL: Duration = Duration::from_secs(5);

/// How long the results of calls wait for being stored with what the model answers to them.
pub(super) const SAVE_DELAY: Duration = Duration::from_millis(200);

/// Completes when the reply must be aborted: at its deadline, or when a stop is requested.
type Abort = BoxFuture<'static, Failure>;

/// The input of a model call, except for the parts of the running turn.
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

/// What the model has done in a turn.
pub(super) struct ModelRun {
    pub usage: Usage,
    /// The model that answered last.
    pub answered_by: ModelRef,
    pub first_token_at: Option<DateTime<Utc>>,
    /// Total time spent waiting for the model.
    pub model_time: Duration,
    /// Finish reason of the last reply.
    pub finish_reason: FinishReason,
    /// Whether the last reply had thoughts or a plan.
    pub has_thought: bool,
    fallback_announced: bool,
}

impl ModelRun {
    pub fn new(llm: &dyn LlmClient) -> Self {
        Self {
            usage: Usage::default(),
            answered_by: model_ref(llm),
            first_token_at: None,
            model_time: Duration::ZERO,
            finish_reason: FinishReason::Stop,
            has_thought: false,
            fallback_announced: false,
        }
    }
}

fn model_ref(llm: &dyn LlmClient) -> ModelRef {
    ModelRef { provider: llm.provider().to_owned(), model: llm.model().to_owned() }
}

/// Calls the model and returns its tool calls. Its text is added to the draft and published as it is received.
pub(super) async fn call_model(
    context: &TurnContext,
    draft: &mut Draft,
    model: &mut ModelRun,
    prompt: &Prompt,
    round: u8,
) -> Result<Vec<LlmToolCall>, Failure> {
    let mut messages = prompt.history.clone();
    let source = context.ports.llm.source();
    messages.extend(replay_parts(&draft.parts, &source));
    let request = LlmRequest { system: prompt.system.clone(), messages, tools: prompt.tools.clone() };
    let started = context.elapsed();
    model.answered_by = model_ref(context.ports.llm.as_ref());
    model.has_thought = false;
    let mut reply = Reply {
        context,
        draft,
        model,
        round,
        source: Some(source),
        plan: String::new(),
        calls: Vec::new(),
        provider_data: None,
        trailing_space: String::new(),
    };
    let read = reply.read(request).await;
    let calls = reply.calls;
    model.model_time += context.elapsed().saturating_sub(started);
    read.map(|()| calls)
}

/// A reply that is being received.
struct Reply<'t> {
    context: &'t TurnContext,
    draft: &'t mut Draft,
    model: &'t mut ModelRun,
    round: u8,
    /// The source of the reply; `None` if a fallback answers, whose provider data could not be sent back to it.
    source: Option<String>,
    plan: String,
    calls: Vec<LlmToolCall>,
    provider_data: Option<String>,
    /// Received white space that is added only if more text follows.
    trailing_space: String,
}

impl Reply<'_> {
    async fn read(&mut self, request: LlmRequest) -> Result<(), Failure> {
        let mut abort = self.abort();
        let llm = self.context.ports.llm.clone();
        let begun = async {
            let mut stream = llm.respond(request).await?;
            let first = stream.next().await;
            Ok((stream, first))
        };
        let begun = unless_aborted(&mut abort, self.saving_if_slow(begun)).await??;
        let (mut stream, mut next) = begun.map_err(Failure::Model)?;
        let mut budget = ReplyBudget::default();
        while let Some(event) = next {
            let event = budget.admit(event.map_err(Failure::Model)?).map_err(Failure::Model)?;
            if let LlmEvent::Finished { reason, usage } = event {
                self.model.usage += usage.unwrap_or_default();
                self.model.finish_reason = reason;
                if !self.plan.trim().is_empty() {
                    let text = std::mem::take(&mut self.plan);
                    self.draft.parts.push(Part::Plan { round: self.round, text });
                }
                if let (Some(source), Some(data)) = (self.source.take(), self.provider_data.take()) {
                    self.draft.parts.push(Part::ProviderData { round: self.round, source, data });
                }
                return Ok(());
            }
            self.take(event);
            if self.context.elapsed().saturating_sub(self.draft.saved_at) >= SAVE_INTERVAL {
                self.save().await?;
            }
            next = unless_aborted(&mut abort, stream.next()).await?;
        }
        Err(Failure::Model(LlmError::BadReply("the reply was truncated".into())))
    }

    /// Waits for `work`, and stores the results of calls if that takes long.
    async fn saving_if_slow<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        if !self.draft.is_unsaved {
            return Ok(work.await);
        }
        let delay = self.context.ports.timer.sleep(SAVE_DELAY);
        match future::select(pin!(work), delay).await {
            Either::Left((output, _)) => Ok(output),
            Either::Right(((), work)) => {
                self.save().await?;
                Ok(work.await)
            }
        }
    }

    /// Stores the message. A storage failure is tolerated: it is stored again before a tool runs, and at the end.
    async fn save(&mut self) -> Result<(), Failure> {
        match self.draft.save(self.context).await {
            Ok(()) | Err(Failure::Storage(_)) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    fn abort(&self) -> Abort {
        let deadline = self.context.options.model_deadline;
        let (expired, stopped) = (self.context.ports.timer.sleep(deadline), self.context.stopped.clone());
        Box::pin(async move {
            match future::select(expired, stopped).await {
                Either::Left(((), _)) => {
                    let cause = format!("no complete reply within {} s", deadline.as_secs());
                    Failure::Model(LlmError::Timeout(cause.into()))
                }
                Either::Right((reason, _)) => Failure::Stopped(reason),
            }
        })
    }

    fn take(&mut self, event: LlmEvent) {
        self.model.has_thought |= matches!(event, LlmEvent::Thinking | LlmEvent::PlanDelta(_));
        match event {
            LlmEvent::TextDelta(delta) => {
                self.first_token();
                self.push_text(&delta);
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
            LlmEvent::ProviderData(data) => self.provider_data = Some(data),
            LlmEvent::FallbackUsed { provider, model } => self.use_fallback(ModelRef { provider, model }),
            LlmEvent::Thinking | LlmEvent::ToolCallArguments { .. } | LlmEvent::Finished { .. } => {}
        }
    }

    fn first_token(&mut self) {
        if self.model.first_token_at.is_none() {
            self.model.first_token_at = Some(self.context.now());
        }
    }

    /// Adds to the text of the round, without leading and trailing white space.
    fn push_text(&mut self, delta: &str) {
        let open = matches!(self.draft.parts.last(), Some(Part::Text { round, .. }) if *round == self.round);
        let delta = if open { delta } else { delta.trim_start() };
        let trimmed = delta.trim_end();
        if trimmed.is_empty() {
            self.trailing_space.push_str(delta);
            return;
        }
        let text = std::mem::take(&mut self.trailing_space) + trimmed;
        self.trailing_space.push_str(&delta[trimmed.len()..]);
        match self.draft.parts.last_mut() {
            Some(Part::Text { round, text: existing }) if *round == self.round => existing.push_str(&text),
            _ => self.draft.parts.push(Part::Text { round: self.round, text }),
        }
        self.draft.publish(self.context);
    }

    /// Announces the fallback model, once per turn.
    fn use_fallback(&mut self, fallback: ModelRef) {
        if !self.model.fallback_announced {
            self.model.fallback_announced = true;
            let primary = self.context.ports.llm.provider();
            let text = format!(
                "The assistant \u{201c}{primary}\u{201d} could not answer; \u{201c}{}\u{201d} answers in its place.",
                fallback.provider
            );
            self.draft.notice(self.context, text);
        }
        self.model.answered_by = fallback;
        self.source = None;
    }
}

/// Returns the output of `work`, or the failure if `abort` completes first.
async fn unless_aborted<T>(abort: &mut Abort, work: impl Future<Output = T>) -> Result<T, Failure> {
    match future::select(pin!(work), abort).await {
        Either::Left((output, _)) => Ok(output),
        Either::Right((failure, _)) => Err(failure),
    }
}

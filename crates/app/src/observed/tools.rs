//! Observes the calls of tools.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use domain::conversation::PendingAction;
use domain::conversation::message::ToolCall;
use domain::tool::{CONFIRM_PENDING, ResolvedCall, ToolContext, ToolError, ToolExecutor, ToolOutcome, ToolSpec};
use serde_json::Value;
use tracing::Instrument as _;

use super::spans;
use crate::metrics::Metrics;

/// The label of tools that do not exist. A model may call any name.
const UNKNOWN: &str = "unknown";

/// The result of a call that did what was requested.
const DONE: &str = "done";

/// An executor whose calls are counted by tool and result, and traced.
pub(crate) struct ObservedTools {
    inner: Arc<dyn ToolExecutor>,
    metrics: Metrics,
    names: HashSet<&'static str>,
}

impl ObservedTools {
    /// Observes `inner`.
    pub fn new(inner: Arc<dyn ToolExecutor>, metrics: Metrics) -> Self {
        let names = inner.tools().iter().map(|spec| spec.name).collect();
        Self { inner, metrics, names }
    }

    /// Observes a call of `tool`, which is the name of a tool or [`UNKNOWN`].
    async fn observe(
        &self,
        tool: &str,
        call: impl Future<Output = Result<ToolOutcome, ToolError>>,
    ) -> Result<ToolOutcome, ToolError> {
        let span = spans::tool_call(tool);
        let outcome = call.instrument(span.clone()).await;
        let result = result(&outcome);
        self.metrics.tool_calls.with_label_values(&[tool, result]).inc();
        if result != DONE {
            spans::fail(&span, result);
        }
        outcome
    }
}

fn result(outcome: &Result<ToolOutcome, ToolError>) -> &'static str {
    match outcome {
        Ok(ToolOutcome::Done { .. }) => DONE,
        Ok(ToolOutcome::Refused { .. }) => "refused",
        Err(ToolError::UnknownTool(_)) => "unknown_tool",
        Err(ToolError::BadParameters(_)) => "bad_parameters",
        Err(ToolError::InsufficientScope(_)) => "insufficient_scope",
        Err(ToolError::Contention) => "contention",
        Err(ToolError::LeaseLost) => "lease_lost",
        Err(ToolError::Storage(_)) => "storage",
    }
}

#[async_trait]
impl ToolExecutor for ObservedTools {
    fn tools(&self) -> Vec<ToolSpec> {
        self.inner.tools()
    }

    async fn run(&self, context: &ToolContext, tool: &str, parameters: Value) -> Result<ToolOutcome, ToolError> {
        let name = self.names.get(tool).copied().unwrap_or(UNKNOWN);
        self.observe(name, self.inner.run(context, tool, parameters)).await
    }

    async fn find_effect(&self, context: &ToolContext, tool: &str) -> Result<Option<ToolOutcome>, ToolError> {
        self.inner.find_effect(context, tool).await
    }

    async fn resolve(&self, context: &ToolContext, calls: &[ToolCall]) -> Result<Vec<ResolvedCall>, ToolError> {
        self.inner.resolve(context, calls).await
    }

    async fn run_pending(&self, context: &ToolContext, pending: &PendingAction) -> Result<ToolOutcome, ToolError> {
        self.observe(CONFIRM_PENDING, self.inner.run_pending(context, pending)).await
    }
}

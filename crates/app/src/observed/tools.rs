//! Observes the calls of tools.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use domain::conversation::PendingAction;
use domain::conversation::message::ToolCall;
use domain::tool::{CONFIRM_PENDING, ResolvedCall, ToolContext, ToolError, ToolExecutor, ToolOutcome, ToolSpec};
use serde_json::Value;

use crate::metrics::Metrics;

/// The label of tools that do not exist. A model may call any name.
const UNKNOWN: &str = "unknown";

/// An executor whose calls are counted by tool and result.
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

    fn count(&self, tool: &str, outcome: &Result<ToolOutcome, ToolError>) {
        self.metrics.tool_calls.with_label_values(&[tool, result(outcome)]).inc();
    }
}

fn result(outcome: &Result<ToolOutcome, ToolError>) -> &'static str {
    match outcome {
        Ok(ToolOutcome::Done { .. }) => "done",
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
        let outcome = self.inner.run(context, tool, parameters).await;
        self.count(self.names.get(tool).copied().unwrap_or(UNKNOWN), &outcome);
        outcome
    }

    async fn find_effect(&self, context: &ToolContext, tool: &str) -> Result<Option<ToolOutcome>, ToolError> {
        self.inner.find_effect(context, tool).await
    }

    async fn resolve(&self, context: &ToolContext, calls: &[ToolCall]) -> Result<Vec<ResolvedCall>, ToolError> {
        self.inner.resolve(context, calls).await
    }

    async fn run_pending(&self, context: &ToolContext, pending: &PendingAction) -> Result<ToolOutcome, ToolError> {
        let outcome = self.inner.run_pending(context, pending).await;
        self.count(CONFIRM_PENDING, &outcome);
        outcome
    }
}

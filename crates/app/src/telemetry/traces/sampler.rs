//! Which requests are traced.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

use crate::settings::{RootSampler, TraceSettings};

/// The sampler of the settings, for traces that begin with a request. Spans outside of a request, such as the statements
/// of upkeep and of the poll for changes, are not sampled.
#[derive(Clone, Debug)]
pub(super) struct RequestSampler(Sampler);

impl RequestSampler {
    pub(super) fn new(settings: &TraceSettings) -> Self {
        let root = match settings.otel_traces_sampler.root {
            RootSampler::AlwaysOn => Sampler::AlwaysOn,
            RootSampler::AlwaysOff => Sampler::AlwaysOff,
            RootSampler::TraceIdRatio => Sampler::TraceIdRatioBased(settings.otel_traces_sampler_arg),
        };
        let follows_parent = settings.otel_traces_sampler.follows_parent;
        Self(if follows_parent { Sampler::ParentBased(Box::new(root)) } else { root })
    }
}

impl ShouldSample for RequestSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let has_parent = parent.is_some_and(|parent| parent.span().span_context().is_valid());
        if !has_parent && *kind != SpanKind::Server {
            return SamplingResult {
                decision: SamplingDecision::Drop,
                attributes: Vec::new(),
                trace_state: TraceState::default(),
            };
        }
        self.0.should_sample(parent, trace, name, kind, attributes, links)
    }
}

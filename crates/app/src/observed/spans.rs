//! The spans of calls in traces, by OpenTelemetry's conventions for generative AI
//! (<https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/>). They contain no text of a user or a model.

use tracing::Span;
use tracing::field::Empty;

use domain::conversation::turn::Usage;

/// Creates the span of a call of a model.
pub(super) fn model_call(provider: &str, model: &str) -> Span {
    tracing::info_span!(
        target: "otel",
        "model call",
        otel.kind = "client",
        otel.name = format!("chat {model}"),
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = provider,
        gen_ai.request.model = model,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        "error.type" = Empty,
        otel.status_code = Empty,
    )
}

/// Creates the span of a call of a tool, whose name must be one of the tools'.
pub(super) fn tool_call(name: &str) -> Span {
    tracing::info_span!(
        target: "otel",
        "tool call",
        otel.name = format!("execute_tool {name}"),
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = name,
        "gen_ai.tool.type" = "function",
        "error.type" = Empty,
        otel.status_code = Empty,
    )
}

/// Adds the usage of a model.
pub(super) fn add_usage(span: &Span, usage: Usage) {
    for (field, tokens) in
        [("gen_ai.usage.input_tokens", usage.tokens_in), ("gen_ai.usage.output_tokens", usage.tokens_out)]
    {
        span.record(field, i64::try_from(tokens).unwrap_or(i64::MAX));
    }
}

/// Marks the call as failed, for a reason that is one of a fixed list.
pub(super) fn fail(span: &Span, reason: &str) {
    span.record("error.type", reason);
    span.record("otel.status_code", "ERROR");
}

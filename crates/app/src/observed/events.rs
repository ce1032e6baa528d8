//! Logs and counts the events that operators see.

use domain::conversation::turn::FailureCode;
use domain::runtime::event_log::{EventLog, LoggedEvent, TurnEnd};
use tracing::Span;
use tracing::field::display;

use super::spans;
use crate::metrics::Metrics;

/// Logs events in the span of the request that caused them, and counts them.
pub(crate) struct ObservedEvents(pub Metrics);

impl EventLog for ObservedEvents {
    fn record(&self, event: LoggedEvent) {
        match event {
            LoggedEvent::TurnEnded(end) => self.turn_ended(&end),
            LoggedEvent::SignInFailed { way, reason } => {
                self.0.sign_in_failures.with_label_values(&[way.as_str(), reason]).inc();
                tracing::warn!(way = way.as_str(), reason, "sign-in failed");
            }
            LoggedEvent::PasswordChanged(user) => tracing::info!(user_id = %user, "password changed"),
            LoggedEvent::SessionEnded { user, session, reason } => {
                let session_id = session.map(display);
                tracing::info!(user_id = %user, session_id, reason = reason.as_str(), "session ended");
            }
            LoggedEvent::AccountDeleted(user) => tracing::info!(user_id = %user, "account deleted"),
        }
    }
}

impl ObservedEvents {
    fn turn_ended(&self, end: &TurnEnd) {
        let failure = end.failure.map(FailureCode::as_str);
        let (state, seconds) = (end.state.as_str(), end.duration.as_secs_f64());
        self.0.turns.with_label_values(&[end.provider.as_str(), state, failure.unwrap_or_default()]).inc();
        self.0.turn_duration.with_label_values(&[end.provider.as_str()]).observe(seconds);
        tracing::info!(
            user_id = %end.user,
            conversation_id = %end.conversation,
            turn_id = %end.turn,
            state,
            failure,
            provider = end.provider,
            model = end.model,
            rounds = end.rounds,
            tool_calls = end.tool_calls,
            tokens_in = end.usage.tokens_in,
            tokens_out = end.usage.tokens_out,
            milliseconds = u64::try_from(end.duration.as_millis()).unwrap_or(u64::MAX),
            "turn ended"
        );
        if let Some(code) = failure {
            // The current span is the turn's.
            spans::fail(&Span::current(), code);
        }
    }
}

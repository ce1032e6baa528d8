//! Opening, half-open trials and closing of the circuit breaker.

use std::error::Error as _;
use std::pin::pin;

use futures_channel::oneshot;
use futures_util::poll;

use super::super::{BreakerOptions, RetryOptions};
use super::log::Log;
use super::*;

/// Two failures open the breaker for ten seconds; no retries.
fn options() -> ResilienceOptions {
    ResilienceOptions {
        retries: RetryOptions {
            rate_limited_retries: 0,
            unavailable_retries: 0,
            failed_call_retries: 0,
            ..RetryOptions::default()
        },
        breaker: BreakerOptions { failure_threshold: 2, open_duration: 10 * SECOND },
        ..ResilienceOptions::default()
    }
}

/// Returns a client whose breaker has just opened, its model and its clock.
async fn open_breaker() -> (ResilientClient, Arc<ScriptedLlm>, Arc<ManualClock>) {
    let (clock, model) = (Arc::default(), scripted([Step::Fail(unavailable()), Step::Fail(unavailable())]));
    let client = resilient(model.clone(), &clock, options());
    for _ in 0..2 {
        assert_eq!(error_code(&client, &clock).await, Some("unavailable"));
    }
    (client, model, clock)
}

/// Whether the breaker rejects a call without a request to the model.
async fn is_rejected(client: &ResilientClient, model: &ScriptedLlm, clock: &ManualClock) -> bool {
    let requests = model.requests().len();
    let (_, error) = outcome(client, clock).await;
    let by_breaker = error.is_some_and(|error| {
        matches!(error, LlmError::Unavailable(_)) && error.source().unwrap().to_string().contains("circuit breaker")
    });
    by_breaker && model.requests().len() == requests
}

#[tokio::test]
async fn consecutive_failures_open_the_breaker_and_calls_fail_at_once() {
    let (client, model, clock) = open_breaker().await;
    assert!(is_rejected(&client, &model, &clock).await);
    clock.advance(9 * SECOND);
    assert!(is_rejected(&client, &model, &clock).await);
    assert_eq!(clock.elapsed(), 9 * SECOND);
}

#[tokio::test]
async fn each_opening_is_logged_with_its_cause_and_duration() {
    let (log, _guard) = Log::capture();
    let (client, model, clock) = open_breaker().await;
    clock.advance(10 * SECOND);
    model.then(Step::Events(vec![delta("a")]));
    outcome(&client, &clock).await;
    let log = log.text();
    let warnings: Vec<_> =
        log.lines().filter(|line| line.contains("WARN") && line.contains("open_duration=10s")).collect();
    assert_eq!(warnings.len(), 2, "{log}");
    assert!(warnings[0].contains("the provider cannot be reached: refused"), "{log}");
    assert!(warnings[1].contains("the stream ended before the reply did"), "{log}");
}

#[tokio::test]
async fn a_success_between_failures_keeps_the_breaker_closed() {
    let steps = [Step::Fail(unavailable()), Step::says("hello"), Step::Fail(unavailable()), Step::says("hello")];
    let (clock, model) = (Arc::default(), scripted(steps));
    let client = resilient(model.clone(), &clock, options());
    for failed in [true, false, true, false] {
        assert_eq!(error_code(&client, &clock).await.is_some(), failed);
    }
    assert_eq!(model.requests().len(), 4);
}

#[tokio::test]
async fn timeouts_truncated_streams_and_late_errors_count_as_failures() {
    let truncated = || Step::Events(vec![delta("a")]);
    let broken = || Step::Cut(vec![delta("a")], unavailable());
    for steps in [[Step::Hang, Step::Hang], [truncated(), truncated()], [broken(), broken()]] {
        let (clock, model) = (Arc::default(), scripted(steps));
        let client = resilient(model.clone(), &clock, options());
        for _ in 0..2 {
            outcome(&client, &clock).await;
        }
        assert!(is_rejected(&client, &model, &clock).await);
    }
}

#[tokio::test]
async fn only_unavailable_and_timeout_count_as_failures() {
    for (error, _) in errors() {
        let (code, is_failure) =
            (error.code().as_str(), matches!(error, LlmError::Unavailable(_) | LlmError::Timeout(_)));
        let steps = [Step::Fail(unavailable()), Step::Fail(error), Step::Fail(unavailable()), Step::says("hello")];
        let (clock, model) = (Arc::default(), scripted(steps));
        let client = resilient(model.clone(), &clock, options());
        for _ in 0..3 {
            outcome(&client, &clock).await;
        }
        assert_eq!(is_rejected(&client, &model, &clock).await, is_failure, "{code}");
    }
}

#[tokio::test]
async fn each_attempt_counts_and_one_that_opens_the_breaker_is_not_retried() {
    let (clock, model) = (Arc::default(), scripted((0..5).map(|_| Step::Fail(unavailable()))));
    let client = resilient(model.clone(), &clock, ResilienceOptions { retries: RetryOptions::default(), ..options() });
    let (_, error) = outcome(&client, &clock).await;
    assert_eq!(error.unwrap().source().unwrap().to_string(), "refused");
    assert_eq!((model.requests().len(), clock.elapsed()), (2, Duration::from_millis(500)));
}

#[tokio::test]
async fn one_call_is_let_through_after_the_open_duration_and_its_success_closes_the_breaker() {
    let (client, model, clock) = open_breaker().await;
    clock.advance(10 * SECOND);
    let (open_gate, gate) = oneshot::channel();
    model.then(Step::Gated(gate, vec![delta("a"), finished()]));
    let mut trial = pin!(client.respond(request()));
    assert!(poll!(&mut trial).is_pending());
    assert!(is_rejected(&client, &model, &clock).await);
    open_gate.send(()).unwrap();
    let mut reply = trial.await.unwrap();
    // The reply has started and is not complete: other calls are still rejected.
    assert!(is_rejected(&client, &model, &clock).await);
    assert_eq!(reply.next().await.unwrap().unwrap(), delta("a"));
    assert!(is_rejected(&client, &model, &clock).await);
    assert_eq!(reply.next().await.unwrap().unwrap(), finished());
    for _ in 0..2 {
        model.then(Step::says("b"));
        assert!(outcome(&client, &clock).await.1.is_none());
    }
}

#[tokio::test]
async fn a_failed_trial_opens_the_breaker_for_the_same_duration() {
    let (client, model, clock) = open_breaker().await;
    clock.advance(10 * SECOND);
    model.then(Step::Fail(unavailable()));
    assert_eq!(error_code(&client, &clock).await, Some("unavailable"));
    clock.advance(9 * SECOND);
    assert!(is_rejected(&client, &model, &clock).await);
    clock.advance(SECOND);
    model.then(Step::says("hello"));
    assert!(outcome(&client, &clock).await.1.is_none());
}

#[tokio::test]
async fn a_dropped_trial_lets_the_next_call_through() {
    let (client, model, clock) = open_breaker().await;
    clock.advance(10 * SECOND);
    model.then(Step::Hang);
    {
        let mut before_the_first_event = pin!(client.respond(request()));
        assert!(poll!(&mut before_the_first_event).is_pending());
    }
    model.then(Step::Events(vec![delta("a"), delta("b"), finished()]));
    let mut stream = client.respond(request()).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), delta("a"));
    drop(stream);
    model.then(Step::Fail(unavailable()));
    assert_eq!(error_code(&client, &clock).await, Some("unavailable"));
    // The third call was a trial as well, and it failed.
    assert!(is_rejected(&client, &model, &clock).await);
}

#[tokio::test]
async fn dropped_calls_count_neither_as_failures_nor_as_successes() {
    let steps = [Step::Fail(unavailable()), Step::says("a"), Step::says("a"), Step::Fail(unavailable())];
    let (clock, model) = (Arc::default(), scripted(steps));
    let client = resilient(model.clone(), &clock, options());
    assert_eq!(error_code(&client, &clock).await, Some("unavailable"));
    for _ in 0..2 {
        drop(client.respond(request()).await.unwrap());
    }
    assert_eq!(error_code(&client, &clock).await, Some("unavailable"));
    assert!(is_rejected(&client, &model, &clock).await);
}

#[tokio::test]
async fn the_outcome_of_a_call_from_before_the_opening_is_ignored() {
    let events = || vec![delta("a"), finished()];
    for (old, dropped) in [
        (Step::Cut(vec![delta("a")], unavailable()), false),
        (Step::Events(events()), false),
        (Step::Events(events()), true),
    ] {
        let (clock, model) = (Arc::default(), scripted([old, Step::Fail(unavailable()), Step::Fail(unavailable())]));
        let client = resilient(model.clone(), &clock, options());
        let old = client.respond(request()).await.unwrap();
        for _ in 0..2 {
            assert_eq!(error_code(&client, &clock).await, Some("unavailable"));
        }
        clock.advance(10 * SECOND);
        model.then(Step::Events(events()));
        let trial = client.respond(request()).await.unwrap();
        if dropped {
            drop(old);
        } else {
            old.collect::<Vec<_>>().await;
        }
        assert!(is_rejected(&client, &model, &clock).await);
        // Only the trial counts.
        trial.collect::<Vec<_>>().await;
        model.then(Step::says("hello"));
        assert!(outcome(&client, &clock).await.1.is_none());
    }
}

#[tokio::test]
async fn a_retry_rejected_because_of_other_calls_returns_its_own_error() {
    let steps = [Step::Fail(rate_limited(Some(SECOND))), Step::Fail(unavailable()), Step::Fail(unavailable())];
    let (clock, model): (Arc<ManualClock>, _) = (Arc::default(), scripted(steps));
    let retries = RetryOptions { unavailable_retries: 0, ..RetryOptions::default() };
    let client = resilient(model.clone(), &clock, ResilienceOptions { retries, ..options() });
    let mut waiting = pin!(client.respond(request()));
    assert!(poll!(&mut waiting).is_pending());
    for _ in 0..2 {
        assert_eq!(client.respond(request()).await.err().unwrap().code().as_str(), "unavailable");
    }
    clock.advance(2 * SECOND);
    assert_eq!(waiting.await.err().unwrap().code().as_str(), "rate_limited");
    assert_eq!(model.requests().len(), 3);
}

//! A provider that keeps failing is left alone, and tried again by one.

use std::error::Error as _;
use std::pin::pin;

use futures_channel::oneshot;
use futures_util::poll;

use super::super::{BreakerOptions, RetryOptions};
use super::log::Log;
use super::*;

/// Two failures open the breaker for ten seconds; nothing is retried.
fn options() -> ResilienceOptions {
    ResilienceOptions {
        retries: RetryOptions { rate_limited: 0, unavailable: 0, ..RetryOptions::default() },
        breaker: BreakerOptions { failures: 2, open_for: 10 * SECOND },
        ..ResilienceOptions::default()
    }
}

/// A client whose breaker has just opened, its model and its clock.
async fn opened() -> (ResilientClient, Arc<ScriptedLlm>, Arc<ManualClock>) {
    let (clock, model) = (Arc::default(), scripted([Step::Fail(unavailable()), Step::Fail(unavailable())]));
    let client = resilient(model.clone(), &clock, options());
    for _ in 0..2 {
        assert_eq!(error_code(&client, &clock).await, Some("unavailable"));
    }
    (client, model, clock)
}

/// Whether the client refuses without asking the model, and says that it is the breaker.
async fn refuses(client: &ResilientClient, model: &ScriptedLlm, clock: &ManualClock) -> bool {
    let asked = model.requests().len();
    let (_, error) = outcome(client, clock).await;
    let by_breaker = error.is_some_and(|error| {
        matches!(error, LlmError::Unavailable(_)) && error.source().unwrap().to_string().contains("circuit breaker")
    });
    by_breaker && model.requests().len() == asked
}

#[tokio::test]
async fn failures_in_a_row_open_it_and_then_nobody_asks_or_waits() {
    let (client, model, clock) = opened().await;
    assert!(refuses(&client, &model, &clock).await);
    clock.advance(9 * SECOND);
    assert!(refuses(&client, &model, &clock).await);
    assert_eq!(clock.elapsed(), 9 * SECOND);
}

#[tokio::test]
async fn the_log_says_why_it_opened_and_for_how_long_each_time() {
    let (log, _until_the_end) = Log::begin();
    let (client, model, clock) = opened().await;
    clock.advance(10 * SECOND);
    model.then(Step::Events(vec![delta("a")]));
    outcome(&client, &clock).await;
    let log = log.text();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN") && line.contains("open_for=10s")).collect();
    assert_eq!(warnings.len(), 2, "{log}");
    assert!(warnings[0].contains("the provider cannot be reached: refused"), "{log}");
    assert!(warnings[1].contains("the stream ended before the answer did"), "{log}");
}

#[tokio::test]
async fn an_answer_between_failures_keeps_it_closed() {
    let steps = [Step::Fail(unavailable()), Step::says("hello"), Step::Fail(unavailable()), Step::says("hello")];
    let (clock, model) = (Arc::default(), scripted(steps));
    let client = resilient(model.clone(), &clock, options());
    for failed in [true, false, true, false] {
        assert_eq!(error_code(&client, &clock).await.is_some(), failed);
    }
    assert_eq!(model.requests().len(), 4);
}

#[tokio::test]
async fn silence_cut_streams_and_failures_mid_way_count_as_failures() {
    let cut = || Step::Events(vec![delta("a")]);
    let broken = || Step::Cut(vec![delta("a")], unavailable());
    for steps in [[Step::Hang, Step::Hang], [cut(), cut()], [broken(), broken()]] {
        let (clock, model) = (Arc::default(), scripted(steps));
        let client = resilient(model.clone(), &clock, options());
        for _ in 0..2 {
            outcome(&client, &clock).await;
        }
        assert!(refuses(&client, &model, &clock).await);
    }
}

#[tokio::test]
async fn errors_of_a_provider_that_is_there_never_open_it_and_end_a_row_of_failures() {
    for (error, _) in errors() {
        let (code, fails) = (error.code().as_str(), matches!(error, LlmError::Unavailable(_) | LlmError::Timeout(_)));
        let steps = [Step::Fail(unavailable()), Step::Fail(error), Step::Fail(unavailable()), Step::says("hello")];
        let (clock, model) = (Arc::default(), scripted(steps));
        let client = resilient(model.clone(), &clock, options());
        for _ in 0..3 {
            outcome(&client, &clock).await;
        }
        assert_eq!(refuses(&client, &model, &clock).await, fails, "{code}");
    }
}

#[tokio::test]
async fn each_try_counts_and_a_try_that_opens_it_is_not_repeated() {
    let (clock, model) = (Arc::default(), scripted((0..5).map(|_| Step::Fail(unavailable()))));
    let client = resilient(model.clone(), &clock, ResilienceOptions { retries: RetryOptions::default(), ..options() });
    let (_, error) = outcome(&client, &clock).await;
    assert_eq!(error.unwrap().source().unwrap().to_string(), "refused");
    assert_eq!((model.requests().len(), clock.elapsed()), (2, Duration::from_millis(500)));
}

#[tokio::test]
async fn one_call_is_let_through_when_it_was_open_long_enough_and_its_answer_closes_it() {
    let (client, model, clock) = opened().await;
    clock.advance(10 * SECOND);
    let (open_gate, gate) = oneshot::channel();
    model.then(Step::Gated(gate, vec![delta("a"), finished()]));
    let mut trial = pin!(client.respond(request()));
    assert!(poll!(&mut trial).is_pending());
    assert!(refuses(&client, &model, &clock).await);
    open_gate.send(()).unwrap();
    let mut answer = trial.await.unwrap();
    // It has begun and is not whole: still nobody else.
    assert!(refuses(&client, &model, &clock).await);
    assert_eq!(answer.next().await.unwrap().unwrap(), delta("a"));
    assert!(refuses(&client, &model, &clock).await);
    assert_eq!(answer.next().await.unwrap().unwrap(), finished());
    for _ in 0..2 {
        model.then(Step::says("b"));
        assert!(outcome(&client, &clock).await.1.is_none());
    }
}

#[tokio::test]
async fn a_trial_that_fails_opens_it_again_for_as_long() {
    let (client, model, clock) = opened().await;
    clock.advance(10 * SECOND);
    model.then(Step::Fail(unavailable()));
    assert_eq!(error_code(&client, &clock).await, Some("unavailable"));
    clock.advance(9 * SECOND);
    assert!(refuses(&client, &model, &clock).await);
    clock.advance(SECOND);
    model.then(Step::says("hello"));
    assert!(outcome(&client, &clock).await.1.is_none());
}

#[tokio::test]
async fn a_trial_that_its_caller_drops_lets_the_next_one_try() {
    let (client, model, clock) = opened().await;
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
    // The third was a trial too, and it failed.
    assert!(refuses(&client, &model, &clock).await);
}

#[tokio::test]
async fn answers_that_are_dropped_count_neither_as_failures_nor_as_answers() {
    let steps = [Step::Fail(unavailable()), Step::says("a"), Step::says("a"), Step::Fail(unavailable())];
    let (clock, model) = (Arc::default(), scripted(steps));
    let client = resilient(model.clone(), &clock, options());
    assert_eq!(error_code(&client, &clock).await, Some("unavailable"));
    for _ in 0..2 {
        drop(client.respond(request()).await.unwrap());
    }
    assert_eq!(error_code(&client, &clock).await, Some("unavailable"));
    assert!(refuses(&client, &model, &clock).await);
}

#[tokio::test]
async fn what_comes_of_a_call_from_before_it_opened_changes_nothing() {
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
        assert!(refuses(&client, &model, &clock).await);
        // The trial alone decides.
        trial.collect::<Vec<_>>().await;
        model.then(Step::says("hello"));
        assert!(outcome(&client, &clock).await.1.is_none());
    }
}

#[tokio::test]
async fn a_retry_that_another_caller_s_failure_made_pointless_ends_in_its_own_error() {
    let steps = [Step::Fail(rate_limited(Some(SECOND))), Step::Fail(unavailable()), Step::Fail(unavailable())];
    let (clock, model): (Arc<ManualClock>, _) = (Arc::default(), scripted(steps));
    let retries = RetryOptions { unavailable: 0, ..RetryOptions::default() };
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

//! Which errors are retried, when, and how often.

use super::super::{RetryOptions, Timeouts, backoff};
use super::*;

#[tokio::test]
async fn an_unavailable_provider_is_retried_with_exponential_backoff() {
    let steps = [Step::Fail(unavailable()), Step::Fail(unavailable()), Step::says("hello")];
    let (clock, model) = (Arc::default(), scripted(steps));
    let client = resilient(model.clone(), &clock, ResilienceOptions::default());
    let (events, error) = outcome(&client, &clock).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(events[0], delta("hello"));
    assert_eq!((model.requests().len(), clock.elapsed()), (3, Duration::from_millis(500 + 1000)));
}

#[tokio::test]
async fn one_retry_follows_429_and_two_follow_unavailable() {
    for (is_limited, requests) in [(true, 2), (false, 3)] {
        let error = || if is_limited { rate_limited(Some(SECOND)) } else { unavailable() };
        let (clock, model) = (Arc::default(), scripted((0..10).map(|_| Step::Fail(error()))));
        let client = resilient(model.clone(), &clock, ResilienceOptions::default());
        assert_eq!(error_code(&client, &clock).await, Some(error().code().as_str()));
        assert_eq!(model.requests().len(), requests, "{}", error());
    }
}

#[tokio::test]
async fn an_invalid_call_is_asked_for_once_more() {
    let (clock, model) = (Arc::default(), scripted((0..10).map(|_| Step::Fail(failed_call()))));
    let client = resilient(model.clone(), &clock, ResilienceOptions::default());
    assert_eq!(error_code(&client, &clock).await, Some("bad_reply"));
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn a_429_after_a_retry_is_not_retried() {
    let (clock, model) =
        (Arc::default(), scripted([Step::Fail(unavailable()), Step::Fail(rate_limited(None)), Step::Hang]));
    let client = resilient(model.clone(), &clock, ResilienceOptions::default());
    assert_eq!(error_code(&client, &clock).await, Some("rate_limited"));
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn only_temporary_errors_are_retried() {
    for (error, is_retried) in errors() {
        let code = error.code().as_str();
        let (clock, model) = (Arc::default(), scripted([Step::Fail(error), Step::says("hello")]));
        let client = resilient(model.clone(), &clock, ResilienceOptions::default());
        assert_eq!(error_code(&client, &clock).await, (!is_retried).then_some(code));
        assert_eq!(model.requests().len(), 1 + usize::from(is_retried), "{code}");
    }
}

#[tokio::test]
async fn an_error_instead_of_the_first_event_is_retried() {
    let (clock, model) = (Arc::default(), scripted([Step::Cut(Vec::new(), unavailable()), Step::says("hello")]));
    let client = resilient(model.clone(), &clock, ResilienceOptions::default());
    assert!(outcome(&client, &clock).await.1.is_none());
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn a_stream_without_events_is_retried() {
    let (clock, model) = (Arc::default(), scripted([Step::Events(Vec::new()), Step::says("hello")]));
    let client = resilient(model.clone(), &clock, ResilienceOptions::default());
    assert_eq!(outcome(&client, &clock).await.0[0], delta("hello"));
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn no_error_is_retried_after_the_first_event() {
    let all = errors().into_iter().map(|(error, _)| (error, delta("a")));
    for (error, first) in all.chain([(unavailable(), LlmEvent::Thinking)]) {
        let code = error.code().as_str();
        let (clock, model) = (Arc::default(), scripted([Step::Cut(vec![first.clone()], error), Step::says("b")]));
        let client = resilient(model.clone(), &clock, ResilienceOptions::default());
        let (events, error) = outcome(&client, &clock).await;
        assert_eq!((events, error.map(|error| error.code().as_str())), (vec![first], Some(code)));
        assert_eq!((model.requests().len(), clock.elapsed()), (1, Duration::ZERO), "{code}");
    }
}

#[tokio::test]
async fn the_backoff_is_added_to_retry_after() {
    let steps = [Step::Fail(rate_limited(Some(10 * SECOND))), Step::says("hello")];
    let (clock, model) = (Arc::default(), scripted(steps));
    let client = resilient(model, &clock, ResilienceOptions::default());
    assert!(outcome(&client, &clock).await.1.is_none());
    assert_eq!(clock.elapsed(), Duration::from_millis(10_500));
}

#[tokio::test]
async fn a_long_retry_after_is_returned_at_once() {
    for retry_after in [10 * SECOND + Duration::from_millis(1), 3600 * SECOND, Duration::MAX] {
        let (clock, model) =
            (Arc::default(), scripted([Step::Fail(rate_limited(Some(retry_after))), Step::says("hello")]));
        let client = resilient(model.clone(), &clock, ResilienceOptions::default());
        let (_, error) = outcome(&client, &clock).await;
        assert!(
            matches!(error, Some(LlmError::RateLimited { retry_after: Some(returned), .. }) if returned == retry_after),
            "{error:?}"
        );
        assert_eq!((model.requests().len(), clock.elapsed()), (1, Duration::ZERO));
    }
}

#[tokio::test]
async fn a_retry_after_the_total_deadline_is_not_waited_for() {
    // The backoff adds half a second.
    for (milliseconds, requests) in [(2499, 2), (2500, 1), (3000, 1)] {
        let retry_after = Duration::from_millis(milliseconds);
        let steps = [Step::Fail(rate_limited(Some(retry_after))), Step::says("hello")];
        let (clock, model) = (Arc::default(), scripted(steps));
        let options = ResilienceOptions { timeouts: Timeouts::from_total(3 * SECOND), ..Default::default() };
        let client = resilient(model.clone(), &clock, options);
        let limited = error_code(&client, &clock).await == Some("rate_limited");
        assert_eq!((model.requests().len(), limited), (requests, requests == 1));
        assert!(clock.elapsed() < 3 * SECOND);
    }
}

#[test]
fn the_backoff_doubles_up_to_its_maximum() {
    let options = RetryOptions { unavailable_retries: u32::MAX, ..RetryOptions::default() };
    let max: backoff::Jitter = Box::new(|max| max);
    let delay = |retries| backoff::delay(&options, &unavailable(), retries, &max).unwrap().as_millis();
    assert_eq!([0, 1, 2, 3, 4, 40, u32::MAX - 1].map(delay), [500, 1000, 2000, 4000, 5000, 5000, 5000]);
}

#[test]
fn jitter_is_capped_at_the_backoff() {
    let options = RetryOptions::default();
    let delay =
        |jitter: fn(Duration) -> Duration| backoff::delay(&options, &unavailable(), 0, &(Box::new(jitter) as _));
    assert_eq!(delay(|_| Duration::ZERO), Some(Duration::ZERO));
    assert_eq!(delay(|max| max / 2), Some(Duration::from_millis(250)));
    assert_eq!(delay(|_| Duration::MAX), Some(Duration::from_millis(500)));
}

#[test]
fn full_jitter_is_between_zero_and_the_maximum() {
    let delays: Vec<_> = (0..1000).map(|_| backoff::full_jitter(SECOND)).collect();
    assert!(delays.iter().all(|delay| *delay <= SECOND));
    // A thousand uniform samples miss the lowest or highest tenth in about one of 10^45 runs.
    assert!(delays.iter().any(|delay| *delay < SECOND / 10) && delays.iter().any(|delay| *delay > SECOND * 9 / 10));
    assert_eq!(backoff::full_jitter(Duration::ZERO), Duration::ZERO);
}

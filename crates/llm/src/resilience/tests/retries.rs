//! Who is asked again, when, and how often.

use super::super::{RetryOptions, retry};
use super::*;

#[tokio::test]
async fn a_provider_that_is_away_for_a_moment_is_asked_again_after_waits_that_double() {
    let steps = [Step::Fail(unavailable()), Step::Fail(unavailable()), Step::says("hello")];
    let (clock, model) = (Arc::default(), scripted(steps));
    let client = resilient(model.clone(), &clock, ResilienceOptions::default());
    let (events, error) = outcome(&client, &clock).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(events[0], delta("hello"));
    assert_eq!((model.requests().len(), clock.elapsed()), (3, Duration::from_millis(500 + 1000)));
}

#[tokio::test]
async fn retries_are_bounded_one_after_429_and_two_when_the_provider_is_away() {
    for (step, asked) in [(0, 2), (1, 3)] {
        let error = || if step == 0 { rate_limited(Some(SECOND)) } else { unavailable() };
        let (clock, model) = (Arc::default(), scripted((0..10).map(|_| Step::Fail(error()))));
        let client = resilient(model.clone(), &clock, ResilienceOptions::default());
        assert_eq!(error_code(&client, &clock).await, Some(error().code().as_str()));
        assert_eq!(model.requests().len(), asked, "{}", error());
    }
}

#[tokio::test]
async fn a_429_that_comes_after_a_retry_is_not_tried_again() {
    let (clock, model) =
        (Arc::default(), scripted([Step::Fail(unavailable()), Step::Fail(rate_limited(None)), Step::Hang]));
    let client = resilient(model.clone(), &clock, ResilienceOptions::default());
    assert_eq!(error_code(&client, &clock).await, Some("rate_limited"));
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn only_errors_that_may_pass_are_tried_again() {
    for (error, repeated) in errors() {
        let code = error.code().as_str();
        let (clock, model) = (Arc::default(), scripted([Step::Fail(error), Step::says("hello")]));
        let client = resilient(model.clone(), &clock, ResilienceOptions::default());
        assert_eq!(error_code(&client, &clock).await, (!repeated).then_some(code));
        assert_eq!(model.requests().len(), 1 + usize::from(repeated), "{code}");
    }
}

#[tokio::test]
async fn an_error_in_the_place_of_the_first_event_is_tried_again() {
    let (clock, model) = (Arc::default(), scripted([Step::Cut(Vec::new(), unavailable()), Step::says("hello")]));
    let client = resilient(model.clone(), &clock, ResilienceOptions::default());
    assert!(outcome(&client, &clock).await.1.is_none());
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn a_stream_that_ends_without_any_event_is_tried_again() {
    let (clock, model) = (Arc::default(), scripted([Step::Events(Vec::new()), Step::says("hello")]));
    let client = resilient(model.clone(), &clock, ResilienceOptions::default());
    assert_eq!(outcome(&client, &clock).await.0[0], delta("hello"));
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn nothing_is_tried_again_once_an_event_was_handed_out() {
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
async fn retry_after_is_waited_for_with_jitter_on_top() {
    let steps = [Step::Fail(rate_limited(Some(10 * SECOND))), Step::says("hello")];
    let (clock, model) = (Arc::default(), scripted(steps));
    let client = resilient(model, &clock, ResilienceOptions::default());
    assert!(outcome(&client, &clock).await.1.is_none());
    assert_eq!(clock.elapsed(), Duration::from_millis(10_500));
}

#[tokio::test]
async fn a_retry_after_that_is_too_long_is_handed_to_the_caller_at_once() {
    for long in [10 * SECOND + Duration::from_millis(1), 3600 * SECOND, Duration::MAX] {
        let (clock, model) = (Arc::default(), scripted([Step::Fail(rate_limited(Some(long))), Step::says("hello")]));
        let client = resilient(model.clone(), &clock, ResilienceOptions::default());
        let (_, error) = outcome(&client, &clock).await;
        assert!(
            matches!(error, Some(LlmError::RateLimited { retry_after: Some(after), .. }) if after == long),
            "{error:?}"
        );
        assert_eq!((model.requests().len(), clock.elapsed()), (1, Duration::ZERO));
    }
}

#[tokio::test]
async fn a_retry_that_would_begin_behind_the_total_deadline_is_not_waited_for() {
    // Half a second of jitter comes on top.
    for (milliseconds, asked) in [(2499, 2), (2500, 1), (3000, 1)] {
        let retry_after = Duration::from_millis(milliseconds);
        let steps = [Step::Fail(rate_limited(Some(retry_after))), Step::says("hello")];
        let (clock, model) = (Arc::default(), scripted(steps));
        let options =
            ResilienceOptions { deadlines: super::super::Deadlines::within(3 * SECOND), ..Default::default() };
        let client = resilient(model.clone(), &clock, options);
        let limited = error_code(&client, &clock).await == Some("rate_limited");
        assert_eq!((model.requests().len(), limited), (asked, asked == 1));
        assert!(clock.elapsed() < 3 * SECOND);
    }
}

#[test]
fn the_longest_wait_doubles_up_to_its_bound() {
    let options = RetryOptions { unavailable: u32::MAX, ..RetryOptions::default() };
    let longest: retry::Jitter = Box::new(|longest| longest);
    let wait = |retries| retry::wait(&options, &unavailable(), retries, &longest).unwrap().as_millis();
    assert_eq!([0, 1, 2, 3, 4, 40, u32::MAX - 1].map(wait), [500, 1000, 2000, 4000, 5000, 5000, 5000]);
}

#[test]
fn jitter_decides_within_the_bounds_and_never_beyond_them() {
    let options = RetryOptions::default();
    let wait = |jitter: fn(Duration) -> Duration| retry::wait(&options, &unavailable(), 0, &(Box::new(jitter) as _));
    assert_eq!(wait(|_| Duration::ZERO), Some(Duration::ZERO));
    assert_eq!(wait(|longest| longest / 2), Some(Duration::from_millis(250)));
    assert_eq!(wait(|_| Duration::MAX), Some(Duration::from_millis(500)));
}

#[test]
fn chance_draws_from_zero_to_the_longest_wait() {
    let drawn: Vec<_> = (0..1000).map(|_| retry::random_part(SECOND)).collect();
    assert!(drawn.iter().all(|wait| *wait <= SECOND));
    // A thousand fair draws miss a tenth at either end once in 10^45 runs.
    assert!(drawn.iter().any(|wait| *wait < SECOND / 10) && drawn.iter().any(|wait| *wait > SECOND * 9 / 10));
    assert_eq!(retry::random_part(Duration::ZERO), Duration::ZERO);
}

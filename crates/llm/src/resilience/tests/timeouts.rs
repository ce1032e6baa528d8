//! The timeouts for the first event, between events and in total.

use futures_util::FutureExt as _;

use super::super::Timeouts;
use super::*;

/// The error and its cause.
fn with_cause(error: &LlmError) -> String {
    use std::error::Error as _;
    format!("{error}: {}", error.source().unwrap())
}

#[tokio::test]
async fn a_model_without_a_response_times_out_and_is_not_retried() {
    let (clock, model) = (Arc::default(), scripted([Step::Hang, Step::says("hello")]));
    let client = resilient(model.clone(), &clock, ResilienceOptions::default());
    let (events, error) = outcome(&client, &clock).await;
    assert_eq!(with_cause(&error.unwrap()), "the provider did not respond in time: no first event within 60s");
    assert_eq!((events.len(), clock.elapsed(), model.requests().len()), (0, 60 * SECOND, 1));
}

#[tokio::test]
async fn a_stream_without_an_event_times_out() {
    let clock = Arc::default();
    let client = resilient(StreamingLlm::stalling_after([]), &clock, ResilienceOptions::default());
    assert_eq!(error_code(&client, &clock).await, Some("timeout"));
    assert_eq!(clock.elapsed(), 60 * SECOND);
}

#[tokio::test]
async fn a_stalled_reply_times_out_after_the_idle_timeout_and_keeps_its_events() {
    let clock = Arc::default();
    let client = resilient(StreamingLlm::stalling_after([delta("a")]), &clock, ResilienceOptions::default());
    let (events, error) = outcome(&client, &clock).await;
    assert_eq!(with_cause(&error.unwrap()), "the provider did not respond in time: no event for 30s");
    assert_eq!((events, clock.elapsed()), (vec![delta("a")], 30 * SECOND));
}

#[tokio::test]
async fn an_endless_reply_ends_at_the_total_timeout() {
    let clock: Arc<ManualClock> = Arc::default();
    let stream_clock = clock.clone();
    let endless = stream::repeat_with(move || {
        stream_clock.advance(7 * SECOND);
        Ok(delta("a"))
    });
    // Finite, so that a failing test ends.
    let endless = endless.take(1000);
    let client = resilient(StreamingLlm::new(endless.boxed()), &clock, ResilienceOptions::default());
    let (events, error) = outcome(&client, &clock).await;
    assert_eq!(
        with_cause(&error.unwrap()),
        "the provider did not respond in time: no complete reply within 120s, retries included"
    );
    // Each event is ready at once, so the deadline is noticed at the first poll after it.
    assert_eq!((events.len(), clock.elapsed()), (18, 126 * SECOND));
}

#[tokio::test]
async fn the_total_timeout_includes_retries_and_their_delays() {
    let (clock, model) = (Arc::default(), scripted([Step::Fail(rate_limited(Some(5 * SECOND))), Step::Hang]));
    let timeouts = Timeouts { first_event: 20 * SECOND, total: 21 * SECOND, ..Timeouts::default() };
    let options = ResilienceOptions { timeouts, ..ResilienceOptions::default() };
    let client = resilient(model.clone(), &clock, options);
    assert_eq!(error_code(&client, &clock).await, Some("timeout"));
    assert_eq!((model.requests().len(), clock.elapsed()), (2, 21 * SECOND));
}

#[tokio::test]
async fn the_idle_timeout_does_not_count_a_slow_reader() {
    let clock: Arc<ManualClock> = Arc::default();
    let model = scripted([Step::Events(vec![delta("a"), delta("b"), finished()])]);
    let client = resilient(model, &clock, ResilienceOptions::default());
    let mut stream = client.respond(request()).await.unwrap();
    for _ in 0..3 {
        clock.advance(35 * SECOND);
        assert!(stream.next().await.unwrap().is_ok());
    }
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn events_within_the_timeouts_are_passed_on() {
    let clock: Arc<ManualClock> = Arc::default();
    let (first, rest) = (clock.clone(), clock.clone());
    let events = stream::once(async move { first.sleep(59 * SECOND).await })
        .chain(stream::repeat_with(move || rest.clone()).then(|clock| async move { clock.sleep(29 * SECOND).await }))
        .take(3)
        .map(|()| Ok(delta("a")))
        .chain(stream::iter([Ok(finished())]));
    let client = resilient(StreamingLlm::new(events.boxed()), &clock, ResilienceOptions::default());
    let (events, error) = outcome(&client, &clock).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((events.len(), clock.elapsed()), (4, 117 * SECOND));
}

#[tokio::test]
async fn thinking_counts_as_an_event_for_the_first_event_and_idle_timeouts() {
    let clock: Arc<ManualClock> = Arc::default();
    let stream_clock = clock.clone();
    let thoughts =
        stream::repeat_with(move || stream_clock.clone()).then(|clock| async move { clock.sleep(25 * SECOND).await });
    let events =
        thoughts.take(4).map(|()| Ok(LlmEvent::Thinking)).chain(stream::iter([Ok(delta("a")), Ok(finished())]));
    let client = resilient(StreamingLlm::new(events.boxed()), &clock, ResilienceOptions::default());
    let (events, error) = outcome(&client, &clock).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((events.len(), clock.elapsed()), (6, 100 * SECOND));

    let clock = Arc::default();
    let client = resilient(StreamingLlm::stalling_after([LlmEvent::Thinking]), &clock, ResilienceOptions::default());
    let (events, error) = outcome(&client, &clock).await;
    assert_eq!(with_cause(&error.unwrap()), "the provider did not respond in time: no event for 30s");
    assert_eq!((events, clock.elapsed()), (vec![LlmEvent::Thinking], 30 * SECOND));
}

#[tokio::test]
async fn no_events_follow_the_end_or_an_error() {
    let items = [Ok(delta("a")), Err(unavailable()), Ok(delta("late"))];
    let client =
        resilient(StreamingLlm::new(stream::iter(items).boxed()), &Arc::default(), ResilienceOptions::default());
    let items: Vec<_> = client.respond(request()).await.unwrap().collect().await;
    assert_eq!((items.len(), items[1].is_err()), (2, true));

    let model = scripted([Step::Events(vec![finished(), delta("late")])]);
    let client = resilient(model, &Arc::default(), ResilienceOptions::default());
    let items: Vec<_> = client.respond(request()).await.unwrap().collect().await;
    assert_eq!(items.len(), 1);
}

#[tokio::test]
async fn a_dropped_call_stops_waiting() {
    let clock: Arc<ManualClock> = Arc::default();
    let client = resilient(scripted([Step::Hang]), &clock, ResilienceOptions::default());
    assert!(client.respond(request()).now_or_never().is_none());
    assert!(!clock.has_sleepers());
}

#[test]
fn timeouts_scale_with_the_total() {
    let timeouts = |seconds: u32| {
        let Timeouts { first_event, idle, total } = Timeouts::from_total(seconds * SECOND);
        [first_event, idle, total].map(|timeout| timeout.as_secs())
    };
    assert_eq!(timeouts(120), [60, 30, 120]);
    assert_eq!(timeouts(600), [300, 150, 600]);
    assert_eq!(timeouts(45), [45, 30, 45]);
    assert_eq!(timeouts(1), [1, 1, 1]);
    assert_eq!(Timeouts::from_total(120 * SECOND), Timeouts::default());
}

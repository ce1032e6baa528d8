//! What does not come in time.

use futures_util::FutureExt as _;

use super::super::Deadlines;
use super::*;

/// The error's whole story.
fn story(error: &LlmError) -> String {
    use std::error::Error as _;
    format!("{error}: {}", error.source().unwrap())
}

#[tokio::test]
async fn a_model_that_says_nothing_is_given_up_at_the_deadline_of_the_first_event_and_not_asked_again() {
    let (clock, model) = (Arc::default(), scripted([Step::Hang, Step::says("hello")]));
    let client = resilient(model.clone(), &clock, ResilienceOptions::default());
    let (events, error) = outcome(&client, &clock).await;
    assert_eq!(story(&error.unwrap()), "the provider did not respond in time: no first event within 60s");
    assert_eq!((events.len(), clock.elapsed(), model.requests().len()), (0, 60 * SECOND, 1));
}

#[tokio::test]
async fn a_stream_that_opens_and_stays_silent_is_given_up_at_the_deadline_of_the_first_event() {
    let clock = Arc::default();
    let client = resilient(StreamingLlm::that_stalls_after([]), &clock, ResilienceOptions::default());
    assert_eq!(error_code(&client, &clock).await, Some("timeout"));
    assert_eq!(clock.elapsed(), 60 * SECOND);
}

#[tokio::test]
async fn an_answer_that_stalls_ends_at_the_deadline_between_events_and_keeps_what_came() {
    let clock = Arc::default();
    let client = resilient(StreamingLlm::that_stalls_after([delta("a")]), &clock, ResilienceOptions::default());
    let (events, error) = outcome(&client, &clock).await;
    assert_eq!(story(&error.unwrap()), "the provider did not respond in time: no event for 30s");
    assert_eq!((events, clock.elapsed()), (vec![delta("a")], 30 * SECOND));
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut_at_the_total_deadline() {
    let clock: Arc<ManualClock> = Arc::default();
    let slow = clock.clone();
    let endless = stream::repeat_with(move || {
        slow.advance(7 * SECOND);
        Ok(delta("a"))
    });
    // Enough to be endless here, and an end for a test that fails.
    let endless = endless.take(1000);
    let client = resilient(StreamingLlm::that_streams(endless.boxed()), &clock, ResilienceOptions::default());
    let (events, error) = outcome(&client, &clock).await;
    assert_eq!(
        story(&error.unwrap()),
        "the provider did not respond in time: no whole answer within 120s, retries included"
    );
    // Nobody waited: each event was there at once, and so the deadline is seen at the first one behind it.
    assert_eq!((events.len(), clock.elapsed()), (18, 126 * SECOND));
}

#[tokio::test]
async fn the_total_deadline_counts_retries_and_their_waits() {
    let (clock, model) = (Arc::default(), scripted([Step::Fail(rate_limited(Some(5 * SECOND))), Step::Hang]));
    let deadlines = Deadlines { first_event: 20 * SECOND, total: 21 * SECOND, ..Deadlines::default() };
    let options = ResilienceOptions { deadlines, ..ResilienceOptions::default() };
    let client = resilient(model.clone(), &clock, options);
    assert_eq!(error_code(&client, &clock).await, Some("timeout"));
    assert_eq!((model.requests().len(), clock.elapsed()), (2, 21 * SECOND));
}

#[tokio::test]
async fn a_reader_who_takes_their_time_is_not_held_against_the_provider() {
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
async fn an_event_within_each_deadline_is_handed_on_when_it_comes() {
    let clock: Arc<ManualClock> = Arc::default();
    let (first, rest) = (clock.clone(), clock.clone());
    let events = stream::once(async move { first.sleep(59 * SECOND).await })
        .chain(stream::repeat_with(move || rest.clone()).then(|clock| async move { clock.sleep(29 * SECOND).await }))
        .take(3)
        .map(|()| Ok(delta("a")))
        .chain(stream::iter([Ok(finished())]));
    let client = resilient(StreamingLlm::that_streams(events.boxed()), &clock, ResilienceOptions::default());
    let (events, error) = outcome(&client, &clock).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((events.len(), clock.elapsed()), (4, 117 * SECOND));
}

#[tokio::test]
async fn thoughts_are_a_sign_of_life_for_both_deadlines() {
    let clock: Arc<ManualClock> = Arc::default();
    let slow = clock.clone();
    let thoughts =
        stream::repeat_with(move || slow.clone()).then(|clock| async move { clock.sleep(25 * SECOND).await });
    let events =
        thoughts.take(4).map(|()| Ok(LlmEvent::Thinking)).chain(stream::iter([Ok(delta("a")), Ok(finished())]));
    let client = resilient(StreamingLlm::that_streams(events.boxed()), &clock, ResilienceOptions::default());
    let (events, error) = outcome(&client, &clock).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((events.len(), clock.elapsed()), (6, 100 * SECOND));

    let clock = Arc::default();
    let client = resilient(StreamingLlm::that_stalls_after([LlmEvent::Thinking]), &clock, ResilienceOptions::default());
    let (events, error) = outcome(&client, &clock).await;
    assert_eq!(story(&error.unwrap()), "the provider did not respond in time: no event for 30s");
    assert_eq!((events, clock.elapsed()), (vec![LlmEvent::Thinking], 30 * SECOND));
}

#[tokio::test]
async fn nothing_follows_behind_the_end_or_an_error() {
    let late = [Ok(delta("a")), Err(unavailable()), Ok(delta("late"))];
    let client = resilient(
        StreamingLlm::that_streams(stream::iter(late).boxed()),
        &Arc::default(),
        ResilienceOptions::default(),
    );
    let items: Vec<_> = client.respond(request()).await.unwrap().collect().await;
    assert_eq!((items.len(), items[1].is_err()), (2, true));

    let model = scripted([Step::Events(vec![finished(), delta("late")])]);
    let client = resilient(model, &Arc::default(), ResilienceOptions::default());
    let items: Vec<_> = client.respond(request()).await.unwrap().collect().await;
    assert_eq!(items.len(), 1);
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_waits_is_over() {
    let clock: Arc<ManualClock> = Arc::default();
    let client = resilient(scripted([Step::Hang]), &clock, ResilienceOptions::default());
    assert!(client.respond(request()).now_or_never().is_none());
    assert!(!clock.has_sleepers());
}

#[test]
fn the_other_deadlines_follow_the_total() {
    let deadlines = |seconds: u32| {
        let Deadlines { first_event, between_events, total } = Deadlines::within(seconds * SECOND);
        [first_event, between_events, total].map(|deadline| deadline.as_secs())
    };
    assert_eq!(deadlines(120), [60, 30, 120]);
    assert_eq!(deadlines(600), [300, 150, 600]);
    assert_eq!(deadlines(45), [45, 30, 45]);
    assert_eq!(deadlines(1), [1, 1, 1]);
    assert_eq!(Deadlines::within(120 * SECOND), Deadlines::default());
}

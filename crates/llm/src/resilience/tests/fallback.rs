//! When another model stands in, what it says first, and what is told of the failure.

use super::super::FallbackClient;
use super::log::Log;
use super::*;

/// A model under other names.
struct Named(Arc<ScriptedLlm>);

#[async_trait]
impl LlmClient for Named {
    fn provider(&self) -> &'static str {
        "spare"
    }

    fn model(&self) -> &'static str {
        "wheel"
    }

    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError> {
        self.0.respond(request).await
    }
}

fn fallback(primary: &Arc<ScriptedLlm>, stand_in: &Arc<ScriptedLlm>) -> FallbackClient {
    FallbackClient::new(primary.clone(), Arc::new(Named(stand_in.clone())))
}

fn stood_in() -> LlmEvent {
    LlmEvent::FallbackUsed { provider: "spare".into(), model: "wheel".into() }
}

#[tokio::test]
async fn a_primary_that_answers_is_handed_on_and_the_stand_in_not_asked() {
    let answer = vec![delta("a"), delta("b"), finished()];
    let (primary, stand_in) = (scripted([Step::Events(answer.clone())]), scripted([]));
    let (events, error) = outcome(&fallback(&primary, &stand_in), &ManualClock::default()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((events, stand_in.requests().len()), (answer, 0));
}

#[tokio::test]
async fn whatever_stops_the_primary_before_its_first_event_the_stand_in_answers_and_says_so_first() {
    let steps = errors().map(|(error, _)| Step::Fail(error)).into_iter();
    let thoughts = || vec![LlmEvent::Thinking, LlmEvent::Thinking];
    let none = [Step::Cut(Vec::new(), unavailable()), Step::Events(Vec::new())];
    for step in steps.chain(none).chain([Step::Cut(thoughts(), unavailable()), Step::Events(thoughts())]) {
        let (primary, stand_in) = (scripted([step]), scripted([Step::Events(vec![delta("a"), finished()])]));
        let mut asked = request();
        asked.system = "be kind".into();
        let client = fallback(&primary, &stand_in);
        let events: Vec<_> = client.respond(asked).await.unwrap().map(Result::unwrap).collect().await;
        assert_eq!(events, [stood_in(), delta("a"), finished()]);
        assert_eq!(stand_in.requests()[0].system, "be kind");
    }
}

#[tokio::test]
async fn a_primary_that_fails_after_its_first_event_is_not_replaced() {
    let (primary, stand_in) = (scripted([Step::Cut(vec![delta("a")], unavailable())]), scripted([Step::says("b")]));
    let (events, error) = outcome(&fallback(&primary, &stand_in), &ManualClock::default()).await;
    assert_eq!((events, error.map(|error| error.code().as_str())), (vec![delta("a")], Some("unavailable")));
    assert_eq!(stand_in.requests().len(), 0);
}

#[tokio::test]
async fn thoughts_before_the_first_word_are_waited_through_and_later_ones_handed_on() {
    let answer = vec![LlmEvent::Thinking, delta("a"), LlmEvent::Thinking, finished()];
    let (primary, stand_in) = (scripted([Step::Events(answer.clone())]), scripted([]));
    let (events, error) = outcome(&fallback(&primary, &stand_in), &ManualClock::default()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(events, answer[1..]);
}

#[tokio::test]
async fn when_both_fail_the_caller_gets_the_primary_s_error() {
    for step in [Step::Fail(unavailable()), Step::Cut(Vec::new(), unavailable())] {
        let (primary, stand_in) = (scripted([Step::Fail(rate_limited(Some(SECOND)))]), scripted([step]));
        let (events, error) = outcome(&fallback(&primary, &stand_in), &ManualClock::default()).await;
        assert!(matches!(error, Some(LlmError::RateLimited { retry_after: Some(SECOND), .. })), "{error:?}");
        assert_eq!(events, []);
    }
}

#[tokio::test]
async fn the_names_are_the_primary_s() {
    let client = fallback(&scripted([]), &scripted([]));
    assert_eq!((client.provider(), client.model()), ("scripted", "script"));
}

#[tokio::test]
async fn a_provider_whose_breaker_is_open_is_replaced_at_once() {
    let clock = Arc::default();
    let primary = scripted((0..10).map(|_| Step::Fail(unavailable())));
    let primary_client = resilient(primary.clone(), &clock, ResilienceOptions::default());
    let stand_in = scripted((0..3).map(|_| Step::says("a")));
    let client = FallbackClient::new(Arc::new(primary_client), Arc::new(Named(stand_in)));
    for _ in 0..3 {
        assert_eq!(outcome(&client, &clock).await.0[0], stood_in());
    }
    // Three tries, two tries that open it, none.
    assert_eq!(primary.requests().len(), 5);
}

#[tokio::test]
async fn every_error_that_the_caller_does_not_get_is_in_the_log_with_its_cause() {
    let (log, _until_the_end) = Log::begin();
    let (primary, stand_in) = (scripted([Step::Fail(unauthorized())]), scripted([Step::Fail(unavailable())]));
    outcome(&fallback(&primary, &stand_in), &ManualClock::default()).await;
    let log = log.text();
    for error in ["the provider refused the key: 401", "the provider cannot be reached: refused"] {
        assert!(log.lines().any(|line| line.contains("WARN") && line.contains(error)), "{error}: {log}");
    }
}

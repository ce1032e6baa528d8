//! When the fallback answers, its first event, and the log.

use super::super::FallbackClient;
use super::log::Log;
use super::*;

/// A client with another provider and model.
struct Spare(Arc<ScriptedLlm>);

#[async_trait]
impl LlmClient for Spare {
    fn provider(&self) -> &'static str {
        "spare"
    }

    fn model(&self) -> &'static str {
        "wheel"
    }

    fn source(&self) -> String {
        "spare wheel".to_owned()
    }

    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError> {
        self.0.respond(request).await
    }
}

fn client(primary: &Arc<ScriptedLlm>, fallback: &Arc<ScriptedLlm>) -> FallbackClient {
    FallbackClient::new(primary.clone(), Arc::new(Spare(fallback.clone())))
}

fn fallback_used() -> LlmEvent {
    LlmEvent::FallbackUsed { provider: "spare".into(), model: "wheel".into() }
}

#[tokio::test]
async fn the_fallback_is_not_called_if_the_primary_answers() {
    let reply = vec![delta("a"), delta("b"), finished()];
    let (primary, fallback) = (scripted([Step::Events(reply.clone())]), scripted([]));
    let (events, error) = outcome(&client(&primary, &fallback), &ManualClock::default()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((events, fallback.requests().len()), (reply, 0));
}

#[tokio::test]
async fn the_fallback_answers_after_any_error_before_the_first_event() {
    let steps = errors().map(|(error, _)| Step::Fail(error)).into_iter();
    let thoughts = || vec![LlmEvent::Thinking, LlmEvent::Thinking];
    let without_events = [Step::Cut(Vec::new(), unavailable()), Step::Events(Vec::new())];
    for step in steps.chain(without_events).chain([Step::Cut(thoughts(), unavailable()), Step::Events(thoughts())]) {
        let (primary, fallback) = (scripted([step]), scripted([Step::Events(vec![delta("a"), finished()])]));
        let mut request = request();
        request.system = "be kind".into();
        let client = client(&primary, &fallback);
        let events: Vec<_> = client.respond(request).await.unwrap().map(Result::unwrap).collect().await;
        assert_eq!(events, [fallback_used(), delta("a"), finished()]);
        assert_eq!(fallback.requests()[0].system, "be kind");
    }
}

#[tokio::test]
async fn the_fallback_gets_no_provider_data_of_the_primary() {
    let fallback = scripted([Step::says("a")]);
    let primary = scripted([Step::Fail(unavailable())]);
    let client = client(&primary, &fallback);
    let mut request = request();
    request.messages = vec![domain::llm::LlmMessage::Assistant {
        text: "Hi".into(),
        plan: None,
        calls: Vec::new(),
        provider_data: Some("of the primary".into()),
    }];
    let events: Vec<_> = client.respond(request).await.unwrap().collect().await;
    assert_eq!(events.len(), 3, "{events:?}");
    assert!(format!("{:?}", primary.requests()).contains("of the primary"));
    assert!(!format!("{:?}", fallback.requests()).contains("of the primary"));
    assert_eq!(client.source(), primary.source());
}

#[tokio::test]
async fn an_error_after_the_first_event_is_returned() {
    let (primary, fallback) = (scripted([Step::Cut(vec![delta("a")], unavailable())]), scripted([Step::says("b")]));
    let (events, error) = outcome(&client(&primary, &fallback), &ManualClock::default()).await;
    assert_eq!((events, error.map(|error| error.code().as_str())), (vec![delta("a")], Some("unavailable")));
    assert_eq!(fallback.requests().len(), 0);
}

#[tokio::test]
async fn thinking_before_the_first_event_is_dropped_and_later_thinking_is_kept() {
    let reply = vec![LlmEvent::Thinking, delta("a"), LlmEvent::Thinking, finished()];
    let (primary, fallback) = (scripted([Step::Events(reply.clone())]), scripted([]));
    let (events, error) = outcome(&client(&primary, &fallback), &ManualClock::default()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(events, reply[1..]);
}

#[tokio::test]
async fn the_primary_s_error_is_returned_if_both_fail() {
    for step in [Step::Fail(unavailable()), Step::Cut(Vec::new(), unavailable())] {
        let (primary, fallback) = (scripted([Step::Fail(rate_limited(Some(SECOND)))]), scripted([step]));
        let (events, error) = outcome(&client(&primary, &fallback), &ManualClock::default()).await;
        assert!(matches!(error, Some(LlmError::RateLimited { retry_after: Some(SECOND), .. })), "{error:?}");
        assert_eq!(events, []);
    }
}

#[tokio::test]
async fn provider_and_model_are_the_primary_s() {
    let client = client(&scripted([]), &scripted([]));
    assert_eq!((client.provider(), client.model()), ("scripted", "script"));
}

#[tokio::test]
async fn the_fallback_answers_at_once_while_the_breaker_is_open() {
    let clock = Arc::default();
    let primary = scripted((0..10).map(|_| Step::Fail(unavailable())));
    let primary_client = resilient(primary.clone(), &clock, ResilienceOptions::default());
    let fallback = scripted((0..3).map(|_| Step::says("a")));
    let client = FallbackClient::new(Arc::new(primary_client), Arc::new(Spare(fallback)));
    for _ in 0..3 {
        assert_eq!(outcome(&client, &clock).await.0[0], fallback_used());
    }
    // Three attempts, two attempts of which the second opens the breaker, none.
    assert_eq!(primary.requests().len(), 5);
}

#[tokio::test]
async fn errors_of_both_clients_are_logged_with_their_causes() {
    let (log, _guard) = Log::capture();
    let (primary, fallback) = (scripted([Step::Fail(unauthorized())]), scripted([Step::Fail(unavailable())]));
    outcome(&client(&primary, &fallback), &ManualClock::default()).await;
    let log = log.text();
    for error in ["the provider refused the key: 401", "the provider cannot be reached: refused"] {
        assert!(log.lines().any(|line| line.contains("WARN") && line.contains(error)), "{error}: {log}");
    }
}

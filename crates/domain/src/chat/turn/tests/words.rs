//! Replies of nothing but thoughts or a plan.

use super::*;

const REQUEST: &str = "Your last reply had no words.";

fn finished() -> LlmEvent {
    LlmEvent::Finished { reason: FinishReason::Stop, usage: None }
}

fn thinks() -> Step {
    Step::Events(vec![LlmEvent::Thinking, finished()])
}

fn plans() -> Step {
    Step::Events(vec![LlmEvent::PlanDelta("I add it.".into()), finished()])
}

fn adds() -> Step {
    Step::calls("add_task", &json!({"title": "milk"}))
}

/// Whether each request asks for words.
fn asked(llm: &ScriptedLlm) -> Vec<bool> {
    llm.requests().iter().map(|request| request.system.contains(REQUEST)).collect()
}

#[tokio::test]
async fn a_reply_without_words_is_asked_for_them() {
    for wordless in [thinks(), plans()] {
        let recorded = Recorded::default();
        let llm = Arc::new(ScriptedLlm::new([wordless, Step::says("Hello.")]));
        let answer = send(ports(recorded.repo(), llm.clone(), idle())).await.unwrap();
        assert_eq!((answer.response.as_str(), asked(&llm)), ("Hello.", vec![false, true]));
        let requests = llm.requests();
        assert_eq!(requests[1].messages, requests[0].messages, "the request is no message");
        let texts = recorded.ended().parts.iter().filter(|part| matches!(part, Part::Text { .. })).count();
        assert_eq!((content(&recorded.ended().parts).as_str(), texts), ("Hello.", 1));
    }
}

#[tokio::test]
async fn a_reply_without_words_is_asked_for_them_once() {
    let recorded = Recorded::default();
    let llm = Arc::new(ScriptedLlm::new([thinks(), thinks(), Step::says("unreachable")]));
    let error = send(ports(recorded.repo(), llm.clone(), idle())).await.unwrap_err();
    assert!(matches!(error, ChatError::Model { source: LlmError::BadReply(_), .. }), "{error:?}");
    assert_eq!(asked(&llm), [false, true]);
    assert_eq!(content(&recorded.ended().parts), "The assistant could not answer. Nothing was changed.");

    let llm = Arc::new(ScriptedLlm::new([adds(), thinks(), plans(), Step::says("unreachable")]));
    let answer = send(ports(Recorded::default().repo(), llm.clone(), succeeding())).await.unwrap();
    assert_eq!((answer.response.as_str(), asked(&llm)), ("add_task ran", vec![false, false, true]));
}

#[tokio::test]
async fn a_call_answers_the_request_for_words() {
    let llm = Arc::new(ScriptedLlm::new([plans(), adds(), thinks(), Step::says("unreachable")]));
    let answer = send(ports(Recorded::default().repo(), llm.clone(), succeeding())).await.unwrap();
    assert_eq!((answer.response.as_str(), asked(&llm)), ("add_task ran", vec![false, true, false]));
}

#[tokio::test]
async fn words_and_empty_replies_are_not_asked_again() {
    let words = Step::Events(vec![LlmEvent::Thinking, LlmEvent::TextDelta("Hello.".into()), finished()]);
    let llm = Arc::new(ScriptedLlm::new([words]));
    assert_eq!(send(ports(Recorded::default().repo(), llm, idle())).await.unwrap().response, "Hello.");
    let llm = Arc::new(ScriptedLlm::new([Step::says(""), Step::says("unreachable")]));
    send(ports(Recorded::default().repo(), llm.clone(), idle())).await.unwrap_err();
    assert_eq!(llm.requests().len(), 1);
}

#[tokio::test]
async fn the_last_round_is_not_asked_again() {
    let steps = (0..7_u8).map(|n| Step::calls("add_task", &json!({"title": n.to_string()}))).chain([thinks()]);
    let llm = Arc::new(ScriptedLlm::new(steps));
    let answer = send(ports(Recorded::default().repo(), llm.clone(), succeeding())).await.unwrap();
    assert_eq!(llm.requests().len(), 8);
    assert!(answer.response.starts_with("add_task ran\n"), "{}", answer.response);
}

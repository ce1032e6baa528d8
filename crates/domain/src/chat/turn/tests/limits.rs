//! Limits of rounds, calls and corrections.

use super::*;

async fn answer_to(steps: Vec<Step>, tools: MockToolExecutor) -> (TurnAnswer, usize) {
    let llm = Arc::new(ScriptedLlm::new(steps));
    let answer = send(ports(Recorded::default().repo(), llm.clone(), tools)).await.unwrap();
    (answer, llm.requests().len())
}

#[tokio::test]
async fn wrong_arguments_run_nothing_and_are_corrected_at_most_twice() {
    let broken = || Step::calls_raw([("add_task", "{\"title\": ")]);
    let (answer, requests) = answer_to(vec![broken(), Step::says("Sorry.")], idle()).await;
    assert_eq!((answer.response.as_str(), requests), ("Sorry.", 2));
    assert!(!answer.tool_calls[0].result.as_ref().unwrap().success);

    let wrong = |n: u8| Step::calls("add_task", &json!({"titel": n}));
    let mut tools = idle();
    tools.expect_run().times(3).returning(|_, _, _| Err(ToolError::BadParameters("unknown field `titel`".into())));
    let (answer, requests) = answer_to(vec![wrong(1), wrong(2), wrong(3), Step::says("unreachable")], tools).await;
    assert_eq!(requests, 3, "two corrections");
    assert!(answer.response.ends_with("Nothing was changed."), "{}", answer.response);
}

#[tokio::test]
async fn the_third_identical_call_ends_the_turn_without_running() {
    let same = || Step::calls("list_tasks", &json!({}));
    let mut tools = idle();
    let ran = |_: &crate::tool::ToolContext, _: &str, data: Value| {
        Ok(ToolOutcome::Done { message: "ok".into(), data, changes: vec![] })
    };
    tools.expect_run().times(2).returning(ran);
    let (answer, requests) = answer_to(vec![same(), same(), same(), same()], tools).await;
    assert_eq!(requests, 3);
    assert!(answer.response.contains("the same step"), "{}", answer.response);
    assert!(answer.response.ends_with("Nothing was changed."), "a list changes nothing: {}", answer.response);
    assert!(answer.tool_calls.iter().all(|call| call.result.is_some()), "{answer:?}");
}

#[tokio::test]
async fn a_turn_has_at_most_eight_rounds() {
    let step = |n: u8| Step::calls("add_task", &json!({"title": n.to_string()}));
    let (answer, requests) = answer_to((0..20).map(step).collect(), succeeding()).await;
    assert_eq!((requests, answer.tool_calls.len()), (8, 8));
    assert!(answer.response.contains("too many steps. What was done so far stands."), "{}", answer.response);
}

#[tokio::test]
async fn more_than_32_calls_in_a_round_run_none_of_them() {
    let arguments: Vec<String> = (0..33).map(|n| json!({"title": n.to_string()}).to_string()).collect();
    let many = Step::calls_raw(arguments.iter().map(|arguments| ("add_task", arguments.as_str())));
    let (answer, requests) = answer_to(vec![many], idle()).await;
    assert_eq!((requests, answer.tool_calls.len()), (1, 0));
    assert!(answer.response.ends_with("Nothing was changed."), "{}", answer.response);
}

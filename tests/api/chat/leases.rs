//! Leases of turns, by the database's clock.

use chrono::TimeDelta;
use domain::llm::Step;
use futures_channel::oneshot;
use tests::{TestApp, on_both_databases, wait_until};

on_both_databases! {
    async fn a_server_whose_clock_is_an_hour_off_leaves_the_turns_of_others_alone(app: TestApp) {
        let ada = app.register("ada").await?;
        let conversation = ada.say("hello", None).await?.expect(200)?["conversation_id"].clone();
        let conversation = conversation.as_str().unwrap_or_default();
        for ahead in [TimeDelta::hours(1), TimeDelta::hours(-1)] {
            let other = app.another(ahead, &["--instance-id", "other"]).await?;
            for (runs, asks) in [(&app, &other), (&other, &app)] {
                // Each server refuses a token that the other one has made, because its times are those of its clock.
                let (running, asking) = (runs.login("ada").await?, asks.login("ada").await?);
                let (open, gate) = oneshot::channel();
                let Step::Events(events) = Step::says("late") else { unreachable!() };
                let script = runs.script([Step::Gated(gate, events)]);
                let turn = tokio::spawn({
                    let conversation = conversation.to_owned();
                    async move { running.say("one", Some(&conversation)).await }
                });
                wait_until("the request to the model", async || Ok(script.requests().len() == 1)).await?;
                let refused = asking.say("two", Some(conversation)).await?;
                refused.expect_problem(409, "TURN_IN_PROGRESS", None)?;
                open.send(()).map_err(|()| anyhow::anyhow!("the turn has ended"))?;
                let answer = turn.await??.expect(200)?;
                assert_eq!((&answer["response"], &answer["status"]), (&"late".into(), &"complete".into()), "{ahead}");
            }
        }
    }
}

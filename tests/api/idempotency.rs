//! Idempotency keys of requests other than messages: a repeated request gets the first answer and has no second effect.

use chrono::TimeDelta;
use domain::llm::Step;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, TestApp, TestUser, on_both_databases, wait_until};

const TASKS: &str = "/api/{me}/tasks";

async fn once(user: &TestUser, key: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
    user.send_with(Method::POST, path, body, &[("idempotency-key", key)]).await
}

async fn add_once(user: &TestUser, key: &str, title: &str) -> anyhow::Result<Answer> {
    once(user, key, TASKS, Some(&json!({"title": title}))).await
}

/// What a client sees of an answer.
fn seen(answer: &Answer) -> (u16, String, String, String) {
    (answer.status.as_u16(), answer.text.clone(), answer.header("location").into(), answer.header("etag").into())
}

fn id(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn task(id: &str) -> String {
    format!("/api/{{me}}/tasks/{id}")
}

async fn rename(user: &TestUser, id: &str, title: &str) -> anyhow::Result<()> {
    user.patch(&task(id), json!({"title": title})).await?.expect(200).map(|_| ())
}

fn undo_path(answer: &Value) -> String {
    let (conversation, message) = (id(answer, "conversation_id"), id(answer, "message_id"));
    format!("/api/{{me}}/conversations/{conversation}/messages/{message}/undo")
}

/// A request of each kind, each with an effect, with several, with some skipped, and without any.
async fn requests(app: &TestApp, ada: &TestUser) -> anyhow::Result<Vec<(String, Option<Value>)>> {
    let milk = id(&ada.add("milk").await?, "id");
    let bread = id(&ada.add("bread").await?, "id");
    ada.delete(&task(&bread)).await?.expect(204)?;
    let tea = id(&ada.add("tea").await?, "id");
    rename(ada, &tea, "green tea").await?;
    rename(ada, &tea, "black tea").await?;
    let eggs = ada.add("eggs").await?;
    let operation = ada.changes(6).await?[0]["operation_id"].clone();
    let adds = [json!({"title": "kiwi"}).to_string(), json!({"title": "pear"}).to_string()];
    let mut turns = Vec::new();
    for _ in 0..2 {
        let calls = adds.each_ref().map(|parameters| ("add_task", parameters.as_str()));
        app.script([Step::calls_raw(calls), Step::says("Added.")]);
        turns.push(ada.say("add kiwi and pear", None).await?.expect(200)?);
    }
    rename(ada, &id(&turns[0]["changes"][0]["task"], "id"), "gold kiwi").await?;
    let skip = Some(json!({"on_conflict": "skip"}));
    anyhow::ensure!(!eggs.is_null());
    Ok(vec![
        (TASKS.to_owned(), Some(json!({"title": " jam ", "completed": true}))),
        (format!("{}/restore", task(&bread)), None),
        (format!("{}/restore", task(&milk)), None),
        ("/api/{me}/changes/1/undo".to_owned(), None),
        ("/api/{me}/changes/5/undo".to_owned(), skip.clone()),
        (format!("/api/{{me}}/operations/{}/undo", operation.as_str().unwrap_or_default()), Some(json!({}))),
        (undo_path(&turns[0]), skip),
        (undo_path(&turns[1]), None),
    ])
}

on_both_databases! {
    async fn a_repeated_request_gets_the_first_answer_and_has_no_second_effect(app: TestApp) {
        let ada = app.register("ada").await?;
        let requests = requests(&app, &ada).await?;
        let mut first = Vec::new();
        for (key, (path, body)) in requests.iter().enumerate() {
            let answer = once(&ada, &key.to_string(), path, body.as_ref()).await?;
            assert!(answer.status.is_success(), "{path}: {}", answer.text);
            first.push(seen(&answer));
        }
        let undone: Value = serde_json::from_str(&first[6].1)?;
        let counts = |answer: &Value| [&answer["changes"], &answer["conflicts"]].map(|list| list.as_array().map(Vec::len));
        assert_eq!(counts(&undone), [Some(1), Some(1)], "{undone}");
        let skipped: Value = serde_json::from_str(&first[4].1)?;
        assert_eq!((counts(&skipped), &skipped["operation_id"]), ([Some(0), Some(1)], &Value::Null), "{skipped}");

        for round in 0..2 {
            let head = ada.changes(0).await?.len();
            for (key, (path, body)) in requests.iter().enumerate() {
                let again = once(&ada, &key.to_string(), path, body.as_ref()).await?;
                assert_eq!(seen(&again), first[key], "round {round}, {path}");
            }
            assert_eq!(ada.changes(0).await?.len(), head);
            // Whatever becomes of the tasks.
            for listed in ada.all_pages(TASKS).await? {
                rename(&ada, &id(&listed, "id"), "changed").await?;
                ada.delete(&task(&id(&listed, "id"))).await?.expect(204)?;
            }
            let trash = ada.all_pages("/api/{me}/trash").await?;
            for deleted in &trash {
                ada.send(Method::POST, &format!("{}/restore", task(&id(deleted, "id"))), None).await?.expect(200)?;
            }
        }
    }
}

on_both_databases! {
    async fn twenty_requests_at_once_have_one_effect_and_one_answer(app: TestApp) {
        let ada = app.register("ada").await?;
        let deleted = id(&ada.add("bread").await?, "id");
        ada.delete(&task(&deleted)).await?.expect(204)?;
        ada.add("milk").await?;
        let jam = Some(json!({"title": "jam"}));
        for (key, path, body, effects) in [
            ("create", TASKS.to_owned(), jam, 1),
            ("restore", format!("{}/restore", task(&deleted)), None, 1),
            ("undo", "/api/{me}/changes/3/undo".to_owned(), None, 1),
            ("unchanged", format!("{}/restore", task(&deleted)), None, 0),
        ] {
            let head = ada.changes(0).await?.len();
            let send = |_| {
                let (ada, path, body) = (ada.clone(), path.clone(), body.clone());
                tokio::spawn(async move { once(&ada, key, &path, body.as_ref()).await })
            };
            let mut answers = Vec::new();
            for handle in (0..20).map(send).collect::<Vec<_>>() {
                answers.push(seen(&handle.await??));
            }
            assert!([200, 201].contains(&answers[0].0), "{:?}", answers[0]);
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
            assert_eq!(ada.changes(0).await?.len(), head + effects, "{key}");
        }
    }
}

on_both_databases! {
    async fn a_key_is_that_of_one_request_of_one_user(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let first = seen(&add_once(&ada, "k", "milk").await?);
        // The same request in other words.
        let spelled = once(&ada, "k", TASKS, Some(&json!({"completed": null, "title": " milk"}))).await?;
        assert_eq!(seen(&spelled), first);
        let created: Value = serde_json::from_str(&first.1)?;
        let restore = format!("{}/restore", task(&id(&created, "id")));
        let conversation = id(&ada.say_once("chat", "hello", None).await?.expect(200)?, "conversation_id");
        for (path, body) in [
            (TASKS.to_owned(), Some(json!({"title": "bread"}))),
            (TASKS.to_owned(), Some(json!({"title": "milk", "completed": true}))),
            (restore, None),
            ("/api/{me}/changes/1/undo".to_owned(), None),
            ("/api/{me}/chat".to_owned(), Some(json!({"message": "hello"}))),
            (format!("/api/{{me}}/conversations/{conversation}/stop"), None),
        ] {
            let reused = once(&ada, "k", &path, body.as_ref()).await?;
            reused.expect_problem(422, "IDEMPOTENCY_KEY_REUSED", Some("Idempotency-Key"))?;
        }
        let undo = "/api/{me}/changes/1/undo";
        once(&ada, "undo", undo, None).await?.expect(200)?;
        let reused = once(&ada, "undo", undo, Some(&json!({"on_conflict": "skip"}))).await?;
        reused.expect_problem(422, "IDEMPOTENCY_KEY_REUSED", Some("Idempotency-Key"))?;
        once(&ada, "undo", undo, Some(&json!({"on_conflict": "fail"}))).await?.expect(200)?;
        let of_chat = add_once(&ada, "chat", "milk").await?;
        of_chat.expect_problem(422, "IDEMPOTENCY_KEY_REUSED", Some("Idempotency-Key"))?;
        assert!(ada.titles().await?.is_empty());

        let of_eve = add_once(&eve, "k", "bread").await?.expect(201)?;
        assert_eq!((&of_eve["title"], &of_eve["user_id"]), (&json!("bread"), &json!(eve.id)));
    }
}

on_both_databases! {
    async fn a_key_is_free_after_a_day(app: TestApp) {
        let ada = app.register("ada").await?;
        let first = seen(&add_once(&ada, "k", "milk").await?);
        app.advance(TimeDelta::hours(23));
        assert_eq!(seen(&add_once(&ada, "k", "milk").await?), first);
        app.advance(TimeDelta::hours(1));
        let ada = app.login("ada").await?;
        add_once(&ada, "k", "bread").await?.expect(201)?;
        assert_eq!(ada.titles().await?, ["bread", "milk"]);
    }
}

on_both_databases! {
    async fn the_answer_to_a_request_whose_task_was_purged_has_no_text_and_no_effect(app: TestApp) {
        let ada = app.register("ada").await?;
        let created = id(&add_once(&ada, "create", "secret plan").await?.expect(201)?, "id");
        let restore = format!("{}/restore", task(&created));
        ada.delete(&task(&created)).await?.expect(204)?;
        once(&ada, "restore", &restore, None).await?.expect(200)?;
        let undone = once(&ada, "undo", "/api/{me}/changes/1/undo", Some(&json!({"on_conflict": "skip"}))).await?;
        let undone = undone.expect(200)?;
        ada.delete(&format!("/api/{{me}}/trash/{created}")).await?.expect(204)?;
        for purged in [add_once(&ada, "create", "secret plan").await?, once(&ada, "restore", &restore, None).await?] {
            let problem = purged.expect_problem(404, "TASK_NOT_FOUND", None)?;
            assert_eq!(problem["message"], "The task of this request has been purged");
        }
        let again = once(&ada, "undo", "/api/{me}/changes/1/undo", Some(&json!({"on_conflict": "skip"}))).await?;
        let again = again.expect(200)?;
        assert_eq!(again["operation_id"], undone["operation_id"]);
        assert!(again["changes"][0]["before"].is_null() && again["changes"][0]["after"].is_null(), "{again}");
        assert!(ada.titles().await?.is_empty() && ada.trash().await?.is_empty());
    }
}

on_both_databases! {
    async fn a_refused_request_keeps_no_key(app: TestApp) {
        let ada = app.register("ada").await?;
        add_once(&ada, "k", "").await?.expect_problem(400, "VALIDATION_ERROR", Some("title"))?;
        let milk = id(&add_once(&ada, "k", "milk").await?.expect(201)?, "id");
        rename(&ada, &milk, "oat milk").await?;
        rename(&ada, &milk, "soy milk").await?;
        let undo = "/api/{me}/changes/2/undo";
        once(&ada, "undo", undo, None).await?.expect_problem(409, "UNDO_CONFLICT", None)?;
        rename(&ada, &milk, "oat milk").await?;
        once(&ada, "undo", undo, None).await?.expect(200)?;
        let unknown = "/api/{me}/tasks/0198c0de-0000-7000-8000-000000000001/restore";
        for _ in 0..2 {
            once(&ada, "restore", unknown, None).await?.expect_problem(404, "TASK_NOT_FOUND", None)?;
        }
    }
}

on_both_databases! {
    async fn a_repeated_stop_is_accepted_and_stops_no_later_turn(app: TestApp) {
        let ada = app.register("ada").await?;
        let conversation = id(&ada.say("hello", None).await?.expect(200)?, "conversation_id");
        let stop = format!("/api/{{me}}/conversations/{conversation}/stop");
        once(&ada, "first", &stop, None).await?.expect_problem(409, "NO_TURN", None)?;
        let begin = async || {
            let script = app.script([Step::Hang]);
            let waiting = tokio::spawn({
                let (ada, conversation) = (ada.clone(), conversation.clone());
                async move { ada.say("hang", Some(&conversation)).await }
            });
            wait_until("the request to the model", async || Ok(script.requests().len() == 1)).await?;
            anyhow::Ok(waiting)
        };
        let turn = begin().await?;
        for _ in 0..2 {
            assert_eq!(once(&ada, "first", &stop, None).await?.expect(202)?, Value::Null);
        }
        assert_eq!(turn.await??.expect(200)?["status"], "stopped");
        ada.wait_for_turn_end(&conversation).await?;

        let turn = begin().await?;
        once(&ada, "first", &stop, None).await?.expect(202)?;
        let running = ada.get(&format!("/api/{{me}}/conversations/{conversation}")).await?.expect(200)?;
        assert!(running["active_turn"].is_string(), "{running}");
        once(&ada, "second", &stop, None).await?.expect(202)?;
        assert_eq!(turn.await??.expect(200)?["status"], "stopped");
        ada.wait_for_turn_end(&conversation).await?;
        once(&ada, "third", &stop, None).await?.expect_problem(409, "NO_TURN", None)?;
    }
}

on_both_databases! {
    async fn an_api_token_repeats_a_request_of_its_user(app: TestApp) {
        let ada = app.register("ada").await?;
        let first = seen(&add_once(&ada, "k", "milk").await?);
        let token = async |scopes: Value| {
            let issued = ada.post("/auth/tokens", json!({"name": "CI", "scopes": scopes})).await?.expect(201)?;
            anyhow::Ok(ada.with_token(issued["token"].as_str().unwrap_or_default()))
        };
        let writer = token(json!(["tasks:write"])).await?;
        assert_eq!(seen(&add_once(&writer, "k", "milk").await?), first);
        let other = seen(&add_once(&writer, "k2", "bread").await?);
        assert_eq!(seen(&add_once(&ada, "k2", "bread").await?), other);
        let reader = token(json!(["tasks:read"])).await?;
        add_once(&reader, "k", "milk").await?.expect_problem(403, "INSUFFICIENT_SCOPE", None)?;
        assert_eq!(ada.titles().await?, ["bread", "milk"]);
    }
}

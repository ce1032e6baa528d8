//! The calls of existing frontends of the Python API's family, with what each of them reads in the answer. What has to wait
//! for new features is among the calls that are refused.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use domain::llm::Step;
use futures_channel::oneshot;
use reqwest::Method;
use serde_json::{Value, json};
use tests::frames::text;
use tests::{Answer, TestApp, TestUser, on_both_databases};

const ORIGIN: &str = "http://localhost:3000";

/// How a kind of frontends sends its requests.
struct Client {
    name: &'static str,
    accept: &'static str,
    register: &'static str,
    login: &'static str,
    me: &'static str,
    /// The field of a session that is used as the access token.
    token: &'static str,
    /// The end of paths of collections.
    slash: &'static str,
    /// The media type of errors.
    error_type: &'static str,
}

const CLIENTS: [Client; 3] = [
    Client {
        name: "fetch",
        accept: "*/*",
        register: "/auth/register",
        login: "/auth/login",
        me: "/auth/me",
        token: "access_token",
        slash: "",
        error_type: "application/problem+json",
    },
    Client {
        name: "axios",
        accept: "application/json, text/plain, */*",
        register: "/api/auth/signup",
        login: "/api/auth/signin",
        me: "/api/auth/me",
        token: "token",
        slash: "",
        error_type: "application/json",
    },
    Client {
        name: "fastapi",
        accept: "application/json",
        register: "/api/auth/register/",
        login: "/api/auth/login/",
        me: "/api/auth/me/",
        token: "access_token",
        slash: "/",
        error_type: "application/json",
    },
];

/// A request with the expected status and the part of the answer that is read. `{name}` in an answer stands for a value
/// that later requests use, `{any}` for one that is not null.
struct Call(Method, String, Value, u16, Value);

fn sign_in(client: &Client) -> Vec<Call> {
    let credentials = json!({"email": "{email}", "password": TestUser::PASSWORD});
    let registration = json!({"email": "{email}", "password": TestUser::PASSWORD, "name": "Ada"});
    let session = json!({client.token: "{access}", "token_type": "bearer", "user": {"id": "{me}", "email": "{email}"}});
    let user = json!({"id": "{me}", "email": "{email}", "name": "Ada"});
    let wrong = json!({"email": "{email}", "password": "wrong password"});
    vec![
        Call(Method::POST, client.register.into(), registration.clone(), 201, session.clone()),
        Call(Method::POST, client.register.into(), registration, 409, json!({"detail": "{any}"})),
        Call(Method::POST, client.login.into(), wrong, 401, json!({"detail": "{any}"})),
        Call(
            Method::POST,
            client.login.into(),
            credentials,
            200,
            json!({client.token: "{any}", "user": {"id": "{me}"}}),
        ),
        Call(Method::GET, client.me.into(), Value::Null, 200, user),
    ]
}

fn tasks(client: &Client) -> Vec<Call> {
    let list = format!("/api/{{me}}/tasks{}", client.slash);
    let (one, complete) = ("/api/{me}/tasks/{task}", "/api/{me}/tasks/{task}/complete");
    let task = json!({
        "id": "{task}", "user_id": "{me}", "title": "Buy milk", "completed": false, "created_at": "{any}", "updated_at": "{any}",
    });
    let bare = json!({
        "title": "Call Bob", "description": "", "priority": "none", "due_date": null, "tags": [], "completed": false,
        "recurrence": null, "user_id": null, "reminder_at": null,
    });
    let edit =
        json!({"title": "Buy oat milk", "description": null, "priority": null, "due_date": "", "completed": false});
    let none = || Value::Null;
    vec![
        Call(Method::GET, list.clone(), none(), 200, json!([])),
        Call(Method::POST, list.clone(), json!({"title": "Buy milk", "description": null}), 201, task.clone()),
        Call(Method::POST, list.clone(), bare, 201, json!({"id": "{other}", "title": "Call Bob", "completed": false})),
        Call(Method::GET, one.into(), none(), 200, task),
        Call(Method::PUT, one.into(), edit, 200, json!({"id": "{task}", "title": "Buy oat milk", "completed": false})),
        Call(Method::PATCH, one.into(), json!({"completed": true, "tags": []}), 200, json!({"completed": true})),
        Call(Method::PATCH, complete.into(), none(), 200, json!({"id": "{task}", "completed": false})),
        Call(Method::PATCH, complete.into(), json!({}), 200, json!({"completed": true})),
        Call(Method::PATCH, complete.into(), json!({"completed": true}), 200, json!({"completed": true})),
        Call(
            Method::GET,
            format!("{list}?status=completed&search=&sort=&order="),
            none(),
            200,
            json!([{"id": "{task}"}]),
        ),
        Call(
            Method::GET,
            format!("{list}?status=pending&sort=none&priority="),
            none(),
            200,
            json!([{"id": "{other}"}]),
        ),
        Call(Method::DELETE, "/api/{me}/tasks/{other}".into(), none(), 204, none()),
        Call(Method::DELETE, "/api/{me}/tasks/{other}".into(), none(), 404, json!({"detail": "Task not found"})),
        Call(Method::GET, list, none(), 200, json!([{"id": "{task}", "title": "Buy oat milk", "completed": true}])),
    ]
}

fn chat(client: &Client) -> Vec<Call> {
    let (chat, list) =
        (format!("/api/{{me}}/chat{}", client.slash), format!("/api/{{me}}/conversations{}", client.slash));
    let none = || Value::Null;
    let added = json!({
        "response": "{any}", "conversation_id": "{conversation}",
        "tool_calls": [{
            "tool": "add_task", "parameters": {"title": "call Bob"}, "success": true, "error": null,
            "result": {"success": true, "message": "Task 'call Bob' created successfully"},
        }],
    });
    let failed = json!({"conversation_id": "{conversation}", "tool_calls": [{"success": false, "error": "{any}"}]});
    let again = json!({"message": "Mark unicorn as done", "conversation_id": "{conversation}"});
    let messages = json!([
        {"role": "user", "content": "Add a task to call Bob", "created_at": "{any}"}, {"role": "assistant", "content": "{any}"},
        {"role": "user"}, {"role": "assistant", "tool_calls": [{"success": false}]},
    ]);
    let first = json!({"message": "Add a task to call Bob", "conversation_id": null});
    vec![
        Call(Method::POST, chat.clone(), first, 200, added),
        Call(Method::POST, chat.clone(), again, 200, failed),
        Call(Method::POST, chat, json!({"message": ""}), 400, json!({"detail": "{any}", "field": "message"})),
        Call(
            Method::GET,
            list,
            none(),
            200,
            json!([{"id": "{conversation}", "title": "{any}", "updated_at": "{any}"}]),
        ),
        Call(Method::GET, "/api/{me}/conversations/{conversation}/messages".into(), none(), 200, messages),
        Call(Method::GET, "/api/{me}/chat/{conversation}/stream".into(), none(), 204, none()),
        Call(Method::GET, "/api/{me}/chat/a-new-chat/stream".into(), none(), 204, none()),
        Call(Method::DELETE, "/api/{me}/conversations/{conversation}".into(), none(), 204, none()),
    ]
}

/// What waits for a feature, and what is not known.
fn refused(client: &Client) -> Vec<Call> {
    let list = format!("/api/{{me}}/tasks{}", client.slash);
    let refusal =
        |field: &str| json!({"code": "VALIDATION_ERROR", "field": field, "detail": "{any}", "message": "{any}"});
    let not_supported = |field: &str| {
        let message = format!("{field} must be empty: it is not supported yet");
        json!({"code": "VALIDATION_ERROR", "field": field, "detail": message})
    };
    let mut calls = Vec::new();
    for (field, data) in [
        ("description", json!("two litres")),
        ("priority", json!("medium")),
        ("due_date", json!("2026-12-24")),
        ("tags", json!(["home"])),
    ] {
        let body = json!({"title": "Buy bread", field: data});
        calls.push(Call(Method::POST, list.clone(), body.clone(), 400, not_supported(field)));
        calls.push(Call(Method::PUT, "/api/{me}/tasks/{task}".into(), body, 400, not_supported(field)));
    }
    for (parameter, value) in [("sort", "created_at"), ("order", "desc")] {
        calls.push(Call(
            Method::GET,
            format!("{list}?{parameter}={value}"),
            Value::Null,
            400,
            not_supported(parameter),
        ));
    }
    let unknown = json!({"title": "Buy bread", "recurrence": "daily"});
    calls.push(Call(Method::POST, list.clone(), unknown, 400, refusal("recurrence")));
    calls.push(Call(Method::GET, format!("{list}?priority=high"), Value::Null, 400, refusal("priority")));
    calls.push(Call(Method::GET, list, Value::Null, 200, json!([{"title": "call Bob"}, {"title": "Buy oat milk"}])));
    calls
}

/// The values that stand for `{name}`.
type Names = BTreeMap<String, String>;

fn fill(text: &str, names: &Names) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// Compares the part of an answer that is read, and adds values to `names`.
fn read(answer: &Value, expected: &Value, names: &mut Names) -> bool {
    match expected {
        Value::Object(fields) => {
            fields.iter().all(|(name, field)| answer.get(name).is_some_and(|found| read(found, field, names)))
        }
        Value::Array(items) => {
            let found = answer.as_array().filter(|found| found.len() == items.len());
            found.is_some_and(|found| found.iter().zip(items).all(|(found, item)| read(found, item, names)))
        }
        Value::String(text) if text == "{any}" => !answer.is_null(),
        Value::String(text) => match text.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => {
                let Some(found) = answer.as_str() else { return false };
                names.entry(name.to_owned()).or_insert_with(|| found.to_owned()) == found
            }
            None => answer == text,
        },
        other => answer == other,
    }
}

async fn send(app: &TestApp, client: &Client, call: &Call, names: &Names) -> anyhow::Result<Answer> {
    let Call(method, path, body, ..) = call;
    let user = app.anonymous().with_token(names.get("access").map_or("", String::as_str));
    let body = (!body.is_null()).then(|| serde_json::from_str(&fill(&body.to_string(), names))).transpose()?;
    let headers = [("accept", client.accept), ("origin", ORIGIN)];
    user.send_with(method.clone(), &fill(path, names), body.as_ref(), &headers).await
}

fn check(client: &Client, call: &Call, answer: &Answer, names: &mut Names) -> anyhow::Result<()> {
    let Call(.., status, expected) = call;
    let body = answer.expect(*status)?;
    ensure!(read(&body, expected, names), "{body} instead of {expected}");
    let media_type = match status {
        204 => "",
        400.. => client.error_type,
        _ => "application/json",
    };
    ensure!(answer.header("content-type") == media_type, "{:?}", answer.headers);
    ensure!(answer.header("access-control-allow-origin") == ORIGIN, "{:?}", answer.headers);
    ensure!(answer.header("access-control-allow-credentials") == "true", "{:?}", answer.headers);
    Ok(())
}

on_both_databases! {
    async fn existing_frontends_read_what_they_expect(app: TestApp) {
        for client in &CLIENTS {
            let email = format!("{}@example.com", client.name);
            let mut names = Names::from([("email".to_owned(), email)]);
            for call in [sign_in, tasks, chat, refused].into_iter().flat_map(|calls| calls(client)) {
                let what = || format!("{}: {} {} {}", client.name, call.0, call.1, call.2);
                let answer = send(&app, client, &call, &names).await.with_context(what)?;
                check(client, &call, &answer, &mut names).with_context(what)?;
            }
        }
    }
}

on_both_databases! {
    async fn the_ai_sdk_resumes_a_running_turn_by_its_own_id(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let (open, gate) = oneshot::channel();
        let Step::Events(events) = Step::says("late") else { unreachable!() };
        app.script([Step::Gated(gate, events)]);
        let body = json!({
            "id": "page-1", "trigger": "submit-message",
            "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "hello"}]}],
        });
        let path = "/api/{me}/chat/page-1/stream";
        assert_eq!(ada.get(path).await?.status, 204, "a chat without a conversation");
        let mut first = ada.open(Method::POST, "/api/{me}/chat", Some(&body)).await?;
        let start = first.until("start").await?;
        let mut second = ada.open(Method::GET, path, None).await?;
        assert_eq!(second.headers["x-vercel-ai-ui-message-stream"], "v1");
        assert_eq!(second.until("start").await?, start);
        let conversation = start["messageMetadata"]["conversation_id"].as_str().unwrap_or_default();
        let by_id = format!("/api/{{me}}/chat/{conversation}/stream");
        let mut third = ada.open(Method::GET, &by_id, None).await?;
        assert_eq!(third.until("start").await?, start);
        for path in [path, &by_id] {
            assert_eq!(eve.get(path).await?.status, 204, "keys and conversations are scoped to their user");
        }
        open.send(()).map_err(|()| anyhow::anyhow!("the turn has ended"))?;
        for stream in [first, second, third] {
            assert_eq!(text(&stream.rest().await?), "late");
        }
        ada.wait_for_turn_end(conversation).await?;
        assert_eq!((ada.get(path).await?.status, ada.get(&by_id).await?.status), (204.try_into()?, 204.try_into()?));
    }
}

//! Conversations and their messages.

use serde_json::{Value, json};
use tests::{TestApp, on_both_databases};

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

on_both_databases! {
    async fn a_conversation_is_titled_by_its_first_message_renamed_and_deleted(app: TestApp) {
        let ada = app.register("ada").await?;
        let chat = ada.say("Add a task to\nbuy groceries", None).await?.expect(200)?;
        let path = format!("/api/{{me}}/conversations/{}", text(&chat, "conversation_id"));
        let conversation = ada.get(&path).await?.expect(200)?;
        assert_eq!(
            (text(&conversation, "title"), &conversation["message_count"]),
            ("Add a task to buy groceries", &json!(2))
        );
        assert_eq!(conversation["active_turn"], Value::Null);
        let renamed = ada.patch(&path, json!({"title": " Shopping "})).await?.expect(200)?;
        assert_eq!((text(&renamed, "title"), &renamed["updated_at"]), ("Shopping", &conversation["updated_at"]));
        for (body, field) in [
            (json!({"title": " "}), "title"),
            (json!({"title": "x".repeat(201)}), "title"),
            (json!({"name": "x"}), "name"),
        ] {
            ada.patch(&path, body).await?.expect_problem(400, "VALIDATION_ERROR", Some(field))?;
        }
        ada.delete(&path).await?.expect(204)?;
        for path in [path.clone(), format!("{path}/messages")] {
            ada.get(&path).await?.expect_problem(404, "CONVERSATION_NOT_FOUND", None)?;
        }
        assert_eq!(ada.titles().await?, ["buy groceries"], "the tasks are kept");
    }
}

on_both_databases! {
    async fn conversations_are_paged_last_active_first(app: TestApp) {
        let ada = app.register("ada").await?;
        let mut ids = Vec::new();
        for n in 0..3 {
            let chat = ada.say(&format!("hello {n}"), None).await?.expect(200)?;
            ids.push(text(&chat, "conversation_id").to_owned());
        }
        ada.say("hello again", Some(&ids[0])).await?.expect(200)?;
        let expected = [&ids[0], &ids[2], &ids[1]];
        let rows = ada.all_pages("/api/{me}/conversations?limit=2").await?;
        let actual: Vec<_> = rows.iter().map(|row| text(row, "id")).collect();
        assert_eq!(actual, expected);
    }
}

on_both_databases! {
    async fn messages_are_paged_in_both_orders(app: TestApp) {
        let ada = app.register("ada").await?;
        let chat = ada.say("hello", None).await?.expect(200)?;
        let conversation = text(&chat, "conversation_id").to_owned();
        for _ in 0..2 {
            ada.say("hello", Some(&conversation)).await?.expect(200)?;
        }
        let mut orders = Vec::new();
        for order in ["asc", "desc"] {
            let path = format!("/api/{{me}}/conversations/{conversation}/messages?order={order}&limit=4");
            let rows = ada.all_pages(&path).await?;
            assert_eq!(rows.len(), 6);
            orders.push(rows);
        }
        orders[1].reverse();
        assert_eq!(orders[0], orders[1]);
        for (query, field) in
            [("order=up", "order"), ("limit=101", "limit"), ("cursor=x", "cursor"), ("page=1", "page")]
        {
            let path = format!("/api/{{me}}/conversations/{conversation}/messages?{query}");
            ada.get(&path).await?.expect_problem(400, "VALIDATION_ERROR", Some(field))?;
        }
    }
}

//! Live events: every change once and in order, from any number.

use std::time::Duration;

use anyhow::Context as _;
use chrono::TimeDelta;
use futures_util::future::{join_all, try_join_all};
use reqwest::Method;
use serde_json::{Value, json};
use tests::events::{Events, seqs};
use tests::{TestApp, TestUser, on_both_databases, wait_until};
use tokio::time::timeout;

/// Streams that one user may have at once.
const MAX_STREAMS: usize = 8;
/// Maximum time until a server sends a change of another one.
const POLL_TIMEOUT: Duration = Duration::from_secs(5);
/// Less than the 15 s until a keep-alive comment is written to a stream.
const BEFORE_KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Adds, renames, completes and deletes tasks, one after the other. Returns the number of acknowledged changes.
async fn write(user: TestUser, name: usize, rounds: usize) -> anyhow::Result<usize> {
    for n in 0..rounds {
        let task = user.add(&format!("{name}-{n}")).await?;
        let path = format!("/api/{{me}}/tasks/{}", task["id"].as_str().unwrap_or_default());
        user.patch(&path, json!({"title": format!("{name}-{n} renamed")})).await?.expect(200)?;
        user.send(Method::PATCH, &format!("{path}/complete"), None).await?.expect(200)?;
        user.delete(&path).await?.expect(204)?;
    }
    Ok(rounds * 4)
}

async fn open(user: &TestUser, query: &str) -> anyhow::Result<Events> {
    let events = user.events(query, None).await?;
    anyhow::ensure!(events.status == 200, "{}", events.status);
    Ok(events)
}

on_both_databases! {
    async fn a_stream_starts_at_the_head_or_after_the_given_number(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        ada.add("one").await?;
        let mut from_head = open(&ada, "").await?;
        let mut of_eve = open(&eve, "").await?;
        assert!(
            from_head.headers["content-type"].to_str()?.starts_with("text/event-stream"),
            "{:?}",
            from_head.headers
        );
        assert_eq!(from_head.headers["cache-control"], "no-store, no-transform");
        ada.add("two").await?;
        ada.say("Add a task to buy milk", None).await?.expect(200)?;
        let events = from_head.take(2).await?;
        assert_eq!(seqs(&events), [2, 3]);
        assert_eq!(
            events.iter().map(|event| event.change.clone()).collect::<Vec<_>>(),
            ada.changes(1).await?,
            "events equal the listed changes"
        );
        for (query, last, expected) in [
            ("?after=0", None, vec![1, 2, 3]),
            ("?after=2", None, vec![3]),
            ("", Some(1), vec![2, 3]),
            // `Last-Event-ID` takes precedence over the URL, which a browser reuses when it reconnects.
            ("?after=0", Some(2), vec![3]),
        ] {
            let mut events = ada.events(query, last).await?;
            assert_eq!(seqs(&events.take(expected.len()).await?), expected, "{query} {last:?}");
        }
        eve.add("hers").await?;
        assert_eq!(of_eve.take(1).await?[0].change["after"]["title"], "hers");
    }
}

on_both_databases! {
    async fn an_unknown_or_invalid_number_is_refused(app: TestApp) {
        let ada = app.register("ada").await?;
        ada.add("one").await?;
        for after in ["2", "1000000", "18446744073709551616"] {
            ada.get(&format!("/api/{{me}}/events?after={after}")).await?.expect_problem(410, "CURSOR_EXPIRED", None)?;
        }
        for (query, field) in [("after=-1", "after"), ("after=x", "after"), ("limit=1", "limit")] {
            let response = ada.get(&format!("/api/{{me}}/events?{query}")).await?;
            response.expect_problem(400, "VALIDATION_ERROR", Some(field))?;
        }
        let nonsense = ada.send_with(Method::GET, "/api/{me}/events", None, &[("last-event-id", "nonsense")]).await?;
        nonsense.expect_problem(400, "VALIDATION_ERROR", Some("Last-Event-ID"))?;
    }
}

on_both_databases! {
    async fn eight_writers_leave_no_gap_and_a_reader_sees_each_change_once_and_in_order(
        app: TestApp,
        ["--api-requests-per-minute", "0"]
    ) {
        let ada = app.register("ada").await?;
        let mut live = open(&ada, "").await?;
        let mut late = open(&ada, "?after=0").await?;
        let writers: Vec<_> = (0..8).map(|n| tokio::spawn(write(ada.clone(), n, 5))).collect();
        let mut acknowledged = 0;
        let mut resumed = Vec::new();
        while resumed.len() < 80 {
            // A reader that reconnects after a few events.
            let mut events = ada.events("", Some(resumed.last().copied().unwrap_or(0))).await?;
            resumed.extend(seqs(&events.take(7).await?));
        }
        for writer in join_all(writers).await {
            acknowledged += writer??;
        }
        let all: Vec<u64> = (1..=acknowledged as u64).collect();
        assert_eq!(all.len(), 160);
        assert_eq!(seqs(&live.take(160).await?), all);
        assert_eq!(seqs(&late.take(160).await?), all);
        assert_eq!(resumed, all[..resumed.len()]);
        let stored: Vec<_> = ada.changes(0).await?.iter().filter_map(|change| change["seq"].as_u64()).collect();
        assert_eq!(stored, all);
    }
}

on_both_databases! {
    async fn a_write_on_one_server_reaches_a_reader_of_another(app: TestApp) {
        let ada = app.register("ada").await?;
        let other = app.another(TimeDelta::zero(), &[]).await?;
        let mut events = open(&ada.at(other.address()), "").await?;
        for n in 1..=3 {
            ada.add("one").await?;
            let event =
                timeout(POLL_TIMEOUT, events.take(1)).await.context("no event from the other server")??.remove(0);
            assert_eq!((event.seq, event.change["after"]["title"].as_str()), (n, Some("one")));
        }
    }
}

on_both_databases! {
    async fn a_ninth_stream_of_a_user_is_refused_until_one_has_ended(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let mut streams = try_join_all((0..MAX_STREAMS).map(|_| open(&ada, ""))).await?;
        let refused = ada.get("/api/{me}/events").await?;
        refused.expect_problem(429, "RATE_LIMITED", None)?;
        assert!(!refused.header("retry-after").is_empty());
        open(&eve, "").await?;
        drop(streams.pop());
        // Nothing is written meanwhile: the server detects a closed connection without writing to it.
        let is_freed = wait_until("a free stream", async || {
            streams.push(ada.events("", None).await?);
            Ok(streams.pop_if(|stream| stream.status != 200).is_none())
        });
        timeout(BEFORE_KEEP_ALIVE, is_freed).await.context("the closed stream is not freed")??;
        ada.add("one").await?;
        for stream in &mut streams {
            assert_eq!(seqs(&stream.take(1).await?), [1]);
        }
    }
}

on_both_databases! {
    async fn ninety_readers_get_every_change_while_one_never_reads(
        app: TestApp,
        ["--api-requests-per-minute", "0", "--sign-in-requests-per-minute", "0"]
    ) {
        let users = try_join_all((0..13).map(|n| {
            let app = &app;
            async move { app.register(&format!("user{n}")).await }
        }))
        .await?;
        let never_reads = open(&users[0], "").await?;
        let mut readers = Vec::new();
        for user in &users {
            for _ in 0..MAX_STREAMS - 1 {
                readers.push(open(user, "").await?);
            }
        }
        assert!(readers.len() + 1 > 90);
        let title = "a long title that fills buffers ".repeat(15);
        for user in &users {
            for _ in 0..3 {
                user.add(title.trim()).await?;
            }
        }
        for events in join_all(readers.iter_mut().map(|reader| reader.take(3))).await {
            assert_eq!(seqs(&events?), [1, 2, 3]);
        }
        drop(never_reads);
    }
}

on_both_databases! {
    async fn undo_and_trash_are_events(app: TestApp) {
        let ada = app.register("ada").await?;
        let mut events = open(&ada, "").await?;
        let task = ada.add("one").await?;
        let path = format!("/api/{{me}}/tasks/{}", task["id"].as_str().unwrap_or_default());
        ada.delete(&path).await?.expect(204)?;
        ada.send(Method::POST, "/api/{me}/changes/2/undo", None).await?.expect(200)?;
        ada.delete(&path).await?.expect(204)?;
        ada.delete("/api/{me}/trash").await?.expect(204)?;
        let actual: Vec<_> = events
            .take(5)
            .await?
            .into_iter()
            .map(|event| (event.change["action"].clone(), event.change["undoes"].clone()))
            .collect();
        let expected =
            [("created", None), ("deleted", None), ("restored", Some(2)), ("deleted", None), ("purged", None)];
        assert_eq!(
            actual,
            expected.map(|(action, undoes)| (json!(action), undoes.map_or(Value::Null, |seq| json!(seq))))
        );
    }
}

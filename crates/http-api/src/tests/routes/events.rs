//! `/api/{user_id}/events`.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::test;
use chrono::TimeDelta;
use domain::account::{AccessClaims, TokenError};
use domain::change::{Action, ChangeRepoError};
use domain::id::UserId;
use domain::session::{SessionRepoError, SessionStatus};
use domain::storage::StorageError;
use domain::task::Task;
use futures_util::stream::{self, StreamExt as _};
use serde_json::json;
use uuid::Uuid;

use crate::stream_limit::{MAX_STREAMS, StreamLimit};
use crate::tests::support::{
    API_TOKEN, Chunk, Event, FakeLedger, Ports, StreamReader, anonymous, entry, events, head, me, now, renamed,
    session_status, signed_in, task,
};

const EVENTS: &str = "/api/{user_id}/events";

fn ports(ledger: &FakeLedger) -> Ports {
    let mut ports = Ports::new();
    ledger.install(&mut ports);
    ports
}

/// Ports of a ledger with changes up to `head`, whose streams end at the head.
fn ports_ending_at(head: u64) -> Ports {
    let mut ports = Ports::new();
    ports.change_signals.expect_subscribe().returning(|_| stream::empty().boxed());
    let ledger = FakeLedger::default();
    ledger.add((1..=head).map(|seq| renamed(seq, "a", "b")));
    ledger.install(&mut ports);
    ports
}

fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    range.collect()
}

fn ids(text: &str) -> Vec<u64> {
    events(text).into_iter().map(|event| event.id).collect()
}

/// The application on `ports`.
macro_rules! app {
    ($ports:expr) => {{
        let (services, options) = $ports.services();
        test::init_service(crate::app::app(crate::routes::table(), services, &options, StreamLimit::default())).await
    }};
}

#[actix_web::test]
async fn an_event_is_a_numbered_change_and_a_title_cannot_end_it() {
    let text_with_breaks = "a\r\n\r\ndata: x\n\nid: 9\r\u{1b}[31m\u{2028}: y";
    // A title has no control characters; the text of an event may have them.
    let title = text_with_breaks.replace(char::is_control, " ");
    let ledger = FakeLedger::default();
    ledger.add([entry(1, Action::Created, None, Some(Task { title: title.parse().unwrap(), ..task(1) }))]);
    let mut ports = ports(&ledger);
    ports.change_signals.checkpoint();
    ports.change_signals.expect_subscribe().returning(|_| stream::empty().boxed());
    let response = ports.send(signed_in(Method::GET, &format!("{EVENTS}?after=0"))).await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
        ("x-content-type-options", "nosniff"),
        ("x-vercel-ai-ui-message-stream", ""),
    ] {
        assert_eq!(response.header(name), value, "{name}");
    }
    assert!(response.text.starts_with("id: 1\nevent: change\ndata: {\"seq\":1,"), "{}", response.text);
    assert!(response.text.ends_with("}\n\n") && response.text.lines().count() == 4, "{}", response.text);
    let [Event { id: 1, data }] = &events(&response.text)[..] else { panic!("{response:?}") };
    assert_eq!((&data["after"]["title"], &data["before"]), (&json!(title), &json!(null)));

    let event = crate::stream::sse::event("id: 1\nevent: change\n", &json!({ "title": text_with_breaks })).unwrap();
    let text = std::str::from_utf8(&event).unwrap();
    let [Event { id: 1, data }] = &events(text)[..] else { panic!("{text:?}") };
    assert_eq!((data["title"].as_str(), text.matches('\n').count()), (Some(text_with_breaks), 4));
    assert!(!text.contains(['\r', '\u{1b}']), "{text:?}");
}

#[actix_web::test]
async fn a_stream_starts_at_the_requested_number_or_at_the_head() {
    let from = |query: &str, last: Option<&str>| {
        let request = signed_in(Method::GET, &format!("{EVENTS}{query}"));
        last.into_iter().fold(request, |request, last| request.insert_header(("Last-Event-ID", last)))
    };
    for (query, last, expected) in [
        ("?after=0", None, vec![1, 2, 3]),
        ("?after=2", None, vec![3]),
        ("?after=3", None, vec![]),
        ("", None, vec![]),
        ("", Some("1"), vec![2, 3]),
        ("?after=0", Some("2"), vec![3]),
        ("?after=3", Some("0"), vec![1, 2, 3]),
        ("?after=99", Some("3"), vec![]),
    ] {
        let response = ports_ending_at(3).send(from(query, last)).await;
        assert_eq!((response.status.as_u16(), ids(&response.text)), (200, expected), "{query} {last:?}");
    }
}

#[actix_web::test]
async fn an_error_before_the_first_byte_is_a_problem() {
    for (query, field) in [("after=-1", "after"), ("after=x", "after"), ("limit=1", "limit"), ("after=", "after")] {
        let response = ports_ending_at(3).send(signed_in(Method::GET, &format!("{EVENTS}?{query}"))).await;
        response.problem(400, "VALIDATION_ERROR", field);
    }
    for last in ["-1", "", "x", "1 ", "\u{e9}"] {
        let last = last.replace("1 ", "1,2");
        let response =
            ports_ending_at(3).send(signed_in(Method::GET, EVENTS).insert_header(("Last-Event-ID", last))).await;
        let problem = response.problem(400, "VALIDATION_ERROR", "Last-Event-ID");
        assert_eq!(problem["message"], "Last-Event-ID must be a whole number from 0");
    }
    let twice =
        signed_in(Method::GET, EVENTS).append_header(("Last-Event-ID", "1")).append_header(("Last-Event-ID", "1"));
    ports_ending_at(3).send(twice).await.problem(400, "VALIDATION_ERROR", "Last-Event-ID");
    for after in ["4", "99999999999999999999999"] {
        let beyond = signed_in(Method::GET, &format!("{EVENTS}?after={after}"));
        ports_ending_at(3).send(beyond).await.problem(410, "CURSOR_EXPIRED", "");
        let beyond = signed_in(Method::GET, EVENTS).insert_header(("Last-Event-ID", after));
        ports_ending_at(3).send(beyond).await.problem(410, "CURSOR_EXPIRED", "");
    }
    for (error, status, code) in [
        (ChangeRepoError::NotFound, 401, "UNAUTHORIZED"),
        (StorageError::Unavailable("x".into()).into(), 503, "DATABASE_UNAVAILABLE"),
    ] {
        let mut ports = Ports::new();
        ports.change_signals.expect_subscribe().returning(|_| stream::empty().boxed());
        ports.changes.expect_list().return_once(|_, _, _| Err(error));
        ports.send(signed_in(Method::GET, &format!("{EVENTS}?after=0"))).await.problem(status, code, "");
    }
}

#[actix_web::test]
async fn head_has_the_headers_and_no_stream() {
    let response = ports_ending_at(3).send(signed_in(Method::HEAD, &format!("{EVENTS}?after=0"))).await;
    assert_eq!((response.status.as_u16(), response.text.as_str()), (200, ""));
    assert_eq!((response.header("content-type"), response.header("content-length")), ("text/event-stream", ""));
    let expired = ports_ending_at(3).send(signed_in(Method::HEAD, &format!("{EVENTS}?after=4"))).await;
    assert_eq!(expired.status.as_u16(), 410);
}

#[actix_web::test]
async fn changes_are_sent_once_as_they_occur_and_after_a_reconnect() {
    let ledger = FakeLedger::default();
    let app = app!(ports(&ledger));
    let mut reader = StreamReader::open(&app, signed_in(Method::GET, EVENTS)).await;
    assert_eq!(reader.read(), Chunk::Pending);
    ledger.add([renamed(1, "a", "b"), renamed(2, "b", "c")]);
    assert_eq!(reader.seqs(), [1, 2]);
    assert_eq!(reader.read(), Chunk::Pending);
    ledger.add((3..=250).map(|seq| renamed(seq, "a", "b")));
    drop(reader);
    let reconnect = signed_in(Method::GET, EVENTS).insert_header(("Last-Event-ID", "2"));
    let mut reader = StreamReader::open(&app, reconnect).await;
    assert_eq!(reader.seqs(), numbers(3..=250));
    ledger.shut_down();
    assert_eq!(reader.read(), Chunk::End);
}

#[actix_web::test]
async fn a_stream_ends_when_its_changes_are_pruned_or_unreadable() {
    let ledger = FakeLedger::default();
    ledger.add((1..=200).map(|seq| renamed(seq, "a", "b")));
    let app = app!(ports(&ledger));
    let mut reader = StreamReader::open(&app, signed_in(Method::GET, &format!("{EVENTS}?after=0"))).await;
    ledger.prune(150);
    // The page that was already read is sent.
    assert_eq!(reader.seqs(), numbers(1..=100));
    assert_eq!(reader.read(), Chunk::End);
    let reconnect = signed_in(Method::GET, EVENTS).insert_header(("Last-Event-ID", "100"));
    assert_eq!(test::call_service(&app, reconnect.to_request()).await.status(), 410);

    let mut ports = Ports::new();
    ports.change_signals.expect_subscribe().returning(|_| stream::repeat(()).boxed());
    let page = || domain::change::EntryPage { head: head().seq, entries: Vec::new() };
    ports.changes.expect_list().times(1).returning(move |_, _, _| Ok(page()));
    ports.changes.expect_list().returning(|_, _, _| Err(StorageError::Unavailable("marked".into()).into()));
    let response = ports.send(signed_in(Method::GET, EVENTS)).await;
    assert_eq!((response.status.as_u16(), response.text.as_str()), (200, ""));
}

#[actix_web::test]
async fn a_keep_alive_comment_is_sent_every_15_seconds() {
    let ledger = FakeLedger::default();
    let ports = ports(&ledger);
    let clock = ports.clock.clone();
    let app = app!(ports);
    let mut reader = StreamReader::open(&app, signed_in(Method::GET, EVENTS)).await;
    for _ in 0..3 {
        for _ in 0..14 {
            assert_eq!(reader.read(), Chunk::Pending);
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(reader.read(), Chunk::Pending);
        clock.advance(Duration::from_secs(1));
        assert_eq!(reader.read(), Chunk::Data(": keep-alive\n\n".to_owned()));
    }
}

/// The seconds until a stream ends after `end` has invalidated its token.
async fn seconds_until_the_end(
    ports: Ports,
    request: test::TestRequest,
    ledger: &FakeLedger,
    end: impl FnOnce(),
) -> i64 {
    let clock = ports.clock.clone();
    let app = app!(ports);
    let mut reader = StreamReader::open(&app, request).await;
    let (mut seq, mut end) = (0, Some(end));
    for second in 0..60 {
        seq += 1;
        ledger.add([renamed(seq, "a", "b")]);
        let read = reader.read();
        if read == Chunk::End {
            return second - 20;
        }
        assert_ne!(read, Chunk::Pending, "{second}");
        while matches!(reader.read(), Chunk::Data(_)) {}
        if second == 20
            && let Some(end) = end.take()
        {
            end();
        }
        clock.advance(Duration::from_secs(1));
    }
    panic!("the stream does not end");
}

#[actix_web::test]
async fn a_stream_ends_soon_after_its_token_has_expired_or_was_revoked() {
    // The access token expires.
    let ledger = FakeLedger::default();
    let mut expiring = ports(&ledger);
    expiring.tokens.checkpoint();
    let expired = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let verify = Arc::clone(&expired);
    expiring.tokens.expect_verify().returning(move |_| {
        if verify.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(TokenError::Expired);
        }
        let expires_at = now() + TimeDelta::hours(1);
        let session = Uuid::from_u128(9).into();
        Ok(AccessClaims { user: me(), session, token_version: 0, issued_at: now(), expires_at })
    });
    let expire = move || expired.store(true, std::sync::atomic::Ordering::Relaxed);
    let after = seconds_until_the_end(expiring, signed_in(Method::GET, EVENTS), &ledger, expire).await;
    assert!((0..15).contains(&after), "{after}");

    // The session is ended by another process, or its status cannot be read.
    for error in [|| SessionRepoError::NotFound, || StorageError::Unavailable("x".into()).into()]
        as [fn() -> SessionRepoError; 2]
    {
        let ledger = FakeLedger::default();
        let mut revoked = ports(&ledger);
        revoked.sessions.checkpoint();
        let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let is_ended = Arc::clone(&ended);
        revoked.sessions.expect_touch().returning(|_, _, _, _| Ok(()));
        revoked.sessions.expect_status().returning(move |_, _, at| {
            if is_ended.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(error());
            }
            Ok(SessionStatus { last_used_at: at, ..session_status() })
        });
        let end = move || ended.store(true, std::sync::atomic::Ordering::Relaxed);
        let after = seconds_until_the_end(revoked, signed_in(Method::GET, EVENTS), &ledger, end).await;
        assert!((0..15).contains(&after), "{after}");
    }
}

#[actix_web::test]
async fn a_reader_that_paused_while_its_token_expired_gets_nothing_more() {
    let ledger = FakeLedger::default();
    let mut ports = ports(&ledger).with_api_token(&["tasks:read"]);
    ports.system.checkpoint();
    let expires_at = Some(now() + Duration::from_mins(1));
    ports.system.expect_api_token().returning(move |_| {
        Ok(Some(domain::api_token::ApiTokenStatus {
            id: Uuid::from_u128(11).into(),
            user: me(),
            scopes: domain::principal::Scopes::granted(["tasks:read"]).unwrap(),
            last_used_at: expires_at,
            expires_at,
        }))
    });
    let clock = ports.clock.clone();
    let app = app!(ports);
    let script = anonymous(Method::GET, EVENTS).insert_header((header::AUTHORIZATION, format!("Bearer {API_TOKEN}")));
    let mut reader = StreamReader::open(&app, script).await;
    assert_eq!(reader.read(), Chunk::Pending);
    ledger.add([renamed(1, "a", "b")]);
    clock.advance(Duration::from_mins(1));
    assert_eq!(reader.read(), Chunk::End);
}

#[actix_web::test]
async fn a_ninth_stream_is_refused_until_another_is_closed() {
    let ledger = FakeLedger::default();
    let app = app!(ports(&ledger));
    let open = || signed_in(Method::GET, EVENTS);
    let mut readers = Vec::new();
    for _ in 0..MAX_STREAMS {
        readers.push(StreamReader::open(&app, open()).await);
    }
    for _ in 0..3 {
        let refused = StreamReader::refused(&app, open()).await;
        let problem = refused.problem(429, "RATE_LIMITED", "");
        assert_eq!(problem["message"], "The user already has 8 open streams");
        assert_eq!((refused.header("retry-after"), refused.header("ratelimit")), ("15", r#""streams";r=0;t=15"#));
        assert_eq!(refused.header("ratelimit-policy"), r#""streams";q=8;qu="concurrent-requests""#);
    }
    readers.pop();
    readers.push(StreamReader::open(&app, open()).await);
    assert_eq!(test::call_service(&app, open().to_request()).await.status(), 429);
    drop(readers);
    // Refused requests and `HEAD` do not count.
    for _ in 0..20 {
        for (method, query, status) in [(Method::GET, "?after=9", 410), (Method::HEAD, "", 200)] {
            let request = signed_in(method, &format!("{EVENTS}{query}"));
            assert_eq!(test::call_service(&app, request.to_request()).await.status(), status);
        }
    }
    StreamReader::open(&app, open()).await;
}

/// The user of a token.
fn user_of(token: &str) -> Option<UserId> {
    let number = token.strip_prefix("reader-")?.parse().ok()?;
    Some(Uuid::from_u128(number).into())
}

#[actix_web::test]
async fn five_hundred_readers_get_every_change_while_one_never_reads() {
    const USERS: u128 = 63;
    const CHANGES: u64 = 120;
    let ledger = FakeLedger::default();
    let mut ports = ports(&ledger);
    ports.tokens.checkpoint();
    ports.tokens.expect_verify().returning(|token| {
        let (issued_at, expires_at) = (now(), now() + TimeDelta::hours(1));
        let (user, session) = (user_of(token).unwrap(), Uuid::from_u128(9).into());
        Ok(AccessClaims { user, session, token_version: 0, issued_at, expires_at })
    });
    let app = app!(ports);
    let mut readers = Vec::new();
    for number in 0..USERS * u128::from(MAX_STREAMS) {
        let token = format!("reader-{}", 1 + number / u128::from(MAX_STREAMS));
        let path = EVENTS.replace("{user_id}", &user_of(&token).unwrap().to_string());
        let request = anonymous(Method::GET, &path).insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
        readers.push((StreamReader::open(&app, request).await, Vec::new()));
    }
    let inactive = user_of("reader-1000").unwrap();
    let path = EVENTS.replace("{user_id}", &inactive.to_string());
    let request = anonymous(Method::GET, &path).insert_header((header::AUTHORIZATION, "Bearer reader-1000"));
    let mut unread = StreamReader::open(&app, request).await;
    assert!(readers.len() >= 500);
    for seq in 1..=CHANGES {
        ledger.add([renamed(seq, "a", "b")]);
        if seq % 40 != 0 {
            continue;
        }
        for (reader, seen) in &mut readers {
            seen.extend(reader.seqs());
        }
    }
    assert!(readers.iter().all(|(_, seen)| *seen == numbers(1..=CHANGES)));
    assert_eq!(ledger.pages(inactive), 1, "no page is read ahead");
    assert_eq!(unread.seqs(), numbers(1..=CHANGES));
}

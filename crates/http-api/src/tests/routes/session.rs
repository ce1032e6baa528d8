//! `/auth/sessions`.

use actix_web::http::Method;
use chrono::TimeDelta;
use domain::page::Page;
use domain::session::{Client, Device, Session, SessionRepoError};
use serde_json::json;
use uuid::Uuid;

use crate::tests::support::{Ports, me, now, signed_in};

fn session(id: u128) -> Session {
    Session {
        id: Uuid::from_u128(id).into(),
        user_id: me(),
        client: Client { device: Device::new("curl/8.5"), peer: Some("192.0.2.7".parse().unwrap()) },
        created_at: now(),
        last_used_at: now(),
        expires_at: now() + TimeDelta::days(30),
    }
}

#[actix_web::test]
async fn sessions_are_listed_and_the_current_one_is_marked() {
    let mut ports = Ports::new();
    ports
        .sessions
        .expect_list()
        .withf(|owner, page, at| (*owner, page.limit.get(), *at) == (me(), 2, now()))
        .returning(|_, _, _| {
            let unknown = Session { client: Client::default(), ..session(8) };
            Ok(Page { items: vec![session(9), unknown], next: Some(Uuid::from_u128(8).into()) })
        });
    let response = ports.send(signed_in(Method::GET, "/auth/sessions?limit=2")).await;
    let listed = response.ok(200);
    assert_eq!(
        listed[0],
        json!({
            "id": "00000000-0000-0000-0000-000000000009", "device": "curl/8.5", "peer": "192.0.2.7", "current": true,
            "created_at": "2026-03-01T12:00:00.123456Z", "last_used_at": "2026-03-01T12:00:00.123456Z",
            "expires_at": "2026-03-31T12:00:00.123456Z",
        })
    );
    assert_eq!(
        (&listed[1]["device"], &listed[1]["peer"], &listed[1]["current"]),
        (&json!(null), &json!(null), &json!(false))
    );
    assert!(response.header("link").starts_with("</auth/sessions?limit=2&cursor="), "{}", response.header("link"));
}

#[actix_web::test]
async fn one_session_or_all_sessions_are_ended() {
    let mut ports = Ports::new();
    ports
        .sessions
        .expect_end()
        .withf(|owner, id| (*owner, id.as_uuid().as_u128()) == (me(), 5))
        .returning(|_, _| Ok(()));
    ports.sessions.expect_end_all().withf(|owner| *owner == me()).times(1).returning(|_| Ok(()));
    let one = signed_in(Method::DELETE, "/auth/sessions/00000000-0000-0000-0000-000000000005");
    for response in ports.send_all([one, signed_in(Method::DELETE, "/auth/sessions")]).await {
        assert_eq!((response.status.as_u16(), response.text.as_str()), (204, ""));
    }
}

#[actix_web::test]
async fn a_foreign_session_is_not_found() {
    let mut ports = Ports::new();
    ports.sessions.expect_end().returning(|_, _| Err(SessionRepoError::NotFound));
    let foreign = signed_in(Method::DELETE, "/auth/sessions/00000000-0000-0000-0000-000000000005");
    let responses = ports.send_all([foreign, signed_in(Method::DELETE, "/auth/sessions/no-id")]).await;
    for response in &responses {
        response.problem(404, "SESSION_NOT_FOUND", "");
    }
    assert_eq!(responses[0].without_request_id(), responses[1].without_request_id());
}

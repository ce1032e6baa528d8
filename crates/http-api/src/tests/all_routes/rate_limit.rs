//! Rate limits of the routes, and their headers in responses.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::test::TestRequest;
use chrono::TimeDelta;
use domain::llm::Step;
use domain::runtime::rate_limit::{RateDecision, RateKey, RatePolicy};
use domain::storage::StorageError;
use domain::system::RefreshTokenOwner;
use domain::task::TaskRepoError;
use domain::user::{Credentials, Email, PasswordHash};
use uuid::Uuid;

use crate::tests::support::{
    API_TOKEN, DOCUMENT, OTHER, Ports, TestResponse, anonymous, chat_request, json, me, mock_tokens, now, operations,
    ports_with_llm, resolve, signed_in, task, user,
};

const CHAT: RatePolicy = RatePolicy { name: "chat", quota: 20, window: Duration::from_mins(1) };
const API: RatePolicy = RatePolicy { name: "api", quota: 600, window: Duration::from_mins(1) };
const PEER: RatePolicy = RatePolicy { name: "sign-in-peer", quota: 30, window: Duration::from_mins(1) };
const PASSWORD: RatePolicy = RatePolicy { name: "password", quota: 10, window: Duration::from_mins(10) };
const REGISTRATION: RatePolicy = RatePolicy { name: "registration", quota: 30, window: Duration::from_mins(1) };

fn policy(key: &RateKey) -> RatePolicy {
    match key {
        RateKey::Chat(_) => CHAT,
        RateKey::Api(_) => API,
        RateKey::SignInPeer(_) => PEER,
        RateKey::SignInAccountPeer(..) | RateKey::SignInAccount(_) | RateKey::OwnPassword(_) => PASSWORD,
        RateKey::Registration(_) => REGISTRATION,
    }
}

fn allowed(key: &RateKey) -> RateDecision {
    RateDecision::Allowed { policy: policy(key), remaining: 7, reset: Duration::from_millis(2_001) }
}

fn refused(key: &RateKey) -> RateDecision {
    RateDecision::Refused { policy: policy(key), retry_after: Duration::from_millis(1_500) }
}

type Keys = Arc<Mutex<Vec<RateKey>>>;

/// Sets the decisions of the limiter. Returns the keys that it is called with.
fn limit(ports: &mut Ports, decide: impl Fn(&RateKey) -> RateDecision + Send + 'static) -> Keys {
    let keys = Keys::default();
    let recorded = keys.clone();
    ports.limiter.expect_take().returning(move |key| {
        let decision = decide(&key);
        recorded.lock().unwrap().push(key);
        decision
    });
    keys
}

fn limited(decide: impl Fn(&RateKey) -> RateDecision + Send + 'static) -> (Ports, Keys) {
    let mut ports = Ports::new();
    let keys = limit(&mut ports, decide);
    (ports, keys)
}

fn from(peer: &str, request: TestRequest) -> TestRequest {
    request.peer_addr(SocketAddr::new(peer.parse().unwrap(), 4711))
}

fn login(peer: &str) -> TestRequest {
    let body = r#"{"email":"Ada@example.com","password":"correct horse"}"#;
    from(peer, json(anonymous(Method::POST, "/auth/login"), body))
}

/// `RateLimit` and `RateLimit-Policy`.
fn limit_headers(response: &TestResponse) -> (&str, &str) {
    (response.header("ratelimit"), response.header("ratelimit-policy"))
}

#[actix_web::test]
async fn every_route_is_counted_as_documented_before_its_body_is_read() {
    let mut checked = 0;
    for (path, method, operation) in operations() {
        let (ports, keys) = limited(refused);
        let request = json(signed_in(method.clone(), &format!("{path}?nonsense=1")), "nonsense");
        let response = ports.send(from("2001:db8::1", request)).await;
        let expected = if path.ends_with("/chat") {
            Some(RateKey::Chat(me()))
        } else if operation["security"][0].is_object() {
            Some(RateKey::Api(me()))
        } else if path.starts_with("/auth/") {
            Some(RateKey::SignInPeer("2001:db8::".parse::<IpAddr>().unwrap().into()))
        } else {
            None
        };
        assert_eq!(*keys.lock().unwrap(), Vec::from_iter(expected.clone()), "{method} {path}");
        assert_eq!(operation["responses"]["429"].is_object(), expected.is_some(), "{method} {path}");
        assert_eq!(response.status == 429, expected.is_some(), "{method} {path}");
        if let Some(key) = expected {
            checked += 1;
            assert_eq!(response.header("retry-after"), "2");
            let limit = policy(&key);
            let whole = format!(r#""{}";q={};w={}"#, limit.name, limit.quota, limit.window.as_secs());
            assert_eq!(limit_headers(&response), (format!(r#""{}";r=0;t=2"#, limit.name).as_str(), whole.as_str()));
            if method != Method::HEAD {
                response.problem(429, "RATE_LIMITED", "");
            }
        }
    }
    assert!(checked > 30, "{checked}");
}

#[test]
fn only_limited_routes_document_the_headers() {
    for (path, method, _) in operations() {
        let limited = path.starts_with("/auth/") || path.starts_with("/api/");
        let responses = &DOCUMENT["paths"][path][method.as_str().to_lowercase()]["responses"];
        for (status, response) in responses.as_object().unwrap() {
            for header in ["RateLimit", "RateLimit-Policy"] {
                let described = &resolve(response)["headers"][header];
                assert_eq!(described.is_object(), limited, "{method} {path} {status}");
                let is_required = resolve(described)["required"] == true;
                assert_eq!(is_required, limited && status == "429", "{method} {path} {status}");
            }
        }
    }
}

#[actix_web::test]
async fn successes_and_errors_report_the_quota() {
    let (mut ports, _) = limited(allowed);
    ports.tasks.expect_get().times(1).returning(|_, _| Ok(task(1)));
    ports.tasks.expect_get().times(1).returning(|_, _| Err(TaskRepoError::NotFound));
    ports.tasks.expect_get().times(1).returning(|_, _| Err(StorageError::Unavailable("x".into()).into()));
    ports.tasks.expect_get().returning(|_, _| panic!("internal error"));
    let task = "/api/{user_id}/tasks/{task_id}";
    let paths = [task, task, task, task, "/api/{user_id}/tasks/no-id", "/api/{user_id}/tasks?limit=0"];
    let requests: Vec<_> = paths.iter().map(|path| signed_in(Method::GET, path)).collect();
    let responses = ports.send_all(requests).await;
    let statuses: Vec<u16> = responses.iter().map(|response| response.status.as_u16()).collect();
    assert_eq!(statuses, [200, 404, 503, 500, 404, 400]);
    for response in &responses {
        assert_eq!(limit_headers(response), (r#""api";r=7;t=3"#, r#""api";q=600;w=60"#), "{response:?}");
    }
}

#[actix_web::test]
async fn a_stream_reports_the_quota() {
    let mut ports = ports_with_llm([Step::says("Hello.")]);
    let keys = limit(&mut ports, allowed);
    let response =
        ports.send(chat_request(r#"{"message":"hello"}"#).insert_header(("Accept", "text/event-stream"))).await;
    assert!(!response.frames().is_empty());
    assert_eq!(limit_headers(&response), (r#""chat";r=7;t=3"#, r#""chat";q=20;w=60"#));
    assert_eq!(*keys.lock().unwrap(), [RateKey::Chat(me())]);
}

#[actix_web::test]
async fn refused_requests_are_not_counted() {
    let (ports, keys) = limited(allowed);
    let ports = ports.with_api_token(&["tasks:read"]);
    let tasks = "/api/{user_id}/tasks";
    let script = (header::AUTHORIZATION, format!("Bearer {API_TOKEN}"));
    let refused = [
        anonymous(Method::GET, tasks),
        anonymous(Method::GET, tasks).insert_header((header::AUTHORIZATION, "Bearer nonsense")),
        signed_in(Method::GET, &tasks.replace("{user_id}", OTHER)),
        json(anonymous(Method::POST, tasks), "{}").insert_header(script),
        signed_in(Method::PUT, tasks),
    ];
    for response in ports.send_all(refused).await {
        assert!([401, 403, 405].contains(&response.status.as_u16()), "{response:?}");
        assert_eq!(limit_headers(&response), ("", ""));
    }
    assert_eq!(*keys.lock().unwrap(), []);
}

#[actix_web::test]
async fn unlimited_routes_have_no_quota_headers() {
    let mut ports = Ports::new();
    ports.users.expect_get().returning(|_| Ok(user()));
    let response = ports.send(signed_in(Method::GET, "/auth/me")).await;
    response.ok(200);
    assert_eq!(limit_headers(&response), ("", ""));
}

/// Ports whose limiter refuses passwords.
fn with_limited_passwords() -> (Ports, Keys) {
    let (mut ports, keys) = limited(|key| if policy(key) == PASSWORD { refused(key) } else { allowed(key) });
    let credentials = || Credentials { user: user(), password_hash: Some(PasswordHash::new("hash".into())) };
    ports.users.expect_credentials().returning(move |_| Ok(credentials()));
    (ports, keys)
}

#[actix_web::test]
async fn the_limit_of_an_account_replaces_that_of_the_route() {
    let email = "ada@example.com".parse::<Email>().unwrap().normalized();
    let ada = RateKey::SignInAccountPeer(email, Some("192.0.2.1".parse::<IpAddr>().unwrap().into()));
    let password = r#"{"current_password":"old password","new_password":"new password"}"#;
    let deletion = r#"{"password":"old password"}"#;
    for (request, route, exceeded) in [
        (login("192.0.2.1"), RateKey::SignInPeer("192.0.2.1".parse::<IpAddr>().unwrap().into()), ada),
        (json(signed_in(Method::POST, "/auth/password"), password), RateKey::Api(me()), RateKey::OwnPassword(me())),
        (json(signed_in(Method::DELETE, "/auth/me"), deletion), RateKey::Api(me()), RateKey::OwnPassword(me())),
    ] {
        let (ports, keys) = with_limited_passwords();
        let response = ports.send(request).await;
        response.problem(429, "RATE_LIMITED", "");
        assert_eq!(limit_headers(&response), (r#""password";r=0;t=2"#, r#""password";q=10;w=600"#));
        assert_eq!(response.header("retry-after"), "2");
        assert_eq!(*keys.lock().unwrap(), [route, exceeded]);
    }
}

#[actix_web::test]
async fn a_network_gets_back_the_tries_that_succeed() {
    let refresh = r#"{"refresh_token":"refresh"}"#;
    let post = |path: &str, body: &str| from("192.0.2.1", json(anonymous(Method::POST, path), body));
    for (request, status, gives_back) in [
        (post("/auth/refresh", refresh), 200, true),
        (post("/auth/logout", refresh), 204, true),
        (post("/auth/refresh", r#"{"refresh_token":"unknown"}"#), 401, false),
        (post("/auth/logout", r#"{"refresh_token":"unknown"}"#), 204, false),
        (post("/auth/logout", "nonsense"), 400, false),
        (from("192.0.2.1", anonymous(Method::GET, "/auth/google")), 503, false),
        // Users are limited by their requests, not by their failures.
        (signed_in(Method::GET, "/auth/me"), 200, false),
    ] {
        let (mut ports, _) = limited(allowed);
        mock_tokens(&mut ports.tokens);
        ports.system.expect_session_by_refresh_token().returning(|_| {
            let expires_at = now() + TimeDelta::days(1);
            Ok(Some(RefreshTokenOwner { user: me(), session: Uuid::nil().into(), expires_at }))
        });
        ports.sessions.expect_rotate().returning(|_, _, rotation| Ok(rotation.next));
        ports.sessions.expect_end().returning(|_, _| Ok(()));
        ports.users.expect_get().returning(|_| Ok(user()));
        let keys = Keys::default();
        let recorded = keys.clone();
        ports.limiter.expect_give_back().returning(move |key| recorded.lock().unwrap().push(key));
        let response = ports.send(request).await;
        assert_eq!(response.status.as_u16(), status, "{response:?}");
        let network = || RateKey::SignInPeer("192.0.2.1".parse::<IpAddr>().unwrap().into());
        assert_eq!(*keys.lock().unwrap(), Vec::from_iter(gives_back.then(network)), "{response:?}");
    }
}

#[actix_web::test]
async fn a_request_that_was_not_counted_is_not_given_back() {
    // A call of `give_back` would panic.
    let (mut ports, keys) = limited(|_| RateDecision::Unlimited);
    mock_tokens(&mut ports.tokens);
    ports.system.expect_session_by_refresh_token().returning(|_| {
        let expires_at = now() + TimeDelta::days(1);
        Ok(Some(RefreshTokenOwner { user: me(), session: Uuid::nil().into(), expires_at }))
    });
    ports.sessions.expect_end().returning(|_, _| Ok(()));
    let body = r#"{"refresh_token":"refresh"}"#;
    let response = ports.send(from("192.0.2.1", json(anonymous(Method::POST, "/auth/logout"), body))).await;
    assert_eq!((response.status.as_u16(), limit_headers(&response)), (204, ("", "")));
    assert_eq!(keys.lock().unwrap().len(), 1);
}

#[actix_web::test]
async fn a_limiter_that_refuses_without_counts_is_answered_503_and_no_quota() {
    for request in [signed_in(Method::GET, "/api/{user_id}/tasks"), login("192.0.2.1")] {
        let (ports, _) = limited(|_| RateDecision::Unavailable);
        let response = ports.send(request).await;
        response.problem(503, "OVERLOADED", "");
        assert_eq!(response.header("retry-after"), "1");
        assert_eq!(limit_headers(&response), ("", ""));
    }
}

#[actix_web::test]
async fn registrations_have_a_limit_of_their_own() {
    let network = || "192.0.2.1".parse::<IpAddr>().unwrap().into();
    let (ports, keys) = limited(|key| if policy(key) == REGISTRATION { refused(key) } else { allowed(key) });
    let body = r#"{"email":"Ada@example.com","password":"correct horse"}"#;
    let response = ports.send(from("192.0.2.1", json(anonymous(Method::POST, "/auth/register"), body))).await;
    response.problem(429, "RATE_LIMITED", "");
    assert_eq!(limit_headers(&response), (r#""registration";r=0;t=2"#, r#""registration";q=30;w=60"#));
    assert_eq!(*keys.lock().unwrap(), [RateKey::SignInPeer(network()), RateKey::Registration(network())]);
}

#[actix_web::test]
async fn a_peer_is_identified_by_its_connection() {
    let peer = |address: &str| RateKey::SignInPeer(address.parse::<IpAddr>().unwrap().into());
    for (from, counted) in [
        ("192.0.2.1", peer("192.0.2.1")),
        ("::ffff:192.0.2.1", peer("192.0.2.1")),
        ("2001:db8:0:1::1", peer("2001:db8:0:1::")),
        ("2001:db8:0:1:ffff::2", peer("2001:db8:0:1::")),
    ] {
        let (ports, keys) = limited(refused);
        let mut request = login(from);
        for forged in ["X-Forwarded-For", "X-Real-IP", "Client-IP", "CF-Connecting-IP", "True-Client-IP"] {
            request = request.insert_header((forged, "203.0.113.9"));
        }
        let request = request.insert_header(("Forwarded", "for=203.0.113.9"));
        ports.send(request).await.problem(429, "RATE_LIMITED", "");
        assert_eq!(*keys.lock().unwrap(), [counted], "{from}");
    }
}

#[actix_web::test]
async fn a_request_without_a_peer_is_not_counted() {
    let (mut ports, keys) = limited(refused);
    ports.tokens.expect_hash_secret().returning(|_, _| None);
    let body = r#"{"refresh_token":"nonsense"}"#;
    let response = ports.send(json(anonymous(Method::POST, "/auth/logout"), body)).await;
    assert_eq!((response.status.as_u16(), limit_headers(&response)), (204, ("", "")));
    assert_eq!(*keys.lock().unwrap(), []);
}

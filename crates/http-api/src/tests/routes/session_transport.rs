//! `Session-Transport: cookie`: the refresh token of a page of the server's own origin.

use actix_web::http::{Method, header};
use actix_web::test::TestRequest;
use actix_web::{FromRequest as _, ResponseError as _};
use chrono::TimeDelta;
use domain::secret::{SecretHash, SecretKind};
use domain::session::{CodeOwner, Session};
use domain::system::RefreshTokenOwner;
use domain::user::{Credentials, PasswordHash, User};
use uuid::Uuid;

use crate::extract::session_transport::SessionTransport;
use crate::tests::support::{Ports, TestResponse, anonymous, json, me, mock_tokens, now, signed_in, user};

const COOKIE: &str = "doable_session=refresh; HttpOnly; SameSite=Strict; Path=/auth; Max-Age=2592000";
const REMOVED: &str = "doable_session=; HttpOnly; SameSite=Strict; Path=/auth; Max-Age=0";
/// The session of [`signed_in`] requests.
const OWN_SESSION: &str = "/auth/sessions/00000000-0000-0000-0000-000000000009";

/// Ports on which every use case of a session succeeds.
fn ports() -> Ports {
    let mut ports = Ports::new();
    // Before the expectations of other kinds, of which the first one that matches counts.
    let is_code = |kind: &SecretKind, _: &str| *kind == SecretKind::OneTimeCode;
    ports.tokens.expect_hash_secret().withf(is_code).returning(|_, _| Some(SecretHash::new([3; 32])));
    mock_tokens(&mut ports.tokens);
    let hash = || PasswordHash::new("hash".into());
    ports.users.expect_create().returning(|_| Ok(user()));
    ports.users.expect_get().returning(|_| Ok(user()));
    ports.users.expect_credentials().returning(move |_| Ok(Credentials { user: user(), password_hash: Some(hash()) }));
    ports.users.expect_change_password().returning(|_, _, _| Ok(User { token_version: 1, ..user() }));
    ports.users.expect_delete().returning(|_, _| Ok(()));
    ports
        .system
        .expect_credentials_by_email()
        .returning(move |_| Ok(Some(Credentials { user: user(), password_hash: Some(hash()) })));
    ports.system.expect_redeem_code().returning(|_, _, _| Ok(Some(CodeOwner { user: me(), session: None })));
    ports.system.expect_session_by_refresh_token().returning(|_| {
        let expires_at = now() + TimeDelta::hours(1);
        Ok(Some(RefreshTokenOwner { user: me(), session: Uuid::from_u128(9).into(), expires_at }))
    });
    ports.hasher.expect_hash().returning(move |_| Ok(hash()));
    ports.hasher.expect_verify().returning(|_, _| Ok(true));
    ports.sessions.expect_rotate().returning(|_, _, rotation| Ok(rotation.next));
    ports.sessions.expect_end().returning(|_, _| Ok(()));
    ports.sessions.expect_end_all().returning(|_| Ok(()));
    ports.sessions.expect_create().returning(|user_id, new| {
        let (at, expires_at) = (new.at, new.expires_at);
        Ok(Session { id: new.id, user_id, client: new.client, created_at: at, last_used_at: at, expires_at })
    });
    ports
}

/// A request that starts or continues a session, for each route that does.
fn session_requests() -> Vec<TestRequest> {
    let open = |path: &str, body: &'static str| json(anonymous(Method::POST, path), body);
    vec![
        open("/auth/register", r#"{"email":"ada@example.com","password":"correct horse"}"#),
        open("/auth/login", r#"{"email":"ada@example.com","password":"correct horse"}"#),
        open("/auth/exchange", r#"{"code":"code"}"#),
        json(signed_in(Method::POST, "/auth/password"), r#"{"current_password":"x","new_password":"correct horse"}"#),
        with_cookie(anonymous(Method::POST, "/auth/refresh")),
        with_cookie(open("/auth/refresh", r#"{"refresh_token":null}"#)),
    ]
}

/// A request that ends the session of this page, for each route that does.
fn end_requests() -> Vec<TestRequest> {
    vec![
        with_cookie(anonymous(Method::POST, "/auth/logout")),
        json(signed_in(Method::DELETE, "/auth/me"), r#"{"password":"x"}"#),
        signed_in(Method::DELETE, "/auth/sessions"),
        signed_in(Method::DELETE, OWN_SESSION),
    ]
}

fn with_cookie(request: TestRequest) -> TestRequest {
    request.insert_header((header::COOKIE, "other; theme=dark; doable_session=refresh; x=\u{e9}"))
}

fn in_cookie_mode(request: TestRequest) -> TestRequest {
    request.insert_header(("Session-Transport", "cookie"))
}

/// As a browser sends it from a page of the same origin.
fn own_page(request: TestRequest) -> TestRequest {
    in_cookie_mode(request).insert_header(("Sec-Fetch-Site", "same-origin"))
}

#[actix_web::test]
async fn the_refresh_token_is_in_the_cookie_and_not_in_the_body() {
    for response in ports().send_all(session_requests().into_iter().map(own_page)).await {
        let body = response.ok(response.status.as_u16());
        assert!(response.status.is_success() && body.get("refresh_token").is_none(), "{response:?}");
        assert!(!response.text.contains("refresh\""), "{response:?}");
        assert_eq!((&body["access_token"], &body["expires_in"]), (&"access".into(), &900.into()));
        assert_eq!(response.header("set-cookie"), COOKIE, "{response:?}");
        assert_eq!(response.header("cache-control"), "no-store");
    }
}

#[actix_web::test]
async fn the_cookie_has_the_path_and_the_scheme_of_the_public_url() {
    let mut ports = ports();
    ports.options.public_url = "https://example.com/todo/".parse().unwrap();
    let response = ports.send(own_page(session_requests().remove(1))).await;
    let expected = COOKIE.replace("Strict; Path=/auth", "Strict; Secure; Path=/todo/auth");
    assert_eq!(response.header("set-cookie"), expected);
}

#[actix_web::test]
async fn without_the_header_the_cookie_is_neither_set_nor_read() {
    for response in ports().send_all(session_requests().into_iter().take(4)).await {
        let body = response.ok(response.status.as_u16());
        assert_eq!((&body["refresh_token"], &body["expires_in"]), (&"refresh".into(), &86_400.into()));
        assert_eq!(response.header("set-cookie"), "");
    }
    for path in ["/auth/refresh", "/auth/logout"] {
        let request = || with_cookie(anonymous(Method::POST, path));
        // What a form of another site can send.
        let form = request().insert_header((header::CONTENT_TYPE, "application/x-www-form-urlencoded"));
        let requests = [request(), json(request(), "{}"), form];
        // No port is called.
        for response in Ports::new().send_all(requests).await {
            let problem = response.problem(400, "VALIDATION_ERROR", "refresh_token");
            assert_eq!(problem["message"], "refresh_token is required");
        }
    }
    let ended = ports().send_all(end_requests().into_iter().skip(1)).await;
    assert!(
        ended.iter().all(|response| response.status == 204 && response.header("set-cookie").is_empty()),
        "{ended:?}"
    );
}

#[actix_web::test]
async fn ending_the_session_of_the_page_removes_the_cookie() {
    for response in ports().send_all(end_requests().into_iter().map(own_page)).await {
        assert_eq!((response.status.as_u16(), response.header("set-cookie")), (204, REMOVED), "{response:?}");
    }
    let other = signed_in(Method::DELETE, "/auth/sessions/00000000-0000-0000-0000-000000000005");
    let without_cookie = anonymous(Method::POST, "/auth/logout");
    let responses = ports().send_all([own_page(other), own_page(without_cookie)]).await;
    assert_eq!((responses[0].status.as_u16(), responses[0].header("set-cookie")), (204, ""));
    assert_eq!((responses[1].status.as_u16(), responses[1].header("set-cookie")), (204, REMOVED));
}

/// The responses to a request for each route, from a page with these headers.
async fn from_page(
    mut ports: Ports,
    headers: &[(&'static str, &'static str)],
    public_url: Option<&str>,
) -> Vec<TestResponse> {
    if let Some(url) = public_url {
        ports.options.public_url = url.parse().unwrap();
        ports.options.own_origin = Some(ports.options.public_url.origin());
    }
    let add = |request| headers.iter().fold(in_cookie_mode(request), |request, header| request.append_header(*header));
    ports.send_all(session_requests().into_iter().chain(end_requests()).map(add)).await
}

#[actix_web::test]
async fn pages_of_other_origins_and_other_clients_are_refused_and_the_session_stands() {
    // No port is called but that which checks the access token.
    let (own, other) = ("https://todo.example.com", "https://evil.example.com");
    for headers in [
        &[][..],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "none")],
        &[("Sec-Fetch-Site", "")],
        &[("Sec-Fetch-Site", "Same-Origin")],
        &[("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
        // The page of a subdomain, whose origin is not that of the server either.
        &[("Sec-Fetch-Site", "same-site"), ("Origin", own)],
        &[("Origin", other)],
        &[("Origin", "null")],
        &[("Origin", "")],
        &[("Origin", "http://todo.example.com"), ("Host", "todo.example.com")],
        &[("Origin", "https://todo.example.com.evil.example")],
        &[("Origin", "https://todo.example.com:8443")],
        &[("Origin", own), ("Origin", other)],
        // The host is not that of the configured URL.
        &[("Origin", "http://127.0.0.1:8000"), ("Host", "127.0.0.1:8000")],
        &[("Host", "todo.example.com")],
        &[("Referer", "https://todo.example.com/")],
    ] {
        for response in from_page(Ports::new(), headers, Some(own)).await {
            response.problem(403, "CROSS_ORIGIN", "");
            assert_eq!(response.header("set-cookie"), "", "{headers:?}");
        }
    }
    for headers in [
        &[("Origin", "http://evil.example"), ("Host", "127.0.0.1:8000")][..],
        &[("Origin", "https://127.0.0.1:8000"), ("Host", "127.0.0.1:8000")],
        &[("Origin", "http://127.0.0.1:3000"), ("Host", "127.0.0.1:8000")],
        &[("Origin", "http://127.0.0.1:8000"), ("X-Forwarded-Host", "127.0.0.1:8000"), ("Host", "other")],
        &[("Origin", "http://127.0.0.1:8000")],
        &[("Origin", "http://"), ("Host", "")],
        &[("Origin", "null"), ("Host", "/")],
    ] {
        for response in from_page(Ports::new(), headers, None).await {
            response.problem(403, "CROSS_ORIGIN", "");
        }
    }
}

#[actix_web::test]
async fn a_browser_without_fetch_metadata_is_known_by_its_origin() {
    for (headers, public_url) in [
        (
            &[("Origin", "https://todo.example.com"), ("Host", "10.0.0.7:8000")][..],
            Some("https://todo.example.com/app"),
        ),
        (&[("Origin", "https://todo.example.com")], Some("https://todo.example.com:443")),
        (&[("Origin", "http://todo.lan"), ("Host", "todo.lan")], None),
        (&[("Origin", "http://todo.lan"), ("Host", "TODO.lan:80")], None),
        (&[("Origin", "http://[::1]:8000"), ("Host", "[::1]:8000")], None),
    ] {
        for response in from_page(ports(), headers, public_url).await {
            assert!(response.status.is_success(), "{headers:?}: {response:?}");
        }
    }
}

#[actix_web::test]
async fn other_transports_are_invalid() {
    let value = "Session-Transport must be cookie, or absent";
    for transport in [&["body"][..], &["Cookie"], &[""], &["cookie, cookie"], &["cookie", "cookie"], &["\u{e9}"]] {
        let requests = session_requests().into_iter().chain(end_requests()).map(|request| {
            let request = request.insert_header(("Sec-Fetch-Site", "same-origin"));
            transport.iter().fold(request, |request, value| request.append_header(("Session-Transport", *value)))
        });
        for response in Ports::new().send_all(requests).await {
            assert_eq!(response.problem(400, "VALIDATION_ERROR", "Session-Transport")["message"], value);
        }
    }
}

#[actix_web::test]
async fn the_cookie_is_for_its_path_only() {
    for path in ["/api/auth/signin", "/api/auth/refresh", "/authority/login", "/auth", "/AUTH/login"] {
        let request = own_page(TestRequest::with_uri(path)).to_http_request();
        let error = SessionTransport::extract(&request).await.err().unwrap();
        assert_eq!(error.status_code(), 400, "{path}: {error}");
        assert!(error.to_string().contains("under /auth"), "{path}: {error}");
    }
}

#[actix_web::test]
async fn a_refresh_needs_exactly_one_cookie_and_no_token_in_the_body() {
    for path in ["/auth/refresh", "/auth/logout"] {
        let post = || own_page(anonymous(Method::POST, path));
        let both = json(with_cookie(post()), r#"{"refresh_token":"refresh"}"#);
        let planted = "doable_session=refresh; doable_session=spent";
        let two_lines = with_cookie(post()).append_header((header::COOKIE, "doable_session=spent"));
        // No port is called.
        let requests = [both, post().insert_header((header::COOKIE, planted)), two_lines];
        let responses = Ports::new().send_all(requests).await;
        let problem = responses[0].problem(400, "VALIDATION_ERROR", "refresh_token");
        assert_eq!(problem["message"], "refresh_token must be absent with Session-Transport: cookie");
        responses[1].problem(401, "UNAUTHORIZED", "");
        responses[2].problem(401, "UNAUTHORIZED", "");
    }
    let none = own_page(anonymous(Method::POST, "/auth/refresh"));
    Ports::new().send(none).await.problem(401, "UNAUTHORIZED", "");
}

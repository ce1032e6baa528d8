//! Properties of requests and responses on all routes: authentication, refusals before the handler, and headers.

use actix_web::http::{Method, header};
use domain::api_token::ApiTokenRepoError;
use domain::conversation::ConversationRepoError;
use domain::runtime::readiness::NotReady;
use domain::session::SessionRepoError;
use domain::storage::StorageError;
use domain::task::TaskRepoError;

use crate::tests::support::{
    OTHER, Ports, TASK, TOKEN, accept_commits, anonymous, fill_path, json, now, operations, signed_in, task, user,
};

fn protected() -> impl Iterator<Item = (&'static str, Method)> {
    operations()
        .filter(|(_, _, operation)| operation["security"][0].is_object())
        .map(|(path, method, _)| (path, method))
}

fn with_body() -> impl Iterator<Item = (&'static str, Method)> {
    operations()
        .filter(|(_, _, operation)| operation["requestBody"].is_object())
        .map(|(path, method, _)| (path, method))
}

#[actix_web::test]
async fn protected_routes_check_the_token_first() {
    for (path, method) in protected() {
        for (authorization, code, challenge) in [
            (None, "UNAUTHORIZED", r#"Bearer realm="doable""#),
            (Some("Basic YTpi"), "UNAUTHORIZED", r#"Bearer realm="doable""#),
            (Some("Bearer"), "UNAUTHORIZED", r#"Bearer realm="doable", error="invalid_token""#),
            (Some("Bearer nonsense"), "UNAUTHORIZED", r#"Bearer realm="doable", error="invalid_token""#),
            (Some("bearer expired-token"), "TOKEN_EXPIRED", r#"Bearer realm="doable", error="invalid_token""#),
        ] {
            let mut request = json(anonymous(method.clone(), &format!("{path}?nonsense=1")), "nonsense");
            if let Some(authorization) = authorization {
                request = request.insert_header((header::AUTHORIZATION, authorization));
            }
            let response = Ports::new().send(request).await;
            response.problem(401, code, "");
            assert_eq!(response.header("www-authenticate"), challenge, "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn two_tokens_are_rejected() {
    let request = signed_in(Method::GET, "/auth/me").append_header((header::AUTHORIZATION, "Bearer other"));
    Ports::new().send(request).await.problem(401, "UNAUTHORIZED", "");
}

#[actix_web::test]
async fn the_path_of_another_user_is_forbidden_before_other_checks() {
    let mut checked = 0;
    for (path, method) in protected().filter(|(path, _)| path.contains("{user_id}")) {
        for user in [OTHER, "no-id", "00000000000070008000000000000007", "%2e%2e"] {
            let path =
                fill_path(&format!("{}?nonsense=1", path.replace("{user_id}", user).replace("{task_id}", "no-id")));
            let response = Ports::new().send(json(signed_in(method.clone(), &path), "nonsense")).await;
            response.problem(403, "FORBIDDEN", "");
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked}");
}

#[actix_web::test]
async fn an_uppercase_user_id_is_forbidden() {
    let mut ports = Ports::new();
    let id = "00000000-0000-7000-8000-0000000000ab";
    ports.tokens.checkpoint();
    ports.tokens.expect_verify().returning(move |_| {
        Ok(domain::account::AccessClaims {
            user: id.parse().unwrap(),
            session: uuid::Uuid::nil().into(),
            token_version: 0,
            issued_at: now(),
            expires_at: now(),
        })
    });
    ports.tasks.expect_list().returning(|_, _, _| Ok(domain::page::Page { items: Vec::new(), next: None }));
    let responses = ports
        .send_all([
            signed_in(Method::GET, &format!("/api/{}/tasks", id.to_uppercase())),
            signed_in(Method::GET, &format!("/api/{id}/tasks")),
        ])
        .await;
    responses[0].problem(403, "FORBIDDEN", "");
    responses[1].ok(200);
}

#[actix_web::test]
async fn unknown_query_parameters_are_refused_and_named() {
    // Providers and pages add parameters to the URLs that a browser opens.
    let opened_in_browser = ["/auth/google", "/auth/google/callback"];
    for (path, method, operation) in operations().filter(|(path, ..)| !opened_in_browser.contains(path)) {
        let request = json(signed_in(method.clone(), &format!("{path}?nonsense=1&more=%C3%A9")), "{}");
        let response = Ports::new().send(request).await;
        let problem = response.problem(400, "VALIDATION_ERROR", "nonsense");
        assert_eq!(problem["message"], "Unknown query parameters: 'nonsense', 'more'", "{operation}");
    }
}

#[actix_web::test]
async fn a_wrong_method_lists_the_allowed_ones() {
    let all = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "BREW"];
    for path in operations().map(|(path, _, _)| path) {
        let mut allowed: Vec<String> =
            operations().filter(|(other, _, _)| *other == path).map(|(_, method, _)| method.to_string()).collect();
        allowed.sort();
        for method in all.iter().filter(|method| !allowed.iter().any(|allowed| allowed == *method)) {
            let response = Ports::new().send(anonymous(method.parse().unwrap(), path)).await;
            assert_eq!(response.status.as_u16(), 405, "{method} {path}");
            let mut listed: Vec<String> = response.header("allow").split(", ").map(str::to_owned).collect();
            listed.sort();
            assert_eq!(listed, allowed, "{method} {path}");
            response.problem(405, "METHOD_NOT_ALLOWED", "");
        }
    }
}

#[actix_web::test]
async fn unknown_paths_are_not_found() {
    for path in [
        "/",
        "/nothing",
        "/api",
        "/auth",
        "/auth/",
        "/auth/login//",
        "/health//",
        "/docs//",
        "/openapi.yaml",
        "/api/{user_id}/tasks//",
        "/api/{user_id}/tasks/{task_id}/complete//",
        "/api/{user_id}",
        "/api/auth",
        "/api/auth/x",
        "/auth/signup",
        "/signin",
        "//",
        "//health",
        "//health/",
        "/health%2F",
        "/api//tasks",
        "/API/{user_id}/tasks",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            Ports::new().send(signed_in(method, path)).await.problem(404, "NOT_FOUND", "");
        }
    }
}

#[actix_web::test]
async fn every_route_with_a_body_checks_type_size_and_syntax() {
    let large = format!(r#"{{"title":"{}"}}"#, "x".repeat(70_000));
    let mut checked = 0;
    for (path, method) in with_body() {
        let request = || signed_in(method.clone(), path);
        for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/problem+json", "nonsense"] {
            let typed = request().insert_header((header::CONTENT_TYPE, media_type)).set_payload("{}");
            Ports::new().send(typed).await.problem(415, "UNSUPPORTED_MEDIA_TYPE", "");
        }
        Ports::new().send(request().set_payload("{}")).await.problem(415, "UNSUPPORTED_MEDIA_TYPE", "");
        let compressed = json(request(), "{}").insert_header((header::CONTENT_ENCODING, "gzip"));
        Ports::new().send(compressed).await.problem(415, "UNSUPPORTED_MEDIA_TYPE", "");
        Ports::new().send(json(request(), large.clone())).await.problem(413, "PAYLOAD_TOO_LARGE", "");
        Ports::new().send(json(request(), "nonsense")).await.problem(400, "MALFORMED_JSON", "");
        Ports::new().send(json(request(), r#"{"nonsense":1}"#)).await.problem(400, "VALIDATION_ERROR", "nonsense");
        checked += 1;
    }
    assert_eq!(checked, 19);
}

/// The operations whose path has this variable.
fn with_variable(variable: &'static str) -> impl Iterator<Item = (&'static str, Method)> {
    operations().filter(move |(path, _, _)| path.contains(variable)).map(|(path, method, _)| (path, method))
}

/// Ports without any rows.
pub(super) fn without_rows() -> Ports {
    let mut ports = Ports::new();
    ports.tasks.expect_get().returning(|_, _| Err(TaskRepoError::NotFound));
    ports.tasks.expect_get_many().returning(|_, _| Ok(Vec::new()));
    ports.conversations.expect_get().returning(|_, _| Err(ConversationRepoError::NotFound));
    ports.conversations.expect_find_by_key().returning(|_, _| Ok(None));
    ports.conversations.expect_rename().returning(|_, _, _| Err(ConversationRepoError::NotFound));
    ports.conversations.expect_delete().returning(|_, _| Err(ConversationRepoError::NotFound));
    ports.conversations.expect_messages().returning(|_, _, _, _| Err(ConversationRepoError::NotFound));
    ports.conversations.expect_begin_turn().returning(|_, _| Err(ConversationRepoError::NotFound));
    ports.sessions.expect_end().returning(|_, _| Err(SessionRepoError::NotFound));
    ports.api_tokens.expect_delete().returning(|_, _| Err(ApiTokenRepoError::NotFound));
    ports
}

#[actix_web::test]
async fn an_invalid_id_is_answered_like_a_missing_row() {
    for variable in ["{task_id}", "{id}", "{seq}", "{operation_id}", "{conversation_id}", "{message_id}"] {
        for (path, method) in with_variable(variable) {
            let code = match path {
                _ if variable == "{task_id}" => "TASK_NOT_FOUND",
                _ if path.ends_with("/undo") => "NOT_FOUND",
                "/auth/sessions/{id}" => "SESSION_NOT_FOUND",
                "/auth/tokens/{id}" => "TOKEN_NOT_FOUND",
                _ => "CONVERSATION_NOT_FOUND",
            };
            let bodies = ["{}", r#"{"title":"b"}"#, r#"{"title":""}"#, r#"{"completed":true}"#, "nonsense"];
            let guards = [None, Some("\"1\""), Some("\"1\", \"2\""), Some("*"), Some("W/\"1\""), Some("nonsense")];
            let cases: Vec<_> = bodies.iter().flat_map(|body| guards.map(|guard| (*body, guard))).collect();
            let row = if variable == "{seq}" { "5" } else { TASK };
            let ids = [row, "no-id", "%00", "%7B00000000-0000-7000-8000-0000000000aa%7D"];
            let requests = cases.iter().flat_map(|(body, guard)| ids.map(|id| (id, *body, *guard)));
            let requests = requests.map(|(id, body, guard)| {
                let request = json(signed_in(method.clone(), &path.replace(variable, id)), body);
                guard.into_iter().fold(request, |request, guard| request.insert_header((header::IF_MATCH, guard)))
            });
            // One application for all of them, because building one takes long.
            let responses = without_rows().send_all(requests).await;
            for ((body, guard), responses) in cases.iter().zip(responses.chunks(ids.len())) {
                let first = responses[0].without_request_id();
                for response in responses {
                    assert_eq!(response.without_request_id(), first, "{method} {path} {body} {guard:?}");
                }
                if path.ends_with("/chat/{conversation_id}/stream") {
                    assert_eq!(responses[0].status.as_u16(), 204, "{method} {path}");
                } else if *body == "{}" && *guard != Some("nonsense") {
                    responses[0].problem(404, code, "");
                }
            }
        }
    }
}

#[actix_web::test]
async fn every_get_route_answers_head() {
    let mut checked = 0;
    for (path, method, _) in operations().filter(|(_, method, _)| *method == Method::GET) {
        let head = operations().any(|(other, method, _)| other == path && method == Method::HEAD);
        assert!(head, "{method} {path}");
        checked += 1;
    }
    assert_eq!(checked, 24);
    let responses = without_rows()
        .send_all([signed_in(Method::HEAD, "/health"), signed_in(Method::HEAD, "/api/{user_id}/tasks/{task_id}")])
        .await;
    assert_eq!(responses.iter().map(|response| response.status.as_u16()).collect::<Vec<_>>(), [200, 404]);
}

#[actix_web::test]
async fn a_panicking_handler_is_an_internal_error_and_the_server_continues() {
    let mut ports = Ports::new();
    ports.tasks.expect_get().returning(|_, _| panic!("SELECT secret FROM /etc/passwd"));
    let request = || signed_in(Method::GET, "/api/{user_id}/tasks/{task_id}");
    let responses = ports.send_all([request(), signed_in(Method::GET, "/health"), request()]).await;
    let problem = responses[0].problem(500, "INTERNAL_ERROR", "");
    assert_eq!(problem["message"], "An unexpected error occurred");
    assert!(!responses[0].text.contains("SELECT") && !responses[0].text.contains("passwd"), "{}", responses[0].text);
    responses[1].ok(200);
    responses[2].problem(500, "INTERNAL_ERROR", "");
}

#[actix_web::test]
async fn storage_failures_are_reported_without_their_causes() {
    let cause = || "marked cause".into();
    for (error, status, code, retry) in [
        (StorageError::Exhausted(cause()), 503, "OVERLOADED", "1"),
        (StorageError::Unavailable(cause()), 503, "DATABASE_UNAVAILABLE", "5"),
        (StorageError::Corrupt(cause()), 500, "INTERNAL_ERROR", ""),
        (StorageError::Other(cause()), 500, "INTERNAL_ERROR", ""),
    ] {
        let mut ports = Ports::new();
        ports.tasks.expect_get().return_once(move |_, _| Err(error.into()));
        let response = ports.send(signed_in(Method::GET, "/api/{user_id}/tasks/{task_id}")).await;
        response.problem(status, code, "");
        assert_eq!(response.header("retry-after"), retry);
        assert!(!response.text.contains("marked"), "{}", response.text);
    }
    let mut ports = Ports::new();
    ports.tasks.expect_get().returning(|_, _| Ok(task(1)));
    ports.changes.expect_commit().return_once(move |_, _, _| Err(StorageError::Full(cause()).into()));
    ports.send(signed_in(Method::DELETE, "/api/{user_id}/tasks/{task_id}")).await.problem(507, "STORAGE_FULL", "");
    let mut ports = Ports::new();
    ports.sessions.checkpoint();
    ports.sessions.expect_status().return_once(move |_, _, _| Err(StorageError::Exhausted(cause()).into()));
    ports.send(signed_in(Method::GET, "/auth/me")).await.problem(503, "OVERLOADED", "");
}

#[actix_web::test]
async fn readiness_reports_the_reason_and_liveness_checks_nothing() {
    for (reason, code, message) in [
        (NotReady::Database("marked".into()), "DATABASE_UNAVAILABLE", "The database cannot be reached right now"),
        (NotReady::Migrations, "DATABASE_UNAVAILABLE", "The database migrations have not completed"),
        (NotReady::ShuttingDown, "OVERLOADED", "The server is shutting down"),
    ] {
        let mut ports = Ports::new();
        ports.readiness.expect_check().return_once(move || Err(reason));
        let paths = ["/health/ready", "/health/live", "/health"];
        let responses = ports.send_all(paths.map(|path| anonymous(Method::GET, path))).await;
        assert_eq!(responses[0].problem(503, code, "")["message"], message);
        assert!(!responses[0].text.contains("marked"));
        assert_eq!(responses[1].ok(200)["status"], "live");
        assert_eq!(responses[2].ok(200)["status"], "up");
    }
    let mut ports = Ports::new();
    ports.readiness.expect_check().return_once(|| Ok(()));
    assert_eq!(ports.send(anonymous(Method::GET, "/health/ready")).await.ok(200)["status"], "ready");
}

#[actix_web::test]
async fn a_valid_request_id_is_kept_and_an_invalid_one_replaced() {
    for path in ["/health", "/nothing"] {
        let with = |id: &str| anonymous(Method::GET, path).insert_header(("X-Request-Id", id));
        assert_eq!(Ports::new().send(with("trace-1/a=@")).await.header("x-request-id"), "trace-1/a=@");
        for invalid in ["a b", "", "a;b", "\t", &"x".repeat(129)] {
            let response = Ports::new().send(with(invalid)).await;
            assert_eq!(response.header("x-request-id"), "00000000-0000-0000-0000-000000001000", "{invalid}");
        }
        let not_ascii = anonymous(Method::GET, path)
            .insert_header(("X-Request-Id", header::HeaderValue::from_bytes(b"\xff\xfe").unwrap()));
        assert_eq!(Ports::new().send(not_ascii).await.header("x-request-id").len(), 36);
    }
}

#[actix_web::test]
async fn every_response_has_the_security_headers() {
    let responses = || async {
        let mut ports = without_rows();
        ports.options.production = true;
        let paths =
            ["/health", "/nothing", "/auth/me", "/api/{user_id}/tasks/{task_id}", "/docs", "/docs/swagger-ui.css"];
        ports.send_all(paths.map(|path| anonymous(Method::GET, path))).await
    };
    for response in responses().await {
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{response:?}");
        assert_eq!(response.header("referrer-policy"), "no-referrer", "{response:?}");
        assert_eq!(response.header("x-frame-options"), "DENY", "{response:?}");
        assert!(response.header("content-security-policy").contains("default-src 'none'"), "{response:?}");
        assert!(response.header("content-security-policy").contains("frame-ancestors 'none'"), "{response:?}");
        assert_eq!(response.header("strict-transport-security"), "max-age=31536000", "{response:?}");
        let is_cached = response.path.starts_with("/docs");
        assert_eq!(
            response.header("cache-control"),
            if is_cached { "public, max-age=3600" } else { "no-store" },
            "{response:?}"
        );
    }
    let plain = Ports::new().send(anonymous(Method::GET, "/health")).await;
    assert_eq!(plain.header("strict-transport-security"), "", "not outside production");
}

#[actix_web::test]
async fn an_unexpected_body_is_ignored() {
    let request = anonymous(Method::GET, "/health").insert_header((header::CONTENT_TYPE, "text/plain"));
    Ports::new().send(request.set_payload("nonsense")).await.ok(200);
    let mut ports = Ports::new();
    ports.tasks.expect_get().returning(|_, _| Ok(task(1)));
    accept_commits(&mut ports);
    let request = signed_in(Method::DELETE, "/api/{user_id}/tasks/{task_id}").set_payload("x".repeat(70_000));
    ports.send(request.insert_header((header::CONTENT_TYPE, "text/plain"))).await.ok(204);
}

#[actix_web::test]
async fn the_bearer_scheme_is_case_insensitive() {
    let mut ports = Ports::new();
    ports.users.expect_get().returning(|_| Ok(user()));
    let request = anonymous(Method::GET, "/auth/me").insert_header((header::AUTHORIZATION, format!("bEaReR {TOKEN}")));
    ports.send(request).await.ok(200);
}

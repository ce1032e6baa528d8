//! Properties of all routes: body limits, methods, headers, CORS, health and the document.

use reqwest::Method;
use serde_json::json;
use tests::{TestApp, on_both_databases};

on_both_databases! {
    async fn bodies_are_limited_in_size_and_type(app: TestApp) {
        let ada = app.register("ada").await?;
        let large = json!({"title": "x".repeat(70_000)}).to_string().into_bytes();
        let response = app.raw(&ada, Method::POST, "/api/{me}/tasks", "application/json", large).await?;
        response.expect_problem(413, "PAYLOAD_TOO_LARGE", None)?;
        let form = b"title=a".to_vec();
        let response = app.raw(&ada, Method::POST, "/api/{me}/tasks", "text/plain", form.clone()).await?;
        response.expect_problem(415, "UNSUPPORTED_MEDIA_TYPE", None)?;
        app.raw(&ada, Method::GET, "/api/{me}/tasks", "text/plain", form).await?.expect(200)?;
        let with_charset = br#"{"title":"a"}"#.to_vec();
        app.raw(&ada, Method::POST, "/api/{me}/tasks", "application/json; charset=utf-8", with_charset)
            .await?
            .expect(201)?;
    }
}

on_both_databases! {
    async fn a_wrong_method_lists_the_allowed_ones_and_an_unknown_path_is_not_found(app: TestApp) {
        let ada = app.register("ada").await?;
        let answer = ada.delete("/api/{me}/tasks").await?;
        answer.expect_problem(405, "METHOD_NOT_ALLOWED", None)?;
        for method in ["GET", "HEAD", "POST"] {
            assert!(answer.header("allow").contains(method), "{}", answer.header("allow"));
        }
        for path in ["/", "/nothing", "/api", "/api/{me}/tasks//", "/auth", "/openapi.yaml"] {
            ada.get(path).await?.expect_problem(404, "NOT_FOUND", None)?;
        }
        for path in ["/health/", "/auth/me/", "/api/auth/me", "/api/{me}/tasks/?limit=1"] {
            ada.get(path).await?.expect(200)?;
        }
    }
}

on_both_databases! {
    async fn head_equals_get_without_the_body(app: TestApp) {
        let ada = app.register("ada").await?;
        ada.add("a").await?;
        for path in ["/api/{me}/tasks", "/auth/me", "/health", "/openapi.json"] {
            let head = ada.send(Method::HEAD, path, None).await?;
            assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""), "{path}");
            assert_eq!(head.header("content-type"), ada.get(path).await?.header("content-type"), "{path}");
        }
    }
}

on_both_databases! {
    async fn a_valid_request_id_is_kept_and_an_invalid_one_replaced(app: TestApp) {
        let anonymous = app.anonymous();
        let answer = anonymous.send_with(Method::GET, "/nothing", None, &[("x-request-id", "trace-1")]).await?;
        assert_eq!(answer.header("x-request-id"), "trace-1");
        let answer = anonymous.send_with(Method::GET, "/health", None, &[("x-request-id", "a b; c")]).await?;
        assert_eq!(answer.header("x-request-id").len(), 36);
    }
}

on_both_databases! {
    async fn only_the_configured_origin_may_read_responses(app: TestApp) {
        let ada = app.register("ada").await?;
        let from = |origin: &'static str| {
            let ada = ada.clone();
            async move { ada.send_with(Method::GET, "/auth/me", None, &[("origin", origin)]).await }
        };
        let own = from("http://localhost:3000").await?;
        assert_eq!(own.header("access-control-allow-origin"), "http://localhost:3000");
        assert!(own.header("access-control-expose-headers").to_lowercase().contains("etag"), "{:?}", own.headers);
        assert_eq!(from("http://evil.example").await?.header("access-control-allow-origin"), "");
        let preflight = [
            ("origin", "http://localhost:3000"),
            ("access-control-request-method", "PATCH"),
            ("access-control-request-headers", "authorization, if-match, content-type"),
        ];
        let answer = app.anonymous().send_with(Method::OPTIONS, "/api/x/tasks/y", None, &preflight).await?;
        assert!(answer.status.is_success(), "{answer:?}");
        assert!(answer.header("access-control-allow-methods").contains("PATCH"), "{answer:?}");
    }
}

on_both_databases! {
    async fn every_response_has_the_security_headers(app: TestApp) {
        for path in ["/health", "/nothing", "/auth/me", "/openapi.json", "/docs"] {
            let answer = app.anonymous().get(path).await?;
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
            assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        }
    }
}

on_both_databases! {
    async fn health_and_documentation_need_no_token(app: TestApp) {
        let anonymous = app.anonymous();
        for path in ["/health", "/health/live", "/health/ready"] {
            anonymous.get(path).await?.expect(200)?;
        }
        let document = anonymous.get("/openapi.json").await?.expect(200)?;
        assert!(
            document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")),
            "{}",
            document["openapi"]
        );
        assert!(anonymous.get("/docs").await?.text.contains("<html"));
    }
}

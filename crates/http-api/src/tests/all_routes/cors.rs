//! Cross-origin requests.

use actix_web::http::{Method, header};

use crate::tests::support::{Ports, anonymous, operations};

#[actix_web::test]
async fn only_the_configured_origin_may_read_responses() {
    for path in ["/health", "/nothing", "/auth/me", "/auth/login", "/api/{user_id}/tasks/{task_id}"] {
        let from = |origin| anonymous(Method::GET, path).insert_header((header::ORIGIN, origin));
        let own = Ports::new().send(from("http://localhost:3000")).await;
        assert_eq!(own.header("access-control-allow-origin"), "http://localhost:3000", "{path}");
        assert_eq!(own.header("access-control-allow-credentials"), "true", "{path}");
        let exposed = own.header("access-control-expose-headers").to_lowercase();
        for name in crate::middleware::cors::EXPOSED_HEADERS {
            assert!(exposed.split(", ").any(|exposed| exposed == name.to_lowercase()), "{name}: {exposed}");
        }
        assert!(own.header("vary").contains("Origin"), "{own:?}");
        for origin in ["http://evil.example", "null", "https://localhost:3000", "http://localhost:3000.evil.example"] {
            let other = Ports::new().send(from(origin)).await;
            assert_eq!(other.header("access-control-allow-origin"), "", "{origin} {path}");
            assert_eq!(other.header("access-control-allow-credentials"), "", "{origin} {path}");
            assert_eq!(other.status, own.status, "{origin} {path}");
        }
    }
}

#[actix_web::test]
async fn preflight_works_on_every_route() {
    for (path, method, _) in operations() {
        let preflight = |origin| {
            anonymous(Method::OPTIONS, path)
                .insert_header((header::ORIGIN, origin))
                .insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, method.as_str()))
                .insert_header((
                    header::ACCESS_CONTROL_REQUEST_HEADERS,
                    "authorization, content-type, accept, if-match, if-none-match, idempotency-key, last-event-id, \
                     x-request-id, user-agent, sentry-trace, baggage, traceparent, x-requested-with, cache-control",
                ))
        };
        let response = Ports::new().send(preflight("http://localhost:3000")).await;
        assert_eq!(response.status.as_u16(), 200, "{method} {path}: {response:?}");
        assert_eq!(response.header("access-control-allow-origin"), "http://localhost:3000");
        assert_eq!(response.header("access-control-allow-credentials"), "true");
        assert!(response.header("access-control-allow-methods").split(", ").any(|allowed| allowed == method.as_str()));
        assert_eq!(response.header("access-control-max-age"), "3600");
        assert!(response.header("access-control-allow-headers").contains("sentry-trace"), "{response:?}");
        let refused = Ports::new().send(preflight("http://evil.example")).await;
        assert_eq!(refused.problem(403, "CORS_REFUSED", "")["message"], "The origin is not allowed");
        assert_eq!(refused.header("access-control-allow-origin"), "");
        assert_eq!(refused.header("access-control-allow-credentials"), "");
    }
}

#[actix_web::test]
async fn pages_may_not_send_headers_of_proxies() {
    let requesting = async |headers: &str| {
        let preflight = anonymous(Method::OPTIONS, "/api/{user_id}/tasks")
            .insert_header((header::ORIGIN, "http://localhost:3000"))
            .insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, "POST"))
            .insert_header((header::ACCESS_CONTROL_REQUEST_HEADERS, headers));
        Ports::new().send(preflight).await
    };
    let refused = [
        "cookie",
        "Session-Transport",
        "Forwarded",
        "x-forwarded-for",
        "X-Forwarded-Host",
        "x-real-ip",
        "proxy-authorization",
        "X-HTTP-Method",
    ];
    for name in refused {
        for headers in [name.to_owned(), format!("content-type,{name}"), format!("{name} , accept")] {
            let response = requesting(&headers).await;
            let problem = response.problem(403, "CORS_REFUSED", "");
            assert_eq!(problem["message"], "One or more request headers are not allowed", "{headers}");
        }
    }
    assert_eq!(requesting(&"x-anything,".repeat(1000)).await.status.as_u16(), 200);
}

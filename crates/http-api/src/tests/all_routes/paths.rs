//! Spellings of paths that are the same route, and the media type of errors.

use std::collections::BTreeSet;

use actix_web::http::{Method, header};

use super::requests::without_rows;
use crate::tests::support::{Ports, TOKEN, TestResponse, anonymous, json, operations, signed_in};

/// Requests to pairs of paths with each method, refused before their handlers, whose responses must be equal in pairs.
async fn are_the_same_route(pairs: impl Iterator<Item = (String, String)>) {
    let mut requests = Vec::new();
    for (one, other) in pairs {
        for method in ["GET", "HEAD", "POST", "PATCH", "DELETE", "BREW"] {
            if method == "DELETE" && (other.ends_with("/trash/") || other.ends_with("/sessions/")) {
                continue;
            }
            for (query, token) in [("", "expired-token"), ("?nonsense=1", TOKEN)] {
                requests.extend([&one, &other].map(|path| {
                    json(anonymous(method.parse().unwrap(), &format!("{path}{query}")), r#"{"nonsense":1}"#)
                        .insert_header((header::AUTHORIZATION, format!("Bearer {token}")))
                }));
            }
        }
    }
    let mut ports = without_rows();
    ports.readiness.expect_check().returning(|| Ok(()));
    for pair in ports.send_all(requests).await.chunks(2) {
        assert_eq!(pair[0].without_request_id(), pair[1].without_request_id(), "{:?}", pair[1]);
        assert_ne!(pair[0].status, 404, "{:?}", pair[0]);
    }
}

#[actix_web::test]
async fn a_trailing_slash_is_the_same_route() {
    let paths: BTreeSet<&str> = operations().map(|(path, ..)| path).collect();
    are_the_same_route(paths.into_iter().map(|path| (path.to_owned(), format!("{path}/")))).await;
}

#[actix_web::test]
async fn the_deletion_of_an_item_without_an_id_does_not_delete_the_collection() {
    for path in ["/api/{user_id}/trash/", "/auth/sessions/", "/api/auth/sessions/"] {
        Ports::new().send(signed_in(Method::DELETE, path)).await.problem(404, "NOT_FOUND", "");
    }
}

#[actix_web::test]
async fn an_alias_is_the_same_route() {
    let table = crate::routes::table();
    let pairs = table.iter().filter_map(|endpoint| Some((endpoint.alias_of()?.to_owned(), endpoint.path().to_owned())));
    assert!(pairs.clone().count() > 15);
    are_the_same_route(pairs).await;
}

#[actix_web::test]
async fn errors_are_plain_json_for_clients_that_name_only_it() {
    let with_accept =
        |path: &str, accept: &'static str| signed_in(Method::GET, path).insert_header((header::ACCEPT, accept));
    for path in ["/nothing", "/api/{user_id}/tasks/{task_id}", "/api/{user_id}/tasks?limit=0", "/auth/login"] {
        let responses = without_rows()
            .send_all([
                with_accept(path, "application/json, text/plain, */*"),
                with_accept(path, "*/*"),
                with_accept(path, "application/json, application/problem+json"),
            ])
            .await;
        let types: Vec<_> = responses.iter().map(|response| response.header("content-type")).collect();
        let problem = "application/problem+json";
        assert_eq!(types, ["application/json", problem, problem], "{path}");
        let mut bodies = responses.iter().map(TestResponse::json).collect::<Vec<_>>();
        for body in &mut bodies {
            body["request_id"] = "".into();
        }
        assert!(bodies[0]["code"].is_string() && bodies[0] == bodies[1], "{bodies:?}");
    }
}

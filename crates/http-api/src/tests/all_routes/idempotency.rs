//! Every POST below a user takes an `Idempotency-Key`.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use domain::change::IdempotencyError;
use domain::storage::StorageError;

use crate::tests::support::{Ports, json, operations, signed_in};

const REFERENCE: &str = "#/components/parameters/Idempotency-Key";

/// The paths of the operations that take a key.
fn keyed() -> impl Iterator<Item = &'static str> {
    operations()
        .filter(|(path, method, _)| *method == Method::POST && path.starts_with("/api/{user_id}/"))
        .map(|(path, ..)| path)
}

fn request(path: &str) -> TestRequest {
    json(signed_in(Method::POST, path), if path.ends_with("/tasks") { r#"{"title":"a"}"# } else { "{}" })
}

#[test]
fn exactly_the_posts_below_a_user_describe_the_key() {
    let described = operations().filter(|(_, _, operation)| {
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters.any(|parameter| parameter["$ref"] == REFERENCE)
    });
    let described: Vec<_> = described.map(|(path, method, _)| (path, method)).collect();
    assert_eq!(described, keyed().map(|path| (path, Method::POST)).collect::<Vec<_>>());
    assert_eq!(described.len(), 7);
}

#[actix_web::test]
async fn an_invalid_key_is_refused() {
    for path in keyed() {
        for lines in [&["a", "a"] as &[&str], &[""], &["é"], &[&"x".repeat(256)]] {
            let request =
                lines.iter().fold(request(path), |request, line| request.append_header(("Idempotency-Key", *line)));
            Ports::new().send(request).await.problem(400, "VALIDATION_ERROR", "Idempotency-Key");
        }
    }
}

type Refusal = fn() -> IdempotencyError;

#[actix_web::test]
async fn a_key_in_use_is_refused() {
    // Messages to the assistant have their own storage.
    for path in keyed().filter(|path| !path.ends_with("/chat")) {
        let refusals: [(Refusal, u16, &str, &str); 3] = [
            (|| IdempotencyError::KeyReused, 422, "IDEMPOTENCY_KEY_REUSED", "Idempotency-Key"),
            (|| IdempotencyError::InProgress, 409, "IDEMPOTENCY_IN_PROGRESS", ""),
            (|| StorageError::Unavailable("down".into()).into(), 503, "DATABASE_UNAVAILABLE", ""),
        ];
        for (error, status, code, field) in refusals {
            let mut ports = Ports::new();
            ports.changes.expect_find_answer().returning(move |_, _, _| Err(error()));
            let response = ports.send(request(path).insert_header(("Idempotency-Key", "k"))).await;
            response.problem(status, code, field);
        }
    }
}

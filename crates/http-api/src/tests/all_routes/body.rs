//! Request bodies: invalid JSON, and JSON that does not match the schema.

use actix_web::http::{Method, header};
use actix_web::web::Bytes;

use crate::tests::support::{Ports, TestResponse, json, signed_in};

async fn post(body: impl Into<Bytes>) -> TestResponse {
    let request =
        signed_in(Method::POST, "/api/{user_id}/tasks").insert_header((header::CONTENT_TYPE, "application/json"));
    Ports::new().send(request.set_payload(body)).await
}

#[actix_web::test]
async fn invalid_json_is_malformed_and_the_parser_is_not_quoted() {
    for body in [
        &b""[..],
        b" ",
        b"{\"title\": ",
        b"{\"title\": \"a\"} trailing",
        b"title=a",
        b"{'title': 'a'}",
        b"{\"title\": \"\xff\xfe\"}",
        b"{\"title\": \"\\ud800\"}",
        b"{\"title\": \"\\ude00\\ud800\"}",
        b"{\"title\": \"a\nb\"}",
        b"{\"title\": NaN}",
        b"{\"title\": 1e999}",
        b"{\"title\": \"a\",}",
        b"\xef\xbb\xbf{\"title\": \"a\"}",
    ] {
        let response = post(body.to_vec()).await;
        let problem = response.problem(400, "MALFORMED_JSON", "");
        assert_eq!(problem["message"], "The body is not valid JSON", "{}", String::from_utf8_lossy(body));
    }
}

#[actix_web::test]
async fn json_of_the_wrong_form_has_a_readable_message() {
    let deep = format!("{{\"title\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for (body, field, message) in [
        ("[]", "", "The body must be a JSON object"),
        ("null", "", "The body must be a JSON object"),
        (r#""title""#, "", "The body must be a JSON object"),
        (r#"{"title":5}"#, "title", "title must be a string"),
        (r#"{"title":{"a":1}}"#, "title", "title must be a string"),
        (r#"{"title":"a","completed":"yes"}"#, "completed", "completed must be a boolean"),
        (r#"{"title":"a","title":"b"}"#, "title", "title is given more than once"),
        (r#"{"title":"a\u0000b"}"#, "title", "Task title cannot contain control characters"),
        (r#"{"title":"a","x":{"y":["\u0000"]}}"#, "x", "Unknown field: 'x'"),
        (r#"{"title":"a","x, expected `title`":1}"#, "x, expected `title`", "Unknown field: 'x, expected `title`'"),
    ] {
        assert_eq!(post(body.to_owned()).await.problem(400, "VALIDATION_ERROR", field)["message"], message, "{body}");
    }
    post(deep).await.problem(400, "MALFORMED_JSON", "");
}

#[actix_web::test]
async fn server_fields_are_refused() {
    let path = "/api/{user_id}/tasks/{task_id}";
    for field in ["id", "user_id", "created_at", "updated_at", "completed_at", "version", "nonsense"] {
        let body = format!(r#"{{"title":"a","{field}":"x"}}"#);
        post(body.clone()).await.problem(400, "VALIDATION_ERROR", field);
        for method in [Method::PUT, Method::PATCH] {
            let response = Ports::new().send(json(signed_in(method, path), body.clone())).await;
            response.problem(400, "VALIDATION_ERROR", field);
        }
    }
}

#[actix_web::test]
async fn the_list_of_unknown_fields_is_bounded() {
    let fields: Vec<String> = (0..500).map(|n| format!(r#""{}{n}":1"#, "x".repeat(100))).collect();
    let response = post(format!("{{{}}}", fields.join(","))).await;
    let problem = response.problem(400, "VALIDATION_ERROR", &"x".repeat(64));
    assert!(problem.to_string().len() < 3000, "{problem}");
}

#[actix_web::test]
async fn a_body_may_be_exactly_64_kib() {
    let body = |length: usize| {
        let frame = r#"{"title":5,"completed":""}"#.len();
        format!(r#"{{"title":5,"completed":"{}"}}"#, "x".repeat(length - frame))
    };
    assert_eq!(body(65_536).len(), 65_536);
    post(body(65_536)).await.problem(400, "VALIDATION_ERROR", "title");
    post(body(65_537)).await.problem(413, "PAYLOAD_TOO_LARGE", "");
}

#[actix_web::test]
async fn a_too_large_content_length_is_refused_and_a_small_one_not_trusted() {
    let request = |length: &str, body: String| {
        signed_in(Method::POST, "/api/{user_id}/tasks")
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .set_payload(body)
            .insert_header((header::CONTENT_LENGTH, length))
    };
    Ports::new().send(request("99999999999", "{}".into())).await.problem(413, "PAYLOAD_TOO_LARGE", "");
    Ports::new().send(request("2", "x".repeat(70_000))).await.problem(413, "PAYLOAD_TOO_LARGE", "");
}

#[actix_web::test]
async fn media_type_parameters_are_ignored() {
    for media_type in
        ["application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\"", "application/json ; x=y"]
    {
        let request = signed_in(Method::POST, "/api/{user_id}/tasks").insert_header((header::CONTENT_TYPE, media_type));
        Ports::new().send(request.set_payload("{}")).await.problem(400, "VALIDATION_ERROR", "title");
    }
}

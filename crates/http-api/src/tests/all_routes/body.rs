//! Request bodies: invalid JSON, and JSON that does not match the schema.

use actix_web::http::{Method, header};
use actix_web::web::Bytes;

use crate::tests::support::{Ports, TestResponse, accept_commits, anonymous, json, signed_in, task};

const LIST: &str = "/api/{user_id}/tasks";
const ONE: &str = "/api/{user_id}/tasks/{task_id}";

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
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef\xbb\xbf{\"title\": \"a\"}",
        b"{\xef\xbb\xbf\"title\": \"a\"}",
        b"\xff\xfe{\0\"\0t\0",
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
        (r#"{"x":null,"title":"a","y":"","z":null}"#, "y", "Unknown field: 'y'"),
        (r#"{"x":null,"title":"a","title":"b"}"#, "title", "title is given more than once"),
        (r#"{"x":null,"completed":null}"#, "title", "Task title cannot be empty"),
        (r#"{"tags":null,"tags":null}"#, "tags", "tags is given more than once"),
        (r#"{"title":"a","x, expected `title`":1}"#, "x, expected `title`", "Unknown field: 'x, expected `title`'"),
    ] {
        assert_eq!(post(body.to_owned()).await.problem(400, "VALIDATION_ERROR", field)["message"], message, "{body}");
    }
    post(deep).await.problem(400, "MALFORMED_JSON", "");
}

#[actix_web::test]
async fn a_byte_order_mark_and_unknown_null_fields_are_ignored() {
    for body in [
        "\u{FEFF}{\"title\": \"a\"}",
        "\u{FEFF}\r\n {\"title\": \"a\"}",
        r#"{"x": null, "title": "a", "id": null, "x": null}"#,
        r#"{"title": "a", "user\u005fid": null, "": null}"#,
    ] {
        let mut ports = Ports::new();
        let commits = accept_commits(&mut ports);
        let request = json(signed_in(Method::POST, "/api/{user_id}/tasks"), body);
        assert_eq!(ports.send(request).await.ok(201)["title"], "a", "{body}");
        assert_eq!(commits.lock().unwrap().len(), 1);
    }
    let login = r#"{"email": null, "password": "x", "y": null}"#;
    let response = Ports::new().send(json(anonymous(Method::POST, "/auth/login"), login)).await;
    assert_eq!(response.problem(400, "VALIDATION_ERROR", "email")["message"], "email must be a string");
}

#[actix_web::test]
async fn the_longest_bodies_of_fields_without_data_and_conditions_of_tags_are_accepted() {
    let unknown = format!("{{{}\"title\":\"a\"}}", "\"x\":null,".repeat(7_200));
    let tags = format!("{{\"title\":\"a\",\"tags\":[{}\"\"]}}", "\"none\",".repeat(9_000));
    let tabs = format!("{{\"title\":\"a{}b\"}}", "\\t".repeat(498));
    let guard = format!("{}\"1-gzip\"", "W/\"2--gzip\", ".repeat(500));
    for body in [&unknown, &tags, &tabs] {
        assert!(body.len() < 65_536);
        let mut ports = Ports::new();
        ports.tasks.expect_get().returning(|_, _| Ok(task(1)));
        let _commits = accept_commits(&mut ports);
        let request = json(signed_in(Method::PUT, ONE), body.clone()).insert_header((header::IF_MATCH, guard.as_str()));
        ports.send(request).await.ok(200);
    }
}

#[actix_web::test]
async fn fields_that_are_not_supported_yet_are_accepted_without_data_and_refused_with_data() {
    for field in ["description", "priority", "due_date", "tags"] {
        for (method, path, status) in [(Method::POST, LIST, 201), (Method::PUT, ONE, 200), (Method::PATCH, ONE, 200)] {
            let send = async |value: &str| {
                let mut ports = Ports::new();
                ports.tasks.expect_get().returning(|_, _| Ok(task(1)));
                let commits = accept_commits(&mut ports);
                let body = format!(r#"{{"{field}":{value},"title":"a"}}"#);
                let response = ports.send(json(signed_in(method.clone(), path), body)).await;
                (response, commits.lock().unwrap().len())
            };
            for empty in ["null", r#""""#, r#"" ""#, r#""none""#, r#""None""#, "[]", r#"[""]"#] {
                let (response, commits) = send(empty).await;
                response.ok(status);
                assert_eq!(commits, 1, "{method} {field} {empty}");
            }
            for data in [r#""high""#, "0", "false", "{}", r#"["a"]"#, r#""none at all""#] {
                let (response, commits) = send(data).await;
                let message = format!("{field} must be empty: it is not supported yet");
                assert_eq!(response.problem(400, "VALIDATION_ERROR", field)["message"], message);
                assert_eq!(commits, 0, "{method} {field} {data}");
            }
        }
    }
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

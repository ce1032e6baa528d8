//! Responses, checked against the document.

use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, StatusCode};
use serde_json::Value;

use super::document;

/// An response, read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestResponse {
    pub method: Method,
    pub path: String,
    pub status: StatusCode,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl TestResponse {
    /// Reads a response to its end and checks it against the document.
    pub(crate) async fn read(response: ServiceResponse<impl MessageBody>) -> Self {
        let (method, path) = (response.request().method().clone(), response.request().path().to_owned());
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body()).await;
        let body = body.unwrap_or_else(|_| panic!("{method} {path}: the body breaks off"));
        let text = String::from_utf8_lossy(&body).into_owned();
        let headers =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        let response = Self { method, path, status, headers, text };
        document::check(&response);
        response
    }

    /// The data of the events of a stream, up to `[DONE]`.
    #[track_caller]
    pub(crate) fn frames(&self) -> Vec<Value> {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let events = self.text.strip_suffix("data: [DONE]\n\n").unwrap_or_else(|| panic!("no [DONE]: {self:?}"));
        let events = events.split_terminator("\n\n").filter(|event| !event.starts_with(':'));
        events.map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(present, _)| present.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that this is a problem with this status, code and field (`""` if absent), and returns it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str, field: &str) -> Value {
        let problem = self.json();
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["field"].as_str().unwrap_or_default(), field, "{problem}");
        assert_eq!(problem["message"], problem["detail"]);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        problem
    }

    #[track_caller]
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// Status, headers and body without the parts that differ between two requests.
    pub(crate) fn without_request_id(&self) -> (StatusCode, Vec<(String, String)>, String) {
        let id = self.header("x-request-id").to_owned();
        let mut headers = self.headers.clone();
        // The order of this list differs between instances of the CORS middleware.
        headers.retain(|(name, _)| name != "x-request-id" && name != "access-control-expose-headers");
        headers.sort();
        (self.status, headers, self.text.replace(&id, "ID"))
    }
}

//! The provider's endpoints, their responses and their faults.

use std::time::Duration;

use serde_json::Value;
use url::Url;
use wiremock::ResponseTemplate;

/// An endpoint of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// `/.well-known/openid-configuration`
    Discovery,
    /// `/keys`
    Keys,
    /// `/authorize`
    Authorization,
    /// `/token`
    Token,
    /// `/userinfo`
    UserInfo,
}

impl Endpoint {
    pub(crate) fn from_path(path: &str) -> Option<Self> {
        match path {
            "/.well-known/openid-configuration" => Some(Self::Discovery),
            "/keys" => Some(Self::Keys),
            "/authorize" => Some(Self::Authorization),
            "/token" => Some(Self::Token),
            "/userinfo" => Some(Self::UserInfo),
            _ => None,
        }
    }
}

/// Faulty response of an endpoint. Except for `Oversized`, the request is not processed: an authorization code remains
/// unused.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Reads the request and never responds.
    NoResponse,
    /// A status without a body.
    Status(u16),
    /// A status and a body with the content type JSON.
    Body(u16, String),
    /// The correct response, followed by 2 MiB of spaces, which are valid JSON.
    Oversized,
    /// A redirect (307) to a URL.
    Redirect(String),
}

/// Returns the response of the fault, or `correct` without a fault.
pub(crate) fn respond(fault: Option<&Fault>, correct: impl FnOnce() -> Response) -> ResponseTemplate {
    match fault {
        None => correct().into(),
        // Longer than any test runs.
        Some(Fault::NoResponse) => ResponseTemplate::new(200).set_delay(Duration::from_hours(24)),
        Some(Fault::Status(status)) => ResponseTemplate::new(*status),
        Some(Fault::Body(status, body)) => Response::Json(*status, body.clone()).into(),
        Some(Fault::Oversized) => match correct() {
            Response::Json(status, body) => Response::Json(status, body + &" ".repeat(2 * 1024 * 1024)).into(),
            other @ Response::Redirect(_) => other.into(),
        },
        Some(Fault::Redirect(url)) => ResponseTemplate::new(307).insert_header("Location", url),
    }
}

/// Response of an endpoint.
pub(crate) enum Response {
    /// A status and a JSON body.
    Json(u16, String),
    /// A redirect (302) of the browser.
    Redirect(Url),
}

impl Response {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::Json(status, body.to_string())
    }
}

impl From<Response> for ResponseTemplate {
    fn from(response: Response) -> Self {
        match response {
            Response::Json(status, body) => Self::new(status).set_body_raw(body, "application/json"),
            Response::Redirect(url) => Self::new(302).insert_header("Location", url.as_str()),
        }
    }
}

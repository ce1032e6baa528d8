//! The provider's pages, what they answer, and the ways in which one can fail.

use std::time::Duration;

use serde_json::Value;
use url::Url;
use wiremock::ResponseTemplate;

/// A page of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Page {
    /// `/.well-known/openid-configuration`
    Discovery,
    /// `/keys`
    Keys,
    /// `/authorize`
    Authorization,
    /// `/token`
    Token,
}

impl Page {
    pub(crate) fn at(path: &str) -> Option<Self> {
        match path {
            "/.well-known/openid-configuration" => Some(Self::Discovery),
            "/keys" => Some(Self::Keys),
            "/authorize" => Some(Self::Authorization),
            "/token" => Some(Self::Token),
            _ => None,
        }
    }
}

/// How a page fails. It does nothing then: a code that is shown to a token endpoint that fails is not used up.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It takes the request and never answers.
    Silent,
    /// This status, with nothing behind it.
    Status(u16),
    /// This status, and this text as the body, which claims to be JSON.
    Body(u16, String),
    /// The right answer after all, with 2 MiB of blanks behind it, which JSON allows.
    Huge,
    /// A redirect to this address.
    Redirect(String),
}

/// The fault's answer in place of the right one.
pub(crate) fn answer(fault: Option<&Fault>, right: impl FnOnce() -> Answer) -> ResponseTemplate {
    match fault {
        None => right().into(),
        // Longer than any test.
        Some(Fault::Silent) => ResponseTemplate::new(200).set_delay(Duration::from_hours(24)),
        Some(Fault::Status(status)) => ResponseTemplate::new(*status),
        Some(Fault::Body(status, body)) => Answer::Json(*status, body.clone()).into(),
        Some(Fault::Huge) => match right() {
            Answer::Json(status, body) => Answer::Json(status, body + &" ".repeat(2 * 1024 * 1024)).into(),
            other @ Answer::SeeOther(_) => other.into(),
        },
        Some(Fault::Redirect(to)) => ResponseTemplate::new(307).insert_header("Location", to),
    }
}

/// What a page answers.
pub(crate) enum Answer {
    /// A status and a body.
    Json(u16, String),
    /// The browser is sent there.
    SeeOther(Url),
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::Json(status, body.to_string())
    }
}

impl From<Answer> for ResponseTemplate {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Json(status, body) => Self::new(status).set_body_raw(body, "application/json"),
            Answer::SeeOther(to) => Self::new(302).insert_header("Location", to.as_str()),
        }
    }
}

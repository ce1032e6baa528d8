//! A collector that takes traces by OTLP over HTTP.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::{Context as _, bail};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::sync::watch;

use crate::server::within_timeout;

/// Maximum size of a request.
const MAX_BODY_BYTES: usize = 64 << 20;

/// A running collector. It answers every request with the same status.
pub struct Collector {
    pub url: String,
    state: Data<State>,
}

struct State {
    status: StatusCode,
    requests: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
}

#[derive(Clone)]
pub struct Received {
    pub api_key: Option<String>,
    pub body: Bytes,
}

async fn take(request: HttpRequest, body: Bytes, state: Data<State>) -> HttpResponse {
    let header = |name: &str| request.headers().get(name).and_then(|value| Some(value.to_str().ok()?.to_owned()));
    let received = Received { api_key: header("api-key"), body };
    state.requests.lock().unwrap_or_else(PoisonError::into_inner).push(received);
    state.count.send_modify(|count| *count += 1);
    HttpResponse::build(state.status).finish()
}

impl Collector {
    pub fn start(status: StatusCode) -> anyhow::Result<Self> {
        let state = Data::new(State { status, requests: Mutex::default(), count: watch::Sender::new(0) });
        let shared = state.clone();
        let app = move || {
            let config = PayloadConfig::new(MAX_BODY_BYTES);
            App::new().app_data(shared.clone()).app_data(config).route("/v1/traces", web::post().to(take))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0")?;
        let url = format!("http://{}", server.addrs().first().context("not bound")?);
        tokio::spawn(server.run());
        Ok(Self { url, state })
    }

    /// Waits until it has got this number of requests.
    pub async fn wait_for_requests(&self, count: usize) -> anyhow::Result<()> {
        let mut counted = self.state.count.subscribe();
        within_timeout("exports", counted.wait_for(|counted| *counted >= count)).await??;
        Ok(())
    }

    pub fn received(&self) -> Vec<Received> {
        self.state.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Decodes the requests.
    pub fn exports(&self) -> anyhow::Result<Vec<ExportTraceServiceRequest>> {
        self.received().into_iter().map(|request| Ok(ExportTraceServiceRequest::decode(request.body)?)).collect()
    }

    pub fn spans(&self) -> anyhow::Result<Spans> {
        let resources = self.exports()?.into_iter().flat_map(|export| export.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        Ok(Spans(scopes.flat_map(|scope| scope.spans).collect()))
    }
}

/// Exported spans.
pub struct Spans(pub Vec<Span>);

impl Spans {
    /// The spans of a trace, whose id is hexadecimal.
    pub fn of_trace(&self, trace: &str) -> Self {
        Self(self.0.iter().filter(|span| hex(&span.trace_id) == trace).cloned().collect())
    }

    /// The spans with this name.
    pub fn named(&self, name: &str) -> Vec<&Span> {
        self.0.iter().filter(|span| span.name == name).collect()
    }

    /// The span with this name, of which there is one.
    pub fn only(&self, name: &str) -> anyhow::Result<&Span> {
        match *self.named(name) {
            [span] => Ok(span),
            _ => bail!("not one span named {name:?}: {:?}", self.names()),
        }
    }

    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|span| span.name.as_str()).collect()
    }

    pub fn children<'s>(&'s self, parent: &'s Span) -> impl Iterator<Item = &'s Span> {
        self.0.iter().filter(|span| span.parent_span_id == parent.span_id)
    }
}

/// The text of an attribute, or the digits of a number.
pub fn attribute(span: &Span, key: &str) -> Option<String> {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(format!("{number}")),
        other => Some(format!("{other:?}")),
    }
}

/// Whether an attribute is a number.
pub fn is_number(span: &Span, key: &str) -> bool {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == key);
    let value = attribute.and_then(|attribute| attribute.value.as_ref()?.value.as_ref());
    matches!(value, Some(Value::IntValue(_)))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

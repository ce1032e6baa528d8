//! The server on loopback: routes, and faults that precede a body.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType};
use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::Context as _;
use serde_json::{Map, Value};

use super::delivery::{FaultFrames, Frame, Kind, deliver, plan};
use super::metadata::Metadata;
use super::request::ChatRequest;
use super::state::State;
use super::{Fault, RecordedRequest, Reply, cohere, openai};

/// Maximum bytes of a request body.
const MAX_REQUEST_BYTES: usize = 64 * 1024 * 1024;
/// Characters per piece of an answer that is not streamed.
const WHOLE_PIECE_CHARS: usize = 24;

/// A server in its own thread, independent of the runtime of a test.
#[derive(Debug)]
pub(super) struct Server {
    pub address: SocketAddr,
    handle: ServerHandle,
}

impl Server {
    pub fn start(port: u16, state: Arc<State>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("cannot listen on 127.0.0.1 port {port}"))?;
        let address = listener.local_addr()?;
        let (handle_sender, handle_receiver) = mpsc::channel();
        std::thread::Builder::new().name("fake-provider".to_owned()).spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let state = Data::from(state);
                let app = move || {
                    App::new()
                        .app_data(state.clone())
                        .app_data(PayloadConfig::new(MAX_REQUEST_BYTES))
                        .route("/v2/chat", web::post().to(chat))
                        .route("/v1/chat/completions", web::post().to(completions))
                        .route("/chat/completions", web::post().to(completions))
                };
                let server = HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run();
                // Fails if the start was abandoned.
                let _ignored = handle_sender.send(server.handle());
                server.await
            })
        })?;
        let handle = handle_receiver.recv().context("the fake provider's server did not start")?;
        Ok(Self { address, handle })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The call itself stops the server; the future only waits for completion.
        drop(self.handle.stop(false));
    }
}

async fn chat(request: HttpRequest, body: Bytes, state: Data<State>) -> HttpResponse {
    serve(&request, &body, state.into_inner(), Dialect::Cohere).await
}

async fn completions(request: HttpRequest, body: Bytes, state: Data<State>) -> HttpResponse {
    serve(&request, &body, state.into_inner(), Dialect::OpenAi).await
}

/// The API of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Cohere,
    OpenAi,
}

impl Dialect {
    fn frames(self, reply: &Reply, metadata: &Metadata, chat_request: &ChatRequest) -> Vec<Frame> {
        match (chat_request.stream, self) {
            (true, Self::Cohere) => cohere::stream(reply, metadata),
            (true, Self::OpenAi) => openai::stream(reply, metadata, chat_request.include_usage),
            (false, Self::Cohere) => pieces(&cohere::whole(reply, metadata)),
            (false, Self::OpenAi) => pieces(&openai::whole(reply, metadata)),
        }
    }

    fn fault_frames(self, metadata: &Metadata) -> FaultFrames {
        let filler = "x".repeat(1000);
        match self {
            Self::Cohere => FaultFrames { error: cohere::error_event(), filler: cohere::text_delta(&filler) },
            Self::OpenAi => FaultFrames { error: openai::error_event(), filler: openai::text_delta(&filler, metadata) },
        }
    }

    fn error(self, status: u16, id: u64, message: &str) -> HttpResponse {
        let body = match self {
            Self::Cohere => cohere::error(&format!("error-{id:08x}"), message),
            Self::OpenAi => openai::error(status, message),
        };
        HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)).json(body)
    }

    fn quota_exhausted(self, id: u64) -> HttpResponse {
        HttpResponse::TooManyRequests().json(match self {
            Self::Cohere => cohere::trial_used_up(&format!("error-{id:08x}")),
            Self::OpenAi => openai::quota_exhausted(),
        })
    }
}

/// An answer that is not streamed, in pieces, so that it can be cut like a stream.
fn pieces(whole: &Value) -> Vec<Frame> {
    let characters: Vec<char> = whole.to_string().chars().collect();
    let piece = |piece: &[char]| Frame { text: piece.iter().collect(), kind: Kind::Piece };
    characters.chunks(WHOLE_PIECE_CHARS).map(piece).collect()
}

async fn serve(request: &HttpRequest, body: &Bytes, state: Arc<State>, dialect: Dialect) -> HttpResponse {
    let received_at = Instant::now();
    let json = serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into());
    let chat_request = ChatRequest::read(&json);
    let user_text = chat_request.as_ref().map(|parsed| parsed.user_text().to_owned()).unwrap_or_default();
    let (path, headers) = (request.path().to_owned(), headers(request));
    let index = state.record(RecordedRequest { path, headers, body: json, user_text, received_at, answered_at: None });
    let log = |result: &str| state.log(&format!("#{} POST {} {result}", index + 1, request.path()));
    let refuse = |status, message: &str| {
        log(&format!("-> {status} {message}"));
        dialect.error(status, state.next_id(), message)
    };
    let chat_request = match chat_request {
        Ok(parsed) => parsed,
        Err(message) => return refuse(400, &message),
    };
    if dialect == Dialect::Cohere && !request.headers().contains_key(header::AUTHORIZATION) {
        return refuse(401, "no api key supplied");
    }
    let Some(reply) = state.reply(&chat_request) else { return refuse(500, "no scripted reply is left") };
    log(&format!(
        "model={} messages={} {:?} -> {}",
        chat_request.model,
        chat_request.messages.len(),
        chat_request.user_text(),
        reply.summary()
    ));
    // The timer has millisecond resolution: even a zero sleep takes one.
    if let Some(latency) = reply.latency.filter(|latency| !latency.is_zero()) {
        tokio::time::sleep(latency).await;
    }
    for (_, gate) in reply.gates.iter().filter(|(after, _)| *after == 0) {
        gate.passed().await;
    }
    match &reply.fault {
        Some(Fault::Status { status, retry_after }) => {
            let mut answer = dialect.error(*status, state.next_id(), &status_message(*status, &chat_request.model));
            if let Some(value) = retry_after.as_ref().and_then(|text| header::HeaderValue::from_str(text).ok()) {
                answer.headers_mut().insert(header::RETRY_AFTER, value);
            }
            return answer;
        }
        Some(Fault::QuotaExhausted) => return dialect.quota_exhausted(state.next_id()),
        Some(Fault::FailedCall) => return HttpResponse::BadRequest().json(openai::failed_call()),
        Some(Fault::Silent) => return std::future::pending().await,
        Some(Fault::HtmlPage) => {
            return HttpResponse::Ok().content_type(ContentType::html()).body("<html><h1>It works!</h1></html>");
        }
        _ => {}
    }
    let metadata = Metadata::new(&reply, &chat_request.model, body.len(), || state.next_id());
    let steps = plan(dialect.frames(&reply, &metadata, &chat_request), &reply, &dialect.fault_frames(&metadata));
    let content_type = if chat_request.stream { "text/event-stream" } else { "application/json" };
    let delivery = deliver(steps, move || state.record_answered(index));
    HttpResponse::Ok().content_type(content_type).streaming(delivery)
}

fn headers(request: &HttpRequest) -> Value {
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let pairs = request.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value).into()));
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn status_message(status: u16, model: &str) -> String {
    match status {
        401 => "invalid api token".to_owned(),
        404 => format!("model '{model}' was not found"),
        429 => "too many requests, please wait".to_owned(),
        498 => "blocked input".to_owned(),
        500.. => "the service is not available".to_owned(),
        _ => format!("status {status}"),
    }
}

//! The server on loopback: routes, the order of replies, recorded requests, and faults that precede a body.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Instant;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType};
use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::Context as _;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::delivery::{FaultFrames, Frame, Kind, deliver, plan};
use super::reply::Tokens;
use super::request::ChatRequest;
use super::{Behaviour, Fault, Otherwise, Received, Reply, assistant, cohere, openai};

/// Maximum bytes of a request body.
const MAX_REQUEST_BYTES: usize = 64 * 1024 * 1024;
/// Characters per piece of an answer that is not streamed.
const WHOLE_PIECE_CHARS: usize = 24;

/// State shared by the server and the test.
#[derive(Debug)]
pub(super) struct Shared {
    behaviour: Behaviour,
    script: Mutex<VecDeque<Reply>>,
    received: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
    ids: AtomicU64,
}

impl Shared {
    pub fn new(behaviour: Behaviour) -> Self {
        Self {
            behaviour,
            script: Mutex::default(),
            received: Mutex::default(),
            count: watch::Sender::new(0),
            ids: AtomicU64::new(0),
        }
    }

    pub fn push(&self, reply: Reply) {
        locked(&self.script).push_back(reply);
    }

    pub fn received(&self) -> Vec<Received> {
        locked(&self.received).clone()
    }

    pub async fn arrived(&self, requests: usize) {
        // `self` holds the sender, so the wait cannot fail.
        drop(self.count.subscribe().wait_for(|count| *count >= requests).await);
    }

    /// Records a request and returns its index.
    fn record(&self, request: Received) -> usize {
        let mut received = locked(&self.received);
        received.push(request);
        self.count.send_replace(received.len());
        received.len() - 1
    }

    /// Returns the reply to a request; `None` if no scripted reply is left and nothing else answers.
    fn reply(&self, chat_request: &ChatRequest) -> Option<Reply> {
        let scripted = locked(&self.script).pop_front();
        let mut reply = match (scripted, self.behaviour.otherwise) {
            (Some(reply), _) => reply,
            (None, Otherwise::Assistant) => assistant::answer(chat_request),
            (None, Otherwise::Refuse) => return None,
        };
        reply.fault = reply.fault.or_else(|| self.behaviour.fault.clone());
        reply.latency.get_or_insert(self.behaviour.latency);
        reply.piece_gap.get_or_insert(self.behaviour.piece_gap);
        Some(reply)
    }

    fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    fn named(&self, chat_request: &ChatRequest, reply: &Reply, body: &Bytes) -> Named {
        let id = |call: &super::reply::Call| {
            call.id.clone().unwrap_or_else(|| format!("{}_{:08x}", call.name, self.next_id()))
        };
        let said = [&reply.plan, &reply.text].into_iter().flatten();
        let said = said.chain(reply.calls.iter().flat_map(|call| &call.arguments));
        let estimated = || (body.len() as u64 / 4, said.map(String::len).sum::<usize>() as u64 / 4 + 1);
        Named {
            id: format!("answer-{:08x}", self.next_id()),
            model: chat_request.model.clone(),
            call_ids: reply.calls.iter().map(id).collect(),
            tokens: match reply.usage {
                Tokens::Estimated => Some(estimated()),
                Tokens::Exactly { input, output } => Some((input, output)),
                Tokens::NotSaid => None,
            },
        }
    }
}

/// Ids, model and usage of an answer.
pub(super) struct Named {
    pub id: String,
    pub model: String,
    /// One id per call of the reply.
    pub call_ids: Vec<String>,
    /// Input and output tokens.
    pub tokens: Option<(u64, u64)>,
}

/// Marks a request as answered when its last byte is sent.
pub(super) struct Answering {
    shared: Arc<Shared>,
    request: usize,
}

impl Answering {
    /// Records the time at which the last byte was sent.
    pub fn done(&self) {
        if let Some(request) = locked(&self.shared.received).get_mut(self.request) {
            request.answered = Some(Instant::now());
        }
    }
}

/// A server in its own thread, independent of the runtime of a test.
#[derive(Debug)]
pub(super) struct Running {
    pub address: SocketAddr,
    handle: ServerHandle,
}

impl Running {
    pub fn start(port: u16, shared: Arc<Shared>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("cannot listen on 127.0.0.1 port {port}"))?;
        let address = listener.local_addr()?;
        let (handle_sender, handle_receiver) = mpsc::channel();
        std::thread::Builder::new().name("fake-provider".to_owned()).spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let shared = Data::from(shared);
                let app = move || {
                    App::new()
                        .app_data(shared.clone())
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

impl Drop for Running {
    fn drop(&mut self) {
        // The call itself stops the server; the future only waits for completion.
        drop(self.handle.stop(false));
    }
}

async fn chat(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    serve(&request, &body, shared.into_inner(), Dialect::Cohere).await
}

async fn completions(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    serve(&request, &body, shared.into_inner(), Dialect::OpenAi).await
}

/// The API of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Cohere,
    OpenAi,
}

impl Dialect {
    fn frames(self, reply: &Reply, named: &Named, chat_request: &ChatRequest) -> Vec<Frame> {
        match (chat_request.stream, self) {
            (true, Self::Cohere) => cohere::stream(reply, named),
            (true, Self::OpenAi) => openai::stream(reply, named, chat_request.include_usage),
            (false, Self::Cohere) => pieces(&cohere::whole(reply, named)),
            (false, Self::OpenAi) => pieces(&openai::whole(reply, named)),
        }
    }

    fn fault_frames(self, named: &Named) -> FaultFrames {
        let filler = "x".repeat(1000);
        match self {
            Self::Cohere => FaultFrames { error: cohere::error_event(), filler: cohere::text_delta(&filler) },
            Self::OpenAi => FaultFrames { error: openai::error_event(), filler: openai::text_delta(&filler, named) },
        }
    }

    fn error(self, status: u16, id: u64, message: &str) -> HttpResponse {
        let body = match self {
            Self::Cohere => cohere::error(&format!("error-{id:08x}"), message),
            Self::OpenAi => openai::error(status, message),
        };
        HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)).json(body)
    }
}

/// An answer that is not streamed, in pieces, so that it can be cut like a stream.
fn pieces(whole: &Value) -> Vec<Frame> {
    let characters: Vec<char> = whole.to_string().chars().collect();
    let piece = |piece: &[char]| Frame { text: piece.iter().collect(), kind: Kind::Piece };
    characters.chunks(WHOLE_PIECE_CHARS).map(piece).collect()
}

async fn serve(request: &HttpRequest, body: &Bytes, shared: Arc<Shared>, dialect: Dialect) -> HttpResponse {
    let at = Instant::now();
    let json = serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into());
    let chat_request = ChatRequest::read(&json);
    let user_text = chat_request.as_ref().map(|parsed| parsed.user_text().to_owned()).unwrap_or_default();
    let path = request.path().to_owned();
    let received =
        Received { path: path.clone(), headers: headers(request), body: json, user_text, at, answered: None };
    let number = shared.record(received);
    let line = |what: &str| {
        if let Some(observer) = &shared.behaviour.observer {
            observer(&format!("#{} POST {path} {what}", number + 1));
        }
    };
    let refuse = |status, message: &str| {
        line(&format!("-> {status} {message}"));
        dialect.error(status, shared.next_id(), message)
    };
    let chat_request = match chat_request {
        Ok(parsed) => parsed,
        Err(message) => return refuse(400, &message),
    };
    if dialect == Dialect::Cohere && !request.headers().contains_key(header::AUTHORIZATION) {
        return refuse(401, "no api key supplied");
    }
    let Some(reply) = shared.reply(&chat_request) else { return refuse(500, "no scripted reply is left") };
    line(&format!(
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
    for (_, gate) in reply.holds.iter().filter(|(after, _)| *after == 0) {
        gate.passed().await;
    }
    match &reply.fault {
        Some(Fault::Status { status, retry_after }) => {
            let mut answer = dialect.error(*status, shared.next_id(), &status_message(*status, &chat_request.model));
            if let Some(value) = retry_after.as_ref().and_then(|text| header::HeaderValue::from_str(text).ok()) {
                answer.headers_mut().insert(header::RETRY_AFTER, value);
            }
            return answer;
        }
        Some(Fault::Silent) => return std::future::pending().await,
        Some(Fault::HtmlPage) => {
            return HttpResponse::Ok().content_type(ContentType::html()).body("<html><h1>It works!</h1></html>");
        }
        _ => {}
    }
    let named = shared.named(&chat_request, &reply, body);
    let acts = plan(dialect.frames(&reply, &named, &chat_request), &reply, &dialect.fault_frames(&named));
    let content_type = if chat_request.stream { "text/event-stream" } else { "application/json" };
    HttpResponse::Ok().content_type(content_type).streaming(deliver(acts, Answering { shared, request: number }))
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

/// Locks in spite of poisoning: a test that panicked while holding the lock has already failed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The server on loopback: routes, the order of replies, what came in, and the faults that come before a body.

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

use super::delivery::{Frame, Kind, Odd, deliver, plan};
use super::reply::Tokens;
use super::request::Asked;
use super::{Behaviour, Fault, Otherwise, Received, Reply, brain, cohere, openai};

/// The most bytes of a request's body.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// So many characters of a whole answer are a piece of it.
const PIECE_OF_WHOLE: usize = 24;

/// What the server and the test both see.
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
        // The sender is held here, so the wait ends with the number reached and in no other way.
        drop(self.count.subscribe().wait_for(|count| *count >= requests).await);
    }

    /// Notes a request and returns its place.
    fn note(&self, request: Received) -> usize {
        let mut received = locked(&self.received);
        received.push(request);
        self.count.send_replace(received.len());
        received.len() - 1
    }

    /// The reply to a request; nothing if the script is over and nobody else answers.
    fn reply(&self, asked: &Asked) -> Option<Reply> {
        let scripted = locked(&self.script).pop_front();
        let mut reply = match (scripted, self.behaviour.otherwise) {
            (Some(reply), _) => reply,
            (None, Otherwise::Brain) => brain::answer(asked),
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

    fn named(&self, asked: &Asked, reply: &Reply, body: &Bytes) -> Named {
        let id = |call: &super::reply::Call| {
            call.id.clone().unwrap_or_else(|| format!("{}_{:08x}", call.name, self.next_id()))
        };
        let said = [&reply.plan, &reply.text].into_iter().flatten();
        let said = said.chain(reply.calls.iter().flat_map(|call| &call.arguments));
        let estimated = || (body.len() as u64 / 4, said.map(String::len).sum::<usize>() as u64 / 4 + 1);
        Named {
            id: format!("answer-{:08x}", self.next_id()),
            model: asked.model.clone(),
            call_ids: reply.calls.iter().map(id).collect(),
            tokens: match reply.usage {
                Tokens::Estimated => Some(estimated()),
                Tokens::Exactly { input, output } => Some((input, output)),
                Tokens::NotSaid => None,
            },
        }
    }
}

/// What an answer needs besides the reply.
pub(super) struct Named {
    pub id: String,
    pub model: String,
    /// One for each call of the reply.
    pub call_ids: Vec<String>,
    /// Input and output.
    pub tokens: Option<(u64, u64)>,
}

/// An answer that is on its way.
pub(super) struct Answering {
    shared: Arc<Shared>,
    request: usize,
}

impl Answering {
    /// Its last byte has gone.
    pub fn done(&self) {
        if let Some(request) = locked(&self.shared.received).get_mut(self.request) {
            request.answered = Some(Instant::now());
        }
    }
}

/// A server in a thread of its own, so that no test's runtime has to keep it going or see its end.
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
        let (tell, told) = mpsc::channel();
        std::thread::Builder::new().name("fake-provider".to_owned()).spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let shared = Data::from(shared);
                let app = move || {
                    App::new()
                        .app_data(shared.clone())
                        .app_data(PayloadConfig::new(MOST_BYTES))
                        .route("/v2/chat", web::post().to(chat))
                        .route("/v1/chat/completions", web::post().to(completions))
                        .route("/chat/completions", web::post().to(completions))
                };
                let server = HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run();
                // Nobody waits any more if the start was given up.
                let _nobody = tell.send(server.handle());
                server.await
            })
        })?;
        let handle = told.recv().context("the fake provider's server did not start")?;
        Ok(Self { address, handle })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The command is given by the call itself; the future only waits for its end.
        drop(self.handle.stop(false));
    }
}

async fn chat(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    serve(&request, &body, shared.into_inner(), Dialect::Cohere).await
}

async fn completions(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    serve(&request, &body, shared.into_inner(), Dialect::OpenAi).await
}

/// Which API is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Cohere,
    OpenAi,
}

impl Dialect {
    fn frames(self, reply: &Reply, named: &Named, asked: &Asked) -> Vec<Frame> {
        match (asked.stream, self) {
            (true, Self::Cohere) => cohere::stream(reply, named),
            (true, Self::OpenAi) => openai::stream(reply, named, asked.include_usage),
            (false, Self::Cohere) => pieces(&cohere::whole(reply, named)),
            (false, Self::OpenAi) => pieces(&openai::whole(reply, named)),
        }
    }

    fn odd(self, named: &Named) -> Odd {
        let filler = "x".repeat(1000);
        match self {
            Self::Cohere => Odd { error: cohere::error_event(), filler: cohere::text_delta(&filler) },
            Self::OpenAi => Odd { error: openai::error_event(), filler: openai::text_delta(&filler, named) },
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

/// A whole answer in pieces, so that it can be cut like a stream.
fn pieces(whole: &Value) -> Vec<Frame> {
    let characters: Vec<char> = whole.to_string().chars().collect();
    let piece = |piece: &[char]| Frame { text: piece.iter().collect(), kind: Kind::Piece };
    characters.chunks(PIECE_OF_WHOLE).map(piece).collect()
}

async fn serve(request: &HttpRequest, body: &Bytes, shared: Arc<Shared>, dialect: Dialect) -> HttpResponse {
    let at = Instant::now();
    let json = serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into());
    let asked = Asked::read(&json);
    let user_text = asked.as_ref().map(|asked| asked.user_text().to_owned()).unwrap_or_default();
    let path = request.path().to_owned();
    let received =
        Received { path: path.clone(), headers: headers(request), body: json, user_text, at, answered: None };
    let number = shared.note(received);
    let line = |what: &str| {
        if let Some(observer) = &shared.behaviour.observer {
            observer(&format!("#{} POST {path} {what}", number + 1));
        }
    };
    let refuse = |status, message: &str| {
        line(&format!("-> {status} {message}"));
        dialect.error(status, shared.next_id(), message)
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(why) => return refuse(400, &why),
    };
    if dialect == Dialect::Cohere && !request.headers().contains_key(header::AUTHORIZATION) {
        return refuse(401, "no api key supplied");
    }
    let Some(reply) = shared.reply(&asked) else { return refuse(500, "the script is over") };
    line(&format!(
        "model={} messages={} {:?} -> {}",
        asked.model,
        asked.messages.len(),
        asked.user_text(),
        reply.summary()
    ));
    // The timer counts milliseconds: even a sleep of no time takes one.
    if let Some(latency) = reply.latency.filter(|latency| !latency.is_zero()) {
        tokio::time::sleep(latency).await;
    }
    for (_, gate) in reply.holds.iter().filter(|(after, _)| *after == 0) {
        gate.passed().await;
    }
    match &reply.fault {
        Some(Fault::Status { status, retry_after }) => {
            let mut answer = dialect.error(*status, shared.next_id(), &meaning(*status, &asked.model));
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
    let named = shared.named(&asked, &reply, body);
    let acts = plan(dialect.frames(&reply, &named, &asked), &reply, &dialect.odd(&named));
    let content_type = if asked.stream { "text/event-stream" } else { "application/json" };
    HttpResponse::Ok().content_type(content_type).streaming(deliver(acts, Answering { shared, request: number }))
}

fn headers(request: &HttpRequest) -> Value {
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let pairs = request.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value).into()));
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn meaning(status: u16, model: &str) -> String {
    match status {
        401 => "invalid api token".to_owned(),
        404 => format!("model '{model}' was not found"),
        429 => "too many requests, please wait".to_owned(),
        498 => "blocked input".to_owned(),
        500.. => "the service is not available".to_owned(),
        _ => format!("status {status}"),
    }
}

/// A test that panicked while it held the lock has failed already.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

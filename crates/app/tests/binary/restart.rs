//! A rolling restart of two servers on one Postgres behind nginx, configured as in `docs/operations/restarts.md`, while
//! clients use them: no request fails.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_database::{Kind, TestDatabase};
use tokio::net::TcpStream;

use crate::client::{Client, instance};
use crate::server::{Server, WAIT_TIMEOUT, http_client, within_timeout};

/// Number of clients that send one request after the other, on a connection each.
const CLIENTS: usize = 6;
/// Number of answers that each client gets before, between and after the restarts.
const REQUESTS: usize = 20;
/// Time between two requests of a client, so that the servers are used and not overloaded.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);
/// Maximum number of ports to try.
const MAX_PORTS: u32 = 100;
/// The document with the configuration.
const DOCUMENT: &str = include_str!("../../../../docs/operations/restarts.md");

/// Returns a port outside of those that the system gives to others (Linux: from 32768).
fn free_port(offset: u32) -> anyhow::Result<u16> {
    let ports = (0..MAX_PORTS).map(|attempt| 10_000 + (std::process::id() * 7 + offset * MAX_PORTS + attempt) % 20_000);
    let free = ports.filter_map(|port| u16::try_from(port).ok());
    free.into_iter().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).context("no free port")
}

/// A running nginx, which is killed on drop.
struct Nginx {
    process: Child,
    url: String,
    _folder: TempDir,
}

impl Nginx {
    /// Starts it with the document's configuration before these two servers. `None` if it is not installed.
    async fn start(servers: [u16; 2], test: &str) -> anyhow::Result<Option<Self>> {
        if !Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            // Not `eprintln!`, which the test runner captures.
            writeln!(std::io::stderr(), "SKIPPED (no nginx): {test}")?;
            return Ok(None);
        }
        let (folder, port) = (TempDir::new()?, free_port(3)?);
        let (_, rest) = DOCUMENT.split_once("```nginx\n").context("the document has no configuration")?;
        let (configuration, _) = rest.split_once("```").context("the configuration does not end")?;
        let mut configuration = configuration.to_owned();
        for (documented, actual) in [
            ("server 10.0.0.1:8000 ", format!("server 127.0.0.1:{} ", servers[0])),
            ("server 10.0.0.2:8000 ", format!("server 127.0.0.1:{} ", servers[1])),
            ("listen 443 ssl;", format!("listen 127.0.0.1:{port};")),
            ("    ssl_certificate     /etc/ssl/todo.pem;\n", String::new()),
            ("    ssl_certificate_key /etc/ssl/todo.key;\n", String::new()),
        ] {
            ensure!(configuration.matches(documented).count() == 1, "{documented:?} is not in the document once");
            configuration = configuration.replace(documented, &actual);
        }
        let path = folder.path().to_str().context("not UTF-8")?;
        let mut complete =
            "daemon off; master_process off; error_log stderr crit; events {} http { access_log off;\n".to_owned();
        for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            complete.extend([name, "_temp_path ", path, "/", name, ";\n"]);
        }
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, format!("{complete}{configuration}}}\n"))?;
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-p", path, "-c"]).arg(&file).stdin(Stdio::null());
        let mut nginx = Self { process: command.spawn()?, url: format!("http://127.0.0.1:{port}"), _folder: folder };
        let listening = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                ensure!(nginx.process.try_wait()?.is_none(), "nginx has ended");
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        };
        within_timeout("nginx", listening).await??;
        Ok(Some(nginx))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Fails if the process has ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What a client has done.
#[derive(Default)]
struct Load {
    answers: usize,
    created: Vec<String>,
}

/// Sends requests until `stopped` and counts the answers in `progress`. Every answer must be a success, of the kind that the
/// request demands.
async fn load(
    name: usize,
    (url, token): (String, String),
    stopped: Arc<AtomicBool>,
    progress: Arc<std::sync::atomic::AtomicUsize>,
) -> anyhow::Result<Load> {
    let client = http_client();
    let mut load = Load::default();
    for round in 0_usize.. {
        if stopped.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("{name}-{round}");
        let post = client.post(format!("{url}/tasks")).header("Idempotency-Key", &key).json(&json!({"title": key}));
        let task = answer(post, &token, 201).await.with_context(|| format!("creating {key}"))?;
        let id = task["id"].as_str().context("no id")?.to_owned();
        let path = format!("{url}/tasks/{id}");
        let read = answer(client.get(&path), &token, 200).await.with_context(|| format!("reading {key}"))?;
        ensure!(read["title"] == key.as_str(), "{read}");
        let put = client.put(&path).json(&json!({"completed": true}));
        answer(put, &token, 200).await.with_context(|| format!("completing {key}"))?;
        if round % 4 == 0 {
            let chat = client.post(format!("{url}/chat")).header("Idempotency-Key", format!("chat-{key}"));
            let chat = chat.json(&json!({"message": "show my pending tasks"}));
            let said = answer(chat, &token, 200).await.with_context(|| format!("asking in {key}"))?;
            ensure!(said["tool_calls"][0]["tool"] == "list_tasks", "{said}");
            load.answers += 1;
        }
        load.created.push(id);
        load.answers += 3;
        progress.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(load)
}

/// The body of an answer with this status.
async fn answer(request: reqwest::RequestBuilder, token: &str, expected: u16) -> anyhow::Result<Value> {
    let response = request.bearer_auth(token).send().await?;
    let (status, text) = (response.status().as_u16(), response.text().await?);
    ensure!(status == expected, "{status} {text}");
    Ok(serde_json::from_str(&text)?)
}

/// Follows the changes until all `expected` are received, and resumes after each end.
async fn follow(
    url: String,
    token: String,
    mut done: tokio::sync::watch::Receiver<Option<u64>>,
) -> anyhow::Result<usize> {
    let (client, mut seen, mut streams) = (http_client(), 0_u64, 0);
    loop {
        let request = client.get(format!("{url}/events?after=0")).bearer_auth(&token);
        let request = if seen > 0 { request.header("Last-Event-ID", seen.to_string()) } else { request };
        let mut response = request.send().await?.error_for_status().context("events")?;
        streams += 1;
        let mut text = String::new();
        loop {
            if done.borrow().is_some_and(|last| seen >= last) {
                return Ok(streams);
            }
            let chunk = tokio::select! {
                chunk = within_timeout("an event", response.chunk()) => chunk??,
                changed = done.changed() => { changed?; continue }
            };
            let Some(bytes) = chunk else { break };
            text.push_str(std::str::from_utf8(&bytes)?);
            while let Some((event, rest)) = text.split_once("\n\n") {
                if let Some(id) = event.lines().find_map(|line| line.strip_prefix("id: ")) {
                    let id: u64 = id.parse()?;
                    ensure!(id == seen + 1, "change {id} follows {seen}");
                    seen = id;
                }
                ensure!(!event.contains("event: error"), "{event}");
                text = rest.to_owned();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_two_servers_behind_nginx_restart_in_turn() -> anyhow::Result<()> {
    let name = "no_request_fails_while_two_servers_behind_nginx_restart_in_turn";
    let ports = [free_port(1)?, free_port(2)?];
    let Some(nginx) = Nginx::start(ports, name).await? else { return Ok(()) };
    let Some(database) = TestDatabase::create_or_skip(Kind::Postgres, name).await? else { return Ok(()) };
    let folder = TempDir::new()?;
    let port_names = ports.map(|port| port.to_string());
    let start = |index: usize| {
        let variables = instance(database.url(), ["first", "second"][index]);
        let own = [("PORT", port_names[index].as_str()), ("SHUTDOWN_DRAIN", "1s")];
        let limits = [("API_REQUESTS_PER_MINUTE", "0"), ("CHAT_REQUESTS_PER_MINUTE", "0")];
        Server::start(folder.path(), &[variables, own.to_vec(), limits.to_vec()].concat())
    };
    let mut servers = [start(0)?, start(1)?];
    let ada = Client::register(&servers[0]).await?;
    let url = format!("{}/api/{}", nginx.url, ada.user);

    let (stopped, progress) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let (finish, done) = tokio::sync::watch::channel(None);
    let follower = tokio::spawn(follow(url.clone(), ada.token.clone(), done));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|name| load(name, (url.clone(), ada.token.clone()), stopped.clone(), Arc::clone(&progress)))
        .map(tokio::spawn)
        .collect();
    let more = async |clients: &[tokio::task::JoinHandle<anyhow::Result<Load>>]| {
        let enough = progress.load(Ordering::Relaxed) + CLIENTS * REQUESTS;
        let wait = async {
            // A client ends before it is stopped only if a request of it has failed.
            while progress.load(Ordering::Relaxed) < enough && !clients.iter().any(tokio::task::JoinHandle::is_finished)
            {
                tokio::time::sleep(PAUSE).await;
            }
        };
        within_timeout("answers", wait).await
    };
    more(&clients).await?;
    for (index, server) in servers.iter_mut().enumerate() {
        server.terminate()?;
        let status = server.wait_for_exit().await?;
        ensure!(status.success(), "{status}");
        // The other server has all the load meanwhile.
        more(&clients).await?;
        *server = start(index)?;
        more(&clients).await?;
    }
    stopped.store(true, Ordering::Relaxed);
    let (mut answers, mut created) = (0, Vec::new());
    for client in clients {
        let load = client.await?.context("a request failed")?;
        answers += load.answers;
        created.extend(load.created);
    }
    // A creation and a completion of each task, each once.
    let changes = 2 * created.len() as u64;
    finish.send(Some(changes))?;
    let streams = tokio::time::timeout(WAIT_TIMEOUT, follower).await???;
    ensure!(streams >= 2, "the stream of events has not been resumed");
    let head = ada.get(&servers[0], "changes?limit=1").await?;
    ensure!(head[0]["seq"] == 1, "{head}");
    writeln!(
        std::io::stderr(),
        "2 restarts: {answers} answers, 0 failures, {streams} streams of events, {changes} changes"
    )?;
    Ok(())
}

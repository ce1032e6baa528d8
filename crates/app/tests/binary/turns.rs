//! Turns of servers that are killed or terminated, and of two servers on one database.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, instance};
use crate::server::{Server, WAIT_TIMEOUT, http_client, within_timeout};

/// A provider that accepts requests and never answers.
struct SilentProvider {
    url: String,
    connections: mpsc::Receiver<TcpStream>,
}

impl SilentProvider {
    fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let (sender, connections) = mpsc::channel();
        thread::spawn(move || {
            for mut connection in listener.incoming().map_while(Result::ok) {
                // The first bytes suffice.
                let has_request = connection.read(&mut [0; 16]).is_ok_and(|read| read > 0);
                if has_request && sender.send(connection).is_err() {
                    break;
                }
            }
        });
        Ok(Self { url, connections })
    }

    /// The variables of a server that uses this provider.
    fn variables(&self) -> Vec<(&str, &str)> {
        vec![("COHERE_API_KEY", "key"), ("COHERE_BASE_URL", &self.url)]
    }

    /// Waits for a request. Its connection is open until the returned value is dropped.
    fn wait_for_request(&self) -> anyhow::Result<TcpStream> {
        self.connections.recv_timeout(WAIT_TIMEOUT).context("no request to the provider")
    }
}

impl Client {
    /// Sends a message and opens the answer as a stream.
    async fn stream(&self, server: &Server, message: &str) -> anyhow::Result<Stream> {
        let request = http_client().post(format!("{}{}", server.address, self.path("chat")));
        Stream::open(request.json(&json!({"message": message})), &self.token).await
    }
}

/// An open stream of server-sent events.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(request: reqwest::RequestBuilder, token: &str) -> anyhow::Result<Self> {
        let response = request.bearer_auth(token).header("accept", "text/event-stream").send().await?;
        Ok(Self { response: response.error_for_status()?, text: String::new() })
    }

    /// Reads until a frame satisfies `predicate`.
    async fn until(&mut self, predicate: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        loop {
            let frames = self.text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
            let frames = frames.filter_map(|data| serde_json::from_str::<Value>(data).ok());
            if let Some(frame) = frames.into_iter().find(|frame| predicate(frame)) {
                return Ok(frame);
            }
            let chunk = within_timeout("a frame", self.response.chunk()).await??;
            let Some(bytes) = chunk else { bail!("the stream has ended: {}", self.text) };
            self.text.push_str(std::str::from_utf8(&bytes)?);
        }
    }

    async fn conversation(&mut self) -> anyhow::Result<String> {
        let start = self.until(|frame| frame["type"] == "start").await?;
        Ok(start["messageMetadata"]["conversation_id"].as_str().context("no conversation_id")?.to_owned())
    }
}

async fn killed_within_a_turn(database: &str) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let provider = SilentProvider::start()?;
    let first = Server::start(folder.path(), &[instance(database, "first"), provider.variables()].concat())?;
    let ada = Client::register(&first).await?;
    let mut stream = ada.stream(&first, "add milk").await?;
    let conversation = stream.conversation().await?;
    let _open = provider.wait_for_request()?;

    let second = Server::start(folder.path(), &instance(database, "second"))?;
    let stored = ada.get(&second, &format!("conversations/{conversation}")).await?;
    ensure!(stored["active_turn"].is_string(), "the turn of the first instance is still active: {stored}");
    let refused = ada.say(&second, "hello", &conversation).await;
    ensure!(refused.is_err_and(|error| error.to_string().contains("TURN_IN_PROGRESS")));
    first.kill()?;

    let running = ada.last_message(&second, &conversation).await?;
    ensure!(running["status"] == "running", "no other instance marks it before its lease expires: {running}");
    let first = Server::start(folder.path(), &instance(database, "first"))?;
    let messages = ada.get(&first, &format!("conversations/{conversation}/messages")).await?;
    ensure!(messages[0]["content"] == "add milk" && messages[1]["status"] == "failed", "{messages}");
    let answer = ada.say(&first, "Add a task to buy bread", &conversation).await?;
    ensure!(answer["tool_calls"][0]["result"]["success"] == true, "{answer}");
    Ok(())
}

async fn followed_and_stopped_by_another(database: &str) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let provider = SilentProvider::start()?;
    let first = Server::start(folder.path(), &[instance(database, "first"), provider.variables()].concat())?;
    let ada = Client::register(&first).await?;
    let mut on_first = ada.stream(&first, "add milk").await?;
    let conversation = on_first.conversation().await?;
    let _open = provider.wait_for_request()?;

    let second = Server::start(folder.path(), &instance(database, "second"))?;
    let path = ada.path(&format!("conversations/{conversation}/stream"));
    let request = http_client().get(format!("{}{path}", second.address));
    let mut on_second = Stream::open(request, &ada.token).await?;
    ensure!(on_second.conversation().await? == conversation);
    let stop = ada.path(&format!("conversations/{conversation}/stop"));
    let request = http_client().post(format!("{}{stop}", second.address)).bearer_auth(&ada.token);
    ensure!(request.send().await?.status() == 202);
    let stored = ada.last_message(&second, &conversation).await?;
    ensure!(stored["status"] == "stopped", "{stored}");
    ada.say(&second, "hello", &conversation).await?;
    for stream in [&mut on_second, &mut on_first] {
        stream.until(|frame| frame["type"] == "abort").await?;
    }
    Ok(())
}

async fn terminated_with_an_open_stream(database: &str) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let provider = SilentProvider::start()?;
    let mut server = Server::start(folder.path(), &[instance(database, "only"), provider.variables()].concat())?;
    let ada = Client::register(&server).await?;
    let mut stream = ada.stream(&server, "add milk").await?;
    let conversation = stream.conversation().await?;
    let _open = provider.wait_for_request()?;
    server.terminate()?;
    stream.until(|frame| frame["type"] == "error").await?;
    ensure!(stream.text.contains(r#""status":"failed""#), "{}", stream.text);
    let status = server.wait_for_exit().await?;
    ensure!(status.success(), "{status}");

    let server = Server::start(folder.path(), &instance(database, "only"))?;
    let stored = ada.last_message(&server, &conversation).await?;
    ensure!(stored["status"] == "failed" && stored["content"] != "", "{stored}");
    ada.say(&server, "hello", &conversation).await?;
    Ok(())
}

on_both_databases! {
    a_killed_turn_is_marked_as_failed_by_its_own_instance_only = killed_within_a_turn;
    a_turn_of_another_process_is_followed_and_stopped = followed_and_stopped_by_another;
    a_termination_signal_fails_open_turns_and_stores_them = terminated_with_an_open_stream;
}

//! Chat turns while processes come and go: killed, ended, and two at a time on one database.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, named};
use crate::server::{PATIENCE, Server, http_client};

/// A provider that takes requests and never answers.
struct SilentProvider {
    url: String,
    asked: mpsc::Receiver<TcpStream>,
}

impl SilentProvider {
    fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let (sender, asked) = mpsc::channel();
        thread::spawn(move || {
            for mut connection in listener.incoming().map_while(Result::ok) {
                // A few bytes of a request are proof enough that it came.
                let came = connection.read(&mut [0; 16]).is_ok_and(|read| read > 0);
                if came && sender.send(connection).is_err() {
                    break;
                }
            }
        });
        Ok(Self { url, asked })
    }

    /// What makes a server ask it.
    fn asked_for(&self) -> Vec<(&str, &str)> {
        vec![("COHERE_API_KEY", "key"), ("COHERE_BASE_URL", &self.url)]
    }

    /// Waits until a request has come, and keeps its connection open as long as what is returned lives.
    fn asked(&self) -> anyhow::Result<TcpStream> {
        self.asked.recv_timeout(PATIENCE).context("no request came")
    }
}

impl Client {
    /// Says something and reads the answer while it comes.
    async fn stream(&self, server: &Server, words: &str) -> anyhow::Result<Stream> {
        let request = http_client().post(format!("{}{}", server.address, self.path("chat")));
        Stream::open(request.json(&json!({"message": words})), &self.token).await
    }
}

/// An answer that streams.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(request: reqwest::RequestBuilder, token: &str) -> anyhow::Result<Self> {
        let response = request.bearer_auth(token).header("accept", "text/event-stream").send().await?;
        Ok(Self { response: response.error_for_status()?, text: String::new() })
    }

    /// Reads until a frame is there that `fits`.
    async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        loop {
            let frames = self.text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
            let frames = frames.filter_map(|data| serde_json::from_str::<Value>(data).ok());
            if let Some(frame) = frames.into_iter().find(|frame| fits(frame)) {
                return Ok(frame);
            }
            let Some(bytes) = self.response.chunk().await? else { bail!("the stream has ended: {}", self.text) };
            self.text.push_str(std::str::from_utf8(&bytes)?);
        }
    }

    async fn conversation(&mut self) -> anyhow::Result<String> {
        let start = self.until(|frame| frame["type"] == "start").await?;
        Ok(start["messageMetadata"]["conversation_id"].as_str().context("an id")?.to_owned())
    }
}

async fn killed_in_the_middle(database: &str) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let provider = SilentProvider::start()?;
    let first = Server::start(folder.path(), &[named(database, "first"), provider.asked_for()].concat())?;
    let ada = Client::register(&first).await?;
    let mut stream = ada.stream(&first, "add milk").await?;
    let conversation = stream.conversation().await?;
    let _open = provider.asked()?;

    let second = Server::start(folder.path(), &named(database, "second"))?;
    let there = ada.get(&second, &format!("conversations/{conversation}")).await?;
    ensure!(there["active_turn"].is_string(), "the second instance leaves the first one's turn alone: {there}");
    let refused = ada.say(&second, "hello", &conversation).await;
    ensure!(refused.is_err_and(|error| error.to_string().contains("TURN_IN_PROGRESS")));
    first.kill()?;

    let running = ada.last_message(&second, &conversation).await?;
    ensure!(running["status"] == "running", "nobody else marks it before its lease is over: {running}");
    let first = Server::start(folder.path(), &named(database, "first"))?;
    let messages = ada.get(&first, &format!("conversations/{conversation}/messages")).await?;
    ensure!(messages[0]["content"] == "add milk" && messages[1]["status"] == "failed", "{messages}");
    let answer = ada.say(&first, "Add a task to buy bread", &conversation).await?;
    ensure!(answer["tool_calls"][0]["result"]["success"] == true, "{answer}");
    Ok(())
}

async fn followed_and_stopped_elsewhere(database: &str) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let provider = SilentProvider::start()?;
    let first = Server::start(folder.path(), &[named(database, "first"), provider.asked_for()].concat())?;
    let ada = Client::register(&first).await?;
    let mut here = ada.stream(&first, "add milk").await?;
    let conversation = here.conversation().await?;
    let _open = provider.asked()?;

    let second = Server::start(folder.path(), &named(database, "second"))?;
    let path = ada.path(&format!("conversations/{conversation}/stream"));
    let request = http_client().get(format!("{}{path}", second.address));
    let mut elsewhere = Stream::open(request, &ada.token).await?;
    ensure!(elsewhere.conversation().await? == conversation);
    let stop = ada.path(&format!("conversations/{conversation}/stop"));
    let request = http_client().post(format!("{}{stop}", second.address)).bearer_auth(&ada.token);
    ensure!(request.send().await?.status() == 202);
    let stored = ada.last_message(&second, &conversation).await?;
    ensure!(stored["status"] == "stopped", "{stored}");
    ada.say(&second, "hello", &conversation).await?;
    for stream in [&mut elsewhere, &mut here] {
        stream.until(|frame| frame["type"] == "abort").await?;
    }
    Ok(())
}

async fn ended_with_an_open_stream(database: &str) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let provider = SilentProvider::start()?;
    let mut server = Server::start(folder.path(), &[named(database, "only"), provider.asked_for()].concat())?;
    let ada = Client::register(&server).await?;
    let mut stream = ada.stream(&server, "add milk").await?;
    let conversation = stream.conversation().await?;
    let _open = provider.asked()?;
    server.terminate()?;
    stream.until(|frame| frame["type"] == "error").await?;
    ensure!(stream.text.contains(r#""status":"failed""#), "{}", stream.text);
    let status = server.ended().await?;
    ensure!(status.success(), "{status}");

    let server = Server::start(folder.path(), &named(database, "only"))?;
    let stored = ada.last_message(&server, &conversation).await?;
    ensure!(stored["status"] == "failed" && stored["content"] != "", "{stored}");
    ada.say(&server, "hello", &conversation).await?;
    Ok(())
}

on_both_databases! {
    a_turn_that_is_killed_is_marked_by_its_own_instance_and_left_alone_by_others = killed_in_the_middle;
    a_turn_that_runs_in_another_process_is_followed_and_stopped = followed_and_stopped_elsewhere;
    a_termination_signal_tells_open_streams_and_stores_what_there_is = ended_with_an_open_stream;
}

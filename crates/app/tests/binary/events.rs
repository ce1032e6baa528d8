//! Changes while processes come and go: what was acknowledged is in the ledger, and a reader that resumes gets each change
//! once and in order.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::client::{Client, named};
use crate::server::{PATIENCE, Server, http_client};

/// How often the server is killed.
const KILLS: usize = 3;
/// Changes that a reader has seen at least before the server is killed.
const BEFORE_KILL: usize = 20;
/// Writers at once.
const WRITERS: usize = 4;

/// A reader of events that resumes where it stopped.
#[derive(Default)]
struct Reader {
    seen: Vec<u64>,
}

impl Reader {
    /// Reads until `count` changes are there in all, or the stream ends.
    async fn read(&mut self, address: &str, ada: &Client, count: usize) -> anyhow::Result<()> {
        let mut request = http_client().get(format!("{address}{}", ada.path("events?after=0"))).bearer_auth(&ada.token);
        if let Some(last) = self.seen.last() {
            request = request.header("Last-Event-ID", last.to_string());
        }
        let mut response = request.send().await?.error_for_status()?;
        let mut text = String::new();
        while self.seen.len() < count {
            let chunk = timeout(PATIENCE, response.chunk()).await.context("no event comes")?;
            // A server that is killed cuts the stream.
            let Ok(Some(bytes)) = chunk else { break };
            text.push_str(std::str::from_utf8(&bytes)?);
            while let Some((event, rest)) = text.split_once("\n\n") {
                let id = event.lines().find_map(|line| line.strip_prefix("id: "));
                self.seen.extend(id.map(str::parse::<u64>).transpose()?);
                text = rest.to_owned();
            }
        }
        Ok(())
    }
}

/// Adds tasks until the server is gone. Returns the ids of those that it acknowledged.
async fn write(url: String, token: String, name: String) -> Vec<String> {
    let client = http_client();
    let mut acknowledged = Vec::new();
    for n in 0_u64.. {
        let request = client.post(&url).bearer_auth(&token).json(&json!({"title": format!("{name} {n}")}));
        let Ok(response) = request.send().await else { break };
        let Ok(body) = response.json::<Value>().await else { break };
        acknowledged.extend(body["id"].as_str().map(str::to_owned));
    }
    acknowledged
}

async fn resumed_after_kills(database: &str) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let variables = [named(database, "only"), vec![("API_REQUESTS_PER_MINUTE", "0")]].concat();
    let mut server = Server::start(folder.path(), &variables)?;
    let ada = Client::register(&server).await?;
    let (mut reader, mut acknowledged) = (Reader::default(), Vec::new());
    for round in 0..KILLS {
        let url = format!("{}{}", server.address, ada.path("tasks"));
        let writer = |n| write(url.clone(), ada.token.clone(), format!("{round}-{n}"));
        let writers: Vec<_> = (0..WRITERS).map(|n| tokio::spawn(writer(n))).collect();
        let enough = reader.seen.len() + BEFORE_KILL;
        reader.read(&server.address, &ada, enough).await?;
        server.kill()?;
        for writer in writers {
            acknowledged.extend(writer.await?);
        }
        server = Server::start(folder.path(), &variables)?;
    }

    let head = http_client().get(format!("{}{}", server.address, ada.path("tasks"))).bearer_auth(&ada.token);
    let head = head.send().await?.headers()["x-change-seq"].to_str()?.parse::<u64>()?;
    reader.read(&server.address, &ada, usize::try_from(head)?).await?;
    ensure!(reader.seen == (1..=head).collect::<Vec<_>>(), "{:?} of {head}", reader.seen);

    let (mut created, mut after) = (Vec::new(), 0);
    while after < head {
        let changes = ada.get(&server, &format!("changes?after={after}")).await?;
        let changes = changes.as_array().context("an array")?;
        after += changes.len() as u64;
        created.extend(changes.iter().filter_map(|change| change["entity_id"].as_str().map(str::to_owned)));
    }
    let distinct: BTreeSet<_> = created.iter().collect();
    ensure!(distinct.len() == created.len(), "a task was created twice");
    ensure!(acknowledged.len() >= KILLS * BEFORE_KILL - KILLS * WRITERS, "{}", acknowledged.len());
    ensure!(acknowledged.iter().all(|id| distinct.contains(id)), "an acknowledged write is not in the ledger");
    Ok(())
}

async fn ended_by_a_signal(database: &str) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut server = Server::start(folder.path(), &named(database, "only"))?;
    let ada = Client::register(&server).await?;
    let request = http_client().get(format!("{}{}", server.address, ada.path("events"))).bearer_auth(&ada.token);
    let mut stream = request.send().await?.error_for_status()?;
    server.terminate()?;
    let end = async { while let Ok(Some(_)) = stream.chunk().await {} };
    timeout(Duration::from_secs(9), end).await.context("the stream does not end")?;
    let status = timeout(Duration::from_secs(10), server.ended()).await.context("the server does not end")??;
    ensure!(status.success(), "{status}");
    Ok(())
}

on_both_databases! {
    a_reader_that_resumes_after_kill_9_sees_every_acknowledged_change_once_and_in_order = resumed_after_kills;
    a_termination_signal_ends_open_streams_of_events = ended_by_a_signal;
}

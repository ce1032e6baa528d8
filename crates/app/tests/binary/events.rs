//! Events of a server that is killed or terminated: acknowledged changes are in the ledger, and a reader that resumes
//! gets each once and in order.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::client::{Client, instance};
use crate::server::{Server, http_client, within_timeout};

/// Number of kills, unless the variable `KILLS` has another.
const KILLS: usize = 3;
/// Minimum number of changes that the reader receives before each kill.
const CHANGES_BEFORE_KILL: usize = 100;
/// Number of concurrent writers.
const WRITERS: usize = 16;

/// Less than the shutdown timeout, after which the server cuts open connections.
const BEFORE_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(9);

/// A reader of events that resumes where it stopped.
#[derive(Default)]
struct Reader {
    seen: Vec<u64>,
}

impl Reader {
    /// Reads until `count` changes were received in all, or the stream ends.
    async fn read(&mut self, address: &str, ada: &Client, count: usize) -> anyhow::Result<()> {
        let mut request = http_client().get(format!("{address}{}", ada.path("events?after=0"))).bearer_auth(&ada.token);
        if let Some(last) = self.seen.last() {
            request = request.header("Last-Event-ID", last.to_string());
        }
        let mut response = request.send().await?.error_for_status()?;
        let mut text = String::new();
        while self.seen.len() < count {
            let chunk = within_timeout("an event", response.chunk()).await?;
            // A killed server cuts the stream.
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

/// Adds a task, with its title as the idempotency key. Returns its id; `None` without an answer.
async fn add(client: &reqwest::Client, url: &str, token: &str, title: &str) -> Option<String> {
    let request = client.post(url).bearer_auth(token).header("Idempotency-Key", title);
    let response = request.json(&json!({"title": title})).send().await.ok()?;
    let body: Value = response.json().await.ok()?;
    body["id"].as_str().map(str::to_owned)
}

/// Adds tasks until the server is killed. Returns the ids of the acknowledged ones, and the title of the one that is not.
async fn write(url: String, token: String, name: String) -> (Vec<String>, String) {
    let (client, mut acknowledged) = (http_client(), Vec::new());
    loop {
        let title = format!("{name} {}", acknowledged.len());
        match add(&client, &url, &token, &title).await {
            Some(id) => acknowledged.push(id),
            None => return (acknowledged, title),
        }
    }
}

async fn resumed_after_kills(database: &str) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let variables = [instance(database, "only"), vec![("API_REQUESTS_PER_MINUTE", "0")]].concat();
    let mut server = Server::start(folder.path(), &variables)?;
    let ada = Client::register(&server).await?;
    let (mut reader, mut acknowledged) = (Reader::default(), Vec::new());
    let kills = std::env::var("KILLS").map_or(Ok(KILLS), |kills| kills.parse())?;
    for round in 0..kills {
        let url = format!("{}{}", server.address, ada.path("tasks"));
        let writer = |n| write(url.clone(), ada.token.clone(), format!("{round}-{n}"));
        let writers: Vec<_> = (0..WRITERS).map(|n| tokio::spawn(writer(n))).collect();
        let enough = reader.seen.len() + CHANGES_BEFORE_KILL;
        reader.read(&server.address, &ada, enough).await?;
        server.kill()?;
        server = Server::start(folder.path(), &variables)?;
        let url = format!("{}{}", server.address, ada.path("tasks"));
        for writer in writers {
            let (ids, unanswered) = writer.await?;
            acknowledged.extend(ids);
            // Whether it was committed or not, it is now, and once.
            let repeated = add(&http_client(), &url, &ada.token, &unanswered).await;
            acknowledged.push(repeated.context("no answer after the restart")?);
        }
    }

    let list = http_client().get(format!("{}{}", server.address, ada.path("tasks"))).bearer_auth(&ada.token);
    let head = list.send().await?.headers()["x-change-seq"].to_str()?.parse::<u64>()?;
    reader.read(&server.address, &ada, usize::try_from(head)?).await?;
    ensure!(reader.seen == (1..=head).collect::<Vec<_>>(), "{:?} of {head}", reader.seen);

    let (mut created, mut titles, mut after) = (Vec::new(), BTreeSet::new(), 0);
    while after < head {
        let changes = ada.get(&server, &format!("changes?after={after}")).await?;
        let changes = changes.as_array().context("not an array")?;
        after += changes.len() as u64;
        created.extend(changes.iter().filter_map(|change| change["entity_id"].as_str().map(str::to_owned)));
        titles.extend(changes.iter().filter_map(|change| change["after"]["title"].as_str().map(str::to_owned)));
    }
    let distinct: BTreeSet<_> = created.iter().collect();
    ensure!(distinct.len() == created.len() && titles.len() == created.len(), "a task was created twice");
    ensure!(acknowledged.len() >= kills * CHANGES_BEFORE_KILL - kills * WRITERS, "{}", acknowledged.len());
    let missing = acknowledged.iter().filter(|id| !distinct.contains(id)).count();
    let (acknowledged, changes) = (acknowledged.len(), created.len());
    ensure!(missing == 0, "{missing} of {acknowledged} acknowledged writes are not in the ledger");
    writeln!(std::io::stderr(), "{kills} kills: {acknowledged} acknowledged writes, {changes} changes, none lost")?;
    Ok(())
}

async fn ended_by_a_signal(database: &str) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut server = Server::start(folder.path(), &instance(database, "only"))?;
    let ada = Client::register(&server).await?;
    let request = http_client().get(format!("{}{}", server.address, ada.path("events"))).bearer_auth(&ada.token);
    let mut stream = request.send().await?.error_for_status()?;
    server.terminate()?;
    let end = async { while let Ok(Some(_)) = stream.chunk().await {} };
    timeout(BEFORE_SHUTDOWN_TIMEOUT, end).await.context("the stream does not end")?;
    let status = server.wait_for_exit().await?;
    ensure!(status.success(), "{status}");
    Ok(())
}

on_both_databases! {
    a_reader_that_resumes_after_kill_9_sees_every_acknowledged_change_once_and_in_order = resumed_after_kills;
    a_termination_signal_ends_open_streams_of_events = ended_by_a_signal;
}

//! A server of Redis or Valkey that stops with the process that started it. It stores nothing on disk.
//!
//! As for PostgreSQL, a supervising shell reads from a pipe to this process: a line is an order, the end stops the server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::is_ci;
use crate::server::{command, free_port};

/// Starts the server, carries out orders, and prints a line after each.
const SUPERVISOR: &str = r#"
run() { "$1" "$2/redis.conf" >"$2/log" 2>&1 & pid=$!; }
run "$1" "$2"
while read -r order; do
  case "$order" in
    start) run "$1" "$2" ;;
    stop) kill -KILL "$pid"; wait "$pid" ;;
    pause) kill -STOP "$pid" ;;
    resume) kill -CONT "$pid" ;;
  esac
  echo done
done
kill -KILL "$pid"
cd / && rm -rf "$2"
"#;

/// Maximum time to start.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Maximum number of ports to try, because another process may take a free port.
const MAX_ATTEMPTS: u32 = 5;

/// A running server on 127.0.0.1, and on a Unix socket.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    folder: PathBuf,
    supervisor: Child,
    output: BufReader<ChildStdout>,
}

impl RedisServer {
    /// Starts a server with additional lines of `redis.conf`, where `PORT` stands for its port; returns `None` and writes a line to stderr if there is no
    /// program.
    ///
    /// # Errors
    /// If it does not start (the error contains its log), or there is no program although `CI` is `true`.
    pub fn start_or_skip(test: &str, settings: &str) -> anyhow::Result<Option<Self>> {
        let Some(program) = find() else {
            if is_ci() {
                bail!("no Redis for {test}: install redis-server or valkey-server");
            }
            // Not `eprintln!`, which the test runner captures.
            writeln!(std::io::stderr(), "SKIPPED (no Redis): {test}")?;
            return Ok(None);
        };
        let mut log = String::new();
        for _ in 0..MAX_ATTEMPTS {
            let server = Self::spawn(&program, settings)?;
            match server.wait() {
                Ok(()) => return Ok(Some(server)),
                Err(error) => log = format!("{error:#}"),
            }
        }
        bail!("cannot start redis-server: {log}")
    }

    fn spawn(program: &Path, settings: &str) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("doable-redis-")?;
        let port = free_port()?;
        let path = folder.path().display();
        let own = format!(
            "bind 127.0.0.1\nport {port}\nunixsocket {path}/socket\ndir {path}\nsave \"\"\nappendonly no\ndaemonize no\n"
        );
        let settings = settings.replace("PORT", &port.to_string());
        std::fs::write(folder.path().join("redis.conf"), own + &settings + "\n")?;
        let mut supervisor = command(Path::new("/bin/sh"), folder.path(), None)
            .args(["-c", SUPERVISOR, "doable-test-redis"])
            .args([program, folder.path()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("/bin/sh")?;
        let output = BufReader::new(supervisor.stdout.take().context("piped")?);
        // From here on the supervisor deletes the folder.
        Ok(Self { port, folder: folder.keep(), supervisor, output })
    }

    /// Returns the port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL without user and password.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Returns the URL of the Unix socket.
    pub fn socket_url(&self) -> String {
        format!("redis+unix://{}/socket", self.folder.display())
    }

    /// Kills it, with all that it stores.
    ///
    /// # Errors
    /// If the supervisor has ended.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.order("stop")
    }

    /// Starts it again at the same address.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.order("start")?;
        self.wait()
    }

    /// Stops its process without closing connections: it answers nothing more.
    ///
    /// # Errors
    /// If the supervisor has ended.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        self.order("pause")
    }

    /// Continues after [`pause`](Self::pause).
    ///
    /// # Errors
    /// If the supervisor has ended.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.order("resume")
    }

    fn order(&mut self, order: &str) -> anyhow::Result<()> {
        writeln!(self.supervisor.stdin.as_ref().context("piped")?, "{order}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        anyhow::ensure!(line == "done\n", "the supervisor has ended");
        Ok(())
    }

    /// Waits until it accepts connections.
    fn wait(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            if log.contains("Ready to accept connections") {
                return Ok(());
            }
            if Instant::now() > deadline || ["Failed listening", "FATAL"].iter().any(|problem| log.contains(problem)) {
                bail!("{log}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        drop(self.supervisor.wait());
    }
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let in_folder = |folder: PathBuf| ["redis-server", "valkey-server"].map(|name| folder.join(name));
    std::env::split_paths(&path).flat_map(in_folder).find(|program| program.is_file())
}

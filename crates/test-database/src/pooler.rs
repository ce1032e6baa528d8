//! A PgBouncer in transaction mode that stops with the process that started it.
//!
//! As for the server, a supervising shell reads from a pipe to this process: a line restarts PgBouncer, the end stops it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use url::Url;

use crate::server::{command, free_port, unprivileged_user};

/// Starts PgBouncer, restarts it for each line, and prints a line when the last one has ended.
const SUPERVISOR: &str = r#"
"$1" -q "$2/pgbouncer.ini" & pid=$!
while read -r _; do
  kill "$pid"; wait "$pid"
  echo stopped
  "$1" -q "$2/pgbouncer.ini" & pid=$!
done
kill "$pid"; wait "$pid"
cd / && rm -rf "$2"
"#;

/// Maximum time to start.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running PgBouncer on 127.0.0.1. Clients take turns on few connections to the server, and use another one for each
/// transaction if there are several.
#[derive(Debug)]
pub struct Pooler {
    url: Url,
    supervisor: Child,
    output: BufReader<ChildStdout>,
}

impl Pooler {
    /// Starts one before `server`.
    ///
    /// # Errors
    /// If it is not installed, or does not start; the error contains its log.
    pub fn start(server: &Url) -> anyhow::Result<Self> {
        let program = find().context("pgbouncer is not installed")?;
        let folder = TempDir::with_prefix("doable-pgbouncer-")?;
        let user = unprivileged_user(folder.path())?;
        let port = free_port()?;
        std::fs::write(folder.path().join("pgbouncer.ini"), settings(server, port, folder.path()))?;
        if let Some(user) = &user {
            chown(folder.path(), Some(user.uid), Some(user.gid))?;
        }
        let mut supervisor = command(Path::new("/bin/sh"), folder.path(), user.as_ref())
            .args(["-c", SUPERVISOR, "doable-test-pooler"])
            .args([program.as_path(), folder.path()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("/bin/sh")?;
        let output = BufReader::new(supervisor.stdout.take().context("piped")?);
        let mut url = server.clone();
        url.set_port(Some(port)).map_err(|()| anyhow::anyhow!("no port can be set"))?;
        // From here on the supervisor deletes the folder.
        let folder = folder.keep();
        let pooler = Self { url, supervisor, output };
        pooler.wait().with_context(|| std::fs::read_to_string(folder.join("log")).unwrap_or_default())?;
        Ok(pooler)
    }

    /// Returns the URL of the server through it.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Ends it, which closes all of its connections, and starts it again at the same address.
    ///
    /// # Errors
    /// If it does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        writeln!(self.supervisor.stdin.as_ref().context("piped")?)?;
        self.output.read_line(&mut String::new())?;
        self.wait()
    }

    /// Waits until it accepts connections.
    fn wait(&self) -> anyhow::Result<()> {
        let address = (self.url.host_str().context("no host")?, self.url.port().context("no port")?);
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                bail!("cannot start pgbouncer");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        drop(self.supervisor.wait());
    }
}

/// Settings with Debian's defaults but for the mode, and for `server_round_robin`, which gives each transaction of a client
/// to another connection.
fn settings(server: &Url, port: u16, folder: &Path) -> String {
    let (host, server_port) = (server.host_str().unwrap_or("127.0.0.1"), server.port().unwrap_or(5432));
    let (user, folder) = (server.username(), folder.display());
    format!(
        "[databases]\n* = host={host} port={server_port} user={user}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 8\n\
         server_round_robin = 1\nmax_client_conn = 2000\nlogfile = {folder}/log\n"
    )
}

/// Returns the program.
pub(crate) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join("pgbouncer")).find(|program| program.is_file())
}

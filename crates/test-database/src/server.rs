//! A PostgreSQL server that stops with the process that started it.
//!
//! A supervising shell reads from a pipe to this process. When the process ends, even by SIGKILL, the pipe closes, and
//! the shell stops the server and deletes its folder. (Drop is not enough: statics are not dropped at exit.)

use std::fs::{File, OpenOptions, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use url::Url;

use crate::programs;

/// Starts the server, prints "ready", waits for the pipe to close, stops the server and deletes its folder.
const SUPERVISOR: &str = r#"
"$1/pg_ctl" start -w -t 60 -s -D "$2/data" -l "$2/log" >/dev/null 2>&1 || exit 1
echo ready
cat >/dev/null
"$1/pg_ctl" stop -m immediate -s -D "$2/data" >/dev/null 2>&1
cd / && rm -rf "$2"
"#;

/// The role and the database of a new cluster.
const ROLE: &str = "postgres";

/// Maximum number of ports to try, because another process may take a free port.
const MAX_ATTEMPTS: u32 = 5;

/// Settings of a server for temporary data, which needs no durability.
const NOT_DURABLE: &str =
    "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nautovacuum = off\nmax_connections = 300\n";

/// A running server on 127.0.0.1. It stops on drop and at the end of the process.
#[derive(Debug)]
pub struct Server {
    url: Url,
    folder: PathBuf,
    /// The shell whose standard input is the pipe.
    supervisor: Child,
}

impl Server {
    /// Creates a cluster in a temporary folder and starts a server without durability, for tests.
    ///
    /// # Errors
    /// If no server is installed, or it does not start; the error contains the server's log.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(NOT_DURABLE)
    }

    /// Like [`start`](Self::start), with PostgreSQL's default settings, for measurements.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_durable() -> anyhow::Result<Self> {
        Self::start_with("")
    }

    /// Starts a server with additional lines in `postgresql.conf`.
    fn start_with(settings: &str) -> anyhow::Result<Self> {
        let programs = programs::find().context("initdb, pg_ctl and postgres are not installed")?;
        let folder = TempDir::with_prefix("doable-pg-")?;
        let user = unprivileged_user(folder.path())?;
        if let Some(user) = &user {
            chown(folder.path(), Some(user.uid), Some(user.gid))?;
        }
        make_cluster(programs, folder.path(), user.as_ref(), settings)?;
        for _ in 0..MAX_ATTEMPTS {
            let port = free_port()?;
            let mut file = OpenOptions::new().append(true).open(folder.path().join("data/postgresql.conf"))?;
            // The last line takes precedence, so that another attempt can append its own.
            writeln!(file, "port = {port}")?;
            if let Some(supervisor) = supervise(programs, folder.path(), user.as_ref())? {
                // From here on the supervisor deletes the folder.
                let folder = folder.keep();
                let url = Url::parse(&format!("postgres://{ROLE}@127.0.0.1:{port}/{ROLE}"))?;
                return Ok(Self { url, folder, supervisor });
            }
        }
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        bail!("cannot start the server:\n{log}")
    }

    /// Returns the URL with the role and the database to connect to.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the process id of the postmaster, the parent of the server's other processes.
    ///
    /// # Errors
    /// If its pid file cannot be read.
    pub fn postmaster(&self) -> anyhow::Result<u32> {
        let path = self.folder.join("data/postmaster.pid");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        text.lines().next().unwrap_or_default().trim().parse().context("the first line of postmaster.pid")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        drop(self.supervisor.wait());
    }
}

/// The user that runs the server if this process is root, because PostgreSQL refuses to run as root.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Returns `None` if the owner of `folder`, which is this process's user, is not root.
pub(crate) fn unprivileged_user(folder: &Path) -> anyhow::Result<Option<User>> {
    if folder.metadata()?.uid() != 0 {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd").context("/etc/passwd")?;
    let user = ["postgres", "nobody"].iter().find_map(|name| find_user(&accounts, name));
    user.map(Some).context("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

/// Parses the line of `name` in passwd(5): `name:password:uid:gid:...`.
fn find_user(accounts: &str, name: &str) -> Option<User> {
    let mut fields = accounts.lines().map(|line| line.split(':')).find(|line| line.clone().next() == Some(name))?;
    Some(User { uid: fields.nth(2)?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

/// Returns a command that runs as `user` in `folder`, in its own process group, so that Ctrl-C ends only the tests.
pub(crate) fn command(program: &Path, folder: &Path, user: Option<&User>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).process_group(0).stdin(Stdio::null());
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

fn make_cluster(programs: &Path, folder: &Path, user: Option<&User>, settings: &str) -> anyhow::Result<()> {
    let output = command(&programs.join("initdb"), folder, user)
        .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username", ROLE, "--pgdata"])
        .arg(folder.join("data"))
        .output()
        .context("initdb")?;
    if !output.status.success() {
        bail!("initdb: {}", String::from_utf8_lossy(&output.stderr));
    }
    let path = folder.join("data/postgresql.conf");
    let mut file: File = OpenOptions::new().append(true).open(&path)?;
    writeln!(file, "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\n{settings}")?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(())
}

/// Starts the supervisor; `None` if the server does not start.
fn supervise(programs: &Path, folder: &Path, user: Option<&User>) -> anyhow::Result<Option<Child>> {
    let mut supervisor = command(Path::new("/bin/sh"), folder, user)
        .args(["-c", SUPERVISOR, "doable-test-server"])
        .args([programs, folder])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("/bin/sh")?;
    let mut line = String::new();
    if let Some(output) = supervisor.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    if line == "ready\n" {
        return Ok(Some(supervisor));
    }
    supervisor.wait()?;
    Ok(None)
}

pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_full_name() {
        let accounts = "root:x:0:0::/root:/bin/sh\npostgresql:x:1:1::/:/bin/sh\npostgres:x:103:105:,,:/var:/bin/sh\n";
        let user = find_user(accounts, "postgres").unwrap();
        assert_eq!((user.uid, user.gid), (103, 105));
        assert!(find_user(accounts, "nobody").is_none());
    }
}

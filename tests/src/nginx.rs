//! nginx in front of a server: under a path of its own, with compression and exact paths, and otherwise with nginx's
//! defaults.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::wait_until;

/// Path under which nginx serves the server.
const PATH: &str = "/doable";
/// Maximum number of ports to try.
const MAX_ATTEMPTS: u32 = 100;
/// Temporary folders whose default places only root can write to.
const TEMPORARY: [&str; 5] = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/// A port for nginx, and the base URL that clients will use. The server has to know the URL before it starts.
#[derive(Debug)]
pub struct NginxPort(u16);

/// A running nginx, which stops on drop.
#[derive(Debug)]
pub struct Nginx {
    process: Child,
    _folder: TempDir,
}

impl NginxPort {
    /// Returns a free port if `TEST_NGINX` is `1`: then every [`TestApp`](crate::TestApp) is used through nginx.
    ///
    /// # Errors
    /// If there is none.
    pub fn from_environment() -> anyhow::Result<Option<Self>> {
        std::env::var("TEST_NGINX").is_ok_and(|value| value == "1").then(Self::free).transpose()
    }

    /// Returns a free port; `None` with a line on stderr if nginx is not installed and the test has to be skipped.
    ///
    /// # Errors
    /// If there is none.
    pub fn free_or_skip(test: &str) -> anyhow::Result<Option<Self>> {
        let version = Command::new("nginx").arg("-v").stderr(Stdio::null()).status();
        if version.is_ok_and(|status| status.success()) {
            return Self::free().map(Some);
        }
        // Not `eprintln!`, which the test runner captures.
        writeln!(std::io::stderr(), "SKIPPED (no nginx): {test}")?;
        Ok(None)
    }

    /// Chooses a port that no other test of this process gets, and no server that listens on any free port: systems take
    /// those from 32768 up (Linux) or 49152 up (RFC 6335, 6).
    fn free() -> anyhow::Result<Self> {
        static TAKEN: AtomicU16 = AtomicU16::new(0);
        for _ in 0..MAX_ATTEMPTS {
            let offset = std::process::id().wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed).into()) % 20_000;
            let port = u16::try_from(10_000 + offset)?;
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return Ok(Self(port));
            }
        }
        bail!("no free port for nginx")
    }

    /// Base URL for clients.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.0)
    }

    /// Starts nginx in front of the server at this base URL.
    ///
    /// # Errors
    /// If it does not listen within [`WAIT_TIMEOUT`](crate::WAIT_TIMEOUT).
    pub async fn serve(&self, server: &str) -> anyhow::Result<Nginx> {
        let folder = TempDir::with_prefix("doable-nginx-")?;
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, self.configuration(server, folder.path().to_str().context("not UTF-8")?)?)?;
        let process = Command::new("nginx")
            .args(["-e", "stderr", "-p"])
            .arg(folder.path())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .context("nginx")?;
        let mut nginx = Nginx { process, _folder: folder };
        let listens = async || {
            ensure!(nginx.process.try_wait()?.is_none(), "nginx has ended");
            Ok(TcpStream::connect(("127.0.0.1", self.0)).await.is_ok())
        };
        wait_until("nginx", listens).await?;
        Ok(nginx)
    }

    fn configuration(&self, server: &str, folder: &str) -> anyhow::Result<String> {
        let mut text = "daemon off; master_process off; events {} http { access_log off;\n".to_owned();
        writeln!(text, "gzip on; gzip_min_length 0; gzip_proxied any; gzip_types *; merge_slashes off;")?;
        for name in TEMPORARY {
            writeln!(text, "{name}_temp_path {folder}/{name};")?;
        }
        writeln!(text, "server {{ listen 127.0.0.1:{}; location {PATH}/ {{ proxy_pass {server}/;", self.0)?;
        writeln!(text, "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }} }}")?;
        Ok(text)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

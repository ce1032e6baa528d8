//! TLS, with an authority of the test's own.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use rate_limit::{RateLimitFallback, RedisRateLimiter};
use tempfile::TempDir;
use test_database::RedisServer;

use crate::server::{Connected, options};
use crate::subject::{limits, own_password};

/// Creates an authority and a certificate that it signs. Returns `false` and writes a line to stderr if the program is
/// missing.
fn create_certificates(folder: &Path, test: &str) -> anyhow::Result<bool> {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-x509"];
    let authority = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority"];
    let names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
    let signed =
        ["-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=server", "-CA", "ca.pem", "-CAkey", "ca.key"];
    for arguments in [authority.to_vec(), [&signed[..], &names].concat()] {
        let Ok(output) = Command::new("openssl").arg("req").args(key).args(arguments).current_dir(folder).output()
        else {
            writeln!(std::io::stderr(), "SKIPPED (no openssl): {test}")?;
            return Ok(false);
        };
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(true)
}

#[tokio::test]
async fn a_server_with_tls_is_used_if_a_trusted_authority_signed_its_certificate() -> anyhow::Result<()> {
    let name = "a_server_with_tls";
    let folder = TempDir::new()?;
    if !create_certificates(folder.path(), name)? {
        return Ok(());
    }
    let path = folder.path().display();
    let settings = format!(
        "port 0\ntls-port PORT\ntls-auth-clients no\ntls-cert-file {path}/server.pem\ntls-key-file {path}/server.key\n\
         tls-ca-cert-file {path}/ca.pem"
    );
    let Some(server) = RedisServer::start_or_skip(name, &settings)? else { return Ok(()) };
    let url = format!("rediss://127.0.0.1:{}", server.port());
    for (url, is_trusted) in
        [(format!("{url}?ssl_ca_certs={path}/ca.pem"), true), (url.clone(), false), (server.url(), false)]
    {
        let limiter = Connected::start(options(&url, limits(20), RateLimitFallback::Allow)?).await?;
        assert_eq!(limiter.take(&own_password(1)).await.is_counted(), is_trusted, "{url}");
    }
    let missing = options(&format!("{url}?ssl_ca_certs={path}/missing"), limits(20), RateLimitFallback::Allow)?;
    let error = RedisRateLimiter::new(&missing, &(std::sync::Arc::<domain::runtime::ManualClock>::default() as _));
    let error = error.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(error.contains("/missing cannot be read"), "{error}");
    Ok(())
}

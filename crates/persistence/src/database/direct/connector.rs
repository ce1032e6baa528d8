//! Opening connections of tokio-postgres as `SQLx` opens its own.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::storage::StorageError;
use percent_encoding::percent_decode_str;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use super::probe;
use crate::error::postgres_storage;

/// Opens connections to one database.
pub(crate) struct Connector {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    statement_timeout: Duration,
    /// Whether a pooler may give a connection to another server for each transaction. What is set on a server then
    /// remains for other clients, and a prepared statement is missing on the next server: everything is sent in
    /// transactions, with the timeout set in them, and without named statements.
    pub(crate) is_pooled: bool,
}

/// A client, and what became of its connection.
pub(super) struct Connected {
    pub(super) client: Client,
    /// Set when the server ends the connection while it has no request.
    pub(super) was_ended_idle: Arc<AtomicBool>,
}

impl Connector {
    /// Returns `None` if the URL has what only `SQLx` supports: certificates in files.
    pub(crate) fn new(options: &PgConnectOptions, url: &Url, statement_timeout: Duration) -> Option<Self> {
        let parameter = |key: &str| url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value);
        let has_files = |key: &str| parameter(key).is_some();
        if ["sslrootcert", "ssl-ca", "ssl-root-cert", "sslcert", "ssl-cert", "sslkey", "ssl-key"]
            .into_iter()
            .any(has_files)
        {
            return None;
        }
        let (ssl_mode, tls) = match options.get_ssl_mode() {
            PgSslMode::Disable | PgSslMode::Allow => (SslMode::Disable, None),
            PgSslMode::Prefer => (SslMode::Prefer, Some(without_verification()?)),
            PgSslMode::Require => (SslMode::Require, Some(without_verification()?)),
            PgSslMode::VerifyFull => (SslMode::Require, Some(with_verification()?)),
            PgSslMode::VerifyCa => return None,
        };
        let mut config = Config::new();
        match options.get_socket() {
            Some(folder) => config.host_path(folder),
            None => config.host(options.get_host()),
        };
        config.port(options.get_port()).user(options.get_username()).ssl_mode(ssl_mode);
        if let Some(database) = options.get_database() {
            config.dbname(database);
        }
        if let Some(name) = options.get_application_name() {
            config.application_name(name);
        }
        if let Some(options) = options.get_options() {
            config.options(options);
        }
        if let Some(password) = password(url) {
            config.password(password);
        }
        Some(Self { config, tls, statement_timeout, is_pooled: true })
    }

    /// Opens a connection to see whether it is one to a pooler. Until then, it is taken for one.
    pub(crate) async fn probe(&mut self) -> Result<bool, StorageError> {
        let connected = self.connect().await?;
        self.is_pooled = probe::is_pooled(&connected.client).await.map_err(postgres_storage)?;
        Ok(self.is_pooled)
    }

    /// The statements that begin a transaction.
    pub(super) fn begin(&self) -> String {
        if self.is_pooled {
            format!("BEGIN; {}", set_timeout_locally(self.statement_timeout))
        } else {
            "BEGIN".to_owned()
        }
    }

    /// Opens a connection, which is driven by the current thread's runtime.
    pub(super) async fn connect(&self) -> Result<Connected, StorageError> {
        let was_ended_idle = Arc::new(AtomicBool::new(false));
        let client = if let Some(tls) = &self.tls {
            let (client, connection) = self.config.connect(tls.clone()).await.map_err(postgres_storage)?;
            tokio::spawn(ended(connection, Arc::clone(&was_ended_idle)));
            client
        } else {
            let (client, connection) = self.config.connect(NoTls).await.map_err(postgres_storage)?;
            tokio::spawn(ended(connection, Arc::clone(&was_ended_idle)));
            client
        };
        if !self.is_pooled {
            let set_timeout = set_timeout(self.statement_timeout);
            client.batch_execute(&set_timeout).await.map_err(postgres_storage)?;
        }
        Ok(Connected { client, was_ended_idle })
    }
}

/// Sets the timeout of the connection's statements. (Poolers reject it as a startup parameter.)
pub(crate) fn set_timeout(timeout: Duration) -> String {
    format!("SET statement_timeout = {}", timeout.as_millis())
}

/// Sets the timeout of the transaction's statements.
pub(crate) fn set_timeout_locally(timeout: Duration) -> String {
    format!("SET LOCAL statement_timeout = {}", timeout.as_millis())
}

/// Runs a connection until it ends. Pending requests of its client return the error, so that it is only logged here.
async fn ended(connection: impl Future<Output = Result<(), tokio_postgres::Error>>, was_ended_idle: Arc<AtomicBool>) {
    let mut connection = pin!(connection);
    if let Err(error) = connection.as_mut().await {
        // Errors of the server belong to a request, unless there is none. The connection's requests end after this.
        was_ended_idle.store(error.as_db_error().is_some(), Ordering::Release);
        tracing::debug!(%error, "database connection ended");
    }
}

/// The password of the URL, or of the environment as for `SQLx`.
fn password(url: &Url) -> Option<String> {
    let parameter = url.query_pairs().find(|(name, _)| name == "password").map(|(_, value)| value.into_owned());
    let encoded = url.password().map(|password| percent_decode_str(password).decode_utf8_lossy().into_owned());
    parameter.or(encoded).or_else(|| std::env::var("PGPASSWORD").ok())
}

fn with_verification() -> Option<MakeRustlsConnect> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some(MakeRustlsConnect::new(config))
}

/// For `prefer` and `require`, which encrypt but do not verify the server's certificate:
/// <https://www.postgresql.org/docs/current/libpq-ssl.html>
fn without_verification() -> Option<MakeRustlsConnect> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    Some(MakeRustlsConnect::new(config))
}

/// Accepts every certificate.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_decoded_once() {
        for (encoded, expected) in [("p%40ss", "p@ss"), ("a&b=c", "a&b=c"), ("a+b", "a+b"), ("%2520", "%20")] {
            let url = Url::parse(&format!("postgres://ada:{encoded}@localhost/doable")).unwrap();
            assert_eq!(password(&url).as_deref(), Some(expected), "{encoded}");
        }
        let url = Url::parse("postgres://ada@localhost/doable?password=a%26b").unwrap();
        assert_eq!(password(&url).as_deref(), Some("a&b"));
    }
}

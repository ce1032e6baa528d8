//! TLS for calls to the provider: rustls on ring, which is what the database drivers use too. No process-wide setting.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// Trusts Mozilla's certificate authorities, so that it works in an image without any, and those of the machine, so that
/// a company's own provider is reached too.
///
/// # Errors
/// None that a correct build of ring gives.
pub(super) fn config() -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    // A certificate of the machine that cannot be read is one authority less to trust.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

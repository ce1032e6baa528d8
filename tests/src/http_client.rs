//! The client that tests speak HTTP with.

/// A client with nothing set. `reqwest` is built without a TLS provider of its own, and wants one even where there is
/// nothing to encrypt.
pub fn http_client() -> reqwest::Client {
    // Whoever was first gave the same.
    let _same = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

//! The client that tests speak HTTP with.

/// A client that follows no redirect, with nothing else set. `reqwest` is built without a TLS provider of its own, and wants one even where there is
/// nothing to encrypt.
pub fn http_client() -> reqwest::Client {
    // Whoever was first gave the same.
    let _same = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
    // There is nothing set that could be wrong; if there were, redirects would be followed, and tests of them be red.
    client.unwrap_or_default()
}

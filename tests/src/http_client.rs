//! The HTTP client of the tests.

use std::time::Duration;

/// Maximum time until a response starts, and between two parts of its body.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// Returns a client that does not follow redirects.
pub fn http_client() -> reqwest::Client {
    // `reqwest` is built without a TLS provider and requires one even for plain HTTP. An error means that one is set.
    let _already_set = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).read_timeout(READ_TIMEOUT);
    // Building fails only for options that are not used here. A default client would follow redirects and fail tests.
    client.build().unwrap_or_default()
}

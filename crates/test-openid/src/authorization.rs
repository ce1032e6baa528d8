//! The authorization endpoint (OpenID Connect Core 1.0, 3.1.2). It redirects immediately, without login and consent.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng as _;
use rand::rngs::SysRng;
use url::Url;

use crate::state::{CLIENT_ID, Grant, State};

/// Returns the URL that the browser is redirected to. Any error in the request is an error here, without a redirect.
pub(crate) fn authorize(state: &mut State, issuer: &str, request: &Url) -> anyhow::Result<Url> {
    let pairs: Vec<(String, String)> = request.query_pairs().into_owned().collect();
    let parameters: BTreeMap<_, _> = pairs.iter().cloned().collect();
    ensure!(parameters.len() == pairs.len(), "duplicate parameter");
    let get = |name: &str| parameters.get(name).cloned().with_context(|| format!("{name} is missing"));
    ensure!(get("response_type")? == "code", "response_type is not code");
    ensure!(get("client_id")? == CLIENT_ID, "unknown client");
    ensure!(get("scope")?.split(' ').any(|scope| scope == "openid"), "scope does not contain openid");
    ensure!(get("code_challenge_method")? == "S256", "code_challenge_method is not S256");
    let challenge = get("code_challenge")?;
    ensure!(challenge.len() == 43, "code_challenge is not a SHA-256 digest");
    let redirect_uri = get("redirect_uri")?;
    let mut location = Url::parse(&redirect_uri)?;
    location.query_pairs_mut().append_pair("state", &get("state")?).append_pair("iss", issuer);
    if state.denies {
        location.query_pairs_mut().append_pair("error", "access_denied");
        return Ok(location);
    }
    let code = random_text()?;
    location.query_pairs_mut().append_pair("code", &code);
    let nonce = parameters.get("nonce").cloned();
    state.codes.insert(code, Grant { end_user: state.end_user.clone(), redirect_uri, challenge, nonce });
    Ok(location)
}

/// 128 random bits in base64url.
pub(crate) fn random_text() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    SysRng.try_fill_bytes(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use url::Position;

    use super::*;
    use crate::{Endpoint, OpenIdServer};

    const REDIRECT_URI: &str = "http://127.0.0.1:8000/callback?kept=1";

    fn authorization_url(server: &OpenIdServer, omitted: &str) -> Url {
        let challenge = "c".repeat(43);
        let parameters = [
            ("client_id", CLIENT_ID),
            ("response_type", "code"),
            ("scope", "openid email"),
            ("state", "the state"),
            ("redirect_uri", REDIRECT_URI),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let parameters = parameters.into_iter().filter(|(name, _)| *name != omitted);
        Url::parse_with_params(&format!("{}/authorize", server.issuer()), parameters).unwrap()
    }

    /// Returns the response, head and body. Blocking is fine: the server has its own thread.
    fn get(url: &Url) -> String {
        let mut stream = TcpStream::connect(url.socket_addrs(|| None).unwrap()[0]).unwrap();
        let target = &url[Position::BeforePath..];
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    #[tokio::test]
    async fn browser_is_redirected_with_state_and_code() {
        let server = OpenIdServer::start().await.unwrap();
        let response = get(&authorization_url(&server, ""));
        assert!(response.starts_with("HTTP/1.1 302 "), "{response}");
        let location = response.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
        assert!(
            location.starts_with(&format!("{REDIRECT_URI}&state=the+state&iss=")) && location.contains("&code="),
            "{location}"
        );
        assert_eq!(server.request_count(Endpoint::Authorization), 1);

        server.deny(true);
        let response = get(&authorization_url(&server, ""));
        assert!(response.contains("&error=access_denied") && !response.contains("code="), "{response}");
    }

    #[tokio::test]
    async fn invalid_request_is_not_redirected() {
        let server = OpenIdServer::start().await.unwrap();
        for omitted in
            ["client_id", "response_type", "scope", "state", "redirect_uri", "code_challenge", "code_challenge_method"]
        {
            let response = get(&authorization_url(&server, omitted));
            assert!(response.starts_with("HTTP/1.1 400 ") && !response.contains("location: "), "{omitted}: {response}");
        }
    }
}

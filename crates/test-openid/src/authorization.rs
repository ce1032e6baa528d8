//! The authorization endpoint (OpenID Connect Core 1.0, 3.1.2): whoever the test has chosen is signed in already and
//! consents at once.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng as _;
use rand::rngs::SysRng;
use url::Url;

use crate::person::Person;
use crate::server::{CLIENT_ID, State};

/// What a code was given out for.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) person: Person,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    pub(crate) nonce: Option<String>,
}

/// Where the browser is sent. In its request everything must be right: whoever is wrong is never sent back.
pub(crate) fn authorize(state: &mut State, issuer: &str, request: &Url) -> anyhow::Result<Url> {
    let pairs: Vec<(String, String)> = request.query_pairs().into_owned().collect();
    let asked: BTreeMap<_, _> = pairs.iter().cloned().collect();
    ensure!(asked.len() == pairs.len(), "a parameter is there twice");
    let get = |name: &str| asked.get(name).cloned().with_context(|| format!("{name} is missing"));
    ensure!(get("response_type")? == "code", "the response type is not code");
    ensure!(get("client_id")? == CLIENT_ID, "the client is unknown");
    ensure!(get("scope")?.split(' ').any(|scope| scope == "openid"), "the scope has no openid");
    ensure!(get("code_challenge_method")? == "S256", "PKCE is not S256");
    let challenge = get("code_challenge")?;
    ensure!(challenge.len() == 43, "the PKCE challenge is no SHA-256");
    let redirect_uri = get("redirect_uri")?;
    let mut back = Url::parse(&redirect_uri)?;
    back.query_pairs_mut().append_pair("state", &get("state")?).append_pair("iss", issuer);
    if state.denies {
        back.query_pairs_mut().append_pair("error", "access_denied");
        return Ok(back);
    }
    let code = random()?;
    back.query_pairs_mut().append_pair("code", &code);
    let nonce = asked.get("nonce").cloned();
    state.codes.insert(code, Grant { person: state.person.clone(), redirect_uri, challenge, nonce });
    Ok(back)
}

/// 128 random bits.
pub(crate) fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    SysRng.try_fill_bytes(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::*;
    use crate::{OpenIdServer, Page};

    const BACK: &str = "http://127.0.0.1:8000/back?kept=1";

    fn address(server: &OpenIdServer, without: &str) -> Url {
        let challenge = "c".repeat(43);
        let all = [
            ("client_id", CLIENT_ID),
            ("response_type", "code"),
            ("scope", "openid email"),
            ("state", "the state"),
            ("redirect_uri", BACK),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let kept = all.into_iter().filter(|(name, _)| *name != without);
        Url::parse_with_params(&format!("{}/authorize", server.issuer()), kept).unwrap()
    }

    /// The answer, head and body. The server has a thread of its own.
    fn get(address: &Url) -> String {
        let mut stream = TcpStream::connect(address.socket_addrs(|| None).unwrap()[0]).unwrap();
        let target = &address[url::Position::BeforePath..];
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[tokio::test]
    async fn a_browser_is_sent_straight_back_with_the_state_and_a_code() {
        let server = OpenIdServer::start().await.unwrap();
        let answer = get(&address(&server, ""));
        assert!(answer.starts_with("HTTP/1.1 302 "), "{answer}");
        let back = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
        assert!(back.starts_with(&format!("{BACK}&state=the+state&iss=")) && back.contains("&code="), "{back}");
        assert_eq!(server.asked(Page::Authorization), 1);

        server.deny(true);
        let answer = get(&address(&server, ""));
        assert!(answer.contains("&error=access_denied") && !answer.contains("code="), "{answer}");
    }

    #[tokio::test]
    async fn whoever_asks_wrongly_is_sent_nowhere() {
        let server = OpenIdServer::start().await.unwrap();
        for without in
            ["client_id", "response_type", "scope", "state", "redirect_uri", "code_challenge", "code_challenge_method"]
        {
            let answer = get(&address(&server, without));
            assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("location: "), "{without}: {answer}");
        }
    }
}

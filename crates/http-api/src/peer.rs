//! The client's address of a request: the peer of its socket, unless that is a trusted proxy. Then it is the last address
//! in `X-Forwarded-For` that is not a trusted proxy's.
//!
//! `X-Real-IP` and `Forwarded` are ignored, and so is actix-web's `realip_remote_addr`, which trusts all of them.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::{HeaderMap, HeaderValue, X_FORWARDED_FOR};
use ipnet::{IpNet, Ipv4Net};

/// The client's address, in every request's extensions. IPv4-mapped IPv6 addresses are converted to IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// A proxy, or a network of proxies, whose `X-Forwarded-For` is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedProxy(IpNet);

/// The text is not a valid [`TrustedProxy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an IP address or a network such as 10.0.0.0/8")]
pub struct TrustedProxyError;

impl FromStr for TrustedProxy {
    type Err = TrustedProxyError;

    /// Parses an address or a network (RFC 4632, 3.1). Host bits of a network are ignored.
    fn from_str(raw: &str) -> Result<Self, TrustedProxyError> {
        let raw = raw.trim();
        let network = match raw.parse::<IpAddr>() {
            Ok(address) => Ok(IpNet::from(address)),
            Err(_no_address) => raw.parse::<IpNet>(),
        };
        network.map(|network| Self(canonical(network.trunc()))).map_err(|_no_network| TrustedProxyError)
    }
}

/// Converts a network of IPv4-mapped addresses (RFC 4291, 2.5.5.2) to an IPv4 network.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match (network.addr().to_canonical(), network.prefix_len().checked_sub(96)) {
        (IpAddr::V4(address), Some(length)) if network.addr().is_ipv6() => Ipv4Net::new(address, length).ok(),
        _ => None,
    };
    mapped.map_or(network, IpNet::V4)
}

/// The trusted proxies of the settings. Clones share whether the warning about another one was logged.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    proxies: Vec<TrustedProxy>,
    has_warned: Arc<AtomicBool>,
}

impl From<Vec<TrustedProxy>> for TrustedProxies {
    fn from(proxies: Vec<TrustedProxy>) -> Self {
        Self { proxies, has_warned: Arc::default() }
    }
}

impl TrustedProxies {
    fn include(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|TrustedProxy(network)| network.contains(&address))
    }

    /// Logs a warning, once, if the request comes from a peer that is not trusted and yet writes the header of a proxy:
    /// the clients behind a proxy that is missing in the settings share its address, and its limits.
    pub(crate) fn warn_of_unknown(&self, socket: IpAddr, headers: &HeaderMap) {
        let peer = socket.to_canonical();
        let is_unknown = headers.contains_key(X_FORWARDED_FOR) && !self.include(peer);
        if is_unknown && !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %peer,
                "X-Forwarded-For was ignored, because TRUSTED_PROXIES does not name the peer that sent it. If it is your \
                 proxy, all clients behind it count as one: add its address to TRUSTED_PROXIES"
            );
        }
    }

    /// The client's address of a request with `headers` from a socket with the peer address `socket`.
    pub(crate) fn client(&self, socket: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut last = socket.to_canonical();
        // Each proxy appends the address of its peer, as a new line or to the last line (RFC 9110, 5.3).
        let lines: Vec<_> = headers.get_all(X_FORWARDED_FOR).map(HeaderValue::as_bytes).collect();
        let mut addresses = lines.into_iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
        while self.include(last)
            && let Some(address) = addresses.next().and_then(parse_address)
        {
            last = address;
        }
        last
    }
}

/// Parses an address as proxies write it: bare, with a port, or in brackets.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_no_address| text.parse().map(|with_port: SocketAddr| with_port.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(proxies: &[&str], socket: &str, lines: &[&str]) -> String {
        let proxies: Vec<TrustedProxy> = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        let proxies = TrustedProxies::from(proxies);
        let request =
            lines.iter().fold(TestRequest::default(), |request, line| request.append_header((X_FORWARDED_FOR, *line)));
        proxies.client(socket.parse().unwrap(), request.to_http_request().headers()).to_string()
    }

    #[test]
    fn without_a_trusted_proxy_no_header_changes_the_address() {
        for lines in [&[] as &[&str], &["1.2.3.4"], &["1.2.3.4, 127.0.0.1"], &["1.2.3.4", "9.9.9.9"], &["nonsense"]] {
            assert_eq!(client(&[], "127.0.0.1", lines), "127.0.0.1", "{lines:?}");
            assert_eq!(client(&["10.0.0.0/8"], "8.8.8.8", lines), "8.8.8.8", "{lines:?}");
            assert_eq!(client(&["10.0.0.0/8"], "::1", lines), "::1", "{lines:?}");
        }
    }

    #[test]
    fn the_client_is_the_last_address_that_is_not_a_trusted_proxy() {
        let proxies = ["10.0.0.0/8", "192.0.2.7", "fd00::/8"];
        for (lines, expected) in [
            // Without the header, and with one address.
            (&[] as &[&str], "10.0.0.1"),
            (&["8.8.8.8"], "8.8.8.8"),
            (&["2001:db8::1"], "2001:db8::1"),
            // Addresses that the client wrote itself are further left and ignored.
            (&["1.1.1.1, 8.8.8.8"], "8.8.8.8"),
            (&["127.0.0.1, 10.1.1.1, 8.8.8.8"], "8.8.8.8"),
            (&["nonsense, 8.8.8.8"], "8.8.8.8"),
            // A chain of proxies, in one line and in several.
            (&["8.8.8.8, 192.0.2.7, 10.2.0.1"], "8.8.8.8"),
            (&["1.1.1.1", "8.8.8.8, 192.0.2.7", "fd00::1"], "8.8.8.8"),
            (&["8.8.8.8,192.0.2.8,10.2.0.1"], "192.0.2.8"),
            // Only proxies: the first of them.
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            assert_eq!(client(&proxies, "10.0.0.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_malformed_address_ends_the_search_at_the_last_valid_one() {
        for (lines, expected) in [
            (&["8.8.8.8, nonsense"] as &[&str], "10.0.0.1"),
            (&["8.8.8.8, nonsense, 10.0.0.2"], "10.0.0.2"),
            (&["8.8.8.8,, 10.0.0.2"], "10.0.0.2"),
            (&["8.8.8.8", ""], "10.0.0.1"),
            (&["8.8.8.8", "unknown"], "10.0.0.1"),
            (&["8.8.8.8 10.0.0.2"], "10.0.0.1"),
            (&["8.8.8.256"], "10.0.0.1"),
            (&["8.8.8"], "10.0.0.1"),
            (&["010.8.8.8"], "10.0.0.1"),
            (&["8.8.8.8:port"], "10.0.0.1"),
            (&["8.8.8.8:65536"], "10.0.0.1"),
            (&["[8.8.8.8"], "10.0.0.1"),
            (&["[::1"], "10.0.0.1"),
            (&["::1]:80"], "10.0.0.1"),
            (&["\"8.8.8.8\""], "10.0.0.1"),
            (&["for=8.8.8.8"], "10.0.0.1"),
            (&["8.8.8.0/24"], "10.0.0.1"),
        ] {
            assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", lines), expected, "{lines:?}");
        }
        let proxies = TrustedProxies::from(vec!["10.0.0.0/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(b"8.8.8.8, \xff").unwrap());
        assert_eq!(proxies.client("10.0.0.1".parse().unwrap(), &headers).to_string(), "10.0.0.1");
    }

    #[test]
    fn ports_and_brackets_are_ignored() {
        for (line, expected) in [
            ("1.2.3.4:567", "1.2.3.4"),
            ("[::1]:80", "::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("1.1.1.1:1, 8.8.8.8:1, 10.0.0.2:40000", "8.8.8.8"),
            ("\t8.8.8.8 ", "8.8.8.8"),
        ] {
            assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[line]), expected, "{line}");
        }
    }

    #[test]
    fn ipv4_mapped_addresses_are_converted_to_ipv4() {
        assert_eq!(client(&[], "::ffff:8.8.8.8", &[]), "8.8.8.8");
        assert_eq!(client(&["10.0.0.0/8"], "::ffff:10.0.0.1", &["::ffff:8.8.8.8, [::ffff:10.0.0.2]:1"]), "8.8.8.8");
        assert_eq!(client(&["::ffff:10.0.0.0/104"], "10.0.0.1", &["8.8.8.8"]), "8.8.8.8");
        assert_eq!(client(&["::ffff:10.0.0.1"], "10.0.0.1", &["8.8.8.8"]), "8.8.8.8");
        assert_eq!(client(&["::ffff:10.0.0.1"], "10.0.0.2", &["8.8.8.8"]), "10.0.0.2");
    }

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        let parse = |text: &str| text.parse::<TrustedProxy>().map(|TrustedProxy(network)| network.to_string());
        for (text, network) in [
            ("192.0.2.1", "192.0.2.1/32"),
            (" ::1 ", "::1/128"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("172.17.0.1/16", "172.17.0.0/16"),
            ("fd00::/8", "fd00::/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ] {
            assert_eq!(parse(text), Ok(network.to_owned()), "{text}");
        }
        for text in ["", "*", "localhost", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "10.0.0.1:80", "[::1]"] {
            assert_eq!(parse(text), Err(TrustedProxyError), "{text}");
        }
    }
}

//! Which address a request comes from. It is the socket's, because anybody can write a header, unless that is a proxy's
//! that the settings name: then it is the last one in `X-Forwarded-For` that no such proxy has.
//!
//! No other header is looked at (`X-Real-IP`, `Forwarded`), and neither is the framework's own idea of a client's
//! address, which trusts all of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderValue, X_FORWARDED_FOR};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};
use ipnet::{IpNet, Ipv4Net};

/// The address that a request comes from: IPv4 wherever it is one (never IPv4-mapped IPv6). It is in every request's
/// extensions before anything else looks at the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// A proxy, or a network of them, that may say who its clients are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedProxy(IpNet);

/// The text is no [`TrustedProxy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an IP address or a network such as 10.0.0.0/8")]
pub struct TrustedProxyError;

impl FromStr for TrustedProxy {
    type Err = TrustedProxyError;

    /// Reads an address or a network (RFC 4632, 3.1). An address within a network stands for the network.
    fn from_str(raw: &str) -> Result<Self, TrustedProxyError> {
        let raw = raw.trim();
        let network = match raw.parse::<IpAddr>() {
            Ok(address) => Ok(IpNet::from(address)),
            Err(_no_address) => raw.parse::<IpNet>(),
        };
        network.map(|network| Self(canonical(network.trunc()))).map_err(|_no_network| TrustedProxyError)
    }
}

/// A network of IPv4-mapped addresses (RFC 4291, 2.5.5.2) as what it is.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match (network.addr().to_canonical(), network.prefix_len().checked_sub(96)) {
        (IpAddr::V4(address), Some(length)) if network.addr().is_ipv6() => Ipv4Net::new(address, length).ok(),
        _ => None,
    };
    mapped.map_or(network, IpNet::V4)
}

/// The proxies that the settings name.
#[derive(Clone, Debug)]
pub(crate) struct TrustedProxies(pub(crate) Vec<TrustedProxy>);

impl TrustedProxies {
    fn include(&self, address: IpAddr) -> bool {
        self.0.iter().any(|TrustedProxy(network)| network.contains(&address))
    }

    /// The client's address, if `socket` is at the other end.
    fn client(&self, socket: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut last = socket.to_canonical();
        // Each proxy adds whom it has heard from at the end, as a line or as part of one (RFC 9110, 5.3).
        let lines: Vec<_> = headers.get_all(X_FORWARDED_FOR).map(HeaderValue::as_bytes).collect();
        let mut claims = lines.into_iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
        while self.include(last)
            && let Some(address) = claims.next().and_then(claimed)
        {
            last = address;
        }
        last
    }
}

/// An address as proxies write it: bare, or with a port, or in brackets.
fn claimed(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_no_address| text.parse().map(|with_port: SocketAddr| with_port.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

/// Middleware: leaves the [`Peer`] for everybody else.
pub(crate) async fn find<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    // Every socket has one. What has none is no socket, and all such requests have one peer.
    let socket = request.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |address| address.ip());
    let peer = match request.app_data::<web::Data<TrustedProxies>>() {
        Some(proxies) => proxies.client(socket, request.headers()),
        None => socket.to_canonical(),
    };
    request.extensions_mut().insert(Peer(peer));
    next.call(request).await
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(proxies: &[&str], socket: &str, lines: &[&str]) -> String {
        let proxies = TrustedProxies(proxies.iter().map(|proxy| proxy.parse().unwrap()).collect());
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
    fn the_client_is_the_last_one_that_no_trusted_proxy_has() {
        let proxies = ["10.0.0.0/8", "192.0.2.7", "fd00::/8"];
        for (lines, expected) in [
            // A proxy that says nothing, and one that names its client.
            (&[] as &[&str], "10.0.0.1"),
            (&["8.8.8.8"], "8.8.8.8"),
            (&["2001:db8::1"], "2001:db8::1"),
            // What the client itself claims stands to the left, and is not reached.
            (&["1.1.1.1, 8.8.8.8"], "8.8.8.8"),
            (&["127.0.0.1, 10.1.1.1, 8.8.8.8"], "8.8.8.8"),
            (&["nonsense, 8.8.8.8"], "8.8.8.8"),
            // Several proxies in a row, in one line or in several.
            (&["8.8.8.8, 192.0.2.7, 10.2.0.1"], "8.8.8.8"),
            (&["1.1.1.1", "8.8.8.8, 192.0.2.7", "fd00::1"], "8.8.8.8"),
            (&["8.8.8.8,192.0.2.8,10.2.0.1"], "192.0.2.8"),
            // Nobody but proxies: the first of them.
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            assert_eq!(client(&proxies, "10.0.0.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_is_malformed_ends_the_search_at_the_last_good_address() {
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
        let proxies = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(b"8.8.8.8, \xff").unwrap());
        assert_eq!(proxies.client("10.0.0.1".parse().unwrap(), &headers).to_string(), "10.0.0.1");
    }

    #[test]
    fn a_port_and_brackets_are_taken_off() {
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
    fn ipv4_in_ipv6_is_ipv4_wherever_it_stands() {
        assert_eq!(client(&[], "::ffff:8.8.8.8", &[]), "8.8.8.8");
        assert_eq!(client(&["10.0.0.0/8"], "::ffff:10.0.0.1", &["::ffff:8.8.8.8, [::ffff:10.0.0.2]:1"]), "8.8.8.8");
        assert_eq!(client(&["::ffff:10.0.0.0/104"], "10.0.0.1", &["8.8.8.8"]), "8.8.8.8");
        assert_eq!(client(&["::ffff:10.0.0.1"], "10.0.0.1", &["8.8.8.8"]), "8.8.8.8");
        assert_eq!(client(&["::ffff:10.0.0.1"], "10.0.0.2", &["8.8.8.8"]), "10.0.0.2");
    }

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        let read = |text: &str| text.parse::<TrustedProxy>().map(|TrustedProxy(network)| network.to_string());
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
            assert_eq!(read(text), Ok(network.to_owned()), "{text}");
        }
        for text in ["", "*", "localhost", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "10.0.0.1:80", "[::1]"] {
            assert_eq!(read(text), Err(TrustedProxyError), "{text}");
        }
    }
}

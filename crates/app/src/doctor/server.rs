//! Checks of the server's own settings: the signing key, its URLs and its port.

use std::io;

use crate::healthcheck::get;
use crate::settings::{DerivedSettings, Environment, JwtSecretSource, ServerSettings, Settings};

use super::report::Report;

pub(super) fn check_secret(report: &mut Report, source: &JwtSecretSource) {
    match (source, source.exists()) {
        (JwtSecretSource::Configured(_), _) => report.good("JWT_SECRET", "is set"),
        (JwtSecretSource::Generated(path), Ok(true)) => {
            report.good("JWT_SECRET", format!("was generated and is stored in {}", path.display()));
        }
        (JwtSecretSource::Generated(path), Ok(false)) => {
            let text = format!("is generated at the first start and stored in {}", path.display());
            report.good("JWT_SECRET", text);
        }
        (_, Err(error)) => {
            let advice = "Set JWT_SECRET, or mend the file; with another key every access token is invalid.";
            report.problem("JWT_SECRET", error.to_string(), advice);
        }
    }
}

pub(super) fn check_urls(report: &mut Report, settings: &Settings, derived: &DerivedSettings) {
    let (server, public) = (&settings.server, &derived.public_url);
    if settings.process.environment != Environment::Production {
        report.good("URLs", format!("the server is reached at {public}, the frontend at {}", server.frontend_url));
        return;
    }
    let before = report.len();
    if server.public_url.is_none() {
        let text = format!("PUBLIC_URL is not set, so links and cookies are made for {public}");
        report.warning("URLs", text, "Set PUBLIC_URL to the https URL at which browsers reach the server.");
    }
    for (name, url) in [("PUBLIC_URL", public), ("FRONTEND_URL", &server.frontend_url)] {
        if (name == "FRONTEND_URL" || server.public_url.is_some()) && url.scheme() != "https" {
            let text = format!("{name} is {url} in production: passwords and tokens travel without TLS");
            report.warning("URLs", text, format!("Put a proxy with TLS in front, and set {name} to its https URL."));
        }
    }
    for origin in derived.cors_origins.iter().map(ToString::to_string).filter(|origin| !origin.starts_with("https:")) {
        let text = format!("CORS_ORIGINS allows {origin} in production");
        report.warning("URLs", text, "Set CORS_ORIGINS to the https origins of your frontends.");
    }
    if server.public_url.is_some() && server.trusted_proxies.is_empty() {
        let text = "PUBLIC_URL is set and TRUSTED_PROXIES is not: all clients of a proxy share one sign-in limit";
        report.warning("URLs", text, "If a proxy is in front, set TRUSTED_PROXIES to its address.");
    }
    if report.len() == before {
        report.good("URLs", format!("the server is reached at {public}, the frontend at {}", server.frontend_url));
    }
}

/// Checks that the port is free, or that it is this program that listens there.
pub(super) async fn check_port(report: &mut Report, settings: &ServerSettings) {
    let (host, port) = (settings.host.as_str(), settings.port);
    let Err(error) = http_api::listen(host, port) else {
        return report.good("port", format!("{host} port {port} is free"));
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let health = settings.local_url().and_then(|url| url.join("/health").ok());
            let is_own = match health {
                Some(url) => get(&url).await.is_ok_and(|answer| answer.body["status"] == "up"),
                None => false,
            };
            if is_own {
                return report
                    .good("port", format!("a server is running on {host} port {port}; see `app healthcheck`"));
            }
            let text = format!("{host} port {port} is taken by another program");
            report.problem("port", text, format!("Stop it (`ss -ltnp sport = :{port}` shows it), or set PORT."));
        }
        io::ErrorKind::PermissionDenied => {
            let text = format!("this user must not listen on port {port}");
            report.problem("port", text, "Set PORT to 1024 or more, and put a proxy in front for ports 80 and 443.");
        }
        _ => {
            let text = format!("cannot listen on {host} port {port}: {error}");
            report.problem("port", text, "Set HOST to an address of this machine: 127.0.0.1, or 0.0.0.0 for all.");
        }
    }
}

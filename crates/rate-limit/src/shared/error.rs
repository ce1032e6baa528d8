//! Failures of the server, in words that contain no secret.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use redis::{RedisConnectionInfo, RedisError};

/// Maximum length of a server's message in the log, in characters.
const MAX_MESSAGE: usize = 300;

/// Problems with the options of the limiter.
#[derive(Debug, thiserror::Error)]
pub enum RedisOptionsError {
    /// The file of the URL's parameter `ssl_ca_certs` cannot be read.
    #[error("ssl_ca_certs: {} cannot be read", path.display())]
    Certificates {
        /// The path of the file.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        cause: io::Error,
    },
    /// The client does not accept the address or the certificates.
    #[error("the address or its certificates cannot be used")]
    Client(#[source] RedisError),
}

/// A reason why the server cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// It did not answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// It cannot be reached, or answered with an error. The cause is kept as text, because it may contain what was sent to
    /// the server: one that knows no passwords repeats the command with the password.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    pub(super) fn new(error: &RedisError, settings: &RedisConnectionInfo) -> Self {
        let message = error.to_string();
        let quotes_password = settings.password().is_some_and(|secret| !secret.is_empty() && message.contains(secret));
        Self::Refused(if quotes_password {
            format!("{} (its message repeats the password)", error.category())
        } else {
            // Some have several lines.
            message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_MESSAGE).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use redis::ErrorKind;

    use super::*;

    fn message(text: &str) -> String {
        let settings = RedisConnectionInfo::default().set_username("ada").set_password("hunter2");
        Failure::new(&RedisError::from((ErrorKind::Extension, "ERR", text.to_owned())), &settings).to_string()
    }

    #[test]
    fn a_message_of_the_server_is_short_and_contains_no_secret() {
        assert!(message("NOPERM no permissions to run 'evalsha'").contains("to run 'evalsha'"));
        let quoted = message("unknown command 'AUTH', with args beginning with: 'hunter2'");
        assert_eq!(quoted, "extension error (its message repeats the password)");
        assert_eq!(message(&"ä".repeat(1_000_000)).chars().count(), MAX_MESSAGE);
    }

    #[test]
    fn a_secret_that_the_end_of_the_message_cuts_is_not_shown() {
        for length in MAX_MESSAGE - 30..MAX_MESSAGE {
            let shown = message(&format!("{}hunter2", "x".repeat(length)));
            assert!(!shown.contains("hunter"), "{shown}");
        }
    }
}

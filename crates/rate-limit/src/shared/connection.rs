//! The connection to the server: all requests send on one, and after a failure it is replaced in the background.

use std::fs;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisResult, TlsCertificates};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::bucket::{Bucket, BucketScript, Change};
use super::error::{Failure, RedisOptionsError};
use super::keys::PREFIX;
use super::options::RedisOptions;
use crate::limits::{Limit, RateLimits};

/// Maximum time to connect: the name, TCP, TLS and authentication.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that is used and watched.
pub(super) struct Connection {
    client: Client,
    config: AsyncConnectionConfig,
    description: String,
    script: BucketScript,
    deadline: Duration,
    retry_interval: Duration,
    check_interval: Duration,
    state: watch::Sender<State>,
}

enum State {
    /// The first attempt has not ended.
    Starting,
    Up(MultiplexedConnection),
    Down(Failure),
}

impl Connection {
    pub(super) fn new(options: &RedisOptions) -> Result<Self, RedisOptionsError> {
        // Another one may be installed by then; all users of rustls in this process choose ring.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            client: client(options)?,
            // The deadline is that of the whole decision.
            config: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT_TIMEOUT))
                .set_response_timeout(None),
            description: options.url.description().to_owned(),
            script: BucketScript::new(),
            deadline: options.deadline,
            retry_interval: options.retry_interval,
            check_interval: options.check_interval,
            state: watch::Sender::new(State::Starting),
        })
    }

    /// The server's address, without user and password.
    pub(super) fn description(&self) -> &str {
        &self.description
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), State::Up(_))
    }

    /// Waits until the first attempt to connect has ended.
    pub(super) async fn attempted(&self) {
        let mut state = self.state.subscribe();
        // An error means that the sender is dropped, but `self` has it.
        let _ended = state.wait_for(|state| !matches!(state, State::Starting)).await;
    }

    /// Changes the bucket at `key`. `None` if there is no connection, or it fails; it is not used again then.
    pub(super) async fn change(&self, limit: &Limit, key: &str, change: Change) -> Option<Bucket> {
        let connection = match &*self.state.borrow() {
            State::Up(connection) => connection.clone(),
            State::Starting | State::Down(_) => return None,
        };
        match self.run(connection, limit, key, change).await {
            Ok(bucket) => Some(bucket),
            Err(failure) => {
                self.state.send_if_modified(|state| {
                    let is_first = matches!(state, State::Up(_));
                    if is_first {
                        *state = State::Down(failure);
                    }
                    is_first
                });
                None
            }
        }
    }

    /// Keeps a connection up. Never returns.
    pub(super) async fn maintain(&self, mut record: impl FnMut(Result<(), &Failure>)) {
        loop {
            // A connection that lasted is replaced at once.
            let next_attempt = Instant::now() + self.retry_interval;
            let failure = match self.connect().await {
                Ok(connection) => {
                    record(Ok(()));
                    self.state.send_replace(State::Up(connection));
                    self.failure().await
                }
                Err(failure) => {
                    self.state.send_replace(State::Down(failure.clone()));
                    failure
                }
            };
            record(Err(&failure));
            sleep_until(next_attempt).await;
        }
    }

    /// Connects, and checks that the server lets this user run the script and write: a replica, or a server without
    /// memory, fails only then.
    async fn connect(&self) -> Result<MultiplexedConnection, Failure> {
        let connected = self.client.get_multiplexed_async_connection_with_config(&self.config).await;
        let connection = connected.map_err(|error| self.describe(&error))?;
        self.run(connection.clone(), &RateLimits::CHECK, &check_key(), Change::Take).await?;
        Ok(connection)
    }

    /// Waits until the connection has failed. If requests do not find that out, checks do, and keep a server or network
    /// from closing an idle connection.
    async fn failure(&self) -> Failure {
        let mut state = self.state.subscribe();
        loop {
            let is_down = |state: &State| matches!(state, State::Down(_));
            if let Ok(Ok(state)) = timeout(self.check_interval, state.wait_for(is_down)).await
                && let State::Down(failure) = &*state
            {
                return failure.clone();
            }
            self.change(&RateLimits::CHECK, &check_key(), Change::Take).await;
        }
    }

    async fn run(
        &self,
        mut connection: MultiplexedConnection,
        limit: &Limit,
        key: &str,
        change: Change,
    ) -> Result<Bucket, Failure> {
        match timeout(self.deadline, self.script.run(&mut connection, limit, key, change)).await {
            Ok(bucket) => bucket.map_err(|error| self.describe(&error)),
            Err(_) => Err(Failure::Timeout(self.deadline)),
        }
    }

    fn describe(&self, error: &redis::RedisError) -> Failure {
        Failure::new(error, self.client.get_connection_info().redis_settings())
    }
}

/// The bucket that checks use. Each drains at once.
fn check_key() -> String {
    format!("{PREFIX}check")
}

fn client(options: &RedisOptions) -> Result<Client, RedisOptionsError> {
    let address = options.url.connection_info();
    // Small commands must not wait for others to fill a packet.
    let address = address.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    let Some(path) = options.url.authorities() else { return Client::open(address).map_err(RedisOptionsError::Client) };
    let certificates = fs::read(path);
    let root_cert = certificates.map_err(|cause| RedisOptionsError::Certificates { path: path.to_owned(), cause })?;
    with_authorities(address, root_cert).map_err(RedisOptionsError::Client)
}

/// A client that trusts these authorities and no others.
fn with_authorities(address: ConnectionInfo, pem: Vec<u8>) -> RedisResult<Client> {
    Client::build_with_tls(address, TlsCertificates { client_tls: None, root_cert: Some(pem) })
}

//! A closed loop of requests: each connection sends its next request when it has the answer to the last.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures_util::future;
use hdrhistogram::Histogram;

use crate::account::Account;
use crate::client::{Connection, Request};
use crate::mode::Mode;
use crate::report::milliseconds;

/// Time of load before the measured one.
const WARM_UP: Duration = Duration::from_secs(1);

/// Pause between two requests of [`probe`].
const PROBE_INTERVAL: Duration = Duration::from_millis(2);

/// Latencies in microseconds, to three significant digits.
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    /// Creates an empty set.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new(3)?))
    }

    /// Adds a latency.
    pub(crate) fn record(&mut self, latency: Duration) -> anyhow::Result<()> {
        Ok(self.0.record(u64::try_from(latency.as_micros())?)?)
    }

    /// Returns the quantile, from 0 to 1; zero if there are no latencies.
    pub(crate) fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(quantile))
    }

    /// Returns the median, the 99th percentile and the number, like `p50 1.23 ms, p99 4.56 ms, n 300`.
    pub(crate) fn summary(&self) -> String {
        let [p50, p99] = [0.5, 0.99].map(|quantile| milliseconds(self.quantile(quantile)));
        format!("p50 {p50:>6} ms, p99 {p99:>6} ms, n {}", self.count())
    }

    /// Returns the number of latencies.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }
}

/// What a load achieved.
pub(crate) struct Load {
    /// Latencies of all requests.
    pub(crate) latencies: Latencies,
    /// Time from the first request to the last response.
    pub(crate) elapsed: Duration,
    /// Number of responses whose status is not 2xx.
    pub(crate) refused: u64,
    /// The first of these responses.
    pub(crate) refusal: Option<String>,
}

/// One keep-alive connection for each account.
pub(crate) struct Generator<'a> {
    mode: Mode,
    clients: Vec<(Connection, &'a Account)>,
    /// Number of requests until now.
    sent: u64,
}

impl<'a> Generator<'a> {
    /// Connects, and sends requests for [`WARM_UP`].
    ///
    /// # Errors
    /// If the server closes a connection.
    pub(crate) async fn warm_up(address: SocketAddr, mode: Mode, accounts: &'a [Account]) -> anyhow::Result<Self> {
        let mut clients = Vec::new();
        for account in accounts {
            clients.push((Connection::open(address).await?, account));
        }
        let mut generator = Self { mode, clients, sent: 0 };
        generator.run(WARM_UP).await?;
        Ok(generator)
    }

    /// Sends requests for `time`.
    ///
    /// # Errors
    /// If the server closes a connection.
    pub(crate) async fn run(&mut self, time: Duration) -> anyhow::Result<Load> {
        let Self { mode, clients, sent } = self;
        let load = Load { latencies: Latencies::new()?, elapsed: Duration::ZERO, refused: 0, refusal: None };
        let shared = RefCell::new((load, *sent));
        let started = Instant::now();
        let end = started + time;
        future::try_join_all(clients.iter_mut().map(|(connection, account)| {
            let (mode, shared) = (*mode, &shared);
            async move {
                let request = mode.request(account)?;
                while Instant::now() < end {
                    let number = {
                        let (_, sent) = &mut *shared.borrow_mut();
                        *sent += 1;
                        *sent
                    };
                    let request = mode.repeat(&request, number);
                    let sent_at = Instant::now();
                    let answer = connection.send(request).await?;
                    let (load, _) = &mut *shared.borrow_mut();
                    load.latencies.record(sent_at.elapsed())?;
                    if let Err(refusal) = answer {
                        load.refused += 1;
                        load.refusal.get_or_insert_with(|| format!("{} {}", refusal.status, refusal.body));
                    }
                }
                anyhow::Ok(())
            }
        }))
        .await?;
        let (mut load, count) = shared.into_inner();
        *sent = count;
        load.elapsed = started.elapsed();
        Ok(load)
    }
}

/// Sends the same request repeatedly while `work` runs. Returns what it returns, and the latencies.
///
/// # Errors
/// If a response is not 2xx.
pub(crate) async fn probe<T>(
    address: SocketAddr,
    request: Request,
    work: impl Future<Output = T>,
) -> anyhow::Result<(T, Latencies)> {
    let (mut connection, mut latencies) = (Connection::open(address).await?, Latencies::new()?);
    let is_done = Cell::new(false);
    let work = async {
        let output = work.await;
        is_done.set(true);
        output
    };
    let probes = async {
        while !is_done.get() {
            let sent_at = Instant::now();
            let answer = connection.send(request.clone()).await?;
            latencies.record(sent_at.elapsed())?;
            ensure!(answer.is_ok(), "{}: {answer:?}", request.uri());
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
        anyhow::Ok(())
    };
    let (output, result) = tokio::join!(work, probes);
    result?;
    Ok((output, latencies))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_measured_latencies() {
        let mut latencies = Latencies::new().unwrap();
        assert_eq!(latencies.quantile(0.5), Duration::ZERO);
        for milliseconds in (1..=200).rev() {
            latencies.record(Duration::from_millis(milliseconds)).unwrap();
        }
        for (quantile, expected) in [(0.0, 1), (0.5, 100), (0.99, 198), (1.0, 200)] {
            let found = latencies.quantile(quantile).as_secs_f64() * 1000.0;
            assert!((found / f64::from(expected) - 1.0).abs() < 0.001, "{quantile}: {found} ms");
        }
    }
}

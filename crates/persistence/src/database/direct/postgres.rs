//! Reads and batches on PostgreSQL with tokio-postgres.
//!
//! Reads of all callers are pipelined on few connections. A batch has a connection of its own until it ends, and takes
//! one round trip: BEGIN, its statements and COMMIT are sent together. A statement whose guard refuses its result fails
//! (see [`guarded`]), so that the COMMIT behind it rolls back.
//!
//! Behind a pooler, which may give a connection to another server for each transaction, a read is a batch too.
//!
//! A connection is driven by the thread that has opened it, and callers on this thread use it: whatever they send before
//! they wait goes out together, and no other thread has to be woken.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use domain::storage::StorageError;
use sea_orm::Statement;
use tokio_postgres::Error;

use super::connector::Connector;
use super::driver_connection::{DriverConnection, Failure, Timeouts, in_time, is_outdated, this_thread};
use super::parameters::Parameters;
use crate::database::batch::{Batch, Guard, Outcome, Step};
use crate::database::load::{Load, PoolStatus};
use crate::database::permits::Permits;
use crate::database::row::Row;
use crate::error::postgres_storage;

/// The connections.
pub(crate) struct PostgresClients {
    connector: Connector,
    readers: Vec<tokio::sync::Mutex<Option<Arc<DriverConnection>>>>,
    /// Connections for batches that are not in use, the last used at the end.
    idle: Mutex<Vec<DriverConnection>>,
    writers: Permits,
    /// Reads behind a pooler, which use the connections for batches. Apart, because reads may wait for a lock.
    pooled_readers: Permits,
    /// Reads that share the connections for reads.
    pipelined: Arc<Load>,
    timeouts: Timeouts,
}

/// The connection of a batch. It is closed with an unfinished transaction, and used again otherwise.
struct BatchConnection<'c> {
    clients: &'c PostgresClients,
    connection: Option<DriverConnection>,
    is_clean: bool,
}

impl PostgresClients {
    /// Connections are opened on demand.
    pub(crate) fn new(connector: Connector, (readers, writers): (usize, usize), timeouts: Timeouts) -> Self {
        let all = readers + writers;
        let permits = |name, size: usize| Permits::new(name, u32::try_from(size).unwrap_or(u32::MAX), timeouts.acquire);
        let (readers, pooled_readers, writers) =
            if connector.is_pooled { (0, all / 2, all - all / 2) } else { (readers, 0, writers) };
        Self {
            connector,
            readers: (0..readers).map(|_| tokio::sync::Mutex::new(None)).collect(),
            idle: Mutex::new(Vec::new()),
            writers: permits("direct_writes", writers),
            pooled_readers: permits("direct_reads", pooled_readers),
            pipelined: Arc::default(),
            timeouts,
        }
    }

    pub(crate) fn status(&self) -> Vec<PoolStatus> {
        let reads = if self.connector.is_pooled {
            self.pooled_readers.status()
        } else {
            self.pipelined.status("direct_reads", u32::try_from(self.readers.len()).unwrap_or(u32::MAX))
        };
        vec![reads, self.writers.status()]
    }

    /// Closes every connection that is not in use.
    pub(crate) async fn close(&self) {
        self.writers.close();
        self.pooled_readers.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        for reader in &self.readers {
            *reader.lock().await = None;
        }
    }

    pub(crate) async fn read<T>(
        &self,
        select: Statement,
        convert: fn(&Row<'_>) -> Result<T, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        if self.connector.is_pooled {
            let step = Step { statement: select, guard: Guard::None, returns_rows: true };
            return match self.run(&[step], &self.pooled_readers, true).await? {
                Outcome::Committed(results) => {
                    results.iter().flat_map(|result| &result.rows).map(|row| convert(&row.as_row())).collect()
                }
                Outcome::Refused(_) => Err(StorageError::Other("a read has no guard".into())),
            };
        }
        let parameters = Parameters::of(&select);
        let waiting = self.pipelined.wait();
        let mut connection = in_time(self.timeouts.acquire, self.reader()).await??;
        let _in_use = waiting.admit();
        let mut is_retry = false;
        loop {
            let Ok(result) = in_time(self.timeouts.response, connection.query(&select.sql, &parameters)).await else {
                // The server may never answer on this connection again.
                self.discard(&connection).await;
                return Err(StorageError::Unavailable("no response in time".into()));
            };
            match result {
                Ok(result) => return result.rows.iter().map(|row| convert(&row.as_row())).collect(),
                Err(Failure { error, .. }) if is_retry => return Err(postgres_storage(error)),
                Err(Failure { error, .. }) if connection.is_ended(&error) => {
                    self.discard(&connection).await;
                    connection = in_time(self.timeouts.acquire, self.reader()).await??;
                }
                // On the same connection: the task may be on another thread by now, whose plan is outdated as well.
                Err(Failure { error, .. }) if is_outdated(&error) => connection.forget_statements(),
                Err(Failure { error, .. }) => return Err(postgres_storage(error)),
            }
            // A read may be repeated.
            is_retry = true;
        }
    }

    pub(crate) async fn write(&self, batch: Batch) -> Result<Outcome, StorageError> {
        self.run(&batch.steps, &self.writers, false).await
    }

    async fn run(&self, steps: &[Step], permits: &Permits, may_repeat: bool) -> Result<Outcome, StorageError> {
        let permit = permits.acquire().await?;
        let mut batch_connection = self.batch_connection().await?;
        let outcome = batch_connection.run(steps, may_repeat).await;
        drop(batch_connection);
        drop(permit);
        outcome
    }

    /// Returns this thread's connection for reads; opens it if it is closed.
    async fn reader(&self) -> Result<Arc<DriverConnection>, StorageError> {
        let mut slot = self.readers[this_thread() % self.readers.len()].lock().await;
        match &*slot {
            Some(connection) if !connection.client.is_closed() => Ok(Arc::clone(connection)),
            _ if self.writers.is_closed() => Err(StorageError::Unavailable("the database is closed".into())),
            _ => {
                let connection = Arc::new(DriverConnection::open(&self.connector, self.timeouts).await?);
                *slot = Some(Arc::clone(&connection));
                Ok(connection)
            }
        }
    }

    async fn batch_connection(&self) -> Result<BatchConnection<'_>, StorageError> {
        let connection = match self.take_idle() {
            Some(connection) => connection,
            None => DriverConnection::open(&self.connector, self.timeouts).await?,
        };
        Ok(BatchConnection { clients: self, connection: Some(connection), is_clean: true })
    }

    /// Makes the next read open another connection.
    async fn discard(&self, connection: &Arc<DriverConnection>) {
        for slot in &self.readers {
            let mut slot = slot.lock().await;
            if slot.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection)) {
                *slot = None;
            }
        }
    }

    /// Takes a connection that is not in use, one of this thread if there is any.
    fn take_idle(&self) -> Option<DriverConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| !connection.client.is_closed());
        let own = idle.iter().rposition(|connection| connection.thread == this_thread());
        own.or(idle.len().checked_sub(1)).map(|index| idle.remove(index))
    }
}

impl Drop for BatchConnection<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take().filter(|_| self.is_clean && !self.clients.writers.is_closed())
        {
            self.clients.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}

impl BatchConnection<'_> {
    /// Runs the batch, once more if nothing of it is done. `may_repeat` if it may be done twice.
    async fn run(&mut self, steps: &[Step], may_repeat: bool) -> Result<Outcome, StorageError> {
        let mut is_retry = false;
        loop {
            let failure = match self.try_run(steps).await? {
                Ok(outcome) => return Ok(outcome),
                Err(failure) => failure,
            };
            let is_undone = may_repeat || failure.is_unstarted || self.was_ended_idle();
            if !is_retry && self.is_ended(&failure.error) && is_undone {
                // Not another idle one, which may have been cut with it.
                self.connection = Some(DriverConnection::open(&self.clients.connector, self.clients.timeouts).await?);
            } else if is_retry || !is_outdated(&failure.error) {
                return Err(postgres_storage(failure.error));
            }
            is_retry = true;
        }
    }

    fn is_ended(&self, error: &Error) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_ended(error))
    }

    /// Whether the connection ended before the batch was sent.
    fn was_ended_idle(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.was_ended_idle.load(Ordering::Acquire))
    }

    /// Runs the batch once. The outer error is one of the connection, which is not used again.
    async fn try_run(&mut self, steps: &[Step]) -> Result<Result<Outcome, Failure>, StorageError> {
        let Some(connection) = &self.connection else { return Err(StorageError::Other("no connection".into())) };
        let limit = self.clients.timeouts.response;
        self.is_clean = false;
        let outcome = match steps {
            // A statement alone is a transaction, and one that affects no row has done nothing.
            [only] if !self.clients.connector.is_pooled => {
                let parameters = Parameters::of(&only.statement);
                let result = in_time(limit, connection.query(&only.statement.sql, &parameters)).await?;
                result.map(|result| {
                    if result.meets(only.guard) { Outcome::Committed(vec![result]) } else { Outcome::Refused(0) }
                })
            }
            _ => connection.run_steps(&self.clients.connector.begin(), steps, limit).await?,
        };
        if outcome.is_err() {
            connection.forget_statements();
        }
        self.is_clean = outcome.as_ref().err().is_none_or(|failure| !connection.is_ended(&failure.error));
        Ok(outcome)
    }
}

//! Reads and batches on PostgreSQL with tokio-postgres.
//!
//! Reads of all callers are pipelined on few connections. A batch has a connection of its own until it ends, and takes
//! one round trip: BEGIN, its statements and COMMIT are sent together. A statement whose guard refuses its result fails
//! (see [`guarded`]), so that the COMMIT behind it rolls back.
//!
//! A connection is driven by the thread that has opened it, and callers on this thread use it: whatever they send before
//! they wait goes out together, and no other thread has to be woken.

use std::borrow::Cow;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::storage::StorageError;
use futures_util::TryStreamExt as _;
use futures_util::future::{join_all, join3};
use sea_orm::Statement;
use tokio::sync::Semaphore;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::connector::Connector;
use super::parameters::Parameters;
use crate::database::batch::{Batch, Guard, Outcome, Step, StepResult};
use crate::database::row::{OwnedRow, Row};
use crate::error::postgres_storage;

/// Maximum number of statements of a batch that are sent before one is answered.
const PIPELINED: usize = 30;

/// Maximum number of prepared statements of a connection.
const STATEMENTS: usize = 256;

/// The connections.
pub(crate) struct PostgresClients {
    connector: Connector,
    readers: Vec<tokio::sync::Mutex<Option<Arc<DriverConnection>>>>,
    /// Connections for batches that are not in use, the last used at the end.
    idle: Mutex<Vec<DriverConnection>>,
    writers: Semaphore,
    timeouts: Timeouts,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) acquire: Duration,
    pub(crate) response: Duration,
}

/// A connection with its prepared statements.
struct DriverConnection {
    /// The thread that drives it.
    thread: usize,
    client: Client,
    /// `None` behind a pooler that gives a connection to another server for each transaction: statements have no names
    /// there, and are planned each time.
    statements: Option<Mutex<HashMap<String, tokio_postgres::Statement>>>,
}

/// The results of some statements of a transaction, and that of its COMMIT.
type ChunkResult = (Vec<Result<StepResult, Error>>, Result<(), Error>);

/// The connection of a batch. It is closed with an unfinished transaction, and used again otherwise.
struct BatchConnection<'c> {
    clients: &'c PostgresClients,
    connection: Option<DriverConnection>,
    is_clean: bool,
}

impl PostgresClients {
    /// Checks that the database can be reached. Connections are opened on demand.
    pub(crate) async fn connect(
        connector: Connector,
        (readers, writers): (usize, usize),
        timeouts: Timeouts,
    ) -> Result<Self, StorageError> {
        DriverConnection::open(&connector, timeouts).await?;
        Ok(Self {
            connector,
            readers: (0..readers).map(|_| tokio::sync::Mutex::new(None)).collect(),
            idle: Mutex::new(Vec::new()),
            writers: Semaphore::new(writers),
            timeouts,
        })
    }

    /// Closes every connection that is not in use.
    pub(crate) async fn close(&self) {
        self.writers.close();
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
        let parameters = Parameters::of(&select);
        let mut connection = in_time(self.timeouts.acquire, self.reader()).await??;
        let mut is_retry = false;
        loop {
            let Ok(result) = in_time(self.timeouts.response, connection.query(&select.sql, &parameters)).await else {
                // The server may never answer on this connection again.
                self.discard(&connection).await;
                return Err(StorageError::Unavailable("no response in time".into()));
            };
            match result {
                Ok(result) => return result.rows.iter().map(|row| convert(&row.as_row())).collect(),
                Err(error) if is_retry => return Err(postgres_storage(error)),
                Err(_) if connection.client.is_closed() => {
                    connection = in_time(self.timeouts.acquire, self.reader()).await??;
                }
                // On the same connection: the task may be on another thread by now, whose plan is outdated as well.
                Err(error) if is_outdated(&error) => connection.forget_statements(),
                Err(error) => return Err(postgres_storage(error)),
            }
            // A read may be repeated.
            is_retry = true;
        }
    }

    pub(crate) async fn write(&self, batch: Batch) -> Result<Outcome, StorageError> {
        let permit = match tokio::time::timeout(self.timeouts.acquire, self.writers.acquire()).await {
            Ok(permit) => permit.map_err(|closed| StorageError::Unavailable(closed.into()))?,
            Err(elapsed) => return Err(StorageError::Exhausted(elapsed.into())),
        };
        let mut batch_connection = self.batch_connection().await?;
        let outcome = batch_connection.run(&batch.steps).await;
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

/// A number for the current thread.
fn this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed));
    NUMBER.with(|number| *number)
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, StorageError> {
    tokio::time::timeout(limit, work).await.map_err(|elapsed| StorageError::Unavailable(elapsed.into()))
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
    async fn run(&mut self, steps: &[Step]) -> Result<Outcome, StorageError> {
        let mut is_retry = false;
        loop {
            match self.try_run(steps).await? {
                // Nothing is done yet, and the statements are prepared again.
                Err(error) if !is_retry && is_outdated(&error) => is_retry = true,
                Err(error) => return Err(postgres_storage(error)),
                Ok(outcome) => return Ok(outcome),
            }
        }
    }

    /// Runs the batch once. The outer error is one of the connection, which is not used again.
    async fn try_run(&mut self, steps: &[Step]) -> Result<Result<Outcome, Error>, StorageError> {
        let Some(connection) = &self.connection else { return Err(StorageError::Other("no connection".into())) };
        let limit = self.clients.timeouts.response;
        self.is_clean = false;
        // A statement alone is a transaction, and one that affects no row has done nothing.
        if let [only] = steps {
            let parameters = Parameters::of(&only.statement);
            let result = in_time(limit, connection.query(&only.statement.sql, &parameters)).await?;
            if result.is_err() {
                connection.forget_statements();
            }
            self.is_clean = true;
            return Ok(result.map(|result| {
                if result.meets(only.guard) { Outcome::Committed(vec![result]) } else { Outcome::Refused(0) }
            }));
        }
        let outcome = connection.run_steps(steps, limit).await?;
        if outcome.is_err() {
            connection.forget_statements();
        }
        self.is_clean = true;
        Ok(outcome)
    }
}

impl DriverConnection {
    async fn open(connector: &Connector, timeouts: Timeouts) -> Result<Self, StorageError> {
        // Large, and rarely needed.
        let client = in_time(timeouts.acquire, Box::pin(connector.connect())).await??;
        let statements = connector.has_named_statements.then(Mutex::default);
        Ok(Self { thread: this_thread(), client, statements })
    }

    /// Runs a transaction, in chunks that are answered within `limit` each. The outer error is the timeout, or that of a
    /// transaction whose end is unknown.
    async fn run_steps(&self, steps: &[Step], limit: Duration) -> Result<Result<Outcome, Error>, StorageError> {
        let mut results = Vec::with_capacity(steps.len());
        let chunks = steps.len().div_ceil(PIPELINED);
        for (index, chunk) in steps.chunks(PIPELINED).enumerate() {
            let is_last = index + 1 == chunks;
            let answers = in_time(limit, self.run_chunk(chunk, index == 0, is_last)).await?;
            let (answers, ended) = match answers {
                Ok(answers) => answers,
                Err(error) => return self.roll_back(index > 0, limit).await.map(|()| Err(error)),
            };
            for (answer, step) in answers.into_iter().zip(chunk) {
                match answer {
                    Ok(result) => results.push(result),
                    Err(error) => {
                        // A COMMIT that has been sent has rolled back.
                        self.roll_back(!is_last, limit).await?;
                        let is_refused = step.guard != Guard::None && error.code() == Some(&SqlState::DIVISION_BY_ZERO);
                        return Ok(if is_refused { Ok(Outcome::Refused(results.len())) } else { Err(error) });
                    }
                }
            }
            ended.map_err(postgres_storage)?;
        }
        Ok(Ok(Outcome::Committed(results)))
    }

    async fn roll_back(&self, is_open: bool, limit: Duration) -> Result<(), StorageError> {
        if is_open {
            in_time(limit, self.client.batch_execute("ROLLBACK")).await?.map_err(postgres_storage)?;
        }
        Ok(())
    }

    /// Sends the statements, behind BEGIN if they are the first ones and before COMMIT if they are the last ones, and
    /// waits for their results.
    async fn run_chunk(&self, steps: &[Step], is_first: bool, is_last: bool) -> Result<ChunkResult, Error> {
        let mut work = Vec::with_capacity(steps.len());
        for step in steps {
            let parameters = Parameters::of(&step.statement);
            let sql = guarded(step);
            let prepared = self.prepared(&sql, &parameters.types).await?;
            work.push((sql, prepared, parameters));
        }
        let command = async |sql: Option<&str>| match sql {
            Some(sql) => self.client.batch_execute(sql).await,
            None => Ok(()),
        };
        // Polled in this order, and a request is sent when it is polled first.
        let (begun, results, ended) = join3(
            command(is_first.then_some("BEGIN")),
            join_all(work.iter().map(|(sql, prepared, parameters)| self.execute(sql, prepared.as_ref(), parameters))),
            command(is_last.then_some("COMMIT")),
        )
        .await;
        begun.map(|()| (results, ended))
    }

    async fn query(&self, sql: &str, parameters: &Parameters) -> Result<StepResult, Error> {
        let prepared = self.prepared(sql, &parameters.types).await?;
        self.execute(sql, prepared.as_ref(), parameters).await
    }

    /// Executes a statement, by its plan if it is prepared.
    async fn execute(
        &self,
        sql: &str,
        prepared: Option<&tokio_postgres::Statement>,
        parameters: &Parameters,
    ) -> Result<StepResult, Error> {
        let values = parameters.values.iter();
        let rows = match prepared {
            Some(prepared) => self.client.query_raw(prepared, values).await?,
            None => self.client.query_typed_raw(sql, values.zip(parameters.types.iter().cloned())).await?,
        };
        let mut rows = pin!(rows);
        let mut result = StepResult { rows: Vec::new(), affected: 0 };
        while let Some(row) = rows.try_next().await? {
            result.rows.push(OwnedRow::Postgres(row));
        }
        result.affected = rows.rows_affected().unwrap_or_default();
        Ok(result)
    }

    /// Returns the plan of a statement; `None` on a connection without named statements.
    async fn prepared(&self, sql: &str, types: &[Type]) -> Result<Option<tokio_postgres::Statement>, Error> {
        let Some(statements) = &self.statements else { return Ok(None) };
        let lock = || statements.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(sql) {
            return Ok(Some(known.clone()));
        }
        let statement = self.client.prepare_typed(sql, types).await?;
        let mut statements = lock();
        if statements.len() >= STATEMENTS {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(Some(statement))
    }

    fn forget_statements(&self) {
        if let Some(statements) = &self.statements {
            statements.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

/// The SQL of a step, which divides by zero if its result is not what the guard demands. Rows are returned as they are,
/// but none by a statement that is to return none.
fn guarded(step: &Step) -> Cow<'_, str> {
    let sql = &step.statement.sql;
    let returning = if step.returns_rows { "" } else { " RETURNING 1" };
    match step.guard {
        Guard::None => Cow::Borrowed(sql),
        Guard::SomeRows if step.returns_rows => Cow::Owned(format!(
            "WITH step AS ({sql}), guard AS (SELECT 1 / count(*) AS is_met FROM step) \
             SELECT step.* FROM guard LEFT JOIN step ON guard.is_met IS NOT NULL"
        )),
        Guard::SomeRows => Cow::Owned(format!("WITH step AS ({sql}{returning}) SELECT 1 / count(*) FROM step")),
        Guard::NoRows => {
            Cow::Owned(format!("WITH step AS ({sql}{returning}) SELECT 1 / (count(*) = 0)::int FROM step"))
        }
    }
}

/// Whether a prepared statement is outdated: the schema has changed ("cached plan must not change result type"), or a
/// pooler has moved the connection to another server.
fn is_outdated(error: &Error) -> bool {
    error
        .code()
        .is_some_and(|code| *code == SqlState::FEATURE_NOT_SUPPORTED || *code == SqlState::INVALID_SQL_STATEMENT_NAME)
}

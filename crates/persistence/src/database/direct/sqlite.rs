//! Reads and batches on SQLite without an async driver: threads that own a connection each.
//!
//! Every batch that waits is executed in one transaction with the others that wait (group commit), each in a savepoint
//! of its own, so that one fsync serves them all. A batch is answered after the commit; a commit that fails is told to
//! each of them.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::SecondsFormat;
use domain::storage::StorageError;
use rusqlite::types::{ToSqlOutput, Value as SqliteValue};
use rusqlite::{Connection, OpenFlags, ToSql};
use sea_orm::sea_query::Value;
use sea_orm::{Statement, Values};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::database::batch::{Batch, Outcome, Step, StepResult};
use crate::database::bounded_pool::BoundedPool;
use crate::database::load::{self, Load, PoolStatus};
use crate::database::row::{OwnedRow, Row};
use crate::error::{corrupt, rusqlite_storage, same_kind};

/// Number of threads that read.
const READERS: u32 = 2;

/// Maximum number of batches in one transaction.
const MAX_GROUP: usize = 64;

/// Maximum number of prepared statements of a connection.
const STATEMENTS: usize = 128;

type Read = Box<dyn FnOnce(&Connection) + Send>;
type Answer = Result<Outcome, StorageError>;

/// A batch and where its answer goes.
struct Job {
    batch: Batch,
    answer: oneshot::Sender<Answer>,
    /// Set by the thread when it begins the batch, or by the caller when it stops waiting, whichever is first.
    is_taken: Arc<AtomicBool>,
    waiting: load::Waiting,
}

/// The threads. A message without work ends one of them.
pub(crate) struct SqliteThreads {
    reads: mpsc::Sender<Option<Read>>,
    writes: mpsc::Sender<Option<Job>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    acquire_timeout: Duration,
    response_timeout: Duration,
    read_load: Arc<Load>,
    write_load: Arc<Load>,
}

/// How to open a connection.
pub(crate) struct OpenOptions<'a> {
    pub(crate) file: &'a Path,
    pub(crate) is_read_only: bool,
    pub(crate) busy_timeout: Duration,
    pub(crate) max_pages: Option<u32>,
    pub(crate) acquire_timeout: Duration,
}

impl OpenOptions<'_> {
    fn open(&self, may_write: bool) -> Result<Connection, rusqlite::Error> {
        let mode = if may_write && !self.is_read_only {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        } else {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        };
        let connection = Connection::open_with_flags(self.file, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(self.busy_timeout)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        if let Some(pages) = self.max_pages {
            connection.pragma_update(None, "max_page_count", pages)?;
        }
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    }
}

impl SqliteThreads {
    /// Opens the connections. `writes` is the pool of the other connection that writes, which takes turns with this
    /// one's.
    pub(crate) fn start(options: &OpenOptions<'_>, writes: Arc<BoundedPool>) -> Result<Self, StorageError> {
        let mut threads = Vec::new();
        let (reads, jobs) = mpsc::channel::<Option<Read>>();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..READERS {
            let (connection, jobs) = (options.open(false).map_err(rusqlite_storage)?, Arc::clone(&jobs));
            threads.push(spawn("sqlite-reader", move || {
                loop {
                    let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(Some(job)) = job else { break };
                    job(&connection);
                }
            })?);
        }
        let response_timeout = writes.response_timeout();
        let (sender, jobs) = mpsc::channel();
        let thread = Writer { connection: options.open(true).map_err(rusqlite_storage)?, jobs, pool: writes };
        let runtime = Handle::current();
        threads.push(spawn("sqlite-writer", move || thread.run(&runtime))?);
        let (acquire_timeout, threads) = (options.acquire_timeout, Mutex::new(threads));
        let (read_load, write_load) = <(Arc<Load>, Arc<Load>)>::default();
        Ok(Self { reads, writes: sender, threads, acquire_timeout, response_timeout, read_load, write_load })
    }

    pub(crate) fn status(&self) -> Vec<PoolStatus> {
        vec![self.read_load.status("direct_reads", READERS), self.write_load.status("direct_writes", 1)]
    }

    /// Closes the connections after the work that waits, so that the last one of the database removes its WAL file.
    pub(crate) async fn close(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for _ in &threads {
            // A thread that has ended takes no message.
            drop(self.reads.send(None));
        }
        drop(self.writes.send(None));
        let join = move || threads.into_iter().for_each(|thread| drop(thread.join()));
        if let Err(error) = tokio::task::spawn_blocking(join).await {
            tracing::debug!(%error, "SQLite's threads were not awaited");
        }
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        select: Statement,
        convert: fn(&Row<'_>) -> Result<T, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        let (answer, answered) = oneshot::channel();
        let waiting = self.read_load.wait();
        let job = move |connection: &Connection| {
            let _in_use = waiting.admit();
            // A caller that has gone needs no answer.
            if !answer.is_closed() {
                drop(answer.send(rows(connection, &select, convert)));
            }
        };
        self.reads.send(Some(Box::new(job))).map_err(|error| StorageError::Unavailable(error.to_string().into()))?;
        match tokio::time::timeout(self.response_timeout, answered).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(closed)) => Err(StorageError::Unavailable(closed.into())),
            Err(elapsed) => Err(StorageError::Unavailable(elapsed.into())),
        }
    }

    pub(crate) async fn write(&self, batch: Batch) -> Answer {
        let (answer, mut answered) = oneshot::channel();
        let is_taken = Arc::new(AtomicBool::new(false));
        // A caller that goes away takes its batch back, if it has not begun.
        let waiting = Waiting(Arc::clone(&is_taken));
        let job = Job { batch, answer, is_taken, waiting: self.write_load.wait() };
        self.writes.send(Some(job)).map_err(|error| StorageError::Unavailable(error.to_string().into()))?;
        let answer = match tokio::time::timeout(self.acquire_timeout, &mut answered).await {
            Err(elapsed) if waiting.give_up() => return Err(StorageError::Exhausted(elapsed.into())),
            Ok(answer) => answer,
            Err(_) => match tokio::time::timeout(self.response_timeout, answered).await {
                Ok(answer) => answer,
                Err(elapsed) => return Err(StorageError::Unavailable(elapsed.into())),
            },
        };
        answer.map_err(|closed| StorageError::Unavailable(closed.into()))?
    }
}

/// A batch whose answer is waited for.
struct Waiting(Arc<AtomicBool>);

impl Waiting {
    /// Takes the batch back. Returns false if it has begun.
    fn give_up(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Job {
    /// Begins the batch. Returns false if its caller waits no longer.
    fn take(&self) -> bool {
        !self.is_taken.swap(true, Ordering::AcqRel)
    }
}

/// The thread that writes.
struct Writer {
    connection: Connection,
    jobs: mpsc::Receiver<Option<Job>>,
    pool: Arc<BoundedPool>,
}

impl Writer {
    fn run(self, runtime: &Handle) {
        while let Ok(Some(first)) = self.jobs.recv() {
            if !first.take() {
                continue;
            }
            let permit = match self.pool.try_permit() {
                Some(permit) => Ok(permit),
                None => runtime.block_on(self.pool.permit()),
            };
            match permit {
                Ok(_permit) => {
                    if self.run_group(first).is_break() {
                        break;
                    }
                }
                Err(error) => drop(first.answer.send(Err(error))),
            }
        }
    }

    /// Executes `first` and the batches that wait behind it in one transaction. Breaks after the message that ends the
    /// thread.
    fn run_group(&self, first: Job) -> ControlFlow<()> {
        if let Err(error) = self.execute("BEGIN IMMEDIATE") {
            drop(first.answer.send(Err(error)));
            return ControlFlow::Continue(());
        }
        let mut is_last = false;
        let next = || {
            let message = self.jobs.try_recv().ok()?;
            is_last = message.is_none();
            message
        };
        let waiting = std::iter::from_fn(next).filter(Job::take).take(MAX_GROUP - 1);
        let mut done: Vec<(oneshot::Sender<Answer>, Answer, load::InUse)> = Vec::new();
        for job in std::iter::once(first).chain(waiting) {
            let in_use = job.waiting.admit();
            let answer = self.run_job(job.batch);
            let is_rolled_back = self.connection.is_autocommit();
            done.push((job.answer, answer, in_use));
            // SQLite ends the whole transaction on some errors, as that of a full disk.
            if is_rolled_back {
                break;
            }
        }
        let committed = if self.connection.is_autocommit() {
            let failed = done.last().and_then(|(_, answer, _)| answer.as_ref().err()).map(same_kind);
            Err(failed.unwrap_or_else(|| StorageError::Other("the transaction has ended".into())))
        } else {
            self.execute("COMMIT").inspect_err(|_| self.roll_back())
        };
        for (sender, answer, _in_use) in done {
            let answer = match (&committed, answer) {
                (Err(error), Ok(Outcome::Committed(_))) => Err(same_kind(error)),
                (_, answer) => answer,
            };
            // Fails if the caller has stopped waiting; a retry looks up the effect.
            drop(sender.send(answer));
        }
        if is_last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Executes a batch in a savepoint, which is rolled back unless all of it is done.
    fn run_job(&self, batch: Batch) -> Answer {
        self.execute("SAVEPOINT batch")?;
        let outcome = self.run_steps(batch.steps);
        if self.connection.is_autocommit() {
            return outcome;
        }
        let is_done = matches!(outcome, Ok(Outcome::Committed(_)));
        let end = if is_done { "RELEASE batch" } else { "ROLLBACK TO batch; RELEASE batch" };
        if let Err(error) = self.execute(end) {
            // Otherwise the transaction would commit a batch that is answered with an error.
            self.roll_back();
            return Err(error);
        }
        outcome
    }

    fn run_steps(&self, steps: Vec<Step>) -> Answer {
        let mut results = Vec::with_capacity(steps.len());
        for (index, step) in steps.into_iter().enumerate() {
            let result = if step.returns_rows {
                let rows = rows(&self.connection, &step.statement, owned)?;
                StepResult { affected: rows.len() as u64, rows }
            } else {
                let mut prepared = prepared(&self.connection, &step.statement).map_err(rusqlite_storage)?;
                StepResult { affected: prepared.raw_execute().map_err(rusqlite_storage)? as u64, rows: Vec::new() }
            };
            if !result.meets(step.guard) {
                return Ok(Outcome::Refused(index));
            }
            results.push(result);
        }
        Ok(Outcome::Committed(results))
    }

    fn execute(&self, sql: &str) -> Result<(), StorageError> {
        self.connection.execute_batch(sql).map_err(rusqlite_storage)
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.execute("ROLLBACK")
        {
            tracing::error!(%error, "an SQLite transaction was not rolled back");
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StorageError> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map_err(|error| StorageError::Other(error.into()))
}

fn owned(row: &Row<'_>) -> Result<OwnedRow, StorageError> {
    let Row::Sqlite(row) = row else { return Err(corrupt("row of another driver")) };
    let columns = row.as_ref().column_count();
    let values: Result<Vec<SqliteValue>, _> = (0..columns).map(|index| row.get(index)).collect();
    Ok(OwnedRow::Sqlite(values.map_err(corrupt)?))
}

/// Reads all rows, so that an error of the implicit commit of a statement that writes is seen.
fn rows<T>(
    connection: &Connection,
    statement: &Statement,
    convert: fn(&Row<'_>) -> Result<T, StorageError>,
) -> Result<Vec<T>, StorageError> {
    let mut prepared = prepared(connection, statement).map_err(rusqlite_storage)?;
    let mut rows = prepared.raw_query();
    let mut converted = Vec::new();
    while let Some(row) = rows.next().map_err(rusqlite_storage)? {
        converted.push(convert(&Row::Sqlite(row))?);
    }
    Ok(converted)
}

/// Prepares a statement and binds its values.
fn prepared<'c>(
    connection: &'c Connection,
    statement: &Statement,
) -> Result<rusqlite::CachedStatement<'c>, rusqlite::Error> {
    let mut prepared = connection.prepare_cached(&statement.sql)?;
    for (index, value) in statement.values.iter().flat_map(Values::iter).enumerate() {
        prepared.raw_bind_parameter(index + 1, Bound(value))?;
    }
    Ok(prepared)
}

/// A value in the form in which `SQLx` stores it.
struct Bound<'v>(&'v Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>, rusqlite::Error> {
        match self.0 {
            Value::Bool(value) => value.to_sql(),
            Value::Int(value) => value.to_sql(),
            Value::BigInt(value) => value.to_sql(),
            Value::BigUnsigned(value) => {
                let value = value.map(i64::try_from).transpose();
                let value = value.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
                Ok(ToSqlOutput::Owned(value.map_or(SqliteValue::Null, SqliteValue::Integer)))
            }
            Value::String(value) => value.to_sql(),
            Value::Bytes(value) => value.to_sql(),
            Value::Json(value) => {
                let text = value.as_ref().map(ToString::to_string);
                Ok(ToSqlOutput::Owned(text.map_or(SqliteValue::Null, SqliteValue::Text)))
            }
            Value::ChronoDateTimeUtc(value) => {
                let text = value.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, false));
                Ok(ToSqlOutput::Owned(text.map_or(SqliteValue::Null, SqliteValue::Text)))
            }
            Value::Uuid(value) => value.to_sql(),
            other => Err(rusqlite::Error::ToSqlConversionFailure(format!("no such value is stored: {other:?}").into())),
        }
    }
}

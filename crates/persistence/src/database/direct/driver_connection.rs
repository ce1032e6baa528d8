//! A connection of tokio-postgres: [`DriverConnection`].

use std::borrow::Cow;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::storage::StorageError;
use futures_util::TryStreamExt as _;
use futures_util::future::{join_all, join3};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::connector::{Connected, Connector};
use super::parameters::Parameters;
use crate::database::batch::{Guard, Outcome, Step, StepResult};
use crate::database::row::OwnedRow;
use crate::error::{SHUTDOWN, postgres_storage};

/// Maximum number of statements of a batch that are sent before one is answered.
const PIPELINED: usize = 30;

/// Maximum number of prepared statements of a connection.
const STATEMENTS: usize = 256;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) acquire: Duration,
    pub(crate) response: Duration,
}

/// A connection with its prepared statements.
pub(super) struct DriverConnection {
    /// The thread that drives it.
    pub(super) thread: usize,
    pub(super) client: Client,
    pub(super) was_ended_idle: Arc<AtomicBool>,
    /// Behind a pooler they are `None`: statements have no names there, and are planned each time.
    statements: Option<Mutex<HashMap<String, tokio_postgres::Statement>>>,
}

/// Why a batch was not done.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether the server has surely executed nothing of it, if the error is one of the connection.
    pub(super) is_unstarted: bool,
}

/// The results of some statements of a transaction, and that of its COMMIT.
type ChunkResult = (Vec<Result<StepResult, Error>>, Result<(), Error>);

impl DriverConnection {
    pub(super) async fn open(connector: &Connector, timeouts: Timeouts) -> Result<Self, StorageError> {
        // Large, and rarely needed.
        let connected = in_time(timeouts.acquire, Box::pin(connector.connect())).await??;
        let Connected { client, was_ended_idle } = connected;
        let statements = (!connector.is_pooled).then(Mutex::default);
        Ok(Self { thread: this_thread(), client, was_ended_idle, statements })
    }

    /// Whether the connection can be used no longer, after this error.
    pub(super) fn is_ended(&self, error: &Error) -> bool {
        self.client.is_closed() || is_shutdown(error)
    }

    /// Runs a transaction, in chunks that are answered within `limit` each. The outer error is the timeout, or that of a
    /// transaction whose end is unknown.
    pub(super) async fn run_steps(
        &self,
        begin: &str,
        steps: &[Step],
        limit: Duration,
    ) -> Result<Result<Outcome, Failure>, StorageError> {
        let mut results = Vec::with_capacity(steps.len());
        let chunks = steps.len().div_ceil(PIPELINED);
        for (index, chunk) in steps.chunks(PIPELINED).enumerate() {
            let is_last = index + 1 == chunks;
            let answers = in_time(limit, self.run_chunk(chunk, (index == 0).then_some(begin), is_last)).await?;
            let (answers, ended) = match answers {
                Ok(answers) => answers,
                Err(failure) => {
                    self.roll_back(index > 0, limit).await?;
                    return Ok(Err(Failure { is_unstarted: failure.is_unstarted && index == 0, ..failure }));
                }
            };
            for (answer, step) in answers.into_iter().zip(chunk) {
                match answer {
                    Ok(result) => results.push(result),
                    Err(error) => {
                        // A COMMIT that has been sent has rolled back.
                        self.roll_back(!is_last, limit).await?;
                        let is_refused = step.guard != Guard::None && error.code() == Some(&SqlState::DIVISION_BY_ZERO);
                        return Ok(if is_refused { Ok(Outcome::Refused(results.len())) } else { Err(error.into()) });
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

    /// Sends the statements, behind `begin` if they are the first ones and before COMMIT if they are the last ones, and
    /// waits for their results.
    async fn run_chunk(&self, steps: &[Step], begin: Option<&str>, is_last: bool) -> Result<ChunkResult, Failure> {
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
        let (started, results, ended) = join3(
            command(begin),
            join_all(work.iter().map(async |(sql, prepared, parameters)| {
                self.execute(sql, prepared.as_ref(), parameters).await.map_err(|failure| failure.error)
            })),
            command(is_last.then_some("COMMIT")),
        )
        .await;
        started.map(|()| (results, ended)).map_err(Failure::of_first_answer)
    }

    pub(super) async fn query(&self, sql: &str, parameters: &Parameters) -> Result<StepResult, Failure> {
        let prepared = self.prepared(sql, &parameters.types).await?;
        self.execute(sql, prepared.as_ref(), parameters).await
    }

    /// Executes a statement, by its plan if it is prepared.
    async fn execute(
        &self,
        sql: &str,
        prepared: Option<&tokio_postgres::Statement>,
        parameters: &Parameters,
    ) -> Result<StepResult, Failure> {
        let values = parameters.values.iter();
        let rows = match prepared {
            Some(prepared) => self.client.query_raw(prepared, values).await,
            None => self.client.query_typed_raw(sql, values.zip(parameters.types.iter().cloned())).await,
        };
        let mut rows = pin!(rows.map_err(Failure::of_first_answer)?);
        let mut result = StepResult { rows: Vec::new(), affected: 0 };
        while let Some(row) = rows.try_next().await? {
            result.rows.push(OwnedRow::Postgres(row));
        }
        result.affected = rows.rows_affected().unwrap_or_default();
        Ok(result)
    }

    /// Returns the plan of a statement; `None` on a connection without named statements.
    async fn prepared(&self, sql: &str, types: &[Type]) -> Result<Option<tokio_postgres::Statement>, Failure> {
        let Some(statements) = &self.statements else { return Ok(None) };
        let lock = || statements.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(sql) {
            return Ok(Some(known.clone()));
        }
        let statement = self.client.prepare_typed(sql, types).await;
        let statement = statement.map_err(|error| Failure { error, is_unstarted: true })?;
        let mut statements = lock();
        if statements.len() >= STATEMENTS {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(Some(statement))
    }

    pub(super) fn forget_statements(&self) {
        if let Some(statements) = &self.statements {
            statements.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

impl Failure {
    /// The failure whose error is in the place of the first answer: a server that shuts down has executed nothing.
    fn of_first_answer(error: Error) -> Self {
        Self { is_unstarted: is_shutdown(&error), error }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, is_unstarted: false }
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
pub(super) fn is_outdated(error: &Error) -> bool {
    error
        .code()
        .is_some_and(|code| *code == SqlState::FEATURE_NOT_SUPPORTED || *code == SqlState::INVALID_SQL_STATEMENT_NAME)
}

/// Whether the server has ended the connection with this error.
fn is_shutdown(error: &Error) -> bool {
    error.code().is_some_and(|code| SHUTDOWN.contains(&code.code()))
}

/// A number for the current thread.
pub(super) fn this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed));
    NUMBER.with(|number| *number)
}

pub(crate) async fn in_time<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, StorageError> {
    tokio::time::timeout(limit, work).await.map_err(|elapsed| StorageError::Unavailable(elapsed.into()))
}

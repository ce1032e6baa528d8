//! The mapping of database errors to [`StorageError`].

use std::borrow::Cow;

use domain::storage::{Cause, StorageError};
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::postgres::PgDatabaseError;
use sea_orm::{DbErr, RuntimeErr};
use tokio_postgres::Error as PostgresError;

/// The constructor of a [`StorageError`] variant.
type Kind = fn(Cause) -> StorageError;

/// SQLSTATEs with which a server ends a connection: `admin_shutdown`, `crash_shutdown`, `idle_session_timeout`.
pub(crate) const SHUTDOWN: [&str; 3] = ["57P01", "57P02", "57P05"];

/// Whether the connection was lost, so that the statement may succeed on another one.
pub(crate) fn is_disconnected(error: &DbErr) -> bool {
    match sqlx_error(error) {
        Some(SqlxError::Io(_) | SqlxError::Protocol(_)) => true,
        // Poolers report a lost server as a protocol violation.
        Some(error) => sqlstate(error).is_some_and(|code| SHUTDOWN.contains(&&*code) || code.starts_with("08")),
        None => false,
    }
}

/// Whether the server ended the connection before the statement, or rolled it back if it is alone in its transaction. (A
/// crash may come between its commit and its answer.)
pub(crate) fn is_terminated(error: &DbErr) -> bool {
    let code = sqlx_error(error).and_then(sqlstate);
    code.is_some_and(|code| matches!(&*code, "57P01" | "57P05"))
}

fn sqlx_error(error: &DbErr) -> Option<&SqlxError> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

fn sqlstate(error: &SqlxError) -> Option<Cow<'_, str>> {
    let error = error.as_database_error()?;
    error.try_downcast_ref::<PgDatabaseError>().map(|error| error.code().into())
}

/// Maps an error of SeaORM. The error is kept as the cause.
pub(crate) fn storage(error: DbErr) -> StorageError {
    kind(&error)(error.into())
}

/// Maps an error of the driver. The error is kept as the cause.
pub(crate) fn sqlx_storage(error: SqlxError) -> StorageError {
    sqlx_kind(&error)(error.into())
}

/// Maps an error of rusqlite. The error is kept as the cause.
pub(crate) fn rusqlite_storage(error: rusqlite::Error) -> StorageError {
    let kind: Kind = match &error {
        rusqlite::Error::SqliteFailure(failure, _) => sqlite_kind(failure.extended_code.cast_unsigned()),
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => StorageError::Corrupt,
        _ => StorageError::Other,
    };
    kind(error.into())
}

/// Maps an error of tokio-postgres. The error is kept as the cause.
pub(crate) fn postgres_storage(error: PostgresError) -> StorageError {
    let kind: Kind = match error.code() {
        Some(code) => postgres_kind(code.code()),
        // The others are of the connection.
        None => StorageError::Unavailable,
    };
    kind(error.into())
}

/// An error of the same kind, for somebody else who is told of it.
pub(crate) fn same_kind(error: &StorageError) -> StorageError {
    let cause = || Cause::from(error.to_string());
    match error {
        StorageError::Unavailable(_) => StorageError::Unavailable(cause()),
        StorageError::Exhausted(_) => StorageError::Exhausted(cause()),
        StorageError::Full(_) => StorageError::Full(cause()),
        StorageError::Corrupt(_) => StorageError::Corrupt(cause()),
        StorageError::Other(_) => StorageError::Other(cause()),
    }
}

/// The error for a stored value that the domain's types reject.
pub(crate) fn corrupt(error: impl Into<Cause>) -> StorageError {
    StorageError::Corrupt(error.into())
}

#[warn(clippy::wildcard_enum_match_arm)]
#[expect(clippy::match_same_arms, reason = "known variants are listed apart from the wildcard")]
fn kind(error: &DbErr) -> Kind {
    match error {
        DbErr::Conn(error) => runtime_kind(error, StorageError::Unavailable),
        DbErr::Exec(error) | DbErr::Query(error) => runtime_kind(error, StorageError::Other),
        // The caller holds a permit of `BoundedPool`, so the pool is not exhausted: no connection could be opened.
        DbErr::ConnectionAcquire(_) => StorageError::Unavailable,
        DbErr::TryIntoErr { .. } | DbErr::ConvertFromU64(_) | DbErr::Type(_) | DbErr::Json(_) => StorageError::Corrupt,
        DbErr::UnpackInsertId
        | DbErr::UpdateGetPrimaryKey
        | DbErr::RecordNotFound(_)
        | DbErr::AttrNotSet(_)
        | DbErr::Custom(_)
        | DbErr::Migration(_)
        | DbErr::RecordNotInserted
        | DbErr::RecordNotUpdated
        | DbErr::BackendNotSupported { .. }
        | DbErr::KeyArityMismatch { .. }
        | DbErr::PrimaryKeyNotSet { .. }
        | DbErr::RbacError(_)
        | DbErr::AccessDenied { .. }
        | DbErr::MutexPoisonError => StorageError::Other,
        // The enum is non-exhaustive.
        _ => StorageError::Other,
    }
}

fn runtime_kind(error: &RuntimeErr, internal: Kind) -> Kind {
    match error {
        RuntimeErr::SqlxError(error) => sqlx_kind(error),
        RuntimeErr::Internal(_) => internal,
    }
}

#[warn(clippy::wildcard_enum_match_arm)]
#[expect(clippy::match_same_arms, reason = "known variants are listed apart from the wildcard")]
fn sqlx_kind(error: &SqlxError) -> Kind {
    match error {
        SqlxError::Database(error) if error.try_downcast_ref::<PgDatabaseError>().is_some() => {
            postgres_kind(&error.code().unwrap_or_default())
        }
        SqlxError::Database(error) => sqlite_kind(error.code().and_then(|code| code.parse().ok()).unwrap_or_default()),
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::Protocol(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed => StorageError::Unavailable,
        SqlxError::TypeNotFound { .. }
        | SqlxError::ColumnIndexOutOfBounds { .. }
        | SqlxError::ColumnNotFound(_)
        | SqlxError::ColumnDecode { .. }
        | SqlxError::Decode(_) => StorageError::Corrupt,
        SqlxError::Configuration(_)
        | SqlxError::InvalidArgument(_)
        | SqlxError::RowNotFound
        | SqlxError::Encode(_)
        | SqlxError::AnyDriverError(_)
        | SqlxError::Migrate(_)
        | SqlxError::InvalidSavePointStatement
        | SqlxError::BeginFailed
        | SqlxError::ConfigFile(_) => StorageError::Other,
        // The enum is non-exhaustive.
        _ => StorageError::Other,
    }
}

/// Maps an SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn postgres_kind(code: &str) -> Kind {
    match (code.get(..2).unwrap_or_default(), code) {
        (_, "53100") => StorageError::Full,
        // Insufficient resources: too many connections, out of memory.
        ("53", _) => StorageError::Exhausted,
        // Connection failures; unknown roles and databases; shutdown, start-up and cancelled statements; system errors.
        ("08" | "28" | "3D" | "57" | "58", _)
        // Serialization failures and deadlocks, which a retry resolves; lock timeouts; a read-only standby.
        | (_, "40001" | "40P01" | "55P03" | "25006" | "25P03") => StorageError::Unavailable,
        (_, "XX001" | "XX002") => StorageError::Corrupt,
        _ => StorageError::Other,
    }
}

/// Maps a result code, whose lowest byte is the primary code: <https://www.sqlite.org/rescode.html>
fn sqlite_kind(code: u32) -> Kind {
    match (code & 0xFF, code) {
        // SQLITE_BUSY, SQLITE_LOCKED: another process held the write lock for longer than the busy timeout.
        (5 | 6, _) => StorageError::Exhausted,
        // SQLITE_FULL; SQLITE_IOERR_SHMSIZE: no space for the shared memory file.
        (13, _) | (_, 4874) => StorageError::Full,
        // SQLITE_IOERR, SQLITE_CANTOPEN.
        (10 | 14, _) => StorageError::Unavailable,
        // SQLITE_CORRUPT, SQLITE_NOTADB.
        (11 | 26, _) => StorageError::Corrupt,
        _ => StorageError::Other,
    }
}

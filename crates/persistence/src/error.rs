//! Which failure of a database is which [`StorageError`], in one place.

use domain::storage::{Cause, StorageError};
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::postgres::PgDatabaseError;
use sea_orm::{DbErr, RuntimeErr};

/// A kind of failure, before it has its cause.
type Kind = fn(Cause) -> StorageError;

/// What SeaORM's error means. The error is kept as the cause.
pub(crate) fn storage(error: DbErr) -> StorageError {
    kind(&error)(error.into())
}

/// What the driver's error means. The error is kept as the cause.
pub(crate) fn sqlx_storage(error: SqlxError) -> StorageError {
    sqlx_kind(&error)(error.into())
}

/// A stored value does not fit the domain's types.
pub(crate) fn corrupt(error: impl Into<Cause>) -> StorageError {
    StorageError::Corrupt(error.into())
}

#[warn(clippy::wildcard_enum_match_arm)]
#[expect(clippy::match_same_arms, reason = "what is known is told from what may come")]
fn kind(error: &DbErr) -> Kind {
    match error {
        DbErr::Conn(error) => runtime_kind(error, StorageError::Unavailable),
        DbErr::Exec(error) | DbErr::Query(error) => runtime_kind(error, StorageError::Other),
        // Whoever waits for the pool has a permit for one of its connections (see `BoundedPool`), so it is not that too many
        // are in use: no connection could be opened.
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
        // The enum is open.
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
#[expect(clippy::match_same_arms, reason = "what is known is told from what may come")]
fn sqlx_kind(error: &SqlxError) -> Kind {
    match error {
        SqlxError::Database(error) if error.try_downcast_ref::<PgDatabaseError>().is_some() => postgres_kind(&**error),
        SqlxError::Database(error) => sqlite_kind(&**error),
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
        // The enum is open.
        _ => StorageError::Other,
    }
}

/// By SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn postgres_kind(error: &dyn DatabaseError) -> Kind {
    let code = error.code().unwrap_or_default();
    match (code.get(..2).unwrap_or_default(), &*code) {
        (_, "53100") => StorageError::Full,
        // Too many connections, out of memory.
        ("53", _) => StorageError::Exhausted,
        // Lost connections; roles and databases that are not there (any more); shutdown, start-up and statements that
        // took too long; failures of the server's system.
        ("08" | "28" | "3D" | "57" | "58", _)
        // A deadlock or its like, which the next attempt will not meet; a lock that is not to be had; a standby.
        | (_, "40001" | "40P01" | "55P03" | "25006" | "25P03") => StorageError::Unavailable,
        (_, "XX001" | "XX002") => StorageError::Corrupt,
        _ => StorageError::Other,
    }
}

/// By result code, whose lowest byte is the primary one: <https://www.sqlite.org/rescode.html>
fn sqlite_kind(error: &dyn DatabaseError) -> Kind {
    let code: u32 = error.code().and_then(|code| code.parse().ok()).unwrap_or_default();
    match (code & 0xFF, code) {
        // Busy or locked: another process was writing for longer than the busy timeout.
        (5 | 6, _) => StorageError::Exhausted,
        // The disk is full, or has no room for the file of the shared memory (SQLITE_IOERR_SHMSIZE).
        (13, _) | (_, 4874) => StorageError::Full,
        // Input and output, and files that cannot be opened.
        (10 | 14, _) => StorageError::Unavailable,
        // A damaged file, or one that is no database.
        (11 | 26, _) => StorageError::Corrupt,
        _ => StorageError::Other,
    }
}

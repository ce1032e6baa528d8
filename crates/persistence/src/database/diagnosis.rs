//! What an operator asks of a database: its version and time, whether it can be written to, and why it fails.

use std::error::Error;
use std::io;

use chrono::{DateTime, Utc};
use domain::storage::StorageError;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use super::Database;
use crate::error::storage;

/// A statement that needs the right to change rows, and changes none.
const NO_CHANGE: &str = "UPDATE users SET name = name WHERE 1 = 0";
/// A statement that needs the right to create tables. It is rolled back.
const NEW_TABLE: &str = "CREATE TABLE doable_can_write (id integer)";

/// A fault of a database that an operator can mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseFault {
    /// Nothing answers at the address, or not in time.
    Unreachable,
    /// The user or the password is refused.
    Credentials,
    /// The server has no database of this name.
    NoSuchDatabase,
    /// The user lacks a right.
    Forbidden,
    /// The server has no free connection.
    TooManyConnections,
    /// The file is not an SQLite database, or is damaged.
    NotADatabase,
    /// The file or its folder cannot be opened or created.
    CannotOpen,
    /// The database, its file or its folder can only be read.
    ReadOnly,
    /// The disk is full.
    Full,
    /// Another process holds the lock.
    Locked,
    /// Another one.
    Other,
}

impl DatabaseFault {
    /// Returns the fault that an error of this crate is about.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let mut found = Self::Other;
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(fault) = Self::of_one(error) {
                found = fault;
            }
            next = error.source();
        }
        found
    }

    /// The fault that an error without its causes is about.
    fn of_one(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(error) = error.downcast_ref::<StorageError>() {
            return matches!(error, StorageError::Unavailable(_)).then_some(Self::Unreachable);
        }
        if let Some(error) = error.downcast_ref::<tokio_postgres::Error>() {
            return error.code().and_then(|code| Self::of_sqlstate(code.code()));
        }
        if let Some(rusqlite::Error::SqliteFailure(failure, _)) = error.downcast_ref::<rusqlite::Error>() {
            return Self::of_result_code(failure.extended_code.cast_unsigned());
        }
        if let Some(sqlx::Error::Database(error)) = error.downcast_ref::<sqlx::Error>() {
            let code = error.code().unwrap_or_default();
            return match error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
                Some(_) => Self::of_sqlstate(&code),
                None => code.parse().ok().and_then(Self::of_result_code),
            };
        }
        let error = error.downcast_ref::<io::Error>()?;
        Some(match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::CannotOpen,
            io::ErrorKind::StorageFull => Self::Full,
            _ => Self::Unreachable,
        })
    }

    /// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
    fn of_sqlstate(code: &str) -> Option<Self> {
        Some(match code {
            "25006" => Self::ReadOnly,
            "3D000" => Self::NoSuchDatabase,
            "42501" => Self::Forbidden,
            "53100" => Self::Full,
            "53300" => Self::TooManyConnections,
            _ if code.starts_with("28") => Self::Credentials,
            _ => return None,
        })
    }

    /// The lowest byte is the primary code: <https://www.sqlite.org/rescode.html>
    fn of_result_code(code: u32) -> Option<Self> {
        Some(match code & 0xFF {
            5 | 6 => Self::Locked,
            8 => Self::ReadOnly,
            11 | 26 => Self::NotADatabase,
            13 => Self::Full,
            14 => Self::CannotOpen,
            _ => return None,
        })
    }
}

impl Database {
    /// Returns the version of the database's software, such as `PostgreSQL 17.2`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn version(&self) -> Result<String, StorageError> {
        let query = match self.pools.reads.backend() {
            DbBackend::Sqlite => "SELECT sqlite_version()",
            _ => "SELECT current_setting('server_version')",
        };
        let reader = self.reader().await?;
        let row = reader.query_one_raw(Statement::from_string(self.pools.reads.backend(), query)).await;
        let row = row.map_err(storage)?.ok_or_else(|| StorageError::Other("no row".into()))?;
        let version: String = row.try_get_by_index(0).map_err(storage)?;
        Ok(format!("{} {version}", self.backend_name()))
    }

    /// Returns the time of the database's server; `None` if the database is a file, whose time is this machine's.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn time(&self) -> Result<Option<DateTime<Utc>>, StorageError> {
        let backend = self.pools.reads.backend();
        if backend == DbBackend::Sqlite {
            return Ok(None);
        }
        let reader = self.reader().await?;
        let row = reader.query_one_raw(Statement::from_string(backend, "SELECT clock_timestamp()")).await;
        let row = row.map_err(storage)?.ok_or_else(|| StorageError::Other("no row".into()))?;
        row.try_get_by_index(0).map(Some).map_err(storage)
    }

    /// Checks that rows can be written if the schema is `migrated`, and that tables can be created otherwise. Changes
    /// nothing.
    ///
    /// # Errors
    /// If they cannot.
    pub async fn check_writable(&self, migrated: bool) -> Result<(), StorageError> {
        let transaction = self.begin().await?;
        let statement = if migrated { NO_CHANGE } else { NEW_TABLE };
        transaction.execute_unprepared(statement).await.map_err(storage)?;
        transaction.rollback().await.map_err(storage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_cause_that_is_known_is_the_fault() {
        let unreachable = StorageError::Unavailable(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
        assert_eq!(DatabaseFault::of(&unreachable), DatabaseFault::Unreachable);
        let folder = super::super::ConnectError::Folder(io::ErrorKind::PermissionDenied.into());
        assert_eq!(DatabaseFault::of(&folder), DatabaseFault::CannotOpen);
        let failure = rusqlite::ffi::Error::new(26);
        let file = StorageError::Corrupt(Box::new(rusqlite::Error::SqliteFailure(failure, None)));
        assert_eq!(DatabaseFault::of(&file), DatabaseFault::NotADatabase);
        assert_eq!(DatabaseFault::of(&StorageError::Other("?".into())), DatabaseFault::Other);
    }

    #[test]
    fn codes_of_both_databases_are_faults() {
        for (code, fault) in [
            ("28P01", Some(DatabaseFault::Credentials)),
            ("28000", Some(DatabaseFault::Credentials)),
            ("3D000", Some(DatabaseFault::NoSuchDatabase)),
            ("25006", Some(DatabaseFault::ReadOnly)),
            ("42P01", None),
        ] {
            assert_eq!(DatabaseFault::of_sqlstate(code), fault, "{code}");
        }
        // SQLITE_READONLY_DIRECTORY, SQLITE_BUSY_SNAPSHOT, SQLITE_ERROR.
        for (code, fault) in [(1544, Some(DatabaseFault::ReadOnly)), (517, Some(DatabaseFault::Locked)), (1, None)] {
            assert_eq!(DatabaseFault::of_result_code(code), fault, "{code}");
        }
    }
}

//! A row of a result, read by position.

use domain::storage::StorageError;
use rusqlite::types::{FromSql, Value, ValueRef};
use sea_orm::{QueryResult, TryGetable};

use crate::error::{corrupt, storage};

/// A value that each of the drivers can read.
pub(crate) trait Cell: TryGetable + FromSql + for<'a> tokio_postgres::types::FromSql<'a> {}

impl<T: TryGetable + FromSql + for<'a> tokio_postgres::types::FromSql<'a>> Cell for T {}

/// A row, as the driver that read it has it.
pub(crate) enum Row<'r> {
    Pooled(&'r QueryResult),
    Sqlite(&'r rusqlite::Row<'r>),
    SqliteValues(&'r [Value]),
    Postgres(&'r tokio_postgres::Row),
}

impl Row<'_> {
    /// Returns the value at `index`.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] if it has another type.
    pub(crate) fn get<T: Cell>(&self, index: usize) -> Result<T, StorageError> {
        match self {
            Self::Pooled(row) => row.try_get_by_index(index).map_err(storage),
            Self::Sqlite(row) => row.get(index).map_err(corrupt),
            Self::SqliteValues(values) => {
                let value = values.get(index).ok_or("row has too few columns").map_err(corrupt)?;
                T::column_result(ValueRef::from(value)).map_err(corrupt)
            }
            Self::Postgres(row) => row.try_get(index).map_err(corrupt),
        }
    }
}

/// A row that outlives its statement.
pub(crate) enum OwnedRow {
    Pooled(QueryResult),
    Sqlite(Vec<Value>),
    Postgres(tokio_postgres::Row),
}

impl OwnedRow {
    pub(crate) fn as_row(&self) -> Row<'_> {
        match self {
            Self::Pooled(row) => Row::Pooled(row),
            Self::Sqlite(values) => Row::SqliteValues(values),
            Self::Postgres(row) => Row::Postgres(row),
        }
    }
}

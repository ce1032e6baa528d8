//! The type of time columns.

use chrono::{DateTime, SubsecRound as _, Utc};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use sea_orm::DeriveValueType;
use tokio_postgres::types::{FromSql as FromPostgres, Type};

/// A time in UTC, in whole microseconds: `timestamptz` on PostgreSQL, text such as `2026-11-23T09:30:00.000250+00:00`
/// on SQLite.
///
/// SQLite compares the texts. `SQLx` omits a fraction of zero, and the last three digits of a fraction if they are
/// zero, but the order of the texts is still that of the times: where one text is longer, the shorter one continues
/// with `+`, which sorts before `.` and before every digit. This is true for the years 0 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, DeriveValueType)]
pub(crate) struct Timestamp(DateTime<Utc>);

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.trunc_subsecs(6))
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(time: Timestamp) -> Self {
        time.0
    }
}

impl FromSql for Timestamp {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let time = DateTime::parse_from_rfc3339(value.as_str()?);
        Ok(Self(time.map_err(|error| FromSqlError::Other(error.into()))?.to_utc()))
    }
}

impl<'a> FromPostgres<'a> for Timestamp {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        DateTime::<Utc>::from_sql(ty, raw).map(Self)
    }

    fn accepts(ty: &Type) -> bool {
        <DateTime<Utc> as FromPostgres>::accepts(ty)
    }
}

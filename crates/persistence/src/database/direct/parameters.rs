//! Values of statements for tokio-postgres: [`Parameters`].

use bytes::BytesMut;
use sea_orm::sea_query::Value;
use sea_orm::{Statement, Values};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// The values of a statement with their types.
pub(super) struct Parameters {
    pub(super) values: Vec<Parameter>,
    pub(super) types: Vec<Type>,
}

/// A value, which is written as the type that [`type_of`] declares.
#[derive(Debug)]
pub(super) struct Parameter(Value);

impl Parameters {
    pub(super) fn of(statement: &Statement) -> Self {
        let values: Vec<_> = statement.values.iter().flat_map(Values::iter).cloned().map(Parameter).collect();
        let types = values.iter().map(|value| type_of(&value.0)).collect();
        Self { values, types }
    }
}

/// The type of a value, as `SQLx` declares it.
fn type_of(value: &Value) -> Type {
    match value {
        Value::Bool(_) => Type::BOOL,
        Value::Int(_) => Type::INT4,
        Value::BigInt(_) | Value::BigUnsigned(_) => Type::INT8,
        Value::Bytes(_) => Type::BYTEA,
        Value::Json(_) => Type::JSONB,
        Value::ChronoDateTimeUtc(_) => Type::TIMESTAMPTZ,
        Value::Uuid(_) => Type::UUID,
        _ => Type::TEXT,
    }
}

impl ToSql for Parameter {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match &self.0 {
            Value::Bool(value) => value.to_sql(ty, out),
            Value::Int(value) => value.to_sql(ty, out),
            Value::BigInt(value) => value.to_sql(ty, out),
            Value::BigUnsigned(value) => value.map(i64::try_from).transpose()?.to_sql(ty, out),
            Value::Bytes(value) => value.to_sql(ty, out),
            Value::Json(value) => value.as_deref().to_sql(ty, out),
            Value::ChronoDateTimeUtc(value) => value.to_sql(ty, out),
            Value::Uuid(value) => value.to_sql(ty, out),
            Value::String(value) => value.to_sql(ty, out),
            other => Err(format!("no such value is stored: {other:?}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

//! Reads and batches on the pools of SeaORM: for a database in memory, and where the pool is too small to be divided.

use domain::storage::StorageError;
use sea_orm::{ConnectionTrait as _, Statement};

use crate::database::batch::{Batch, Outcome, StepResult};
use crate::database::pooled_connection::PooledConnection;
use crate::database::row::{OwnedRow, Row};
use crate::database::session::{Connection, Transaction};
use crate::error::storage;

pub(crate) async fn read<T>(
    reader: &PooledConnection<'_, Connection>,
    select: Statement,
    convert: fn(&Row<'_>) -> Result<T, StorageError>,
) -> Result<Vec<T>, StorageError> {
    let rows = reader.query_all_raw(select).await.map_err(storage)?;
    rows.iter().map(|row| convert(&Row::Pooled(row))).collect()
}

pub(crate) async fn write(
    transaction: PooledConnection<'_, Transaction>,
    batch: Batch,
) -> Result<Outcome, StorageError> {
    let mut results = Vec::with_capacity(batch.steps.len());
    for (index, step) in batch.steps.into_iter().enumerate() {
        let result = if step.returns_rows {
            let rows = transaction.query_all_raw(step.statement).await.map_err(storage)?;
            StepResult { affected: rows.len() as u64, rows: rows.into_iter().map(OwnedRow::Pooled).collect() }
        } else {
            let done = transaction.execute_raw(step.statement).await.map_err(storage)?;
            StepResult { affected: done.rows_affected(), rows: Vec::new() }
        };
        if !result.meets(step.guard) {
            transaction.rollback().await.map_err(storage)?;
            return Ok(Outcome::Refused(index));
        }
        results.push(result);
    }
    transaction.commit().await.map_err(storage)?;
    Ok(Outcome::Committed(results))
}

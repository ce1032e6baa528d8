//! Token usage of a user's turns by day, provider and model.

use chrono::{DateTime, NaiveDate, Utc};
use domain::conversation::turn::TurnState;
use domain::conversation::{ConversationRepoError, DailyUsage};
use domain::id::UserId;
use domain::storage::StorageError;
use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, DbBackend, FromQueryResult, QueryResult};

use super::rows::usage as tokens;
use crate::database::Database;
use crate::entity::Timestamp;
use crate::entity::turn::{Column, Entity};
use crate::error::{corrupt, storage};

#[derive(FromQueryResult)]
struct Row {
    day: String,
    provider: String,
    model: String,
    turns: i64,
    tokens_in: i64,
    tokens_out: i64,
}

/// See [`ConversationRepo::usage`](domain::conversation::ConversationRepo::usage).
pub(crate) async fn usage(
    database: &Database,
    owner: UserId,
    since: DateTime<Utc>,
) -> Result<Vec<DailyUsage>, ConversationRepoError> {
    let reader = database.reader().await?;
    let select = select(reader.get_database_backend(), owner, since.into());
    let rows = reader.query_all(&select).await.map_err(storage)?;
    let mut days = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    // Sorted here, because the collations of the databases differ.
    days.sort_by(|a, b| (b.day, &a.provider, &a.model).cmp(&(a.day, &b.provider, &b.model)));
    Ok(days)
}

fn select(backend: DbBackend, owner: UserId, since: Timestamp) -> SelectStatement {
    let day = match backend {
        // The stored text begins with the UTC date.
        DbBackend::Sqlite => "substr(started_at, 1, 10)",
        _ => "to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    };
    // On PostgreSQL, the sum of bigint is numeric.
    let sum = |column: &str| Expr::cust(format!("CAST(SUM({column}) AS bigint)"));
    let mut select = Query::select();
    select
        .expr_as(Expr::cust(day), "day")
        .columns([Column::Provider, Column::Model])
        .expr_as(Column::Id.count(), "turns")
        .expr_as(sum("tokens_in"), "tokens_in")
        .expr_as(sum("tokens_out"), "tokens_out")
        .from(Entity)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::StartedAt.gte(since))
        .and_where(Column::State.ne(TurnState::Running.as_str()))
        .add_group_by([Expr::cust(day), Expr::col(Column::Provider), Expr::col(Column::Model)]);
    select
}

fn read(row: &QueryResult) -> Result<DailyUsage, StorageError> {
    let row = Row::from_query_result(row, "").map_err(storage)?;
    Ok(DailyUsage {
        day: row.day.parse::<NaiveDate>().map_err(corrupt)?,
        provider: row.provider,
        model: row.model,
        turns: u64::try_from(row.turns).map_err(corrupt)?,
        usage: tokens(row.tokens_in, row.tokens_out)?,
    })
}

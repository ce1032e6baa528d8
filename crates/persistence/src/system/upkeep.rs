//! Upkeep of the trash, the ledger and pending actions.

use domain::id::UserId;
use domain::storage::StorageError;
use sea_orm::sea_query::{DeleteStatement, Expr, Func, LockType, Query, SelectStatement};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, DbErr, ExprTrait as _, Order, QueryResult};
use uuid::Uuid;

use crate::database::Database;
use crate::entity::{Timestamp, change, pending_action, task, user};
use crate::error::storage;

/// Maximum number of users with trash per call.
const MAX_USERS: u64 = 100;

/// Maximum number of entries that one statement deletes; the user's commits wait for it.
const BATCH_SIZE: u64 = 5_000;

pub(super) fn users_with_trash(until: Timestamp) -> SelectStatement {
    use task::Column;
    let mut select = Query::select();
    select
        .distinct()
        .column(Column::UserId)
        .from(task::Entity)
        .and_where(Column::DeletedAt.is_not_null())
        .and_where(Column::DeletedAt.lte(until))
        .and_where(Column::UpdatedAt.lte(until))
        .limit(MAX_USERS);
    select
}

/// Reads the user id in the first column.
pub(super) fn user_id(row: &QueryResult) -> Result<UserId, DbErr> {
    let id: Uuid = row.try_get_by_index(0)?;
    Ok(id.into())
}

fn users_with_changes(until: Timestamp) -> SelectStatement {
    use change::Column;
    let user = || Expr::col(Column::UserId);
    let mut select = Query::select();
    select
        .distinct()
        // An expression instead of the column, for which SQLite would scan the primary key of the whole ledger.
        .expr(Func::coalesce([user(), user()]))
        .from(change::Entity)
        .and_where(Column::At.lt(until));
    select
}

/// See [`SystemRepo::delete_changes`](domain::system::SystemRepo::delete_changes).
pub(super) async fn delete_changes(database: &Database, until: Timestamp) -> Result<u64, StorageError> {
    let users = database.reader().await?.query_all(&users_with_changes(until)).await.map_err(storage)?;
    let mut count = 0;
    for row in &users {
        let user = user_id(row).map_err(storage)?;
        loop {
            let delete = delete_oldest(user, until);
            let deleted = database.writer().await?.execute(&delete).await.map_err(storage)?.rows_affected();
            count += deleted;
            if deleted < BATCH_SIZE {
                break;
            }
        }
    }
    let mut expired = Query::delete();
    expired.from_table(pending_action::Entity).and_where(pending_action::Column::ExpiresAt.lt(until));
    Ok(count + database.writer().await?.execute(&expired).await.map_err(storage)?.rows_affected())
}

/// Deletes the user's oldest entries up to the first one that is not older than `until`, so that sequence numbers stay
/// gapless even if a clock was set back. The user's row is locked first, as in every transaction that changes entries.
fn delete_oldest(user: UserId, until: Timestamp) -> DeleteStatement {
    use change::{Column, Entity};
    let mut locked = Query::select();
    locked
        .column(user::Column::Id)
        .from(user::Entity)
        .and_where(user::Column::Id.eq(user.as_uuid()))
        .lock(LockType::NoKeyUpdate);
    let seq_of = |filter: Expr, offset: u64| {
        let mut select = Query::select();
        select
            .column(Column::Seq)
            .from(Entity)
            .and_where(Column::UserId.eq(user.as_uuid()))
            .and_where(filter)
            .order_by(Column::Seq, Order::Asc)
            .limit(1)
            .offset(offset);
        Expr::from(select)
    };
    let first_kept = Func::coalesce([seq_of(Column::At.gte(until), 0), i64::MAX.into()]);
    let first_of_next_batch = Func::coalesce([seq_of(Column::Seq.gte(1_i64), BATCH_SIZE), i64::MAX.into()]);
    let mut delete = Query::delete();
    delete
        .from_table(Entity)
        .and_where(Column::UserId.into_expr().eq(Expr::from(locked)))
        .and_where(Expr::col(Column::Seq).lt(first_kept))
        .and_where(Expr::col(Column::Seq).lt(first_of_next_batch));
    delete
}

//! Number of tokens that a user has used on the current day (UTC). It is kept with the user, because the turns are deleted
//! with their conversations.

use std::num::NonZeroU32;

use chrono::{DateTime, NaiveTime, Utc};
use domain::conversation::ConversationRepoError;
use domain::id::UserId;
use sea_orm::sea_query::{CaseStatement, Expr, Query, SelectStatement};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, ExprTrait as _};

use crate::database::Database;
use crate::entity::Timestamp;
use crate::entity::user::{Column, Entity};
use crate::error::storage;

/// See [`ConversationRepo::count_tokens`](domain::conversation::ConversationRepo::count_tokens).
pub(crate) async fn count(
    database: &Database,
    owner: UserId,
    tokens: u64,
    at: DateTime<Utc>,
) -> Result<(), ConversationRepoError> {
    let day = day(at);
    // More than any limit, and so little that the sum cannot overflow.
    let tokens = i64::from(u32::try_from(tokens).unwrap_or(u32::MAX));
    // The columns of the right-hand side have the old values.
    let earlier = CaseStatement::new().case(Column::TokensDay.eq(day), Column::TokensUsed.into_expr()).finally(0_i64);
    let mut update = Query::update();
    update
        .table(Entity)
        .value(Column::TokensUsed, Into::<Expr>::into(earlier).add(tokens))
        .value(Column::TokensDay, day)
        .and_where(Column::Id.eq(owner.as_uuid()));
    database.writer().await?.execute(&update).await.map_err(storage)?;
    Ok(())
}

/// Selects the user's id if `tokens` or more were used on the day of `at`.
pub(super) fn used_up(owner: UserId, tokens: NonZeroU32, at: DateTime<Utc>) -> SelectStatement {
    let mut select = Query::select();
    select
        .column(Column::Id)
        .from(Entity)
        .and_where(Column::Id.eq(owner.as_uuid()))
        .and_where(Column::TokensDay.eq(day(at)))
        .and_where(Column::TokensUsed.gte(i64::from(tokens.get())));
    select
}

/// The beginning of the day.
fn day(at: DateTime<Utc>) -> Timestamp {
    at.date_naive().and_time(NaiveTime::MIN).and_utc().into()
}

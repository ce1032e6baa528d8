//! Statements on the rows of many ids, for the followers of a process together.

use domain::change::Seq;
use domain::conversation::message::Role;
use domain::conversation::turn::TurnProgress;
use domain::id::{TurnId, UserId};
use domain::storage::StorageError;
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, Query, SelectStatement, UpdateStatement};
use sea_orm::{ColumnTrait as _, Condition};
use uuid::Uuid;

use crate::database::Row;
use crate::entity::{Timestamp, message, session, turn, user};
use crate::error::corrupt;
use crate::session::select_status;
use crate::turn::state;

/// Maximum number of ids in a statement.
const IDS_PER_STATEMENT: usize = 8192;

/// Divides ids into lists whose length is a power of two, by repeating one. Lists of any length would be as many
/// statements, all of which a connection would keep prepared.
pub(super) fn id_lists(ids: impl ExactSizeIterator<Item = Uuid>) -> Vec<Vec<Uuid>> {
    let ids: Vec<_> = ids.collect();
    let padded = |chunk: &[Uuid]| {
        let mut list = chunk.to_vec();
        list.resize(chunk.len().next_power_of_two(), chunk[0]);
        list
    };
    ids.chunks(IDS_PER_STATEMENT).map(padded).collect()
}

/// Selects the newest entry numbers of users, as [`read_head`] reads them.
pub(super) fn heads(users: Vec<Uuid>) -> SelectStatement {
    let mut select = Query::select();
    select
        .columns([user::Column::Id, user::Column::ChangeSeq])
        .from(user::Entity)
        .and_where(user::Column::Id.is_in(users));
    select
}

pub(super) fn read_head(row: &Row<'_>) -> Result<(UserId, Seq), StorageError> {
    let head = u64::try_from(row.get::<i64>(1)?).map_err(corrupt)?;
    Ok((row.get::<Uuid>(0)?.into(), Seq(head)))
}

/// Selects the progress of turns, as [`read_progress`] reads it.
pub(super) fn progress(turns: Vec<Uuid>) -> SelectStatement {
    let same = |of_turn: turn::Column, of_message: message::Column| {
        Expr::col((turn::Entity, of_turn)).equals((message::Entity, of_message))
    };
    let answer = Condition::all()
        .add(same(turn::Column::UserId, message::Column::UserId))
        .add(same(turn::Column::Id, message::Column::TurnId))
        .add(message::Column::Role.eq(Role::Assistant.as_str()));
    let parts = Expr::col((message::Entity, message::Column::Parts)).cast_as("text");
    let mut select = Query::select();
    select
        .columns([turn::Column::Id, turn::Column::Attempt, turn::Column::State].map(|column| (turn::Entity, column)))
        .expr(Func::char_length(parts).cast_as("bigint"))
        .from(turn::Entity)
        .inner_join(message::Entity, answer)
        .and_where(turn::Column::Id.is_in(turns));
    select
}

pub(super) fn read_progress(row: &Row<'_>) -> Result<(TurnId, TurnProgress), StorageError> {
    let progress = TurnProgress {
        attempt: u32::try_from(row.get::<i64>(1)?).map_err(corrupt)?,
        state: state(&row.get::<String>(2)?)?,
        length: u64::try_from(row.get::<i64>(3)?).map_err(corrupt)?,
    };
    Ok((row.get::<Uuid>(0)?.into(), progress))
}

/// Selects the status of the sessions that have not expired.
pub(super) fn statuses(sessions: Vec<Uuid>, now: Timestamp) -> SelectStatement {
    let mut select = select_status();
    select.and_where(session::Column::Id.is_in(sessions)).and_where(session::Column::ExpiresAt.gt(now));
    select
}

/// Records the use of sessions that were not used later.
pub(super) fn touch(sessions: Vec<Uuid>, at: Timestamp) -> UpdateStatement {
    use session::Column;
    let mut update = Query::update();
    update
        .table(session::Entity)
        .value(Column::LastUsedAt, at)
        .and_where(Column::Id.is_in(sessions))
        .and_where(Column::LastUsedAt.lt(at));
    update
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_ids_have_few_lengths_and_contain_each_id() {
        for (count, lengths) in
            [(0, vec![]), (1, vec![1]), (5, vec![8]), (8192, vec![8192]), (10_000, vec![8192, 2048])]
        {
            let ids = (0..count).map(Uuid::from_u128).collect::<Vec<_>>();
            let lists = id_lists(ids.iter().copied());
            assert_eq!(lists.iter().map(Vec::len).collect::<Vec<_>>(), lengths, "{count}");
            let mut listed = lists.concat();
            listed.sort_unstable();
            listed.dedup();
            assert_eq!(listed, ids, "{count}");
        }
    }
}

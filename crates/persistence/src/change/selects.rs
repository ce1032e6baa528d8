//! The statements that read the ledger. Each of them is filtered by the owner.

use std::num::NonZeroU16;

use domain::change::{EffectId, EntityId, EntrySelector, Seq};
use domain::id::UserId;
use sea_orm::sea_query::{CommonTableExpression, Expr, Query, SelectStatement, UnionType, WithClause, WithQuery};
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, ExprTrait as _, Iterable as _, JoinType, Order, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Select,
};
use uuid::Uuid;

use crate::database::VALUES_PER_STATEMENT;
use crate::entity::change::{Column, Entity};
use crate::entity::user;

/// Alias of the subquery that selects a page.
const PAGE: &str = "page";

/// Index of the first column of an entry in a row of [`page`].
pub(super) const FIRST_OF_ENTRY: usize = 1;

/// Name of the recursive common table expression.
const LINKS: &str = "links";

/// Converts a sequence number to a column value; one that is out of range becomes the highest.
pub(super) fn number(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

/// Selects the entries of an effect in their order.
pub(super) fn effect(owner: UserId, effect: EffectId) -> Select<Entity> {
    of_owner(owner)
        .filter(Column::TurnId.eq(effect.turn.as_uuid()))
        .filter(Column::Round.eq(i32::from(effect.round)))
        .filter(Column::CallIndex.eq(i32::from(effect.index)))
        .order_by_asc(Column::Part)
}

/// Statements whose results together contain the selected entries, in any order. Where there is a [`limit`], only the
/// newest of them all are selected.
pub(super) fn entries(owner: UserId, selector: &EntrySelector) -> Vec<Select<Entity>> {
    let any_of = |column: Column, ids: &[Uuid]| -> Vec<Select<Entity>> {
        ids.chunks(VALUES_PER_STATEMENT)
            .map(|chunk| of_owner(owner).filter(column.is_in(chunk.iter().copied())))
            .collect()
    };
    match selector {
        EntrySelector::Seq(seq) => vec![of_owner(owner).filter(Column::Seq.eq(number(*seq)))],
        EntrySelector::Operation(id) => vec![of_owner(owner).filter(Column::OperationId.eq(id.as_uuid()))],
        EntrySelector::Message(conversation, message) => vec![
            of_owner(owner)
                .filter(Column::ConversationId.eq(conversation.as_uuid()))
                .filter(Column::MessageId.eq(message.as_uuid())),
        ],
        EntrySelector::Messages(messages) => {
            any_of(Column::MessageId, &messages.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
        }
        EntrySelector::Rows { rows, after, limit } => {
            // One query per row: with several ids, SQLite would read all entries of the owner after the number.
            let of_row = |row: &EntityId| {
                let entries = of_owner(owner).filter(Column::EntityId.eq(row.as_uuid()));
                newest(entries.filter(Column::Seq.gt(number(*after))), *limit)
            };
            rows.iter().map(of_row).collect()
        }
        EntrySelector::Turns { conversation, except, before, limit } => {
            let turns = of_owner(owner)
                .filter(Column::ConversationId.eq(conversation.as_uuid()))
                .filter(Column::TurnId.ne(except.as_uuid()))
                .filter(Column::Undoes.is_null())
                .filter(Condition::all().add_option(before.map(|seq| Column::Seq.lt(number(seq)))));
            vec![newest(turns, *limit)]
        }
    }
}

/// Maximum number of entries of the selector.
pub(super) fn limit(selector: &EntrySelector) -> Option<NonZeroU16> {
    match selector {
        EntrySelector::Rows { limit, .. } | EntrySelector::Turns { limit, .. } => Some(*limit),
        EntrySelector::Seq(_)
        | EntrySelector::Operation(_)
        | EntrySelector::Message(..)
        | EntrySelector::Messages(_) => None,
    }
}

fn of_owner(owner: UserId) -> Select<Entity> {
    Entity::find().filter(Column::UserId.eq(owner.as_uuid()))
}

fn newest(select: Select<Entity>, limit: NonZeroU16) -> Select<Entity> {
    select.order_by_desc(Column::Seq).limit(u64::from(limit.get()))
}

/// Selects the owner's newest sequence number and at most `limit` entries after `after`, or one row without an entry.
/// One statement reads both from one snapshot. The entry's columns begin at [`FIRST_OF_ENTRY`].
pub(super) fn page(owner: UserId, after: Seq, limit: NonZeroU16) -> SelectStatement {
    // Limited before the join, which would otherwise read and sort all entries.
    let mut page = Query::select();
    page.columns(Column::iter())
        .from(Entity)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::Seq.gt(number(after)))
        .order_by(Column::Seq, Order::Asc)
        .limit(u64::from(limit.get()));
    let mut select = Query::select();
    select
        .column((user::Entity, user::Column::ChangeSeq))
        .columns(Column::iter().map(|column| (PAGE, column)))
        .from(user::Entity)
        // A left join, so that a user without entries differs from a missing user.
        .join_subquery(
            JoinType::LeftJoin,
            page,
            PAGE,
            Expr::col((PAGE, Column::UserId)).equals((user::Entity, user::Column::Id)),
        )
        .and_where(user::Column::Id.eq(owner.as_uuid()))
        .order_by((PAGE, Column::Seq), Order::Asc);
    select
}

/// Selects the entries that undo one of `seqs`, those that undo one of these, and so on.
pub(super) fn undo_links(owner: UserId, seqs: &[Seq]) -> WithQuery {
    let link = || {
        let mut select = Query::select();
        select
            .columns([(Entity, Column::Seq), (Entity, Column::Undoes)])
            .from(Entity)
            .and_where(Column::UserId.eq(owner.as_uuid()));
        select
    };
    let mut recursive = link();
    recursive.inner_join(LINKS, Expr::col((Entity, Column::Undoes)).equals((LINKS, Column::Seq)));
    let mut direct = link();
    direct
        .and_where(Column::Undoes.is_in(seqs.iter().copied().map(number)))
        // UNION instead of UNION ALL, so that the recursion terminates.
        .union(UnionType::Distinct, recursive);
    let mut links = CommonTableExpression::new();
    links.table_name(LINKS).columns([Column::Seq, Column::Undoes]).query(direct);
    let mut all = Query::select();
    all.columns([Column::Seq, Column::Undoes]).from(LINKS);
    let mut clause = WithClause::new();
    clause.recursive(true).cte(links);
    clause.query(all)
}

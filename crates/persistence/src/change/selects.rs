//! The statements that read the ledger. Each of them has the owner in it.

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

/// What the entries of a page are called while they are joined.
const PAGE: &str = "page";

/// What the links that are found are called while more are looked for.
const LINKS: &str = "links";

/// A number as a value. One that no entry can have becomes the highest.
pub(super) fn number(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

/// The entries of an effect in their order.
pub(super) fn effect(owner: UserId, effect: EffectId) -> Select<Entity> {
    of(owner)
        .filter(Column::TurnId.eq(effect.turn.as_uuid()))
        .filter(Column::Round.eq(i32::from(effect.round)))
        .filter(Column::CallIndex.eq(i32::from(effect.index)))
        .order_by_asc(Column::Part)
}

/// The selected entries in any order: what they find together, of which only the newest are wanted where there is a
/// [`limit`].
pub(super) fn entries(owner: UserId, selector: &EntrySelector) -> Vec<Select<Entity>> {
    let any_of = |column: Column, ids: &[Uuid]| -> Vec<Select<Entity>> {
        ids.chunks(VALUES_PER_STATEMENT).map(|some| of(owner).filter(column.is_in(some.iter().copied()))).collect()
    };
    match selector {
        EntrySelector::Seq(seq) => vec![of(owner).filter(Column::Seq.eq(number(*seq)))],
        EntrySelector::Operation(id) => vec![of(owner).filter(Column::OperationId.eq(id.as_uuid()))],
        EntrySelector::Message(conversation, message) => vec![
            of(owner)
                .filter(Column::ConversationId.eq(conversation.as_uuid()))
                .filter(Column::MessageId.eq(message.as_uuid())),
        ],
        EntrySelector::Messages(messages) => {
            any_of(Column::MessageId, &messages.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
        }
        EntrySelector::Rows { rows, after, limit } => {
            // One for each row: for several at once, SQLite would read all entries of the owner after the number.
            let of_row = |row: &EntityId| {
                let entries = of(owner).filter(Column::EntityId.eq(row.as_uuid()));
                newest(entries.filter(Column::Seq.gt(number(*after))), *limit)
            };
            rows.iter().map(of_row).collect()
        }
        EntrySelector::Turns { conversation, except, before, limit } => {
            let turns = of(owner)
                .filter(Column::ConversationId.eq(conversation.as_uuid()))
                .filter(Column::TurnId.ne(except.as_uuid()))
                .filter(Column::Undoes.is_null())
                .filter(Condition::all().add_option(before.map(|seq| Column::Seq.lt(number(seq)))));
            vec![newest(turns, *limit)]
        }
    }
}

/// How many entries are selected at most.
pub(super) fn limit(selector: &EntrySelector) -> Option<NonZeroU16> {
    match selector {
        EntrySelector::Rows { limit, .. } | EntrySelector::Turns { limit, .. } => Some(*limit),
        EntrySelector::Seq(_)
        | EntrySelector::Operation(_)
        | EntrySelector::Message(..)
        | EntrySelector::Messages(_) => None,
    }
}

fn of(owner: UserId) -> Select<Entity> {
    Entity::find().filter(Column::UserId.eq(owner.as_uuid()))
}

fn newest(select: Select<Entity>, limit: NonZeroU16) -> Select<Entity> {
    select.order_by_desc(Column::Seq).limit(u64::from(limit.get()))
}

/// The owner's newest number, and at most `limit` entries after `after` or one row without an entry: in one statement,
/// and so as of one moment. The columns of entries begin with the number.
pub(super) fn page(owner: UserId, after: Seq, limit: NonZeroU16) -> SelectStatement {
    // Limited before it is joined: joined rows would all be read and then sorted.
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
        .column((PAGE, Column::Seq))
        .columns(Column::iter().filter(|column| !matches!(column, Column::Seq)).map(|column| (PAGE, column)))
        .from(user::Entity)
        // A left join, so that a user without entries there differs from one who is gone.
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

/// Which entries undo one of `seqs`, which undo one of those, and so on.
pub(super) fn undo_links(owner: UserId, seqs: &[Seq]) -> WithQuery {
    let link = || {
        let mut select = Query::select();
        select
            .columns([(Entity, Column::Seq), (Entity, Column::Undoes)])
            .from(Entity)
            .and_where(Column::UserId.eq(owner.as_uuid()));
        select
    };
    let mut further = link();
    further.inner_join(LINKS, Expr::col((Entity, Column::Undoes)).equals((LINKS, Column::Seq)));
    let mut found = link();
    found
        .and_where(Column::Undoes.is_in(seqs.iter().copied().map(number)))
        // Without those that were found before, so that it ends.
        .union(UnionType::Distinct, further);
    let mut links = CommonTableExpression::new();
    links.table_name(LINKS).columns([Column::Seq, Column::Undoes]).query(found);
    let mut all = Query::select();
    all.columns([Column::Seq, Column::Undoes]).from(LINKS);
    let mut clause = WithClause::new();
    clause.recursive(true).cte(links);
    clause.query(all)
}

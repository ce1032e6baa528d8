//! The statements that read tasks. Each of them has the owner in it.

use domain::id::UserId;
use domain::task::{TaskFilter, TaskStatus, TitleMatch, TrashCursor};
use sea_orm::sea_query::{Expr, LikeExpr, Query, SelectStatement};
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, ExprTrait as _, QueryFilter as _, QueryOrder as _, Select,
};

use crate::entity::Timestamp;
use crate::entity::task::{Column, Entity};

/// How much of a folded title is in its index, in characters, and how the index spells it.
const INDEXED: usize = 64;
const INDEXED_TITLE: &str = "substr(title_folded, 1, 64)";

/// Stands before a character of a LIKE pattern that means itself.
const ESCAPE: char = '!';

/// The owner's tasks that are not in the trash.
pub(super) fn live(owner: UserId) -> Condition {
    Condition::all().add(Column::UserId.eq(owner.as_uuid())).add(Column::DeletedAt.is_null())
}

/// The owner's trash behind the cursor, last deleted first.
pub(super) fn trash(owner: UserId, after: Option<TrashCursor>) -> Select<Entity> {
    let behind = after.map(|last| {
        let key = Expr::tuple([Column::DeletedAt.into_expr(), Column::Id.into_expr()]);
        key.lt(Expr::tuple([Timestamp::from(last.deleted_at).into(), last.id.as_uuid().into()]))
    });
    Entity::find()
        .filter(Column::UserId.eq(owner.as_uuid()))
        .filter(Column::DeletedAt.is_not_null())
        .filter(Condition::all().add_option(behind))
        .order_by_desc(Column::DeletedAt)
        .order_by_desc(Column::Id)
}

/// How many there are, and how many of them are done.
pub(super) fn counts(owner: UserId) -> SelectStatement {
    let mut select = Query::select();
    select.expr(Column::Id.count()).expr(Column::CompletedAt.count()).from(Entity).cond_where(live(owner));
    select
}

/// The rows that `filter` shows, whoever's they are.
pub(super) fn matches(filter: &TaskFilter) -> Condition {
    let mut matches = Condition::all();
    match filter.status {
        TaskStatus::All => {}
        TaskStatus::Pending => matches = matches.add(Column::CompletedAt.is_null()),
        TaskStatus::Completed => matches = matches.add(Column::CompletedAt.is_not_null()),
    }
    match &filter.title {
        None => {}
        Some(TitleMatch::Exactly(title)) => {
            let beginning: String = title.as_str().chars().take(INDEXED).collect();
            matches = matches.add(Expr::cust(INDEXED_TITLE).eq(beginning)).add(Column::TitleFolded.eq(title.as_str()));
        }
        Some(TitleMatch::Containing(words)) => {
            let pattern = LikeExpr::new(format!("%{}%", literal(words.as_str()))).escape(ESCAPE);
            matches = matches.add(Column::TitleFolded.like(pattern));
        }
    }
    matches
}

/// `text` as a part of a LIKE pattern in which every character stands for itself.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | ESCAPE) {
            pattern.push(ESCAPE);
        }
        pattern.push(c);
    }
    pattern
}

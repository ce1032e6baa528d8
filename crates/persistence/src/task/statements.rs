//! The statements that read tasks. Each of them is filtered by the owner.

use domain::id::UserId;
use domain::task::{TaskFilter, TaskStatus, TitleMatch, TrashCursor};
use sea_orm::sea_query::{Expr, LikeExpr, Query, SelectStatement};
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, ExprTrait as _, QueryFilter as _, QueryOrder as _, Select,
};

use crate::entity::Timestamp;
use crate::entity::task::{Column, Entity};

/// Length of the indexed prefix of a folded title, in characters.
const INDEXED_PREFIX: usize = 64;

/// The indexed expression, spelled as in the index.
const INDEXED_TITLE: &str = "substr(title_folded, 1, 64)";

/// Escape character of LIKE patterns.
const ESCAPE: char = '!';

/// Matches the owner's tasks that are not in the trash.
pub(super) fn not_deleted(owner: UserId) -> Condition {
    Condition::all().add(Column::UserId.eq(owner.as_uuid())).add(Column::DeletedAt.is_null())
}

/// Selects the owner's trash after the cursor, last deleted first.
pub(super) fn trash(owner: UserId, after: Option<TrashCursor>) -> Select<Entity> {
    let after = after.map(|last| {
        let key = Expr::tuple([Column::DeletedAt.into_expr(), Column::Id.into_expr()]);
        key.lt(Expr::tuple([Timestamp::from(last.deleted_at).into(), last.id.as_uuid().into()]))
    });
    Entity::find()
        .filter(Column::UserId.eq(owner.as_uuid()))
        .filter(Column::DeletedAt.is_not_null())
        .filter(Condition::all().add_option(after))
        .order_by_desc(Column::DeletedAt)
        .order_by_desc(Column::Id)
}

/// Counts all tasks and the completed ones.
pub(super) fn counts(owner: UserId) -> SelectStatement {
    let mut select = Query::select();
    select.expr(Column::Id.count()).expr(Column::CompletedAt.count()).from(Entity).cond_where(not_deleted(owner));
    select
}

/// Matches the rows that `filter` selects, of any owner.
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
            let prefix: String = title.as_str().chars().take(INDEXED_PREFIX).collect();
            matches = matches.add(Expr::cust(INDEXED_TITLE).eq(prefix)).add(Column::TitleFolded.eq(title.as_str()));
        }
        Some(TitleMatch::Containing(words)) => {
            let pattern = LikeExpr::new(format!("%{}%", escape(words.as_str()))).escape(ESCAPE);
            matches = matches.add(Column::TitleFolded.like(pattern));
        }
    }
    matches
}

/// Escapes the wildcards of LIKE in `text`.
fn escape(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | ESCAPE) {
            pattern.push(ESCAPE);
        }
        pattern.push(c);
    }
    pattern
}

//! The statements about tasks. Each of them has the owner in it.

use domain::id::{TaskId, UserId};
use domain::task::{NewTask, TaskFilter, TaskPatch, TaskStatus, TitleMatch, Version};
use sea_orm::sea_query::{
    Asterisk, CaseStatement, DeleteStatement, Expr, InsertStatement, LikeExpr, Query, SelectStatement, UpdateStatement,
};
use sea_orm::{ColumnTrait as _, Condition, ExprTrait as _, Iterable as _};

use crate::entity::Timestamp;
use crate::entity::task::{Column, Entity};

/// How much of a folded title is in its index, in characters, and how the index spells it.
const INDEXED: usize = 64;
const INDEXED_TITLE: &str = "substr(title_folded, 1, 64)";

/// Stands before a character of a LIKE pattern that means itself.
const ESCAPE: char = '!';

pub(super) fn insert(owner: UserId, task: &NewTask, at: Timestamp) -> InsertStatement {
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([
            Column::Id,
            Column::UserId,
            Column::Title,
            Column::TitleFolded,
            Column::CompletedAt,
            Column::Version,
            Column::CreatedAt,
            Column::UpdatedAt,
        ])
        .values_panic([
            task.id.as_uuid().into(),
            owner.as_uuid().into(),
            task.title.as_str().into(),
            task.title.folded().as_str().into(),
            task.completed.then_some(at).into(),
            i64::from(Version::FIRST.get()).into(),
            at.into(),
            at.into(),
        ]);
    insert
}

/// The update of `patch`, or `None` if it keeps everything.
///
/// On the right-hand side a column is what it was before the UPDATE, in both databases: that is how the row learns what
/// it was, and whether it changes at all.
pub(super) fn update(
    owner: UserId,
    id: TaskId,
    patch: &TaskPatch,
    expected: Option<Version>,
    at: Timestamp,
) -> Option<UpdateStatement> {
    let mut update = keep(owner, id, expected);
    let mut changed = Condition::any();
    if let Some(title) = patch.title.as_set() {
        changed = changed.add(Column::Title.ne(title.as_str()));
        update.value(Column::Title, title.as_str()).value(Column::TitleFolded, title.folded().as_str());
    }
    if let Some(completed) = patch.completed.as_set() {
        let pending = Column::CompletedAt.is_null();
        changed = changed.add(if *completed { pending.clone() } else { Column::CompletedAt.is_not_null() });
        let done_at = CaseStatement::new().case(pending, at).finally(Column::CompletedAt.into_expr());
        let completed_at = if *completed { done_at.into() } else { Expr::value(None::<Timestamp>) };
        update.value(Column::CompletedAt, completed_at);
    }
    if changed.is_empty() {
        return None;
    }
    let one_if_changed = CaseStatement::new().case(changed.clone(), 1_i64).finally(0_i64);
    let updated_at = CaseStatement::new().case(changed, at).finally(Column::UpdatedAt.into_expr());
    update.value(Column::Version, Column::Version.into_expr().add(one_if_changed)).value(Column::UpdatedAt, updated_at);
    Some(update)
}

pub(super) fn toggle(owner: UserId, id: TaskId, expected: Option<Version>, at: Timestamp) -> UpdateStatement {
    let completed_at = CaseStatement::new().case(Column::CompletedAt.is_null(), at).finally(None::<Timestamp>);
    let mut update = keep(owner, id, expected);
    update
        .value(Column::CompletedAt, completed_at)
        .value(Column::Version, Column::Version.into_expr().add(1_i64))
        .value(Column::UpdatedAt, at);
    update
}

pub(super) fn delete(owner: UserId, id: TaskId, expected: Option<Version>) -> DeleteStatement {
    let mut delete = Query::delete();
    delete
        .from_table(Entity)
        .cond_where(guard(owner, id, expected))
        .returning(Query::returning().columns(Column::iter()));
    delete
}

/// Deletes those that are at these versions.
pub(super) fn delete_many(owner: UserId, tasks: &[(TaskId, Version)]) -> DeleteStatement {
    // A list of values, because SQLite knows no list of pairs.
    let mut these = Query::select();
    these
        .column(Asterisk)
        .from_values(tasks.iter().map(|(id, version)| (id.as_uuid(), i64::from(version.get()))), "these");
    let mut delete = Query::delete();
    delete
        .from_table(Entity)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Expr::tuple([Expr::col(Column::Id), Expr::col(Column::Version)]).in_subquery(these))
        .returning(Query::returning().columns(Column::iter()));
    delete
}

pub(super) fn exists(owner: UserId, id: TaskId) -> SelectStatement {
    let mut select = Query::select();
    select.column(Column::Id).from(Entity).cond_where(guard(owner, id, None));
    select
}

/// How many there are, and how many of them are done.
pub(super) fn counts(owner: UserId) -> SelectStatement {
    let mut select = Query::select();
    select
        .expr(Column::Id.count())
        .expr(Column::CompletedAt.count())
        .from(Entity)
        .and_where(Column::UserId.eq(owner.as_uuid()));
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

/// An UPDATE that keeps what it finds and returns the row.
pub(super) fn keep(owner: UserId, id: TaskId, expected: Option<Version>) -> UpdateStatement {
    let mut update = Query::update();
    update
        .table(Entity)
        .value(Column::PreviousTitle, Column::Title.into_expr())
        .value(Column::PreviousCompletedAt, Column::CompletedAt.into_expr())
        .value(Column::PreviousUpdatedAt, Column::UpdatedAt.into_expr())
        .cond_where(guard(owner, id, expected))
        .returning(Query::returning().columns(Column::iter()));
    update
}

fn guard(owner: UserId, id: TaskId, expected: Option<Version>) -> Condition {
    Condition::all()
        .add(Column::UserId.eq(owner.as_uuid()))
        .add(Column::Id.eq(id.as_uuid()))
        .add_option(expected.map(|version| Column::Version.eq(i64::from(version.get()))))
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

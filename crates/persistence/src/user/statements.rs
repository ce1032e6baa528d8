//! The statements on users and their external accounts. Each of them is filtered by the owner.

use chrono::{DateTime, Utc};
use domain::id::{SessionId, UserId};
use domain::storage::StorageError;
use domain::user::{ExternalAccount, NewUser, PasswordHash, TimeZone, UserPatch};
use sea_orm::sea_query::{
    CaseStatement, DeleteStatement, Expr, InsertStatement, OnConflict, Query, SelectStatement, UpdateStatement,
};
use sea_orm::{ColumnTrait as _, Condition, ExprTrait as _, Iterable as _};

use crate::entity::user::{Column, Entity};
use crate::entity::{Timestamp, api_token, external_account, one_time_code, session};
use crate::session::{is_active, lock_session};

/// Inserts nothing if the address is taken. ON CONFLICT instead of an error, which would abort a transaction on
/// PostgreSQL.
pub(super) fn insert(user: &NewUser, zone: TimeZone) -> InsertStatement {
    let at = Timestamp::from(user.at);
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([
            Column::Id,
            Column::Email,
            Column::EmailFolded,
            Column::Name,
            Column::TimeZone,
            Column::PasswordHash,
            Column::TokenVersion,
            Column::CreatedAt,
            Column::UpdatedAt,
        ])
        .values_panic([
            user.id.as_uuid().into(),
            user.email.as_str().into(),
            user.email.normalized().as_str().into(),
            user.name.as_str().into(),
            zone.name().into(),
            user.password_hash.as_ref().map(|hash| hash.expose().to_owned()).into(),
            0_i64.into(),
            at.into(),
            at.into(),
        ])
        .on_conflict(OnConflict::column(Column::EmailFolded).do_nothing().to_owned());
    insert
}

/// Returns the update for `patch`, or `None` if it sets no field.
pub(super) fn update(owner: UserId, patch: &UserPatch, at: Timestamp) -> Option<UpdateStatement> {
    let mut update = Query::update();
    update.table(Entity);
    let mut changed = Condition::any();
    if let Some(name) = patch.name.as_set() {
        changed = changed.add(Column::Name.ne(name.as_str()));
        update.value(Column::Name, name.as_str());
    }
    if let Some(zone) = patch.time_zone.as_set() {
        changed = changed.add(Column::TimeZone.ne(zone.name()));
        update.value(Column::TimeZone, zone.name());
    }
    if changed.is_empty() {
        return None;
    }
    // The columns of the right-hand side have the old values.
    let updated_at = CaseStatement::new().case(changed, at).finally(Column::UpdatedAt.into_expr());
    update
        .value(Column::UpdatedAt, updated_at)
        .and_where(Column::Id.eq(owner.as_uuid()))
        .returning(Query::returning().columns(Column::iter()));
    Some(update)
}

/// Changes the password of a user who is at this token version, and increments the version, which revokes the access
/// tokens that carry it.
pub(super) fn change_password(
    owner: UserId,
    token_version: u32,
    hash: &PasswordHash,
    at: Timestamp,
) -> UpdateStatement {
    let mut update = Query::update();
    update
        .table(Entity)
        .value(Column::PasswordHash, hash.expose())
        .value(Column::TokenVersion, Column::TokenVersion.into_expr().add(1_i64))
        .value(Column::UpdatedAt, at)
        .cond_where(at_version(owner, token_version))
        .returning(Query::returning().columns(Column::iter()));
    update
}

pub(super) fn delete_codes(owner: UserId) -> DeleteStatement {
    let mut delete = Query::delete();
    delete.from_table(one_time_code::Entity).and_where(one_time_code::Column::UserId.eq(owner.as_uuid()));
    delete
}

pub(super) fn delete_api_tokens(owner: UserId) -> DeleteStatement {
    let mut delete = Query::delete();
    delete.from_table(api_token::Entity).and_where(api_token::Column::UserId.eq(owner.as_uuid()));
    delete
}

/// Deletes a user who is at this token version. The user's other rows are deleted by cascade.
pub(super) fn delete(owner: UserId, token_version: u32) -> DeleteStatement {
    let mut delete = Query::delete();
    delete.from_table(Entity).cond_where(at_version(owner, token_version));
    delete
}

/// Links the account to a user, who may be inserted later in the transaction (deferred foreign key). Inserts nothing if
/// the account is linked already.
pub(super) fn insert_external(owner: UserId, account: &ExternalAccount, at: DateTime<Utc>) -> InsertStatement {
    let mut insert = insert_into_external_accounts();
    insert.values_panic([
        account.issuer().into(),
        account.subject().into(),
        owner.as_uuid().into(),
        Timestamp::from(at).into(),
    ]);
    insert
}

/// Links the account to a user in an active session. Inserts nothing if the session is not active, the account is
/// linked already, or the user has an account of the same issuer.
pub(super) fn link(
    owner: UserId,
    session: SessionId,
    account: &ExternalAccount,
    at: Timestamp,
) -> Result<InsertStatement, StorageError> {
    let mut select = lock_session(owner, session, at);
    select.exprs([
        Expr::val(account.issuer()),
        Expr::val(account.subject()),
        Expr::col((Entity, Column::Id)),
        Expr::val(at),
    ]);
    let mut insert = insert_into_external_accounts();
    insert.select_from(select).map_err(|error| StorageError::Other(error.into()))?;
    Ok(insert)
}

/// Selects one row if the session is active, with the owner's id if the account is linked to the owner.
pub(super) fn linked(owner: UserId, session: SessionId, account: &ExternalAccount, now: Timestamp) -> SelectStatement {
    use external_account::{Column, Entity};
    let linked_account = Condition::all()
        .add(Column::UserId.eq(owner.as_uuid()))
        .add(Column::Issuer.eq(account.issuer()))
        .add(Column::Subject.eq(account.subject()));
    let mut select = Query::select();
    select
        .column((Entity, Column::UserId))
        .from(session::Entity)
        .left_join(Entity, linked_account)
        .cond_where(is_active(owner, session, now));
    select
}

fn insert_into_external_accounts() -> InsertStatement {
    use external_account::{Column, Entity};
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([Column::Issuer, Column::Subject, Column::UserId, Column::CreatedAt])
        .on_conflict(OnConflict::new().do_nothing().to_owned());
    insert
}

fn at_version(owner: UserId, token_version: u32) -> Condition {
    Condition::all().add(Column::Id.eq(owner.as_uuid())).add(Column::TokenVersion.eq(i64::from(token_version)))
}

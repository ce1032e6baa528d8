//! The statements on sessions, their refresh tokens and codes. Each of them is filtered by the owner; that of
//! [`select_status`] by its callers.
//!
//! Sessions, API tokens, codes and links are inserted from a SELECT … FOR SHARE of their user, which serializes the
//! insert with a change of the user's password. Lock order: the user, then the session, then the rows that refer to it,
//! which is also the order of the cascade when a user is deleted. (SQLite has a single writer and no row locks.)

use domain::id::{SessionId, UserId};
use domain::secret::SecretHash;
use domain::session::{Client, NewCode, NewSession, SessionStatus};
use domain::storage::StorageError;
use sea_orm::sea_query::{DeleteStatement, Expr, InsertStatement, LockType, Query, SelectStatement, UpdateStatement};
use sea_orm::{ColumnTrait as _, Condition, ExprTrait as _};
use uuid::Uuid;

use crate::database::Row;
use crate::entity::{Timestamp, one_time_code, refresh_token, session, user};
use crate::error::corrupt;

/// Matches the session unless it has expired.
pub(crate) fn is_active(owner: UserId, id: SessionId, now: Timestamp) -> Condition {
    Condition::all()
        .add(session::Column::UserId.eq(owner.as_uuid()))
        .add(session::Column::Id.eq(id.as_uuid()))
        .add(session::Column::ExpiresAt.gt(now))
}

/// Selects the user with a share lock, which delays a change of the password and the deletion of the user until the
/// transaction ends.
pub(crate) fn lock_user(owner: UserId) -> SelectStatement {
    let mut select = Query::select();
    select.from(user::Entity).and_where(user::Column::Id.eq(owner.as_uuid())).lock(LockType::Share);
    select
}

/// Selects the user of an active session with a share lock on both. (Rows are locked in the order of the tables.)
pub(crate) fn lock_session(owner: UserId, id: SessionId, now: Timestamp) -> SelectStatement {
    let mut select = lock_user(owner);
    select.inner_join(session::Entity, of_user()).cond_where(is_active(owner, id, now));
    select
}

/// Selects the status of sessions, as [`read_status`] reads it.
pub(crate) fn select_status() -> SelectStatement {
    use session::Column;
    let columns = [Column::Id, Column::CreatedAt, Column::LastUsedAt, Column::ExpiresAt];
    let mut select = Query::select();
    select
        .columns(columns.map(|column| (session::Entity, column)))
        .column((user::Entity, user::Column::TokenVersion))
        .from(session::Entity)
        .inner_join(user::Entity, of_user());
    select
}

/// Reads the status of a session with its id.
pub(crate) fn read_status(row: &Row<'_>) -> Result<(SessionId, SessionStatus), StorageError> {
    let time = |index| row.get::<Timestamp>(index).map(Into::into);
    let status = SessionStatus {
        token_version: u32::try_from(row.get::<i64>(4)?).map_err(corrupt)?,
        created_at: time(1)?,
        last_used_at: time(2)?,
        expires_at: time(3)?,
    };
    Ok((row.get::<Uuid>(0)?.into(), status))
}

/// The join condition of users and sessions.
pub(crate) fn of_user() -> Expr {
    Expr::col((user::Entity, user::Column::Id)).equals((session::Entity, session::Column::UserId))
}

/// Inserts nothing if the user is not at that token version.
pub(super) fn insert(owner: UserId, new: &NewSession) -> Result<InsertStatement, StorageError> {
    use session::Column;
    let at = Timestamp::from(new.at);
    let (device, peer) = client_columns(&new.client);
    let mut select = lock_user(owner);
    select.and_where(user::Column::TokenVersion.eq(i64::from(new.token_version))).exprs([
        Expr::val(new.id.as_uuid()),
        Expr::col((user::Entity, user::Column::Id)),
        Expr::val(at),
        Expr::val(at),
        Expr::val(Timestamp::from(new.expires_at)),
        Expr::val(device),
        Expr::val(peer),
    ]);
    let mut insert = Query::insert();
    insert
        .into_table(session::Entity)
        .columns([
            Column::Id,
            Column::UserId,
            Column::CreatedAt,
            Column::LastUsedAt,
            Column::ExpiresAt,
            Column::Device,
            Column::Peer,
        ])
        .select_from(select)
        .map_err(|error| StorageError::Other(error.into()))?;
    Ok(insert)
}

pub(super) fn insert_token(owner: UserId, session: SessionId, hash: &SecretHash, at: Timestamp) -> InsertStatement {
    let mut insert = Query::insert();
    insert
        .into_table(refresh_token::Entity)
        .columns([
            refresh_token::Column::Hash,
            refresh_token::Column::UserId,
            refresh_token::Column::SessionId,
            refresh_token::Column::CreatedAt,
        ])
        .values_panic([hash.as_bytes().to_vec().into(), owner.as_uuid().into(), session.as_uuid().into(), at.into()]);
    insert
}

/// Matches the refresh tokens of a session.
pub(super) fn tokens_of(owner: UserId, session: SessionId) -> Condition {
    Condition::all()
        .add(refresh_token::Column::UserId.eq(owner.as_uuid()))
        .add(refresh_token::Column::SessionId.eq(session.as_uuid()))
}

/// Selects hash and time of replacement of the refresh token `hash`, and of the session's current one, which has no such
/// time.
pub(super) fn select_tokens(owner: UserId, session: SessionId, hash: &SecretHash) -> SelectStatement {
    use refresh_token::{Column, Entity};
    let mut select = Query::select();
    select
        .columns([Column::Hash, Column::SpentAt])
        .from(Entity)
        .cond_where(tokens_of(owner, session))
        .cond_where(Condition::any().add(Column::Hash.eq(hash.as_bytes().to_vec())).add(Column::SpentAt.is_null()));
    select
}

/// Inserts nothing if the user does not exist, or the session is not active.
pub(super) fn insert_code(owner: UserId, code: &NewCode) -> Result<InsertStatement, StorageError> {
    use one_time_code::Column;
    let at = Timestamp::from(code.at);
    let mut select = code.session.map_or_else(|| lock_user(owner), |session| lock_session(owner, session, at));
    select.exprs([
        Expr::val(code.hash.as_bytes().to_vec()),
        Expr::val(code.purpose.as_str()),
        Expr::col((user::Entity, user::Column::Id)),
        Expr::val(code.session.map(SessionId::as_uuid)),
        Expr::val(at),
        Expr::val(Timestamp::from(code.expires_at)),
    ]);
    let mut insert = Query::insert();
    insert
        .into_table(one_time_code::Entity)
        .columns([
            Column::Hash,
            Column::Purpose,
            Column::UserId,
            Column::SessionId,
            Column::CreatedAt,
            Column::ExpiresAt,
        ])
        .select_from(select)
        .map_err(|error| StorageError::Other(error.into()))?;
    Ok(insert)
}

/// Records the use of a session, which the caller selects.
pub(super) fn record_use(client: &Client, at: Timestamp) -> UpdateStatement {
    let (device, peer) = client_columns(client);
    let mut update = Query::update();
    update
        .table(session::Entity)
        .value(session::Column::LastUsedAt, at)
        .value(session::Column::Device, device)
        .value(session::Column::Peer, peer);
    update
}

/// Deletes every session of the owner. Refresh tokens and codes are deleted by cascade.
pub(crate) fn delete_all(owner: UserId) -> DeleteStatement {
    let mut delete = Query::delete();
    delete.from_table(session::Entity).and_where(session::Column::UserId.eq(owner.as_uuid()));
    delete
}

/// The columns `device` and `peer`.
fn client_columns(client: &Client) -> (Option<&str>, Option<String>) {
    (client.device.as_ref().map(domain::session::Device::as_str), client.peer.map(|peer| peer.to_string()))
}

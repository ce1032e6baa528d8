//! The statements about sessions, their refresh tokens and their codes. Each of them has the owner in it.
//!
//! Whatever is begun in somebody's name is inserted out of a SELECT that finds them and holds them, so that it comes
//! before or after all of a change of their password, and never in between. What is held is the user first, then the
//! session, then what hangs on it: the order in which rows are deleted with the user, so that no two transactions wait
//! for each other. (SQLite has one writer at a time, and no locks of rows.)

use domain::id::{SessionId, UserId};
use domain::secret::SecretHash;
use domain::session::{Client, NewCode, NewSession};
use domain::storage::StorageError;
use sea_orm::sea_query::{DeleteStatement, Expr, InsertStatement, LockType, Query, SelectStatement, UpdateStatement};
use sea_orm::{ColumnTrait as _, Condition, ExprTrait as _};

use crate::entity::{Timestamp, one_time_code, refresh_token, session, user};

/// The session, unless it has ended.
pub(crate) fn alive(owner: UserId, id: SessionId, now: Timestamp) -> Condition {
    Condition::all()
        .add(session::Column::UserId.eq(owner.as_uuid()))
        .add(session::Column::Id.eq(id.as_uuid()))
        .add(session::Column::ExpiresAt.gt(now))
}

/// Finds the user and holds them: nobody changes their password, or deletes them, until the transaction is over.
pub(crate) fn hold_user(owner: UserId) -> SelectStatement {
    let mut select = Query::select();
    select.from(user::Entity).and_where(user::Column::Id.eq(owner.as_uuid())).lock(LockType::Share);
    select
}

/// Finds the user in a session that has not ended, and holds both. (Rows are locked in the order of the tables.)
pub(crate) fn hold_session(owner: UserId, id: SessionId, now: Timestamp) -> SelectStatement {
    let mut select = hold_user(owner);
    select.inner_join(session::Entity, of_user()).cond_where(alive(owner, id, now));
    select
}

/// How sessions and users are joined.
pub(crate) fn of_user() -> Expr {
    Expr::col((user::Entity, user::Column::Id)).equals((session::Entity, session::Column::UserId))
}

/// Inserts nothing if there is no such user at that token version.
pub(super) fn insert(owner: UserId, new: &NewSession) -> Result<InsertStatement, StorageError> {
    use session::Column;
    let at = Timestamp::from(new.at);
    let (device, peer) = columns(&new.client);
    let mut select = hold_user(owner);
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

/// Inserts nothing if there is no such user, or no such session that has not ended.
pub(super) fn insert_code(owner: UserId, code: &NewCode) -> Result<InsertStatement, StorageError> {
    use one_time_code::Column;
    let at = Timestamp::from(code.at);
    let mut select = code.session.map_or_else(|| hold_user(owner), |session| hold_session(owner, session, at));
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

/// Notes that the session was used, of whatever session its caller names.
pub(super) fn note_use(client: &Client, at: Timestamp) -> UpdateStatement {
    let (device, peer) = columns(client);
    let mut update = Query::update();
    update
        .table(session::Entity)
        .value(session::Column::LastUsedAt, at)
        .value(session::Column::Device, device)
        .value(session::Column::Peer, peer);
    update
}

/// Deletes every session of the owner, with what hangs on it.
pub(crate) fn delete_all(owner: UserId) -> DeleteStatement {
    let mut delete = Query::delete();
    delete.from_table(session::Entity).and_where(session::Column::UserId.eq(owner.as_uuid()));
    delete
}

/// The columns of who uses a session.
fn columns(client: &Client) -> (Option<&str>, Option<String>) {
    (client.device.as_ref().map(domain::session::Device::as_str), client.peer.map(|peer| peer.to_string()))
}

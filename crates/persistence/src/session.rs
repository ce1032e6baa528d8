//! Sessions, their refresh tokens, and one-time codes.

mod statements;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::id::{SessionId, UserId};
use domain::page::{Page, PageRequest};
use domain::secret::SecretHash;
use domain::session::{
    Client, Device, NewCode, NewSession, Rotation, Session, SessionRepo, SessionRepoError, SessionStatus,
};
use domain::storage::StorageError;
use sea_orm::sea_query::{LockType, Query};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use crate::database::Database;
use crate::entity::session::{Column, Entity, Model};
use crate::entity::{Timestamp, refresh_token, user};
use crate::error::{corrupt, storage};
use statements::insert_token;

pub(crate) use statements::{delete_all, is_active, lock_session, lock_user, read_status, select_status};

/// [`SessionRepo`] on SeaORM.
#[derive(Clone)]
pub struct SeaSessionRepo {
    database: Database,
}

impl SeaSessionRepo {
    /// Creates the repository on `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

/// Inserts a session with its first refresh token. Returns `false` if the user is not at that token version.
pub(crate) async fn insert<C: ConnectionTrait>(
    transaction: &C,
    owner: UserId,
    new: &NewSession,
) -> Result<bool, StorageError> {
    let inserted = transaction.execute(&statements::insert(owner, new)?).await.map_err(storage)?;
    if inserted.rows_affected() == 0 {
        return Ok(false);
    }
    let token = insert_token(owner, new.id, &new.refresh, new.at.into());
    transaction.execute(&token).await.map_err(storage)?;
    Ok(true)
}

/// Reads when `spent` was replaced, if it is a replaced token of the session, and the session's current token.
async fn read_tokens<C: ConnectionTrait>(
    transaction: &C,
    owner: UserId,
    id: SessionId,
    spent: &SecretHash,
) -> Result<(Option<Timestamp>, Option<SecretHash>), StorageError> {
    let rows = transaction.query_all(&statements::select_tokens(owner, id, spent)).await.map_err(storage)?;
    let (mut spent_at, mut current) = (None, None);
    for row in rows {
        if let Some(time) = row.try_get_by_index(1).map_err(storage)? {
            spent_at = Some(time);
            continue;
        }
        let hash: Vec<u8> = row.try_get_by_index(0).map_err(storage)?;
        let digest = hash.try_into().map_err(|_hash| corrupt("the hash of a token has another length"))?;
        current = Some(SecretHash::new(digest));
    }
    Ok((spent_at, current))
}

#[async_trait]
impl SessionRepo for SeaSessionRepo {
    async fn create(&self, owner: UserId, new: NewSession) -> Result<Session, SessionRepoError> {
        let transaction = self.database.begin().await?;
        if !insert(&transaction, owner, &new).await? {
            return transaction.abort(SessionRepoError::NotFound).await;
        }
        transaction.commit().await.map_err(storage)?;
        let (at, expires_at) = (Timestamp::from(new.at).into(), Timestamp::from(new.expires_at).into());
        Ok(Session { id: new.id, user_id: owner, client: new.client, created_at: at, last_used_at: at, expires_at })
    }

    async fn status(
        &self,
        owner: UserId,
        id: SessionId,
        now: DateTime<Utc>,
    ) -> Result<SessionStatus, SessionRepoError> {
        let mut select = select_status();
        select.cond_where(is_active(owner, id, now.into()));
        let found = self.database.read(&select, |row| Ok(read_status(row)?.1)).await?;
        found.into_iter().next().ok_or(SessionRepoError::NotFound)
    }

    async fn touch(
        &self,
        owner: UserId,
        id: SessionId,
        client: Client,
        at: DateTime<Utc>,
    ) -> Result<(), SessionRepoError> {
        let at = Timestamp::from(at);
        let mut update = statements::record_use(&client, at);
        update
            .and_where(Column::UserId.eq(owner.as_uuid()))
            .and_where(Column::Id.eq(id.as_uuid()))
            .and_where(Column::LastUsedAt.lt(at));
        self.database.writer().await?.execute(&update).await.map_err(storage)?;
        Ok(())
    }

    async fn list(
        &self,
        owner: UserId,
        page: PageRequest<SessionId>,
        now: DateTime<Utc>,
    ) -> Result<Page<Session, SessionId>, SessionRepoError> {
        let PageRequest { limit, after } = page;
        let mut select = Entity::find()
            .filter(Column::UserId.eq(owner.as_uuid()))
            .filter(Column::ExpiresAt.gt(Timestamp::from(now)))
            .order_by_desc(Column::Id)
            .limit(u64::from(limit.get()) + 1);
        if let Some(last) = after {
            select = select.filter(Column::Id.lt(last.as_uuid()));
        }
        let reader = self.database.reader().await?;
        let rows = select.all(&reader).await.map_err(storage)?;
        let sessions = rows.into_iter().map(Session::try_from).collect::<Result<_, _>>()?;
        Ok(Page::from_surplus(sessions, limit, |last: &Session| last.id))
    }

    async fn rotate(&self, owner: UserId, id: SessionId, rotation: Rotation) -> Result<SecretHash, SessionRepoError> {
        let Rotation { spent, next, client, at, replaced_since, expires_at } = rotation;
        let at = Timestamp::from(at);
        // The session is updated first: its row lock serializes concurrent rotations, so that the second one finds the
        // token spent.
        let mut extend = statements::record_use(&client, at);
        extend.value(Column::ExpiresAt, Timestamp::from(expires_at)).cond_where(is_active(owner, id, at));
        let mut spend = Query::update();
        spend
            .table(refresh_token::Entity)
            .value(refresh_token::Column::SpentAt, at)
            .cond_where(statements::tokens_of(owner, id))
            .and_where(refresh_token::Column::Hash.eq(spent.as_bytes().to_vec()))
            .and_where(refresh_token::Column::SpentAt.is_null());

        let transaction = self.database.begin().await?;
        if transaction.execute(&extend).await.map_err(storage)?.rows_affected() == 0 {
            return transaction.abort(SessionRepoError::NotFound).await;
        }
        if transaction.execute(&spend).await.map_err(storage)?.rows_affected() == 0 {
            let (spent_at, current) = read_tokens(&transaction, owner, id, &spent).await?;
            return match (spent_at, current) {
                (Some(spent_at), Some(current)) if spent_at >= Timestamp::from(replaced_since) => {
                    transaction.commit().await.map_err(storage)?;
                    Ok(current)
                }
                (Some(_), _) => transaction.abort(SessionRepoError::Reused).await,
                (None, _) => transaction.abort(SessionRepoError::NotFound).await,
            };
        }
        transaction.execute(&insert_token(owner, id, &next, at)).await.map_err(storage)?;
        transaction.commit().await.map_err(storage)?;
        Ok(next)
    }

    async fn end(&self, owner: UserId, id: SessionId) -> Result<(), SessionRepoError> {
        let mut delete = delete_all(owner);
        delete.and_where(Column::Id.eq(id.as_uuid()));
        let deleted = self.database.writer().await?.execute(&delete).await.map_err(storage)?;
        if deleted.rows_affected() == 0 { Err(SessionRepoError::NotFound) } else { Ok(()) }
    }

    async fn end_all(&self, owner: UserId) -> Result<(), SessionRepoError> {
        // The lock of the user's row serializes this with itself, because concurrent deletions could lock the sessions
        // in different orders, and with the creation of sessions, so that none survives.
        let mut lock = lock_user(owner);
        lock.column((user::Entity, user::Column::Id)).lock(LockType::NoKeyUpdate);
        let transaction = self.database.begin().await?;
        transaction.query_one(&lock).await.map_err(storage)?;
        transaction.execute(&delete_all(owner)).await.map_err(storage)?;
        Ok(transaction.commit().await.map_err(storage)?)
    }

    async fn create_code(&self, owner: UserId, code: NewCode) -> Result<(), SessionRepoError> {
        let insert = statements::insert_code(owner, &code)?;
        let inserted = self.database.writer().await?.execute(&insert).await.map_err(storage)?;
        if inserted.rows_affected() == 0 { Err(SessionRepoError::NotFound) } else { Ok(()) }
    }
}

impl TryFrom<Model> for Session {
    type Error = StorageError;
    fn try_from(row: Model) -> Result<Self, StorageError> {
        let device = |name: String| Device::new(&name).ok_or("device has no name").map_err(corrupt);
        Ok(Self {
            id: row.id.into(),
            user_id: row.user_id.into(),
            client: Client {
                device: row.device.map(device).transpose()?,
                peer: row.peer.map(|peer| peer.parse()).transpose().map_err(corrupt)?,
            },
            created_at: row.created_at.into(),
            last_used_at: row.last_used_at.into(),
            expires_at: row.expires_at.into(),
        })
    }
}

//! Sessions and their refresh tokens.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::id::{SessionId, UserId};
use domain::session::{NewSession, RefreshTokenHash, Rotation, Session, SessionRepo, SessionRepoError};
use sea_orm::sea_query::{Expr, InsertStatement, Query};
use sea_orm::{ColumnTrait as _, Condition, ConnectionTrait as _, ExprTrait as _};

use crate::Database;
use crate::entity::Timestamp;
use crate::entity::{refresh_token, session, user};
use crate::error::{corrupt, storage};

/// [`SessionRepo`] on SeaORM.
#[derive(Clone)]
pub struct SeaSessionRepo {
    database: Database,
}

impl SeaSessionRepo {
    /// Sessions in `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl SessionRepo for SeaSessionRepo {
    async fn create(&self, owner: UserId, new: NewSession) -> Result<Session, SessionRepoError> {
        let NewSession { id, refresh, at, expires_at } = new;
        let (at, expires_at) = (Timestamp::from(at), Timestamp::from(expires_at));
        let mut insert = Query::insert();
        insert
            .into_table(session::Entity)
            .columns([
                session::Column::Id,
                session::Column::UserId,
                session::Column::CreatedAt,
                session::Column::LastUsedAt,
                session::Column::ExpiresAt,
            ])
            .values_panic([id.as_uuid().into(), owner.as_uuid().into(), at.into(), at.into(), expires_at.into()]);
        let transaction = self.database.begin().await?;
        transaction.execute(&insert).await.map_err(storage)?;
        transaction.execute(&insert_token(owner, id, &refresh, at)).await.map_err(storage)?;
        transaction.commit().await.map_err(storage)?;
        let (at, expires_at) = (at.into(), expires_at.into());
        Ok(Session { id, user_id: owner, created_at: at, last_used_at: at, expires_at })
    }

    async fn token_version(&self, owner: UserId, id: SessionId, now: DateTime<Utc>) -> Result<u32, SessionRepoError> {
        let mut select = Query::select();
        select
            .column((user::Entity, user::Column::TokenVersion))
            .from(session::Entity)
            .inner_join(
                user::Entity,
                Expr::col((user::Entity, user::Column::Id)).equals((session::Entity, session::Column::UserId)),
            )
            .cond_where(alive(owner, id, now.into()));
        let reader = self.database.reader().await?;
        let row = reader.query_one(&select).await.map_err(storage)?.ok_or(SessionRepoError::NotFound)?;
        let version: i64 = row.try_get_by_index(0).map_err(storage)?;
        Ok(u32::try_from(version).map_err(corrupt)?)
    }

    async fn rotate(&self, owner: UserId, id: SessionId, rotation: Rotation) -> Result<(), SessionRepoError> {
        let Rotation { spent, next, at, expires_at } = rotation;
        let at = Timestamp::from(at);
        // The session comes first, so that of two calls the second waits here, and finds the token spent.
        let mut prolong = Query::update();
        prolong
            .table(session::Entity)
            .value(session::Column::LastUsedAt, at)
            .value(session::Column::ExpiresAt, Timestamp::from(expires_at))
            .cond_where(alive(owner, id, at));
        let token = Condition::all()
            .add(refresh_token::Column::UserId.eq(owner.as_uuid()))
            .add(refresh_token::Column::SessionId.eq(id.as_uuid()))
            .add(refresh_token::Column::Hash.eq(spent.as_bytes().to_vec()));
        let mut spend = Query::update();
        spend
            .table(refresh_token::Entity)
            .value(refresh_token::Column::SpentAt, at)
            .cond_where(token.clone())
            .and_where(refresh_token::Column::SpentAt.is_null());

        let transaction = self.database.begin().await?;
        if transaction.execute(&prolong).await.map_err(storage)?.rows_affected() == 0 {
            return Err(SessionRepoError::NotFound);
        }
        if transaction.execute(&spend).await.map_err(storage)?.rows_affected() == 0 {
            let mut exists = Query::select();
            exists.column(refresh_token::Column::SessionId).from(refresh_token::Entity).cond_where(token);
            let there = transaction.query_one(&exists).await.map_err(storage)?;
            return Err(if there.is_some() { SessionRepoError::Reused } else { SessionRepoError::NotFound });
        }
        transaction.execute(&insert_token(owner, id, &next, at)).await.map_err(storage)?;
        Ok(transaction.commit().await.map_err(storage)?)
    }

    async fn end(&self, owner: UserId, id: SessionId) -> Result<(), SessionRepoError> {
        let mut delete = Query::delete();
        delete
            .from_table(session::Entity)
            .and_where(session::Column::UserId.eq(owner.as_uuid()))
            .and_where(session::Column::Id.eq(id.as_uuid()));
        self.database.writer().await?.execute(&delete).await.map_err(storage)?;
        Ok(())
    }
}

/// The session, unless it has ended.
fn alive(owner: UserId, id: SessionId, now: Timestamp) -> Condition {
    Condition::all()
        .add(session::Column::UserId.eq(owner.as_uuid()))
        .add(session::Column::Id.eq(id.as_uuid()))
        .add(session::Column::ExpiresAt.gt(now))
}

fn insert_token(owner: UserId, session: SessionId, hash: &RefreshTokenHash, at: Timestamp) -> InsertStatement {
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

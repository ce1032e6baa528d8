//! The look-ups and the upkeep without an owner.
//!
//! This file, and the part of `turn` that it calls, are the only places whose statements may lack an owner.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::session::RefreshTokenHash;
use domain::storage::StorageError;
use domain::system::{Credentials, RefreshTokenOwner, SystemRepo};
use domain::text::Folded;
use domain::turn::{FailureCode, InstanceId};
use domain::user::{PasswordHash, User};
use sea_orm::sea_query::{Expr, LockBehavior, LockType, Query, SelectStatement};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DbErr, EntityTrait as _, ExprTrait as _, Order,
    QueryFilter as _, QueryResult,
};
use uuid::Uuid;

use crate::Database;
use crate::entity::{Timestamp, refresh_token, session, turn, user};
use crate::error::storage;
use crate::turn::{Abandoned, fail, is_running};

/// [`SystemRepo`] on SeaORM.
#[derive(Clone)]
pub struct SeaSystemRepo {
    database: Database,
}

impl SeaSystemRepo {
    /// What is in `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Marks the turns that `which` selects, and their messages, as failed.
    async fn fail_turns(
        &self,
        which: SelectStatement,
        code: FailureCode,
        now: DateTime<Utc>,
    ) -> Result<u64, StorageError> {
        let which = Condition::all().add(turn::Column::Id.in_subquery(which));
        let transaction = self.database.begin().await?;
        let count = fail(&transaction, Abandoned { which, code }, now.into()).await.map_err(storage)?;
        transaction.commit().await.map_err(storage)?;
        Ok(count)
    }
}

#[async_trait]
impl SystemRepo for SeaSystemRepo {
    async fn credentials_by_email(&self, email: &Folded) -> Result<Option<Credentials>, StorageError> {
        let reader = self.database.reader().await?;
        let found = user::Entity::find().filter(user::Column::EmailFolded.eq(email.as_str()));
        let Some(mut row) = found.one(&reader).await.map_err(storage)? else { return Ok(None) };
        let password_hash = row.password_hash.take().map(PasswordHash::new);
        Ok(Some(Credentials { user: User::try_from(row)?, password_hash }))
    }

    async fn session_by_refresh_token(
        &self,
        token: &RefreshTokenHash,
    ) -> Result<Option<RefreshTokenOwner>, StorageError> {
        let same = |token: refresh_token::Column, session: session::Column| {
            Expr::col((refresh_token::Entity, token)).equals((session::Entity, session))
        };
        let mut select = Query::select();
        select
            .columns([
                (session::Entity, session::Column::UserId),
                (session::Entity, session::Column::Id),
                (session::Entity, session::Column::ExpiresAt),
            ])
            .from(refresh_token::Entity)
            .inner_join(
                session::Entity,
                Condition::all()
                    .add(same(refresh_token::Column::UserId, session::Column::UserId))
                    .add(same(refresh_token::Column::SessionId, session::Column::Id)),
            )
            .and_where(refresh_token::Column::Hash.eq(token.as_bytes().to_vec()));
        let reader = self.database.reader().await?;
        let row = reader.query_one(&select).await.map_err(storage)?;
        row.map(|row| token_owner(&row)).transpose().map_err(storage)
    }

    async fn fail_turns_of(&self, instance: &InstanceId, now: DateTime<Utc>) -> Result<u64, StorageError> {
        let mut turns = abandoned(turn::Column::Instance.eq(instance.as_str()));
        // In one order always, so that two that start by the same name do not wait for each other.
        turns.order_by(turn::Column::Id, Order::Asc).lock(LockType::Update);
        self.fail_turns(turns, FailureCode::InstanceRestarted, now).await
    }

    async fn fail_expired_turns(&self, now: DateTime<Utc>) -> Result<u64, StorageError> {
        let mut turns = abandoned(turn::Column::LeaseUntil.lte(Timestamp::from(now)));
        // Not waited for: whoever holds such a turn ends it, or lets it go on. It may be another instance at the same.
        turns.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        self.fail_turns(turns, FailureCode::LeaseExpired, now).await
    }

    async fn delete_expired_sessions(&self, now: DateTime<Utc>) -> Result<u64, StorageError> {
        let mut delete = Query::delete();
        delete.from_table(session::Entity).and_where(session::Column::ExpiresAt.lte(Timestamp::from(now)));
        let writer = self.database.writer().await?;
        Ok(writer.execute(&delete).await.map_err(storage)?.rows_affected())
    }
}

/// The running turns of which `which` is true, to be locked before they are changed. (SQLite has one writer at a time,
/// and no locks of rows.)
fn abandoned(which: Expr) -> SelectStatement {
    let mut select = Query::select();
    select.column(turn::Column::Id).from(turn::Entity).and_where(which).and_where(is_running());
    select
}

fn token_owner(row: &QueryResult) -> Result<RefreshTokenOwner, DbErr> {
    let (user, session): (Uuid, Uuid) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    let expires_at: Timestamp = row.try_get_by_index(2)?;
    Ok(RefreshTokenOwner { user: user.into(), session: session.into(), expires_at: expires_at.into() })
}

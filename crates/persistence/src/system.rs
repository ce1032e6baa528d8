//! Look-ups and upkeep without an owner.
//!
//! Only the statements of this module and of [`fail`] may lack a filter by owner.

mod by_ids;
mod upkeep;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::api_token::ApiTokenStatus;
use domain::change::Seq;
use domain::conversation::turn::{FailureCode, InstanceId, TurnProgress};
use domain::id::{SessionId, TurnId, UserId};
use domain::secret::SecretHash;
use domain::session::{CodeOwner, CodePurpose, SessionStatus};
use domain::storage::StorageError;
use domain::system::{RefreshTokenOwner, SystemRepo};
use domain::text::NormalizedText;
use domain::user::{Credentials, ExternalAccount, User};
use sea_orm::sea_query::{DeleteStatement, Expr, LockBehavior, LockType, OnConflict, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait as _, DbErr, EntityTrait, ExprTrait as _, FromQueryResult as _,
    Iterable as _, Order, QueryFilter as _, QueryResult,
};
use uuid::Uuid;

use crate::api_token::scopes;
use crate::database::Database;
use crate::entity::{
    Timestamp, api_token, external_account, one_time_code, refresh_token, session, spent_state, turn, user,
};
use crate::error::storage;
use crate::idempotency;
use crate::session::read_status;
use crate::turn::{AbandonedTurns, fail, is_running};

/// [`SystemRepo`] on SeaORM.
#[derive(Clone)]
pub struct SeaSystemRepo {
    database: Database,
}

impl SeaSystemRepo {
    /// Creates the repository on `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Marks the selected turns, and their messages, as failed.
    async fn fail_turns(
        &self,
        turns: SelectStatement,
        code: FailureCode,
        now: DateTime<Utc>,
    ) -> Result<u64, StorageError> {
        let filter = Condition::all().add(turn::Column::Id.in_subquery(turns));
        let transaction = self.database.begin().await?;
        let count = fail(&transaction, AbandonedTurns { filter, code }, now.into()).await.map_err(storage)?;
        transaction.commit().await.map_err(storage)?;
        Ok(count)
    }
}

#[async_trait]
impl SystemRepo for SeaSystemRepo {
    async fn credentials_by_email(&self, email: &NormalizedText) -> Result<Option<Credentials>, StorageError> {
        let reader = self.database.reader().await?;
        let found = user::Entity::find().filter(user::Column::EmailFolded.eq(email.as_str()));
        found.one(&reader).await.map_err(storage)?.map(Credentials::try_from).transpose()
    }

    async fn session_by_refresh_token(&self, token: &SecretHash) -> Result<Option<RefreshTokenOwner>, StorageError> {
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

    async fn user_by_external_account(&self, account: &ExternalAccount) -> Result<Option<User>, StorageError> {
        let same = Expr::col((external_account::Entity, external_account::Column::UserId))
            .equals((user::Entity, user::Column::Id));
        let mut select = Query::select();
        select
            .columns(user::Column::iter().map(|column| (user::Entity, column)))
            .from(external_account::Entity)
            .inner_join(user::Entity, same)
            .and_where(external_account::Column::Issuer.eq(account.issuer()))
            .and_where(external_account::Column::Subject.eq(account.subject()));
        let reader = self.database.reader().await?;
        let Some(row) = reader.query_one(&select).await.map_err(storage)? else { return Ok(None) };
        User::try_from(user::Model::from_query_result(&row, "").map_err(storage)?).map(Some)
    }

    async fn api_token(&self, token: &SecretHash) -> Result<Option<ApiTokenStatus>, StorageError> {
        let reader = self.database.reader().await?;
        let found = api_token::Entity::find().filter(api_token::Column::Hash.eq(token.as_bytes().to_vec()));
        let Some(row) = found.one(&reader).await.map_err(storage)? else { return Ok(None) };
        Ok(Some(ApiTokenStatus {
            id: row.id.into(),
            user: row.user_id.into(),
            scopes: scopes(&row.scopes)?,
            last_used_at: row.last_used_at.map(Into::into),
            expires_at: row.expires_at.map(Into::into),
        }))
    }

    async fn redeem_code(
        &self,
        code: &SecretHash,
        purpose: CodePurpose,
        now: DateTime<Utc>,
    ) -> Result<Option<CodeOwner>, StorageError> {
        use one_time_code::{Column, Entity};
        let mut delete = Query::delete();
        delete
            .from_table(Entity)
            .and_where(Column::Hash.eq(code.as_bytes().to_vec()))
            .and_where(Column::Purpose.eq(purpose.as_str()))
            .and_where(Column::ExpiresAt.gt(Timestamp::from(now)))
            .returning(Query::returning().columns([Column::UserId, Column::SessionId]));
        let row = self.database.writer().await?.query_one(&delete).await.map_err(storage)?;
        row.map(|row| code_owner(&row)).transpose().map_err(storage)
    }

    async fn spend_state(&self, state: &SecretHash, expires_at: DateTime<Utc>) -> Result<bool, StorageError> {
        use spent_state::{Column, Entity};
        let mut insert = Query::insert();
        insert
            .into_table(Entity)
            .columns([Column::Hash, Column::ExpiresAt])
            .values_panic([state.as_bytes().to_vec().into(), Timestamp::from(expires_at).into()])
            .on_conflict(OnConflict::column(Column::Hash).do_nothing().to_owned());
        let inserted = self.database.writer().await?.execute(&insert).await.map_err(storage)?;
        Ok(inserted.rows_affected() > 0)
    }

    async fn fail_turns_of(&self, instance: &InstanceId, now: DateTime<Utc>) -> Result<u64, StorageError> {
        let mut turns = running_turns(turn::Column::Instance.eq(instance.as_str()));
        // Locked in the order of ids, so that two processes with the same instance name do not deadlock.
        turns.order_by(turn::Column::Id, Order::Asc).lock(LockType::Update);
        self.fail_turns(turns, FailureCode::InstanceRestarted, now).await
    }

    async fn fail_expired_turns(&self, now: DateTime<Utc>) -> Result<u64, StorageError> {
        let mut turns = running_turns(turn::Column::LeaseUntil.into_expr().lte(self.database.now()));
        // SKIP LOCKED: the holder of the lock ends the turn or renews its lease, or is another instance's upkeep.
        turns.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        self.fail_turns(turns, FailureCode::LeaseExpired, now).await
    }

    async fn users_with_trash(&self, until: DateTime<Utc>) -> Result<Vec<UserId>, StorageError> {
        let reader = self.database.reader().await?;
        let rows = reader.query_all(&upkeep::users_with_trash(until.into())).await.map_err(storage)?;
        rows.iter().map(|row| upkeep::user_id(row).map_err(storage)).collect()
    }

    async fn delete_changes(&self, until: DateTime<Utc>) -> Result<u64, StorageError> {
        upkeep::delete_changes(&self.database, until.into()).await
    }

    async fn change_heads(&self, users: &[UserId]) -> Result<Vec<(UserId, Seq)>, StorageError> {
        let mut heads = Vec::with_capacity(users.len());
        for ids in by_ids::id_lists(users.iter().map(|id| id.as_uuid())) {
            heads.extend(self.database.read(&by_ids::heads(ids), by_ids::read_head).await?);
        }
        Ok(heads)
    }

    async fn turn_progress(&self, turns: &[TurnId]) -> Result<Vec<(TurnId, TurnProgress)>, StorageError> {
        let mut progress = Vec::with_capacity(turns.len());
        for ids in by_ids::id_lists(turns.iter().map(|id| id.as_uuid())) {
            progress.extend(self.database.read(&by_ids::progress(ids), by_ids::read_progress).await?);
        }
        Ok(progress)
    }

    async fn session_statuses(
        &self,
        sessions: &[SessionId],
        now: DateTime<Utc>,
    ) -> Result<Vec<(SessionId, SessionStatus)>, StorageError> {
        let mut statuses = Vec::with_capacity(sessions.len());
        for ids in by_ids::id_lists(sessions.iter().map(|id| id.as_uuid())) {
            statuses.extend(self.database.read(&by_ids::statuses(ids, now.into()), read_status).await?);
        }
        Ok(statuses)
    }

    async fn touch_sessions(&self, sessions: &[SessionId], at: DateTime<Utc>) -> Result<(), StorageError> {
        for ids in by_ids::id_lists(sessions.iter().map(|id| id.as_uuid())) {
            self.database.writer().await?.execute(&by_ids::touch(ids, at.into())).await.map_err(storage)?;
        }
        Ok(())
    }

    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<u64, StorageError> {
        let mut count = 0;
        for delete in [
            expired(session::Entity, session::Column::Id, session::Column::ExpiresAt, now),
            expired(one_time_code::Entity, one_time_code::Column::Hash, one_time_code::Column::ExpiresAt, now),
            expired(spent_state::Entity, spent_state::Column::Hash, spent_state::Column::ExpiresAt, now),
            idempotency::delete_expired(now),
        ] {
            count += self.database.writer().await?.execute(&delete).await.map_err(storage)?.rows_affected();
        }
        Ok(count)
    }
}

/// Deletes the expired rows of `table`. Skips locked rows, which are being deleted or extended.
fn expired<T: EntityTrait, C: ColumnTrait>(table: T, key: C, expires_at: C, now: DateTime<Utc>) -> DeleteStatement {
    let mut rows = Query::select();
    rows.column(key)
        .from(table)
        .and_where(expires_at.lte(Timestamp::from(now)))
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    let mut delete = Query::delete();
    delete.from_table(table).and_where(key.in_subquery(rows));
    delete
}

/// Selects the running turns that match `filter`; the caller adds a lock. (SQLite has a single writer and no row
/// locks.)
fn running_turns(filter: Expr) -> SelectStatement {
    let mut select = Query::select();
    select.column(turn::Column::Id).from(turn::Entity).and_where(filter).and_where(is_running());
    select
}

fn token_owner(row: &QueryResult) -> Result<RefreshTokenOwner, DbErr> {
    let (user, session): (Uuid, Uuid) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    let expires_at: Timestamp = row.try_get_by_index(2)?;
    Ok(RefreshTokenOwner { user: user.into(), session: session.into(), expires_at: expires_at.into() })
}

fn code_owner(row: &QueryResult) -> Result<CodeOwner, DbErr> {
    let (user, session): (Uuid, Option<Uuid>) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    Ok(CodeOwner { user: user.into(), session: session.map(SessionId::from) })
}

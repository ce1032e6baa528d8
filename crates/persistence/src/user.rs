//! Users and their linked external accounts.

mod statements;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::id::{SessionId, UserId};
use domain::storage::StorageError;
use domain::user::{
    Credentials, ExternalAccount, NewUser, PasswordChange, PasswordHash, TimeZone, User, UserPatch, UserRepo,
    UserRepoError,
};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, FromQueryResult as _, QueryResult};
use uuid::Uuid;

use crate::database::Database;
use crate::entity::Timestamp;
use crate::entity::user::{Entity, Model};
use crate::error::{corrupt, storage};
use crate::session;

/// [`UserRepo`] on SeaORM.
#[derive(Clone)]
pub struct SeaUserRepo {
    database: Database,
}

impl SeaUserRepo {
    /// Creates the repository on `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    async fn find(&self, owner: UserId) -> Result<Model, UserRepoError> {
        let reader = self.database.reader().await?;
        Entity::find_by_id(owner.as_uuid()).one(&reader).await.map_err(storage)?.ok_or(UserRepoError::NotFound)
    }
}

#[async_trait]
impl UserRepo for SeaUserRepo {
    async fn create(&self, user: NewUser) -> Result<User, UserRepoError> {
        let zone = TimeZone::default();
        let writer = self.database.writer().await?;
        if writer.execute(&statements::insert(&user, zone)).await.map_err(storage)?.rows_affected() == 0 {
            return Err(UserRepoError::EmailTaken);
        }
        Ok(created_user(user, zone))
    }

    async fn create_external(&self, user: NewUser, account: ExternalAccount) -> Result<User, UserRepoError> {
        let zone = TimeZone::default();
        let transaction = self.database.begin().await?;
        // The account is inserted first: a concurrent sign-up with the same account, and so with the same address,
        // waits here and fails with the error about the account instead of the address.
        let insert = statements::insert_external(user.id, &account, user.at);
        if transaction.execute(&insert).await.map_err(storage)?.rows_affected() == 0 {
            return transaction.abort(UserRepoError::ExternalAccountTaken).await;
        }
        if transaction.execute(&statements::insert(&user, zone)).await.map_err(storage)?.rows_affected() == 0 {
            return transaction.abort(UserRepoError::EmailTaken).await;
        }
        transaction.commit().await.map_err(storage)?;
        Ok(created_user(user, zone))
    }

    async fn link(
        &self,
        owner: UserId,
        session: SessionId,
        account: ExternalAccount,
        at: DateTime<Utc>,
    ) -> Result<(), UserRepoError> {
        let at = Timestamp::from(at);
        let link = statements::link(owner, session, &account, at)?;
        if self.database.writer().await?.execute(&link).await.map_err(storage)?.rows_affected() > 0 {
            return Ok(());
        }
        let linked = statements::linked(owner, session, &account, at);
        let row = self.database.reader().await?.query_one(&linked).await.map_err(storage)?;
        let linked_to: Option<Uuid> = row.ok_or(UserRepoError::NotFound)?.try_get_by_index(0).map_err(storage)?;
        linked_to.map(|_| ()).ok_or(UserRepoError::ExternalAccountTaken)
    }

    async fn get(&self, owner: UserId) -> Result<User, UserRepoError> {
        Ok(User::try_from(self.find(owner).await?)?)
    }

    async fn credentials(&self, owner: UserId) -> Result<Credentials, UserRepoError> {
        Ok(Credentials::try_from(self.find(owner).await?)?)
    }

    async fn change_password(
        &self,
        owner: UserId,
        change: PasswordChange,
        at: DateTime<Utc>,
    ) -> Result<User, UserRepoError> {
        let PasswordChange { token_version, password_hash, session } = change;
        let update = statements::change_password(owner, token_version, &password_hash, at.into());
        let transaction = self.database.begin().await?;
        // The user is updated first: concurrent inserts in the user's name either wait for this lock, or have committed
        // and are deleted below.
        let Some(row) = transaction.query_one(&update).await.map_err(storage)? else {
            return transaction.abort(UserRepoError::NotFound).await;
        };
        let user = read(&row)?;
        for delete in
            [session::delete_all(owner), statements::delete_codes(owner), statements::delete_api_tokens(owner)]
        {
            transaction.execute(&delete).await.map_err(storage)?;
        }
        if !session::insert(&transaction, owner, &session).await? {
            return transaction.abort(UserRepoError::NotFound).await;
        }
        transaction.commit().await.map_err(storage)?;
        Ok(user)
    }

    async fn delete(&self, owner: UserId, token_version: u32) -> Result<(), UserRepoError> {
        let delete = statements::delete(owner, token_version);
        let deleted = self.database.writer().await?.execute(&delete).await.map_err(storage)?;
        if deleted.rows_affected() == 0 { Err(UserRepoError::NotFound) } else { Ok(()) }
    }

    async fn update(&self, owner: UserId, patch: UserPatch, at: DateTime<Utc>) -> Result<User, UserRepoError> {
        let Some(update) = statements::update(owner, &patch, at.into()) else { return self.get(owner).await };
        let writer = self.database.writer().await?;
        let row = writer.query_one(&update).await.map_err(storage)?.ok_or(UserRepoError::NotFound)?;
        Ok(read(&row)?)
    }
}

fn created_user(user: NewUser, time_zone: TimeZone) -> User {
    let NewUser { id, email, name, at, .. } = user;
    let at = Timestamp::from(at).into();
    User { id, email, name, time_zone, token_version: 0, created_at: at, updated_at: at }
}

fn read(row: &QueryResult) -> Result<User, StorageError> {
    User::try_from(Model::from_query_result(row, "").map_err(storage)?)
}

impl TryFrom<Model> for User {
    type Error = StorageError;
    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            id: row.id.into(),
            email: row.email.parse().map_err(corrupt)?,
            name: row.name.parse().map_err(corrupt)?,
            time_zone: row.time_zone.parse().map_err(corrupt)?,
            token_version: u32::try_from(row.token_version).map_err(corrupt)?,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}

impl TryFrom<Model> for Credentials {
    type Error = StorageError;
    fn try_from(mut row: Model) -> Result<Self, StorageError> {
        let password_hash = row.password_hash.take().map(PasswordHash::new);
        Ok(Self { user: User::try_from(row)?, password_hash })
    }
}

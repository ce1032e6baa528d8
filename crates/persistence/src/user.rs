//! Users.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::id::UserId;
use domain::storage::StorageError;
use domain::user::{NewUser, TimeZone, User, UserPatch, UserRepo, UserRepoError};
use sea_orm::sea_query::{CaseStatement, OnConflict, Query};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, EntityTrait as _, FromQueryResult as _, Iterable as _,
};

use crate::Database;
use crate::entity::Timestamp;
use crate::entity::user::{Column, Entity, Model};
use crate::error::{corrupt, storage};

/// [`UserRepo`] on SeaORM.
#[derive(Clone)]
pub struct SeaUserRepo {
    database: Database,
}

impl SeaUserRepo {
    /// Users in `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl UserRepo for SeaUserRepo {
    async fn create(&self, user: NewUser) -> Result<User, UserRepoError> {
        let NewUser { id, email, name, password_hash, at } = user;
        let at = Timestamp::from(at);
        let zone = TimeZone::default();
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
                id.as_uuid().into(),
                email.as_str().into(),
                email.folded().as_str().into(),
                name.as_str().into(),
                zone.name().into(),
                password_hash.as_ref().map(|hash| hash.expose().to_owned()).into(),
                0_i64.into(),
                at.into(),
                at.into(),
            ])
            // Not an error to be caught: of two calls that race, the second one inserts nothing.
            .on_conflict(OnConflict::column(Column::EmailFolded).do_nothing().to_owned());
        let writer = self.database.writer().await?;
        if writer.execute(&insert).await.map_err(storage)?.rows_affected() == 0 {
            return Err(UserRepoError::EmailTaken);
        }
        Ok(User { id, email, name, time_zone: zone, token_version: 0, created_at: at.into(), updated_at: at.into() })
    }

    async fn get(&self, owner: UserId) -> Result<User, UserRepoError> {
        let reader = self.database.reader().await?;
        let found = Entity::find_by_id(owner.as_uuid()).one(&reader).await.map_err(storage)?;
        Ok(User::try_from(found.ok_or(UserRepoError::NotFound)?)?)
    }

    async fn update(&self, owner: UserId, patch: UserPatch, at: DateTime<Utc>) -> Result<User, UserRepoError> {
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
            return self.get(owner).await;
        }
        // The columns on the right-hand side are the old ones.
        let updated_at = CaseStatement::new().case(changed, Timestamp::from(at)).finally(Column::UpdatedAt.into_expr());
        update
            .value(Column::UpdatedAt, updated_at)
            .and_where(Column::Id.eq(owner.as_uuid()))
            .returning(Query::returning().columns(Column::iter()));
        let writer = self.database.writer().await?;
        let row = writer.query_one(&update).await.map_err(storage)?.ok_or(UserRepoError::NotFound)?;
        Ok(User::try_from(Model::from_query_result(&row, "").map_err(storage)?)?)
    }
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

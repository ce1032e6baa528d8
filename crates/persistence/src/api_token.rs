//! API tokens. `system` looks one up before its owner is known.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::api_token::{ApiToken, ApiTokenRepo, ApiTokenRepoError, NewApiToken};
use domain::id::{ApiTokenId, SessionId, UserId};
use domain::page::{Page, PageRequest};
use domain::principal::Scopes;
use domain::storage::StorageError;
use sea_orm::sea_query::{Expr, InsertStatement, Query};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use crate::database::Database;
use crate::entity::api_token::{Column, Entity, Model};
use crate::entity::{Timestamp, user};
use crate::error::{corrupt, storage};
use crate::session::lock_session;

/// [`ApiTokenRepo`] on SeaORM.
#[derive(Clone)]
pub struct SeaApiTokenRepo {
    database: Database,
}

impl SeaApiTokenRepo {
    /// Creates the repository on `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl ApiTokenRepo for SeaApiTokenRepo {
    async fn create(
        &self,
        owner: UserId,
        session: SessionId,
        token: NewApiToken,
    ) -> Result<ApiToken, ApiTokenRepoError> {
        let insert = insert(owner, session, &token)?;
        let inserted = self.database.writer().await?.execute(&insert).await.map_err(storage)?;
        if inserted.rows_affected() == 0 {
            return Err(ApiTokenRepoError::NotFound);
        }
        Ok(ApiToken {
            id: token.id,
            user_id: owner,
            name: token.name,
            scopes: token.scopes,
            created_at: Timestamp::from(token.at).into(),
            last_used_at: None,
            expires_at: token.expires_at.map(|at| Timestamp::from(at).into()),
        })
    }

    async fn list(
        &self,
        owner: UserId,
        page: PageRequest<ApiTokenId>,
    ) -> Result<Page<ApiToken, ApiTokenId>, ApiTokenRepoError> {
        let PageRequest { limit, after } = page;
        let mut select = Entity::find()
            .filter(Column::UserId.eq(owner.as_uuid()))
            .order_by_desc(Column::Id)
            .limit(u64::from(limit.get()) + 1);
        if let Some(last) = after {
            select = select.filter(Column::Id.lt(last.as_uuid()));
        }
        let reader = self.database.reader().await?;
        let rows = select.all(&reader).await.map_err(storage)?;
        let tokens = rows.into_iter().map(ApiToken::try_from).collect::<Result<_, _>>()?;
        Ok(Page::from_surplus(tokens, limit, |last: &ApiToken| last.id))
    }

    async fn delete(&self, owner: UserId, id: ApiTokenId) -> Result<(), ApiTokenRepoError> {
        let mut delete = Query::delete();
        delete.from_table(Entity).cond_where(guard(owner, id));
        let deleted = self.database.writer().await?.execute(&delete).await.map_err(storage)?;
        if deleted.rows_affected() == 0 { Err(ApiTokenRepoError::NotFound) } else { Ok(()) }
    }

    async fn touch(&self, owner: UserId, id: ApiTokenId, at: DateTime<Utc>) -> Result<(), ApiTokenRepoError> {
        let at = Timestamp::from(at);
        let mut update = Query::update();
        update
            .table(Entity)
            .value(Column::LastUsedAt, at)
            .cond_where(guard(owner, id))
            .cond_where(Condition::any().add(Column::LastUsedAt.is_null()).add(Column::LastUsedAt.lt(at)));
        self.database.writer().await?.execute(&update).await.map_err(storage)?;
        Ok(())
    }
}

/// Inserts nothing if the owner has no such active session.
fn insert(owner: UserId, session: SessionId, token: &NewApiToken) -> Result<InsertStatement, StorageError> {
    let at = Timestamp::from(token.at);
    let mut select = lock_session(owner, session, at);
    select.exprs([
        Expr::val(token.id.as_uuid()),
        Expr::col((user::Entity, user::Column::Id)),
        Expr::val(token.name.as_str()),
        Expr::val(token.scopes.to_string()),
        Expr::val(token.hash.as_bytes().to_vec()),
        Expr::val(at),
        Expr::val(token.expires_at.map(Timestamp::from)),
    ]);
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([
            Column::Id,
            Column::UserId,
            Column::Name,
            Column::Scopes,
            Column::Hash,
            Column::CreatedAt,
            Column::ExpiresAt,
        ])
        .select_from(select)
        .map_err(|error| StorageError::Other(error.into()))?;
    Ok(insert)
}

fn guard(owner: UserId, id: ApiTokenId) -> Condition {
    Condition::all().add(Column::UserId.eq(owner.as_uuid())).add(Column::Id.eq(id.as_uuid()))
}

/// Parses stored scopes.
pub(crate) fn scopes(names: &str) -> Result<Scopes, StorageError> {
    Scopes::granted(names.split(' ')).map_err(corrupt)
}

impl TryFrom<Model> for ApiToken {
    type Error = StorageError;
    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            id: row.id.into(),
            user_id: row.user_id.into(),
            name: row.name.parse().map_err(corrupt)?,
            scopes: scopes(&row.scopes)?,
            created_at: row.created_at.into(),
            last_used_at: row.last_used_at.map(Into::into),
            expires_at: row.expires_at.map(Into::into),
        })
    }
}

//! Conversations and their messages. `turn` writes turns.

mod rows;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::conversation::message::{Message, Part};
use domain::conversation::turn::Attempt;
use domain::conversation::{
    ClientKey, Conversation, ConversationCursor, ConversationRepo, ConversationRepoError, ConversationTitle,
    DailyUsage, MessageCursor, MessageOrder, NewTurn, PendingAction, StoredAnswer, TurnResult, TurnStart,
};
use domain::id::{ConversationId, TaskId, TurnId, UserId};
use domain::page::{Page, PageRequest};
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait as _, Condition, ConnectionTrait as _, ExprTrait as _};

use crate::database::Database;
use crate::entity::Timestamp;
use crate::entity::conversation::{Column, Entity};
use crate::error::storage;
use crate::json::{from_json, to_json};
use crate::turn;
use rows::{MessageRow, Row};

/// [`ConversationRepo`] on SeaORM.
#[derive(Clone)]
pub struct SeaConversationRepo {
    database: Database,
}

impl SeaConversationRepo {
    /// Creates the repository on `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl ConversationRepo for SeaConversationRepo {
    async fn get(&self, owner: UserId, id: ConversationId) -> Result<Conversation, ConversationRepoError> {
        let mut select = Row::select();
        select.cond_where(guard(owner, id));
        let reader = self.database.reader().await?;
        let row = reader.query_one(&select).await.map_err(storage)?.ok_or(ConversationRepoError::NotFound)?;
        Ok(Row::read(&row)?)
    }

    async fn find_by_key(&self, owner: UserId, key: &ClientKey) -> Result<Option<Conversation>, ConversationRepoError> {
        let mut select = Row::select();
        select.and_where(Column::UserId.eq(owner.as_uuid())).and_where(Column::ClientKey.eq(key.as_str()));
        let row = self.database.reader().await?.query_one(&select).await.map_err(storage)?;
        Ok(row.as_ref().map(Row::read).transpose()?)
    }

    async fn list(
        &self,
        owner: UserId,
        page: PageRequest<ConversationCursor>,
    ) -> Result<Page<Conversation, ConversationCursor>, ConversationRepoError> {
        let PageRequest { limit, after } = page;
        let mut select = Row::select();
        select
            .and_where(Column::UserId.eq(owner.as_uuid()))
            .order_by((Entity, Column::UpdatedAt), sea_orm::Order::Desc)
            .order_by((Entity, Column::Id), sea_orm::Order::Desc)
            .limit(u64::from(limit.get()) + 1);
        if let Some(last) = after {
            let key = Expr::tuple([Expr::col((Entity, Column::UpdatedAt)), Expr::col((Entity, Column::Id))]);
            let last = Expr::tuple([Timestamp::from(last.updated_at).into(), last.id.as_uuid().into()]);
            select.and_where(key.lt(last));
        }
        let reader = self.database.reader().await?;
        let rows = reader.query_all(&select).await.map_err(storage)?;
        let conversations = rows.iter().map(Row::read).collect::<Result<_, _>>()?;
        Ok(Page::from_surplus(conversations, limit, |last: &Conversation| ConversationCursor {
            updated_at: last.updated_at,
            id: last.id,
        }))
    }

    async fn rename(
        &self,
        owner: UserId,
        id: ConversationId,
        title: ConversationTitle,
    ) -> Result<Conversation, ConversationRepoError> {
        let mut update = Query::update();
        update
            .table(Entity)
            .value(Column::Title, title.as_str())
            .cond_where(guard(owner, id))
            .returning(Row::returning());
        let writer = self.database.writer().await?;
        let row = writer.query_one(&update).await.map_err(storage)?.ok_or(ConversationRepoError::NotFound)?;
        Ok(Row::read(&row)?)
    }

    async fn delete(&self, owner: UserId, id: ConversationId) -> Result<(), ConversationRepoError> {
        let mut delete = Query::delete();
        delete.from_table(Entity).cond_where(guard(owner, id));
        let deleted = self.database.writer().await?.execute(&delete).await.map_err(storage)?;
        if deleted.rows_affected() == 0 { Err(ConversationRepoError::NotFound) } else { Ok(()) }
    }

    async fn messages(
        &self,
        owner: UserId,
        id: ConversationId,
        order: MessageOrder,
        page: PageRequest<MessageCursor>,
    ) -> Result<Page<Message, MessageCursor>, ConversationRepoError> {
        let select = MessageRow::select(owner, id, order, page.after, u64::from(page.limit.get()) + 1);
        let reader = self.database.reader().await?;
        let rows = reader.query_all(&select).await.map_err(storage)?;
        if rows.is_empty() {
            return Err(ConversationRepoError::NotFound);
        }
        // A conversation without messages after the cursor yields one row whose message is NULL.
        let messages = rows.iter().filter_map(|row| MessageRow::read(row).transpose()).collect::<Result<_, _>>()?;
        Ok(Page::from_surplus(messages, page.limit, |last: &Message| MessageCursor(last.position)))
    }

    async fn begin_turn(&self, owner: UserId, turn: NewTurn) -> Result<TurnStart, ConversationRepoError> {
        turn::begin(&self.database, owner, turn).await
    }

    async fn renew_lease(&self, owner: UserId, turn: Attempt, ttl: Duration) -> Result<(), ConversationRepoError> {
        turn::renew_lease(&self.database, owner, turn, ttl).await
    }

    async fn save_progress(&self, owner: UserId, turn: Attempt, parts: &[Part]) -> Result<(), ConversationRepoError> {
        turn::save_progress(&self.database, owner, turn, parts).await
    }

    async fn end_turn(&self, owner: UserId, turn: Attempt, end: TurnResult) -> Result<(), ConversationRepoError> {
        turn::end(&self.database, owner, turn, end).await
    }

    async fn stop_turn(&self, owner: UserId, turn: TurnId, at: DateTime<Utc>) -> Result<(), ConversationRepoError> {
        turn::stop(&self.database, owner, turn, at.into()).await
    }

    async fn answer(&self, owner: UserId, turn: TurnId) -> Result<StoredAnswer, ConversationRepoError> {
        turn::answer(&self.database, owner, turn).await
    }

    async fn pending(
        &self,
        owner: UserId,
        id: ConversationId,
        now: DateTime<Utc>,
    ) -> Result<Option<PendingAction>, ConversationRepoError> {
        Ok(turn::find_pending(&self.database, (owner, id), now.into()).await?)
    }

    async fn count_tokens(&self, owner: UserId, tokens: u64, at: DateTime<Utc>) -> Result<(), ConversationRepoError> {
        turn::count_tokens(&self.database, owner, tokens, at).await
    }

    async fn usage(&self, owner: UserId, since: DateTime<Utc>) -> Result<Vec<DailyUsage>, ConversationRepoError> {
        turn::usage(&self.database, owner, since).await
    }

    async fn set_shown_tasks(
        &self,
        owner: UserId,
        id: ConversationId,
        shown: &[TaskId],
    ) -> Result<(), ConversationRepoError> {
        let mut update = Query::update();
        update.table(Entity).value(Column::ShownTasks, to_json(shown)?).cond_where(guard(owner, id));
        let updated = self.database.writer().await?.execute(&update).await.map_err(storage)?;
        if updated.rows_affected() == 0 { Err(ConversationRepoError::NotFound) } else { Ok(()) }
    }

    async fn shown_tasks(&self, owner: UserId, id: ConversationId) -> Result<Vec<TaskId>, ConversationRepoError> {
        let mut select = Query::select();
        select.column(Column::ShownTasks).from(Entity).cond_where(guard(owner, id));
        let reader = self.database.reader().await?;
        let row = reader.query_one(&select).await.map_err(storage)?.ok_or(ConversationRepoError::NotFound)?;
        let shown: Option<Json> = row.try_get_by_index(0).map_err(storage)?;
        Ok(shown.map(from_json).transpose()?.unwrap_or_default())
    }
}

fn guard(owner: UserId, id: ConversationId) -> Condition {
    Condition::all().add(Column::UserId.eq(owner.as_uuid())).add(Column::Id.eq(id.as_uuid()))
}

//! What a client calls a conversation before it knows the id.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text_null;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let key = text_null("client_key").check(Expr::cust("length(client_key) BETWEEN 1 AND 255")).take();
        manager.alter_table(Table::alter().table("conversations").add_column(key).take()).await?;
        let mut once = Index::create();
        once.name("conversations_client_key").table("conversations").col("user_id").col("client_key").unique();
        manager.create_index(once).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("conversations_client_key").table("conversations").to_owned()).await?;
        manager.alter_table(Table::alter().table("conversations").drop_column("client_key").take()).await
    }
}

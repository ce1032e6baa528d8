//! Conversations.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, json_binary_null, pk_uuid, text, timestamp_with_time_zone, uuid};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("conversations")
            .col(pk_uuid("id"))
            .col(uuid("user_id"))
            .col(text("title"))
            .col(big_integer("message_count").default(0))
            // The ids of the tasks that were last shown, in their order; "the second one" is one of them.
            .col(json_binary_null("shown_tasks"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone("updated_at"))
            .check(Expr::cust("length(title) BETWEEN 1 AND 200"))
            .check(Expr::cust("message_count >= 0"))
            .foreign_key(
                ForeignKey::create()
                    .from("conversations", "user_id")
                    .to("users", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(table).await?;

        let mut owner = Index::create();
        owner.name("conversations_user_id_id_key").table("conversations").col("user_id").col("id").unique();
        manager.create_index(owner).await?;
        let mut activity = Index::create();
        activity.name("conversations_activity_idx").table("conversations").col("user_id").col("updated_at").col("id");
        manager.create_index(activity).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("conversations").take()).await
    }
}

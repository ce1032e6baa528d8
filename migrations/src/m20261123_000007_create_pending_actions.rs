//! What waits for the user's consent: the exact tasks, at the versions that were on offer.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    json_binary, pk_uuid, text, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("pending_actions")
            .col(pk_uuid("id"))
            .col(uuid("user_id"))
            .col(uuid("conversation_id"))
            // The turn that made the offer.
            .col(uuid("turn_id"))
            .col(text("tool"))
            .col(json_binary("parameters"))
            // The ids and versions on offer, in the order in which they were shown.
            .col(json_binary("tasks"))
            .col(timestamp_with_time_zone("created_at"))
            // When it was agreed to, refused or overtaken by another message.
            .col(timestamp_with_time_zone_null("settled_at"))
            .check(Expr::cust("length(tool) BETWEEN 1 AND 64"))
            .foreign_key(
                ForeignKey::create()
                    .from("pending_actions", ("user_id", "conversation_id", "turn_id"))
                    .to("turns", ("user_id", "conversation_id", "id"))
                    .on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(table).await?;

        let mut owner = Index::create();
        owner
            .name("pending_actions_owner_idx")
            .table("pending_actions")
            .col("user_id")
            .col("conversation_id")
            .col("turn_id");
        manager.create_index(owner).await?;
        let mut open = Index::create();
        open.name("pending_actions_open_idx")
            .table("pending_actions")
            .col("user_id")
            .col("conversation_id")
            .col("created_at")
            .and_where(Expr::col("settled_at").is_null());
        manager.create_index(open).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("pending_actions").take()).await
    }
}

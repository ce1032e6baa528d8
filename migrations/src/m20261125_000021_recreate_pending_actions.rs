//! Pending actions: deletions and edits that wait until the user confirms them. Those of the earlier form cannot be
//! confirmed any more and go.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{json_binary, pk_uuid, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid};

use crate::m20261123_000007_create_pending_actions as earlier;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        earlier::Migration.down(manager).await?;
        let mut table = Table::create();
        table
            .table("pending_actions")
            .col(pk_uuid("id"))
            .col(uuid("user_id"))
            .col(uuid("conversation_id"))
            // The turn that put it off, and the assistant's message of that turn.
            .col(uuid("turn_id"))
            .col(uuid("message_id"))
            // Tasks, the versions that were seen, and what is to be done to them, in their order.
            .col(json_binary("items"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone("expires_at"))
            // When a turn that was confirming it, or was about something else, ended.
            .col(timestamp_with_time_zone_null("settled_at"))
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
        manager.create_index(open).await?;
        // For upkeep.
        let mut expiry = Index::create();
        expiry.name("pending_actions_expires_at_idx").table("pending_actions").col("expires_at");
        manager.create_index(expiry).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("pending_actions").take()).await?;
        earlier::Migration.up(manager).await
    }
}

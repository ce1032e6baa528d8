//! Messages.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, boolean, json_binary, pk_uuid, text, timestamp_with_time_zone, uuid};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("messages")
            .col(pk_uuid("id"))
            .col(uuid("user_id"))
            .col(uuid("conversation_id"))
            .col(uuid("turn_id"))
            // Its place in the conversation, from 1.
            .col(big_integer("position"))
            .col(text("role"))
            // What it is made of, in order. What clients and models see derives from it.
            .col(json_binary("parts"))
            .col(text("status"))
            .col(boolean("grounded").default(true))
            .col(timestamp_with_time_zone("created_at"))
            .check(Expr::cust("position >= 1"))
            .check(Expr::col("role").is_in(["user", "assistant"]))
            .check(Expr::col("status").is_in(["running", "complete", "stopped", "failed"]))
            .check(Expr::cust("role = 'assistant' OR status = 'complete'"))
            // Its turn is in its conversation, and both are its owner's.
            .foreign_key(
                ForeignKey::create()
                    .from("messages", ("user_id", "conversation_id", "turn_id"))
                    .to("turns", ("user_id", "conversation_id", "id"))
                    .on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(table).await?;

        let mut position = Index::create();
        position.name("messages_position_key").table("messages").col("conversation_id").col("position").unique();
        manager.create_index(position).await?;
        // A turn has one message of each.
        let mut turn = Index::create();
        turn.name("messages_turn_key").table("messages").col("turn_id").col("role").unique();
        manager.create_index(turn).await?;
        // For turns that are found dead.
        let mut running = Index::create();
        running
            .name("messages_running_idx")
            .table("messages")
            .col("turn_id")
            .and_where(Expr::col("status").eq("running"));
        manager.create_index(running).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("messages").take()).await
    }
}

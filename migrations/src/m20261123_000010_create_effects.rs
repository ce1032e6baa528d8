//! Effects: what a turn's tool calls did to tasks, each of them once.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{integer, json_binary_null, timestamp_with_time_zone, uuid};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut owner = Index::create();
        owner.name("turns_user_id_id_key").table("turns").col("user_id").col("id").unique();
        manager.create_index(owner).await?;

        let mut table = Table::create();
        table
            .table("effects")
            .col(uuid("user_id"))
            .col(uuid("turn_id"))
            // The round of the turn, and the call's place in it, from 0.
            .col(integer("round"))
            .col(integer("call_index"))
            // No foreign key: the record outlives the task.
            .col(uuid("task_id"))
            // The task's row as it was and as it became; none before it was created and after it was deleted.
            .col(json_binary_null("before"))
            .col(json_binary_null("after"))
            .col(timestamp_with_time_zone("at"))
            .primary_key(Index::create().col("turn_id").col("round").col("call_index"))
            .check(Expr::cust("round >= 0 AND call_index >= 0"))
            .check(Expr::cust("\"before\" IS NOT NULL OR \"after\" IS NOT NULL"))
            .foreign_key(
                ForeignKey::create()
                    .from("effects", ("user_id", "turn_id"))
                    .to("turns", ("user_id", "id"))
                    .on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("effects").take()).await?;
        manager.drop_index(Index::drop().name("turns_user_id_id_key").table("turns").to_owned()).await
    }
}

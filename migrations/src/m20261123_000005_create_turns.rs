//! Turns: one message of a user and the assistant's answer to it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, pk_uuid, text, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("turns")
            .col(pk_uuid("id"))
            .col(uuid("user_id"))
            .col(uuid("conversation_id"))
            .col(text("state"))
            // Who works on it, and until when without a sign of life.
            .col(text("instance"))
            .col(timestamp_with_time_zone("lease_until"))
            .col(text("provider"))
            .col(text("model"))
            .col(big_integer("tokens_in").default(0))
            .col(big_integer("tokens_out").default(0))
            .col(text_null("error_code"))
            .col(timestamp_with_time_zone("started_at"))
            .col(timestamp_with_time_zone_null("ended_at"))
            .check(Expr::col("state").is_in(["running", "complete", "stopped", "failed"]))
            .check(Expr::cust("(state = 'running') = (ended_at IS NULL)"))
            .check(Expr::cust("length(instance) BETWEEN 1 AND 64"))
            .check(Expr::cust("tokens_in >= 0 AND tokens_out >= 0"))
            .foreign_key(
                ForeignKey::create()
                    .from("turns", ("user_id", "conversation_id"))
                    .to("conversations", ("user_id", "id"))
                    .on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(table).await?;

        let mut owner = Index::create();
        owner.name("turns_owner_key").table("turns").col("user_id").col("conversation_id").col("id").unique();
        manager.create_index(owner).await?;
        // One turn at a time in a conversation.
        let mut running = Index::create();
        running
            .name("turns_running_key")
            .table("turns")
            .col("user_id")
            .col("conversation_id")
            .unique()
            .and_where(running_only());
        manager.create_index(running).await?;
        // For an instance that starts, and for the clean-up.
        for (name, column) in [("turns_instance_idx", "instance"), ("turns_lease_idx", "lease_until")] {
            let mut index = Index::create();
            index.name(name).table("turns").col(column).and_where(running_only());
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("turns").take()).await
    }
}

fn running_only() -> Expr {
    Expr::col("state").eq("running")
}

//! Idempotency keys of requests other than messages to the assistant, whose keys are columns of `turns`.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{json_binary, text, timestamp_with_time_zone, uuid};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("idempotency_keys")
            .col(uuid("user_id"))
            .col(text("key"))
            // SHA-256 of the request.
            .col(ColumnDef::new("fingerprint").blob().not_null())
            // What the ledger does not have of the answer.
            .col(json_binary("answer"))
            .col(timestamp_with_time_zone("created_at"))
            .primary_key(Index::create().col("user_id").col("key"))
            .check(Expr::cust("length(key) BETWEEN 1 AND 255"))
            .check(Expr::cust("length(fingerprint) = 32"))
            .foreign_key(
                ForeignKey::create()
                    .from("idempotency_keys", "user_id")
                    .to("users", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(table).await?;

        // For the clean-up.
        let mut age = Index::create();
        age.name("idempotency_keys_created_at_idx").table("idempotency_keys").col("created_at");
        manager.create_index(age).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("idempotency_keys").take()).await
    }
}

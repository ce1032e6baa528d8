//! What makes a turn happen once, and what it took. (SQLite adds and drops one column per statement.)

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, blob_null, text_null, timestamp_with_time_zone_null};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // How the client, or the server in its place, calls the request.
        let key = text_null("idempotency_key").check(Expr::cust("length(idempotency_key) BETWEEN 1 AND 255")).take();
        // SHA-256 of what it asks for. The last column to come and the first to go, because its check names two.
        let fingerprint = blob_null("fingerprint")
            .check(Expr::cust("(fingerprint IS NULL) = (idempotency_key IS NULL) AND length(fingerprint) = 32"))
            .take();
        // How long the model was waited for, in microseconds.
        let model_time = big_integer("model_time_us").default(0).check(Expr::cust("model_time_us >= 0")).take();
        for column in [timestamp_with_time_zone_null("first_token_at"), model_time, key, fingerprint] {
            manager.alter_table(Table::alter().table("turns").add_column(column).take()).await?;
        }

        let mut once = Index::create();
        once.name("turns_idempotency_key").table("turns").col("user_id").col("idempotency_key").unique();
        manager.create_index(once).await?;
        let mut usage = Index::create();
        usage.name("turns_usage_idx").table("turns").col("user_id").col("started_at");
        manager.create_index(usage).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for index in ["turns_usage_idx", "turns_idempotency_key"] {
            manager.drop_index(Index::drop().name(index).table("turns").to_owned()).await?;
        }
        for column in ["fingerprint", "idempotency_key", "model_time_us", "first_token_at"] {
            manager.alter_table(Table::alter().table("turns").drop_column(column).take()).await?;
        }
        Ok(())
    }
}

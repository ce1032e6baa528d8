//! API tokens.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{pk_uuid, text, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("api_tokens")
            // UUIDv7: ids ascend with time, so the newest tokens come first by id.
            .col(pk_uuid("id"))
            .col(uuid("user_id"))
            .col(text("name"))
            // The names of the scopes with a space between two.
            .col(text("scopes"))
            // SHA-256 of the token.
            .col(ColumnDef::new("hash").blob().not_null())
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone_null("last_used_at"))
            .col(timestamp_with_time_zone_null("expires_at"))
            .check(Expr::cust("length(name) BETWEEN 1 AND 100"))
            .check(Expr::cust("length(scopes) BETWEEN 1 AND 255"))
            .check(Expr::cust("length(hash) = 32"))
            .foreign_key(
                ForeignKey::create()
                    .from("api_tokens", "user_id")
                    .to("users", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(table).await?;

        let mut hash = Index::create();
        hash.name("api_tokens_hash_key").table("api_tokens").col("hash").unique();
        manager.create_index(hash).await?;
        let mut owner = Index::create();
        owner.name("api_tokens_user_id_id_key").table("api_tokens").col("user_id").col("id").unique();
        manager.create_index(owner).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("api_tokens").take()).await
    }
}

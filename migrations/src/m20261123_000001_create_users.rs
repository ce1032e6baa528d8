//! Accounts.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, pk_uuid, text, text_null, timestamp_with_time_zone};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("users")
            .col(pk_uuid("id"))
            .col(text("email"))
            // Compared in this form, which is computed in Rust: databases do not fold alike.
            .col(text("email_folded"))
            .col(text("name"))
            .col(text("time_zone").default("UTC"))
            .col(text_null("password_hash"))
            .col(big_integer("token_version").default(0))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone("updated_at"))
            .check(Expr::cust("length(email) BETWEEN 3 AND 254"))
            .check(Expr::cust("length(name) BETWEEN 1 AND 100"))
            .check(Expr::cust("length(time_zone) BETWEEN 1 AND 64"))
            .check(Expr::cust("token_version >= 0"));
        manager.create_table(table).await?;

        let mut email = Index::create();
        email.name("users_email_folded_key").table("users").col("email_folded").unique();
        manager.create_index(email).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("users").take()).await
    }
}

//! One-time codes.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text, timestamp_with_time_zone, uuid, uuid_null};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("one_time_codes")
            // SHA-256 of the code.
            .col(ColumnDef::new("hash").blob().not_null().primary_key())
            .col(text("purpose"))
            .col(uuid("user_id"))
            // The session that it ends with, if there is one.
            .col(uuid_null("session_id"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone("expires_at"))
            .check(Expr::cust("length(hash) = 32"))
            .check(Expr::col("purpose").is_in(["sign_in", "link"]))
            .foreign_key(
                ForeignKey::create()
                    .from("one_time_codes", "user_id")
                    .to("users", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            )
            // Not looked at where there is no session.
            .foreign_key(
                ForeignKey::create()
                    .from("one_time_codes", ("user_id", "session_id"))
                    .to("sessions", ("user_id", "id"))
                    .on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(table).await?;

        let mut session = Index::create();
        session.name("one_time_codes_user_id_session_id_idx").table("one_time_codes").col("user_id").col("session_id");
        manager.create_index(session).await?;
        // For the clean-up.
        let mut expiry = Index::create();
        expiry.name("one_time_codes_expires_at_idx").table("one_time_codes").col("expires_at");
        manager.create_index(expiry).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("one_time_codes").take()).await
    }
}

//! Sign-ins, and the refresh tokens that prolong them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{pk_uuid, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sessions = Table::create();
        sessions
            .table("sessions")
            .col(pk_uuid("id"))
            .col(uuid("user_id"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone("last_used_at"))
            .col(timestamp_with_time_zone("expires_at"))
            .foreign_key(
                ForeignKey::create().from("sessions", "user_id").to("users", "id").on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(sessions).await?;

        let mut owner = Index::create();
        owner.name("sessions_user_id_id_key").table("sessions").col("user_id").col("id").unique();
        manager.create_index(owner).await?;
        // For the clean-up.
        let mut expiry = Index::create();
        expiry.name("sessions_expires_at_idx").table("sessions").col("expires_at");
        manager.create_index(expiry).await?;

        let mut tokens = Table::create();
        tokens
            .table("refresh_tokens")
            // SHA-256 of the token.
            .col(ColumnDef::new("hash").blob().not_null().primary_key())
            .col(uuid("user_id"))
            .col(uuid("session_id"))
            .col(timestamp_with_time_zone("created_at"))
            // Spent ones stay, so that their reuse is seen.
            .col(timestamp_with_time_zone_null("spent_at"))
            .check(Expr::cust("length(hash) = 32"))
            .foreign_key(
                ForeignKey::create()
                    .from("refresh_tokens", ("user_id", "session_id"))
                    .to("sessions", ("user_id", "id"))
                    .on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(tokens).await?;

        let mut session = Index::create();
        session.name("refresh_tokens_user_id_session_id_idx").table("refresh_tokens").col("user_id").col("session_id");
        manager.create_index(session).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("refresh_tokens").take()).await?;
        manager.drop_table(Table::drop().table("sessions").take()).await
    }
}

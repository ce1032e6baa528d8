//! States of attempts to sign in elsewhere that have come back, so that none comes back twice. They belong to no user:
//! who it was is not known by then.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::timestamp_with_time_zone;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("spent_states")
            // SHA-256 of the state.
            .col(ColumnDef::new("hash").blob().not_null().primary_key())
            .col(timestamp_with_time_zone("expires_at"))
            .check(Expr::cust("length(hash) = 32"));
        manager.create_table(table).await?;

        // For the clean-up.
        let mut expiry = Index::create();
        expiry.name("spent_states_expires_at_idx").table("spent_states").col("expires_at");
        manager.create_index(expiry).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("spent_states").take()).await
    }
}

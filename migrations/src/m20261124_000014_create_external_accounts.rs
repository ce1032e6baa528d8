//! Accounts at OpenID providers, and whose they are.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text, timestamp_with_time_zone, uuid};

/// Looked at when the transaction ends: an account is put down before its user is made, so that of two who come with
/// the same account the second hears of the account first. (In SQL, because the builder cannot say it.)
const OWNER: &str = "REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("external_accounts")
            // `iss` and `sub`, compared byte for byte.
            .col(text("issuer"))
            .col(text("subject"))
            .col(uuid("user_id").extra(OWNER))
            .col(timestamp_with_time_zone("created_at"))
            .primary_key(Index::create().col("issuer").col("subject"))
            .check(Expr::cust("length(issuer) BETWEEN 1 AND 255"))
            .check(Expr::cust("length(subject) BETWEEN 1 AND 255"));
        manager.create_table(table).await?;

        // A user has one account at a provider.
        let mut owner = Index::create();
        owner
            .name("external_accounts_user_id_issuer_key")
            .table("external_accounts")
            .col("user_id")
            .col("issuer")
            .unique();
        manager.create_index(owner).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("external_accounts").take()).await
    }
}

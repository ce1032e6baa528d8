//! The ledger says what a turn's tool calls did; effects did before. They only guarded turns that were running.

use sea_orm_migration::prelude::*;

use crate::m20261123_000010_create_effects as effects;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        effects::Migration.down(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        effects::Migration.up(manager).await
    }
}

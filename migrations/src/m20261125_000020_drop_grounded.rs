//! Receipts tell what a turn changed; whether a message's words agreed with that is not judged any more.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::boolean;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("messages").drop_column("grounded").take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let grounded = boolean("grounded").default(true).take();
        manager.alter_table(Table::alter().table("messages").add_column(grounded).take()).await
    }
}

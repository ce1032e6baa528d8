//! How often a turn was begun, so that who works on an earlier try can be told from who works on it now.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let attempt = big_integer("attempt").default(1).check(Expr::cust("attempt >= 1")).take();
        manager.alter_table(Table::alter().table("turns").add_column(attempt).take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("turns").drop_column("attempt").take()).await
    }
}

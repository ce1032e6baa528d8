//! Who was seen to use a session. (SQLite adds and drops one column per statement.)

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text_null;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // What the program calls itself.
        let device = text_null("device").check(Expr::cust("length(device) BETWEEN 1 AND 200")).take();
        // An IP address: the shortest is `::`, the longest one of version 6 that ends as one of version 4.
        let peer = text_null("peer").check(Expr::cust("length(peer) BETWEEN 2 AND 45")).take();
        for column in [device, peer] {
            manager.alter_table(Table::alter().table("sessions").add_column(column).take()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["peer", "device"] {
            manager.alter_table(Table::alter().table("sessions").drop_column(column).take()).await?;
        }
        Ok(())
    }
}

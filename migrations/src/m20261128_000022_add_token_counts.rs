//! How many tokens a user has used on a day. (SQLite adds and drops one column per statement.)

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, timestamp_with_time_zone_null};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The beginning, in UTC, of the day that is counted.
        let day = timestamp_with_time_zone_null("tokens_day");
        let used = big_integer("tokens_used").default(0).check(Expr::cust("tokens_used >= 0")).take();
        for column in [day, used] {
            manager.alter_table(Table::alter().table("users").add_column(column).take()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["tokens_used", "tokens_day"] {
            manager.alter_table(Table::alter().table("users").drop_column(column).take()).await?;
        }
        Ok(())
    }
}

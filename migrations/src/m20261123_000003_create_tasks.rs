//! Tasks.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, pk_uuid, text, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("tasks")
            // UUIDv7: ids ascend with time, so the newest tasks come first by id.
            .col(pk_uuid("id"))
            .col(uuid("user_id"))
            .col(text("title"))
            // Compared and searched in this form, which is computed in Rust: databases do not fold alike.
            .col(text("title_folded"))
            .col(timestamp_with_time_zone_null("completed_at"))
            .col(big_integer("version").default(1))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone("updated_at"))
            // What the last UPDATE found, set by that UPDATE itself, so that one statement answers with the row before
            // and after: SQLite's RETURNING knows the new row only.
            .col(text_null("previous_title"))
            .col(timestamp_with_time_zone_null("previous_completed_at"))
            .col(timestamp_with_time_zone_null("previous_updated_at"))
            .check(Expr::cust("length(title) BETWEEN 1 AND 500"))
            .check(Expr::cust("version >= 1"))
            .foreign_key(
                ForeignKey::create().from("tasks", "user_id").to("users", "id").on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(table).await?;

        let mut owner = Index::create();
        owner.name("tasks_user_id_id_key").table("tasks").col("user_id").col("id").unique();
        manager.create_index(owner).await?;
        for (name, status) in [
            ("tasks_pending_idx", Expr::col("completed_at").is_null()),
            ("tasks_completed_idx", Expr::col("completed_at").is_not_null()),
        ] {
            let mut index = Index::create();
            index.name(name).table("tasks").col("user_id").col("id").and_where(status);
            manager.create_index(index).await?;
        }
        // The beginning of the title only: a whole one can be longer than what an index of PostgreSQL takes. (In SQL,
        // because the builder knows no index on an expression for SQLite.)
        let title = "CREATE INDEX tasks_title_idx ON tasks (user_id, substr(title_folded, 1, 64))";
        manager.get_connection().execute_unprepared(title).await.map(|_| ())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("tasks").take()).await
    }
}

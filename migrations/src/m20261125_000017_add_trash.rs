//! The trash: a deleted task stays until it is purged, and lists leave it out. What an UPDATE found is not kept beside the
//! row any more: the ledger has it. (SQLite adds and drops one column per statement.)

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text_null, timestamp_with_time_zone_null};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["previous_title", "previous_completed_at", "previous_updated_at"] {
            manager.alter_table(Table::alter().table("tasks").drop_column(column).take()).await?;
        }
        let deleted_at = timestamp_with_time_zone_null("deleted_at");
        manager.alter_table(Table::alter().table("tasks").add_column(deleted_at).take()).await?;

        drop_indexes(manager, &["tasks_pending_idx", "tasks_completed_idx", "tasks_title_idx"]).await?;
        // The last one comes last: of two indexes that promise the same, SQLite takes the one that was made later.
        create_index(manager, "tasks_live_idx", &["user_id", "id"], is_live()).await?;
        create_status_indexes(manager, Some(is_live())).await?;
        create_title_index(manager, " WHERE deleted_at IS NULL").await?;
        let is_deleted = || Expr::col("deleted_at").is_not_null();
        create_index(manager, "tasks_trash_idx", &["user_id", "deleted_at", "id"], is_deleted()).await?;
        // For upkeep, which looks for users.
        create_index(manager, "tasks_deleted_at_idx", &["deleted_at", "user_id"], is_deleted()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DELETE FROM tasks WHERE deleted_at IS NOT NULL").await?;
        let indexes = [
            "tasks_deleted_at_idx",
            "tasks_trash_idx",
            "tasks_title_idx",
            "tasks_completed_idx",
            "tasks_pending_idx",
            "tasks_live_idx",
        ];
        drop_indexes(manager, &indexes).await?;
        manager.alter_table(Table::alter().table("tasks").drop_column("deleted_at").take()).await?;
        create_status_indexes(manager, None).await?;
        create_title_index(manager, "").await?;
        for column in [
            text_null("previous_title"),
            timestamp_with_time_zone_null("previous_completed_at"),
            timestamp_with_time_zone_null("previous_updated_at"),
        ] {
            manager.alter_table(Table::alter().table("tasks").add_column(column).take()).await?;
        }
        Ok(())
    }
}

fn is_live() -> Expr {
    Expr::col("deleted_at").is_null()
}

async fn create_status_indexes(manager: &SchemaManager<'_>, rows: Option<Expr>) -> Result<(), DbErr> {
    for (name, status) in [
        ("tasks_pending_idx", Expr::col("completed_at").is_null()),
        ("tasks_completed_idx", Expr::col("completed_at").is_not_null()),
    ] {
        let rows = rows.clone().map_or(status.clone(), |rows| status.and(rows));
        create_index(manager, name, &["user_id", "id"], rows).await?;
    }
    Ok(())
}

async fn create_index(
    manager: &SchemaManager<'_>,
    name: &'static str,
    columns: &[&'static str],
    rows: Expr,
) -> Result<(), DbErr> {
    let mut index = Index::create();
    index.name(name).table("tasks").and_where(rows);
    for column in columns {
        index.col(*column);
    }
    manager.create_index(index).await
}

/// In SQL, because the builder knows no index on an expression for SQLite.
async fn create_title_index(manager: &SchemaManager<'_>, rows: &str) -> Result<(), DbErr> {
    let index = format!("CREATE INDEX tasks_title_idx ON tasks (user_id, substr(title_folded, 1, 64)){rows}");
    manager.get_connection().execute_unprepared(&index).await.map(|_| ())
}

async fn drop_indexes(manager: &SchemaManager<'_>, names: &[&'static str]) -> Result<(), DbErr> {
    for name in names {
        manager.drop_index(Index::drop().name(*name).table("tasks").to_owned()).await?;
    }
    Ok(())
}

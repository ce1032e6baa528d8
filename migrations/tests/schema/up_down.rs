//! Migrations up and down, on empty and filled databases, and concurrently.

use anyhow::Context as _;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};
use test_database::{TestDatabase, on_both_databases};
use uuid::Uuid;

use crate::rows::{NOW, fill, id, insert, two_users};
use crate::walk::{count, tables};

on_both_databases!(
    migrations_go_up_down_and_up_on_an_empty_database,
    migrations_go_up_down_and_up_on_a_filled_database,
    each_migration_can_be_reverted,
    later_migrations_keep_existing_rows,
    the_ledger_and_the_trash_are_added_to_filled_tables,
    concurrent_migrations_do_not_conflict,
    a_failing_migration_is_rolled_back,
    reading_the_status_changes_nothing,
    a_newer_schema_has_no_pending_migrations_and_is_refused,
);

async fn migrations_go_up_down_and_up_on_an_empty_database(test: TestDatabase) -> anyhow::Result<()> {
    let db = Database::connect(test.url()).await?;
    migrations::up(&db).await?;
    let schema = tables(&db).await?;
    for table in [
        "users",
        "sessions",
        "refresh_tokens",
        "tasks",
        "conversations",
        "turns",
        "messages",
        "pending_actions",
        "changes",
        "api_tokens",
        "external_accounts",
        "one_time_codes",
        "spent_states",
    ] {
        assert!(schema.iter().any(|name| name == table), "{table}");
    }
    down_all(&db).await?;
    assert_eq!(tables(&db).await?, ["seaql_migrations"]);
    migrations::up(&db).await?;
    assert_eq!(tables(&db).await?, schema);
    Ok(())
}

async fn migrations_go_up_down_and_up_on_a_filled_database(test: TestDatabase) -> anyhow::Result<()> {
    let db = Database::connect(test.url()).await?;
    for _ in 0..2 {
        migrations::up(&db).await?;
        fill(&db).await?;
        down_all(&db).await?;
    }
    Ok(())
}

async fn each_migration_can_be_reverted(test: TestDatabase) -> anyhow::Result<()> {
    let db = Database::connect(test.url()).await?;
    migrations::up(&db).await?;
    let count = migrations::status(&db).await?.len();
    for reverted in 1..=count {
        fill(&db).await.ok();
        migrations::down(&db, 1).await?;
        assert_eq!(migrations::pending(&db).await?, reverted);
    }
    for _ in 0..2 {
        migrations::up(&db).await?;
        assert_eq!(migrations::pending(&db).await?, 0);
    }
    fill(&db).await
}

async fn later_migrations_keep_existing_rows(test: TestDatabase) -> anyhow::Result<()> {
    let db = Database::connect(test.url()).await?;
    migrations::up(&db).await?;
    fill(&db).await?;
    down_to(&db, "m20261123_000006_create_messages").await?;
    migrations::up(&db).await?;
    // Turns from before the column of attempts have one attempt.
    assert_eq!(count(&db, "SELECT COUNT(*) FROM turns WHERE attempt = 1".to_owned()).await?, 2);
    // Sessions from before the columns of clients have no client.
    let without_client = "SELECT COUNT(*) FROM sessions WHERE device IS NULL AND peer IS NULL".to_owned();
    assert_eq!(count(&db, without_client).await?, 2);
    for (table, expected) in
        [("users", 2), ("sessions", 2), ("refresh_tokens", 2), ("conversations", 2), ("turns", 2), ("messages", 4)]
    {
        assert_eq!(count(&db, format!("SELECT COUNT(*) FROM {table}")).await?, expected, "{table}");
    }
    fill(&db).await
}

/// Reverts the migrations of the trash, the ledger and later ones, and applies them to rows of the earlier schema.
async fn the_ledger_and_the_trash_are_added_to_filled_tables(test: TestDatabase) -> anyhow::Result<()> {
    let db = Database::connect(test.url()).await?;
    migrations::up(&db).await?;
    let (ada, bob) = two_users(&db).await?;
    db.execute_unprepared(&format!("UPDATE tasks SET deleted_at = {NOW} WHERE user_id = {}", id(&db, ada.user)))
        .await?;
    down_to(&db, "m20261124_000016_create_spent_states").await?;
    let rows = async |table: &str| count(&db, format!("SELECT COUNT(*) FROM {table}")).await;
    // Tasks in the trash are not restored by the revert.
    assert_eq!((rows("tasks").await?, rows("pending_actions").await?, rows("effects").await?), (1, 0, 0));
    let [user, conversation, turn] = [bob.user, bob.conversation, bob.turn].map(|uuid| id(&db, uuid));
    let new = || id(&db, Uuid::new_v4());
    let action = format!("{}, {user}, {conversation}, {turn}, 'delete_task', '{{}}', '[]', {NOW}, NULL", new());
    insert(&db, "pending_actions", &action).await?;
    insert(&db, "effects", &format!("{user}, {turn}, 0, 0, {}, '{{}}', NULL, {NOW}", new())).await?;
    db.execute_unprepared("UPDATE messages SET grounded = false").await?;
    db.execute_unprepared("UPDATE tasks SET previous_title = 'Bread'").await?;

    migrations::up(&db).await?;
    assert!(!tables(&db).await?.contains(&"effects".to_owned()));
    assert_eq!((rows("pending_actions").await?, rows("changes").await?), (0, 0));
    assert_eq!((rows("messages").await?, rows("turns").await?), (4, 2));
    assert_eq!(rows("tasks WHERE deleted_at IS NULL").await?, 1);
    assert_eq!(rows("users WHERE change_seq = 0").await?, 2);
    Ok(())
}

async fn concurrent_migrations_do_not_conflict(test: TestDatabase) -> anyhow::Result<()> {
    let (one, other) = (Database::connect(test.url()).await?, Database::connect(test.url()).await?);
    let up = |db: DatabaseConnection| tokio::spawn(async move { migrations::up(&db).await });
    // In the first round the table of migrations does not exist; later it is empty.
    for _ in 0..5 {
        let (first, second) = (up(one.clone()), up(other.clone()));
        first.await??;
        second.await??;
        assert_eq!(migrations::pending(&one).await?, 0);
        fill(&one).await?;
        down_all(&one).await?;
    }
    Ok(())
}

async fn a_failing_migration_is_rolled_back(test: TestDatabase) -> anyhow::Result<()> {
    let db = Database::connect(test.url()).await?;
    // A late migration fails after many others have succeeded.
    db.execute_unprepared("CREATE TABLE changes (i integer)").await?;
    assert!(migrations::up(&db).await.is_err());
    assert_eq!(tables(&db).await?, ["changes"]);
    db.execute_unprepared("DROP TABLE changes").await?;
    migrations::up(&db).await?;
    Ok(())
}

async fn reading_the_status_changes_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let db = Database::connect(test.url()).await?;
    let status = migrations::status(&db).await?;
    assert!(status.iter().all(|(_, applied)| !applied));
    assert_eq!(migrations::pending(&db).await?, status.len());
    assert_eq!(tables(&db).await?, Vec::<String>::new());
    migrations::up(&db).await?;
    assert!(migrations::status(&db).await?.iter().all(|(_, applied)| *applied));
    Ok(())
}

async fn a_newer_schema_has_no_pending_migrations_and_is_refused(test: TestDatabase) -> anyhow::Result<()> {
    let db = Database::connect(test.url()).await?;
    migrations::up(&db).await?;
    db.execute_unprepared("INSERT INTO seaql_migrations VALUES ('m29990101_000001_of_the_future', 0)").await?;
    assert_eq!(migrations::pending(&db).await?, 0);
    assert!(migrations::up(&db).await.is_err());
    assert!(migrations::down(&db, 1).await.is_err());
    Ok(())
}

/// Reverts every migration after `last`.
async fn down_to(db: &DatabaseConnection, last: &str) -> anyhow::Result<()> {
    let migrations = migrations::status(db).await?;
    let later = migrations.iter().rev().position(|(name, _)| name == last).context("no such migration")?;
    Ok(migrations::down(db, u32::try_from(later)?).await?)
}

async fn down_all(db: &DatabaseConnection) -> anyhow::Result<()> {
    let count = u32::try_from(migrations::status(db).await?.len())?;
    Ok(migrations::down(db, count).await?)
}

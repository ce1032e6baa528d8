//! Up, down, and up again, on empty databases and filled ones, alone and together.

use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, DbBackend, DbErr, Statement};
use test_database::{TestDatabase, on_both_databases};

use crate::rows::fill;

on_both_databases!(
    up_down_and_up_again_on_an_empty_database,
    up_down_and_up_again_on_a_filled_database,
    each_migration_can_be_taken_back_by_itself,
    rows_are_kept_when_a_migration_comes_later,
    two_instances_that_start_together_do_not_collide,
    a_failing_migration_leaves_nothing_behind,
    asking_what_is_pending_changes_nothing,
    a_newer_schema_is_not_pending_and_cannot_be_migrated,
);

async fn up_down_and_up_again_on_an_empty_database(test: TestDatabase) -> anyhow::Result<()> {
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
        "effects",
    ] {
        assert!(schema.iter().any(|name| name == table), "{table}");
    }
    down_all(&db).await?;
    assert_eq!(tables(&db).await?, ["seaql_migrations"]);
    migrations::up(&db).await?;
    assert_eq!(tables(&db).await?, schema);
    Ok(())
}

async fn up_down_and_up_again_on_a_filled_database(test: TestDatabase) -> anyhow::Result<()> {
    let db = Database::connect(test.url()).await?;
    for _ in 0..2 {
        migrations::up(&db).await?;
        fill(&db).await?;
        down_all(&db).await?;
    }
    Ok(())
}

async fn each_migration_can_be_taken_back_by_itself(test: TestDatabase) -> anyhow::Result<()> {
    let db = Database::connect(test.url()).await?;
    migrations::up(&db).await?;
    let count = migrations::status(&db).await?.len();
    for gone in 1..=count {
        fill(&db).await.ok();
        migrations::down(&db, 1).await?;
        assert_eq!(migrations::pending(&db).await?, gone);
    }
    for _ in 0..2 {
        migrations::up(&db).await?;
        assert_eq!(migrations::pending(&db).await?, 0);
    }
    fill(&db).await
}

async fn rows_are_kept_when_a_migration_comes_later(test: TestDatabase) -> anyhow::Result<()> {
    let db = Database::connect(test.url()).await?;
    migrations::up(&db).await?;
    fill(&db).await?;
    // Those behind the table of messages.
    let added = u32::try_from(migrations::status(&db).await?.len())? - 6;
    migrations::down(&db, added).await?;
    migrations::up(&db).await?;
    // A turn that is older than the count of its attempts was begun once.
    let once = Statement::from_string(db.get_database_backend(), "SELECT COUNT(*) FROM turns WHERE attempt = 1");
    let row = db.query_one_raw(once).await?;
    assert_eq!(row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?, Some(2));
    for (table, kept) in [("users", 2), ("conversations", 2), ("turns", 2), ("messages", 4)] {
        let count = Statement::from_string(db.get_database_backend(), format!("SELECT COUNT(*) FROM {table}"));
        let row = db.query_one_raw(count).await?;
        assert_eq!(row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?, Some(kept), "{table}");
    }
    fill(&db).await
}

async fn two_instances_that_start_together_do_not_collide(test: TestDatabase) -> anyhow::Result<()> {
    let (one, other) = (Database::connect(test.url()).await?, Database::connect(test.url()).await?);
    let up = |db: DatabaseConnection| tokio::spawn(async move { migrations::up(&db).await });
    // The first time there is not even the table of migrations, the next times it is there and empty.
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

async fn a_failing_migration_leaves_nothing_behind(test: TestDatabase) -> anyhow::Result<()> {
    let db = Database::connect(test.url()).await?;
    // A migration fails after many others went well.
    db.execute_unprepared("CREATE TABLE effects (i integer)").await?;
    assert!(migrations::up(&db).await.is_err());
    assert_eq!(tables(&db).await?, ["effects"]);
    db.execute_unprepared("DROP TABLE effects").await?;
    migrations::up(&db).await?;
    Ok(())
}

async fn asking_what_is_pending_changes_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let db = Database::connect(test.url()).await?;
    let status = migrations::status(&db).await?;
    assert!(status.iter().all(|(_, applied)| !applied));
    assert_eq!(migrations::pending(&db).await?, status.len());
    assert_eq!(tables(&db).await?, Vec::<String>::new());
    migrations::up(&db).await?;
    assert!(migrations::status(&db).await?.iter().all(|(_, applied)| *applied));
    Ok(())
}

async fn a_newer_schema_is_not_pending_and_cannot_be_migrated(test: TestDatabase) -> anyhow::Result<()> {
    let db = Database::connect(test.url()).await?;
    migrations::up(&db).await?;
    db.execute_unprepared("INSERT INTO seaql_migrations VALUES ('m29990101_000001_of_the_future', 0)").await?;
    assert_eq!(migrations::pending(&db).await?, 0);
    assert!(migrations::up(&db).await.is_err());
    assert!(migrations::down(&db, 1).await.is_err());
    Ok(())
}

async fn down_all(db: &DatabaseConnection) -> anyhow::Result<()> {
    let count = u32::try_from(migrations::status(db).await?.len())?;
    Ok(migrations::down(db, count).await?)
}

/// The names of all tables.
async fn tables(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let sql = match db.get_database_backend() {
        DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
        _ => "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename",
    };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

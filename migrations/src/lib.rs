//! The database's schema, one reversible migration per file, for SQLite and PostgreSQL alike.
//!
//! A migration that has landed is never edited; a test compares the files' checksums. What must change later changes in
//! a migration of its own.
//!
//! Rules of the schema: ids are UUIDs, times are in UTC with microseconds, enumerations are text with a CHECK. Every
//! table of a user's rows has `user_id`, and its foreign keys take `user_id` along, so that a row of one user cannot
//! hang on a row of another, and goes when its user goes. Every query of the API has an index that serves it, and so has
//! every cascade.
//!
//! Deliberately not here: what is read and written, which is crate `persistence`.

mod m20261123_000001_create_users;
mod m20261123_000002_create_sessions;
mod m20261123_000003_create_tasks;
mod m20261123_000004_create_conversations;
mod m20261123_000005_create_turns;
mod m20261123_000006_create_messages;
mod m20261123_000007_create_pending_actions;
mod m20261123_000008_extend_turns;
mod m20261123_000009_add_client_keys;
mod m20261123_000010_create_effects;
mod m20261123_000011_add_attempts;
mod m20261124_000012_add_clients;
mod m20261124_000013_create_api_tokens;
mod m20261124_000014_create_external_accounts;
mod m20261124_000015_create_one_time_codes;
mod m20261124_000016_create_spent_states;
mod m20261125_000017_add_trash;
mod m20261125_000018_create_changes;
mod m20261125_000019_drop_effects;
mod m20261125_000020_drop_grounded;
mod m20261125_000021_recreate_pending_actions;

use std::collections::HashSet;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, EntityTrait as _, SqliteTransactionMode, TransactionOptions,
    TransactionTrait as _,
};
use sea_orm_migration::seaql_migrations;

/// Names the lock under which migrations run on PostgreSQL: "doable" in ASCII.
const LOCK: i64 = 0x0000_646f_6162_6c65;

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_create_users::Migration),
            Box::new(m20261123_000002_create_sessions::Migration),
            Box::new(m20261123_000003_create_tasks::Migration),
            Box::new(m20261123_000004_create_conversations::Migration),
            Box::new(m20261123_000005_create_turns::Migration),
            Box::new(m20261123_000006_create_messages::Migration),
            Box::new(m20261123_000007_create_pending_actions::Migration),
            Box::new(m20261123_000008_extend_turns::Migration),
            Box::new(m20261123_000009_add_client_keys::Migration),
            Box::new(m20261123_000010_create_effects::Migration),
            Box::new(m20261123_000011_add_attempts::Migration),
            Box::new(m20261124_000012_add_clients::Migration),
            Box::new(m20261124_000013_create_api_tokens::Migration),
            Box::new(m20261124_000014_create_external_accounts::Migration),
            Box::new(m20261124_000015_create_one_time_codes::Migration),
            Box::new(m20261124_000016_create_spent_states::Migration),
            Box::new(m20261125_000017_add_trash::Migration),
            Box::new(m20261125_000018_create_changes::Migration),
            Box::new(m20261125_000019_drop_effects::Migration),
            Box::new(m20261125_000020_drop_grounded::Migration),
            Box::new(m20261125_000021_recreate_pending_actions::Migration),
        ]
    }
}

/// Applies every pending migration, or none of them. Of two calls at the same time, by two processes even, the second
/// waits for the first and then finds nothing to do.
///
/// # Errors
/// If the database fails, or has a migration that this version does not know: then a newer version has used it.
pub async fn up(db: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = begin(db).await?;
    Migrator::up(&transaction, None).await?;
    transaction.commit().await
}

/// Takes back the last `steps` migrations, with the data that only they made room for, or none of them.
///
/// # Errors
/// As [`up`].
pub async fn down(db: &DatabaseConnection, steps: u32) -> Result<(), DbErr> {
    let transaction = begin(db).await?;
    Migrator::down(&transaction, Some(steps)).await?;
    transaction.commit().await
}

/// Every migration by name, in order, and whether it is applied. Changes nothing.
///
/// # Errors
/// If the database fails.
pub async fn status(db: &DatabaseConnection) -> Result<Vec<(String, bool)>, DbErr> {
    let applied = applied(db).await?;
    let migrations = Migrator::migrations();
    Ok(migrations.iter().map(|known| (known.name().to_owned(), applied.contains(known.name()))).collect())
}

/// How many migrations are to be applied. Changes nothing and locks nothing, so it may be asked often. Migrations of a
/// newer version do not count: while versions change, the older one still serves.
///
/// # Errors
/// If the database fails.
pub async fn pending(db: &DatabaseConnection) -> Result<usize, DbErr> {
    Ok(status(db).await?.iter().filter(|(_, applied)| !applied).count())
}

async fn applied(db: &DatabaseConnection) -> Result<HashSet<String>, DbErr> {
    // Asked for first, because `MigratorTrait` would create it.
    if !SchemaManager::new(db).has_table("seaql_migrations").await? {
        return Ok(HashSet::new());
    }
    let rows = seaql_migrations::Entity::find().all(db).await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

/// Begins the transaction that all of it happens in, after whoever is at it already.
async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let transaction = db
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        // Waiting for another instance, or for a big table, may take longer than a request may.
        transaction.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
        // A session's lock would not survive a transaction pooler; this one ends with the transaction.
        transaction.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
    }
    Ok(transaction)
}

//! The database schema for SQLite and PostgreSQL, one reversible migration per file.
//!
//! A landed migration is never edited, which a test of the files' checksums enforces. Later changes are migrations of
//! their own.
//!
//! Rules of the schema: ids are UUIDs, times are in UTC with microseconds, enumerations are text with a CHECK. Every
//! table with a user's rows has `user_id`, and its composite foreign keys include `user_id`, so that a row cannot refer
//! to a row of another user, and is deleted with its user. Every query of the API and every cascade has an index.
//!
//! Crate `persistence` reads and writes the tables.

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
mod m20261128_000022_add_token_counts;
mod m20261128_000024_create_idempotency_keys;

use std::collections::HashSet;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, EntityTrait as _, RuntimeErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait as _,
};
use sea_orm_migration::seaql_migrations;

/// Key of the advisory lock for migrations on PostgreSQL: "doable" in ASCII.
const ADVISORY_LOCK_KEY: i64 = 0x0000_646f_6162_6c65;

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
            Box::new(m20261128_000022_add_token_counts::Migration),
            Box::new(m20261128_000024_create_idempotency_keys::Migration),
        ]
    }
}

/// Applies every pending migration in one transaction, and returns their number. Concurrent calls, also of other processes, are serialized; the
/// second one finds nothing to do.
///
/// # Errors
/// If the database fails, or has a migration of a newer version that this version does not know.
pub async fn up(db: &DatabaseConnection) -> Result<usize, DbErr> {
    migrate(db, None).await
}

/// Reverts the last `steps` migrations in one transaction. Data in the tables and columns that they added is lost.
///
/// # Errors
/// As [`up`].
pub async fn down(db: &DatabaseConnection, steps: u32) -> Result<(), DbErr> {
    migrate(db, Some(steps)).await?;
    Ok(())
}

/// Applies every pending migration, or reverts the last `steps`. Returns the number of those that were pending.
async fn migrate(db: &DatabaseConnection, steps: Option<u32>) -> Result<usize, DbErr> {
    let mut is_retry = false;
    loop {
        let transaction = begin(db).await?;
        if is_retry {
            transaction.execute_unprepared("DEALLOCATE ALL").await?;
        }
        let migrated = async {
            let pending = pending(&transaction).await?;
            match steps {
                None => Migrator::up(&transaction, None).await?,
                Some(steps) => Migrator::down(&transaction, Some(steps)).await?,
            }
            Ok(pending)
        };
        match migrated.await {
            Ok(pending) => {
                transaction.commit().await?;
                return Ok(pending);
            }
            // The server belongs to a connection pooler, and an earlier client has left its prepared statements there.
            Err(error) if !is_retry && is_name_in_use(&error) => transaction.rollback().await?,
            Err(error) => return Err(error),
        }
        is_retry = true;
    }
}

/// Whether the name of a prepared statement is in use (SQLSTATE `duplicate_prepared_statement`). On a connection to a
/// server none is used twice.
fn is_name_in_use(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error else {
        return false;
    };
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("42P05"))
}

/// Returns every migration by name, in order, and whether it is applied. Changes nothing.
///
/// # Errors
/// If the database fails.
pub async fn status(db: &impl ConnectionTrait) -> Result<Vec<(String, bool)>, DbErr> {
    let applied = applied(db).await?;
    let migrations = Migrator::migrations();
    Ok(migrations.iter().map(|known| (known.name().to_owned(), applied.contains(known.name()))).collect())
}

/// Returns the number of pending migrations. Takes no locks, so that it is suitable for readiness checks. Migrations of
/// a newer version do not count, so that the older version stays ready during an upgrade.
///
/// # Errors
/// If the database fails.
pub async fn pending(db: &impl ConnectionTrait) -> Result<usize, DbErr> {
    Ok(status(db).await?.iter().filter(|(_, applied)| !applied).count())
}

/// Returns the applied migrations that this version does not know, because a newer version has applied them.
///
/// # Errors
/// If the database fails.
pub async fn unknown(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let mut unknown = applied(db).await?;
    for known in Migrator::migrations() {
        unknown.remove(known.name());
    }
    let mut unknown: Vec<_> = unknown.into_iter().collect();
    unknown.sort();
    Ok(unknown)
}

async fn applied(db: &impl ConnectionTrait) -> Result<HashSet<String>, DbErr> {
    let table = match db.get_database_backend() {
        DbBackend::Sqlite => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'",
        _ => "SELECT 1 FROM pg_class WHERE oid = to_regclass('seaql_migrations')",
    };
    // Checked first, because `MigratorTrait` would create the table.
    if db.query_one_raw(Statement::from_string(db.get_database_backend(), table)).await?.is_none() {
        return Ok(HashSet::new());
    }
    let rows = seaql_migrations::Entity::find().all(db).await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

/// Begins a transaction that holds the lock for migrations: the write lock on SQLite, an advisory lock on PostgreSQL.
async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let transaction = db
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        // Waiting for another instance, or changing a large table, may exceed the statement timeout of requests.
        transaction.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
        // A transaction-level lock, because a session-level lock does not work through a transaction pooler.
        transaction.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK_KEY})")).await?;
    }
    Ok(transaction)
}

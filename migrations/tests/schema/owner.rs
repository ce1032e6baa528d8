//! Ownership: every row of a user is deleted with the user, and every cascade uses an index.

use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};
use test_database::{TestDatabase, on_both_databases};
use uuid::Uuid;

use crate::rows::{id, two_users};
use crate::walk::{count, foreign_keys, indexes, owned, tables};

on_both_databases!(
    every_table_has_an_owner_except_the_listed_ones,
    every_owned_table_references_its_user_with_a_cascade,
    every_cascade_has_an_index,
    deleting_a_user_deletes_all_of_its_rows,
);

async fn migrated(test: &TestDatabase) -> anyhow::Result<DatabaseConnection> {
    let db = Database::connect(test.url()).await?;
    migrations::up(&db).await?;
    Ok(db)
}

async fn every_table_has_an_owner_except_the_listed_ones(test: TestDatabase) -> anyhow::Result<()> {
    let db = migrated(&test).await?;
    let (mut others, owned) = (tables(&db).await?, owned(&db).await?);
    others.retain(|table| !owned.contains(table));
    // The user of a spent state is not known when it is spent.
    assert_eq!(others, ["seaql_migrations", "spent_states", "users"]);
    Ok(())
}

async fn every_owned_table_references_its_user_with_a_cascade(test: TestDatabase) -> anyhow::Result<()> {
    let db = migrated(&test).await?;
    let (owned, keys) = (owned(&db).await?, foreign_keys(&db).await?);
    for key in &keys {
        assert!(key.cascades, "{key:?}");
        // The composite key includes the owner, so that rows of two users cannot be mixed.
        assert_eq!(key.columns[0], "user_id", "{key:?}");
        assert!(key.parent == "users" || owned.contains(&key.parent), "{key:?}");
    }
    for table in owned {
        assert!(keys.iter().any(|key| key.table == table), "{table}");
    }
    Ok(())
}

async fn every_cascade_has_an_index(test: TestDatabase) -> anyhow::Result<()> {
    let db = migrated(&test).await?;
    let indexes = indexes(&db).await?;
    for key in foreign_keys(&db).await? {
        // The last column is the id of the parent row. An index on the owner alone would read all rows of the user for
        // each deleted parent.
        let parent = key.columns.last();
        let serves = indexes.iter().filter(|index| index.table == key.table).any(|index| {
            index.columns.iter().take_while(|column| key.columns.contains(column)).any(|column| Some(column) == parent)
        });
        assert!(serves, "{key:?}");
    }
    Ok(())
}

async fn deleting_a_user_deletes_all_of_its_rows(test: TestDatabase) -> anyhow::Result<()> {
    let db = migrated(&test).await?;
    let (ada, bob) = two_users(&db).await?;
    let owned = owned(&db).await?;
    let rows = async |table: &str, user: Uuid| {
        count(&db, format!("SELECT COUNT(*) FROM {table} WHERE user_id = {}", id(&db, user))).await
    };
    for table in &owned {
        assert!(rows(table, ada.user).await? > 0, "no row in {table}");
    }
    db.execute_unprepared(&format!("DELETE FROM users WHERE id = {}", id(&db, ada.user))).await?;
    for table in &owned {
        assert_eq!(rows(table, ada.user).await?, 0, "{table}");
        assert!(rows(table, bob.user).await? > 0, "{table}");
    }
    assert_eq!(count(&db, "SELECT COUNT(*) FROM users".to_owned()).await?, 1);
    Ok(())
}

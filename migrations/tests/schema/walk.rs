//! Introspection of the schema: tables, indexes and foreign keys.

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, Statement};

/// A foreign key and its action on deletion.
#[derive(Debug)]
pub(crate) struct ForeignKey {
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
    pub(crate) parent: String,
    pub(crate) cascades: bool,
}

/// An index on all rows of a table. An expression in it is represented as `?`.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
}

/// Returns the names of all tables.
pub(crate) async fn tables(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let sqlite = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let postgres = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename";
    Ok(rows::<1>(db, sqlite, postgres).await?.into_iter().flatten().collect())
}

/// Returns the names of the tables that have an owner.
pub(crate) async fn owned(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let sqlite = "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
                  WHERE m.type = 'table' AND c.name = 'user_id' ORDER BY m.name";
    let postgres = "SELECT table_name::text FROM information_schema.columns \
                    WHERE table_schema = 'public' AND column_name = 'user_id' ORDER BY table_name";
    Ok(rows::<1>(db, sqlite, postgres).await?.into_iter().flatten().collect())
}

pub(crate) async fn foreign_keys(db: &DatabaseConnection) -> Result<Vec<ForeignKey>, DbErr> {
    let sqlite = "SELECT m.name, f.\"table\", f.on_delete, group_concat(f.\"from\", ',' ORDER BY f.seq) \
                  FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table' \
                  GROUP BY m.name, f.id, f.\"table\", f.on_delete";
    let postgres = "SELECT c.conrelid::regclass::text, c.confrelid::regclass::text, \
                    CASE c.confdeltype WHEN 'c' THEN 'CASCADE' ELSE '' END, \
                    string_agg(a.attname::text, ',' ORDER BY k.place) \
                    FROM pg_constraint c CROSS JOIN unnest(c.conkey) WITH ORDINALITY AS k (number, place) \
                    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number \
                    WHERE c.contype = 'f' GROUP BY c.oid, c.conrelid, c.confrelid, c.confdeltype";
    let read = |[table, parent, action, columns]: [String; 4]| ForeignKey {
        table,
        columns: list(&columns),
        parent,
        cascades: action == "CASCADE",
    };
    Ok(rows(db, sqlite, postgres).await?.into_iter().map(read).collect())
}

pub(crate) async fn indexes(db: &DatabaseConnection) -> Result<Vec<Index>, DbErr> {
    let sqlite = "SELECT m.name, group_concat(coalesce(c.name, '?'), ',' ORDER BY c.seqno) \
                  FROM sqlite_master m JOIN pragma_index_list(m.name) i JOIN pragma_index_info(i.name) c \
                  WHERE m.type = 'table' AND i.partial = 0 GROUP BY m.name, i.name";
    let postgres = "SELECT i.indrelid::regclass::text, string_agg(coalesce(a.attname::text, '?'), ',' ORDER BY k.place) \
                    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid \
                    CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (number, place) \
                    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number \
                    WHERE t.relnamespace = 'public'::regnamespace AND i.indpred IS NULL GROUP BY i.indexrelid, i.indrelid";
    let read = |[table, columns]: [String; 2]| Index { table, columns: list(&columns) };
    Ok(rows(db, sqlite, postgres).await?.into_iter().map(read).collect())
}

/// Returns the count that `sql` selects.
pub(crate) async fn count(db: &DatabaseConnection, sql: String) -> anyhow::Result<i64> {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    Ok(row.ok_or_else(|| anyhow::anyhow!("no row"))?.try_get_by_index(0)?)
}

fn list(columns: &str) -> Vec<String> {
    columns.split(',').map(str::to_owned).collect()
}

async fn rows<const N: usize>(
    db: &DatabaseConnection,
    sqlite: &str,
    postgres: &str,
) -> Result<Vec<[String; N]>, DbErr> {
    let sql = if db.get_database_backend() == DbBackend::Sqlite { sqlite } else { postgres };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    let mut texts = Vec::with_capacity(rows.len());
    for row in rows {
        let mut text = [const { String::new() }; N];
        for (place, text) in text.iter_mut().enumerate() {
            *text = row.try_get_by_index(place)?;
        }
        texts.push(text);
    }
    Ok(texts)
}

//! Database options: invalid URLs and redaction of the password.

use domain::task::TaskRepo as _;
use persistence::{ConnectError, Database, DatabaseOptions, SeaTaskRepo};
use sea_orm::{ConnectionTrait as _, Statement};
use test_database::{Kind, TestDatabase, on_both_databases};

use crate::fixture::{Fixture, options};

on_both_databases!(small_pools_and_unnamed_statements_work,);

#[tokio::test]
async fn an_unsupported_or_invalid_url_is_refused() {
    for url in ["", "mysql://ada:hunter2@localhost/x", "data/doable.db", "http://x", "Postgres://x"] {
        let outcome = Database::connect(&DatabaseOptions::new(url.into())).await.map(|_| ());
        assert!(matches!(outcome, Err(ConnectError::Scheme)), "{url}: {outcome:?}");
    }
    for url in ["postgres://ada:hunter2@:x/", "sqlite://x.db?mode=hunter2", "postgres://ada@h/?sslmode=hunter2"] {
        let outcome = Database::connect(&DatabaseOptions::new(url.into())).await.map(|_| ());
        assert!(matches!(outcome, Err(ConnectError::Url(_))), "{url}: {outcome:?}");
    }
}

#[test]
fn options_do_not_print_the_password() {
    let options = DatabaseOptions::new("postgres://ada:hunter2@localhost/doable".into());
    let printed = format!("{options:?}");
    assert!(!printed.contains("hunter2") && printed.contains("max_connections: 10"), "{printed}");
}

/// Few connections, and a transaction pooler without named statements, for which the driver gives them none.
async fn small_pools_and_unnamed_statements_work(test: TestDatabase) -> anyhow::Result<()> {
    let is_postgres = test.kind() == Kind::Postgres;
    let separator = if test.url().contains('?') { '&' } else { '?' };
    let unnamed = format!("{}{separator}statement-cache-capacity=0", test.url());
    let fixture = Fixture::with(test, |options| {
        if is_postgres {
            options.url = unnamed.into();
        }
    })
    .await?;
    let owner = fixture.user().await?;
    for title in ["Milk", "Bread"] {
        fixture.task(owner, title).await?;
    }
    let (_, turn) = fixture.conversation(owner).await?;
    assert_eq!(turn.position, 1);
    assert_eq!(fixture.tasks.counts(owner).await?.pending, 2);
    fixture.database.close().await;
    for max_connections in [1, 2, 3, 4] {
        let mut options = options(&fixture.test);
        options.max_connections = max_connections;
        if is_postgres {
            // Tells them from connections of the others that are still being closed.
            options.url = format!("{}{separator}application_name=max-{max_connections}", fixture.test.url()).into();
        }
        let database = Database::connect(&options).await?;
        let tasks = SeaTaskRepo::new(database.clone());
        assert_eq!(tasks.counts(owner).await?.pending, 2, "{max_connections}");
        // A pooler's connections to the server are not those of its clients.
        if is_postgres && fixture.test.url() == fixture.test.direct_url() {
            let db = database.pool_for_reads();
            let count = format!(
                "SELECT COUNT(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND application_name = 'max-{max_connections}'"
            );
            let statement = Statement::from_string(db.get_database_backend(), count);
            let row = db.query_one_raw(statement).await?.ok_or_else(|| anyhow::anyhow!("no row"))?;
            let open: i64 = row.try_get_by_index(0)?;
            assert!((1..=i64::from(max_connections)).contains(&open), "{max_connections}: {open}");
        }
        database.close().await;
    }
    Ok(())
}

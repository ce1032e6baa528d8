//! Temporary databases exist, are empty and separate, and are deleted.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use test_database::{Kind, TestDatabase, on_both_databases, postgres_is_missing};

on_both_databases!(a_database_is_empty_and_separate_from_others);

async fn a_database_is_empty_and_separate_from_others(first: TestDatabase) -> anyhow::Result<()> {
    let second = TestDatabase::create(first.kind()).await?;
    for database in [&first, &second] {
        // Fails for the second database if both are the same.
        create_table(database).await?;
    }
    Ok(())
}

async fn create_table(database: &TestDatabase) -> anyhow::Result<()> {
    match database.kind() {
        Kind::Sqlite => SqliteConnection::connect(database.url())
            .await?
            .execute("CREATE TABLE t (i integer)")
            .await?
            .rows_affected(),
        Kind::Postgres => {
            PgConnection::connect(database.url()).await?.execute("CREATE TABLE t (i integer)").await?.rows_affected()
        }
    };
    Ok(())
}

#[tokio::test]
async fn dropping_deletes_the_file() -> anyhow::Result<()> {
    let database = TestDatabase::create(Kind::Sqlite).await?;
    create_table(&database).await?;
    let path = database.url().trim_start_matches("sqlite://").trim_end_matches("?mode=rwc").to_owned();
    assert!(std::fs::exists(&path)?);
    drop(database);
    assert!(!std::fs::exists(&path)?);
    Ok(())
}

#[tokio::test]
async fn dropping_deletes_the_database_on_the_server() -> anyhow::Result<()> {
    let test = "dropping_deletes_the_database_on_the_server";
    let Some(database) = TestDatabase::create_or_skip(Kind::Postgres, test).await? else { return Ok(()) };
    let url = database.url().to_owned();
    let connected = PgConnection::connect(&url).await?;
    drop(database);
    assert!(PgConnection::connect(&url).await.is_err());
    drop(connected);
    Ok(())
}

#[test]
fn a_server_stops_when_its_process_is_killed() -> anyhow::Result<()> {
    if postgres_is_missing() || std::env::var_os("TEST_DATABASE_URL").is_some() {
        return Ok(());
    }
    let mut process = Command::new(env!("CARGO_BIN_EXE_test-database"))
        .args(["sh", "-c", "echo $TEST_DATABASE_URL; read _"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(process.stdout.take().context("piped")?).read_line(&mut line)?;
    let address = line.trim().trim_start_matches("postgres://postgres@").trim_end_matches("/postgres").to_owned();
    assert!(std::net::TcpStream::connect(&address).is_ok(), "{line}");
    let stdin = process.stdin.take();
    process.kill()?;
    process.wait()?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::net::TcpStream::connect(&address).is_ok() {
        assert!(Instant::now() < deadline, "the server at {address} is still running");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Kept open until here, so that the command does not exit by itself.
    drop(stdin);
    Ok(())
}

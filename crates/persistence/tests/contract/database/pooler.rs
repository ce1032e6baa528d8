//! PostgreSQL only: a pooler in transaction mode before the server, and connections that were cut.

use anyhow::Context as _;
use domain::id::UserId;
use domain::session::SessionRepo as _;
use domain::task::{Task, TaskRepo as _};
use domain::user::UserRepo as _;
use futures_util::future::{BoxFuture, try_join_all};
use migrations::{pending, up};
use persistence::{Database, DatabaseOptions, SeaTaskRepo, SeaUserRepo};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use test_database::{Kind, Pooler, TestDatabase};

use crate::fixture::{Fixture, at, new_session, options};

/// Number of users whose rows are read at once, and of reads of each.
const USERS: usize = 12;
const READS: usize = 40;

/// Sizes of a pool that is one, and of a pool that is divided.
const POOL_SIZES: [u32; 2] = [2, 10];

async fn behind_pooler(test: &str, max_connections: u32) -> anyhow::Result<Option<(Fixture, Pooler)>> {
    let Some((database, pooler)) = TestDatabase::create_behind_pooler_or_skip(test).await? else { return Ok(None) };
    let fixture = Fixture::with(database, |options| options.max_connections = max_connections).await?;
    Ok(Some((fixture, pooler)))
}

/// Reads the owner and the task by the two ways to the database, and checks that they are those.
async fn read(users: &SeaUserRepo, tasks: &SeaTaskRepo, task: &Task) -> anyhow::Result<()> {
    let user = users.get(task.user_id).await?;
    anyhow::ensure!(user.id == task.user_id, "user {} instead of {}", user.id, task.user_id);
    let found = tasks.get(task.user_id, task.id).await?;
    anyhow::ensure!(found == *task, "{found:?} instead of {task:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_no_user_gets_the_rows_of_another() -> anyhow::Result<()> {
    for max_connections in POOL_SIZES {
        let name = "behind_a_pooler_no_user_gets_the_rows_of_another";
        let Some((fixture, _pooler)) = behind_pooler(name, max_connections).await? else { return Ok(()) };
        // Another process at the same pooler.
        let other = Database::connect(&options(&fixture.test)).await?;
        let read_all = async |user: usize| {
            let owner = fixture.user().await?;
            let task = fixture.task(owner, &format!("Task {user}")).await?;
            let database = if user.is_multiple_of(2) { &fixture.database } else { &other };
            let (users, tasks) = (SeaUserRepo::new(database.clone()), SeaTaskRepo::new(database.clone()));
            for _ in 0..READS {
                read(&users, &tasks, &task).await?;
                fixture.session(owner).await?;
            }
            anyhow::Ok(())
        };
        try_join_all((0..USERS).map(read_all)).await.with_context(|| format!("{max_connections} connections"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_set_or_prepared_remains_on_a_poolers_server() -> anyhow::Result<()> {
    for max_connections in POOL_SIZES {
        let name = "nothing_that_is_set_or_prepared_remains_on_a_poolers_server";
        let Some((fixture, pooler)) = behind_pooler(name, max_connections).await? else { return Ok(()) };
        let mut url = pooler.url().clone();
        url.set_path(fixture.test.direct_url().rsplit('/').next().unwrap_or_default());
        let mut clients = Vec::new();
        for _ in 0..8 {
            let options: PgConnectOptions = url.as_str().parse()?;
            clients.push(PgConnection::connect_with(&options.extra_float_digits(None)).await?);
        }
        // Migrations have left theirs.
        for client in &mut clients {
            client.execute("BEGIN; DEALLOCATE ALL").await?;
        }
        for client in &mut clients {
            client.execute("COMMIT").await?;
        }
        let use_all = async |user: usize| {
            let owner = fixture.user().await?;
            let task = fixture.task(owner, &format!("Task {user}")).await?;
            fixture.session(owner).await?;
            read(&fixture.users, &fixture.tasks, &task).await
        };
        try_join_all((0..USERS).map(use_all)).await?;
        let mut servers = Vec::new();
        for client in &mut clients {
            // All of them at once, each on a server of its own.
            client.execute("BEGIN").await?;
            let state = "SELECT pg_backend_pid()::text || ' ' || current_setting('statement_timeout') || ' ' || \
                         (SELECT count(*) FROM pg_prepared_statements WHERE name <> '')";
            let row = sqlx::raw_sql(state).fetch_one(client).await?;
            servers.push(row.try_get::<String, _>(0)?);
        }
        for server in &servers {
            anyhow::ensure!(server.ends_with(" 0 0"), "process, timeout, statements: {servers:?}");
        }
    }
    Ok(())
}

/// Without a pooler the timeout is set once, and a read is one statement.
#[tokio::test]
async fn a_server_without_a_pooler_keeps_what_is_set() -> anyhow::Result<()> {
    let name = "a_server_without_a_pooler_keeps_what_is_set";
    let Some(test) = TestDatabase::create_or_skip(Kind::Postgres, name).await? else { return Ok(()) };
    for (query, expected) in [("", "10s"), ("?pgbouncer=true", "0"), ("?pgbouncer=false", "10s")] {
        let url = format!("{}{query}", test.direct_url());
        let database = Database::connect(&DatabaseOptions::new(url.into())).await?;
        let pool = database.pool_for_reads().get_postgres_connection_pool();
        let row = sqlx::raw_sql("SHOW statement_timeout").fetch_one(pool).await?;
        assert_eq!(row.try_get::<String, _>(0)?, expected, "{query}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_migrate_and_start_through_a_pooler() -> anyhow::Result<()> {
    let name = "several_processes_migrate_and_start_through_a_pooler";
    let Some((test, _pooler)) = TestDatabase::create_behind_pooler_or_skip(name).await? else { return Ok(()) };
    let start = async |_| {
        let database = Database::connect(&options(&test)).await?;
        up(database.connection_for_migrations()).await?;
        for _ in 0..10 {
            assert_eq!(pending(&database.connection_for_status().await?).await?, 0);
        }
        anyhow::Ok(database)
    };
    try_join_all((0..3).map(start)).await?;
    // Their statements remain on the pooler's servers, with the names that this one uses too.
    let last = start(3).await?;
    migrations::down(last.connection_for_migrations(), 1).await?;
    assert_eq!(pending(&last.connection_for_status().await?).await?, 1);
    Ok(())
}

type Request = for<'f> fn(&'f Fixture, UserId) -> BoxFuture<'f, anyhow::Result<()>>;

/// A request by each way to the database.
const REQUESTS: [(&str, Request); 6] = [
    ("read", |fixture, owner| Box::pin(async move { Ok(fixture.tasks.counts(owner).await.map(drop)?) })),
    ("batch", |fixture, owner| Box::pin(async move { fixture.task(owner, "Milk").await.map(drop) })),
    ("SeaORM's read", |fixture, owner| Box::pin(async move { Ok(fixture.users.get(owner).await.map(drop)?) })),
    ("SeaORM's write", |fixture, _| Box::pin(async move { fixture.user().await.map(drop) })),
    ("SeaORM's transaction", |fixture, owner| {
        Box::pin(async move { Ok(fixture.sessions.create(owner, new_session(at(100))).await.map(drop)?) })
    }),
    ("status", |fixture, _| {
        Box::pin(async move {
            fixture.database.ping().await?;
            assert_eq!(pending(&fixture.database.connection_for_status().await?).await?, 0);
            Ok(())
        })
    }),
];

/// Opens all connections, cuts them by `cut`, and sends each request as the first one after that.
async fn first_requests_succeed(
    fixture: &Fixture,
    mut cut: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let owner = fixture.user().await?;
    for (name, request) in REQUESTS {
        let all = (0..8).flat_map(|_| REQUESTS.map(|(_, request)| request(fixture, owner)));
        try_join_all(all).await.context("before the cut")?;
        cut().await?;
        request(fixture, owner).await.with_context(|| format!("{name} is the first request"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_request_after_the_server_ended_all_connections_succeeds() -> anyhow::Result<()> {
    let name = "the_first_request_after_the_server_ended_all_connections_succeeds";
    for max_connections in POOL_SIZES {
        let Some(test) = TestDatabase::create_or_skip(Kind::Postgres, name).await? else { return Ok(()) };
        let fixture = Fixture::with(test, |options| options.max_connections = max_connections).await?;
        first_requests_succeed(&fixture, async || fixture.test.end_connections().await).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_request_after_a_poolers_server_ended_all_connections_succeeds() -> anyhow::Result<()> {
    let name = "the_first_request_after_a_poolers_server_ended_all_connections_succeeds";
    for max_connections in POOL_SIZES {
        let Some((fixture, _pooler)) = behind_pooler(name, max_connections).await? else { return Ok(()) };
        first_requests_succeed(&fixture, async || fixture.test.end_connections().await).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_request_after_a_restart_of_the_pooler_succeeds() -> anyhow::Result<()> {
    let name = "the_first_request_after_a_restart_of_the_pooler_succeeds";
    for max_connections in POOL_SIZES {
        let Some((fixture, mut pooler)) = behind_pooler(name, max_connections).await? else { return Ok(()) };
        first_requests_succeed(&fixture, async || pooler.restart()).await?;
    }
    Ok(())
}

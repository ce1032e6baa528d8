//! `app doctor` on set-ups that work and on broken ones: it names what is wrong and what to do, and changes nothing.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use test_database::{Kind, TestDatabase};
use test_openid::OpenIdServer;

use crate::fake_server::{http, postgres_that_refuses_passwords, unused_address};
use crate::server::{Server, command, run};

/// A secret of each kind; none may be printed.
const SECRET: &str = "hunter2-hunter2-hunter2-hunter2-hunter2";
/// The user and group `nobody`.
const NOBODY: u32 = 65_534;

/// The output of the doctor.
struct Diagnosis {
    is_good: bool,
    text: String,
}

impl Diagnosis {
    fn of(mut command: Command, title: &str) -> anyhow::Result<Self> {
        let output = command.arg("doctor").output()?;
        let text = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
        #[expect(clippy::print_stdout, reason = "the runner shows it on demand, for documents and notes")]
        {
            println!("### {title}\n{text}");
        }
        ensure!(!text.contains("hunter2"), "a secret is printed: {text}");
        Ok(Self { is_good: output.status.success(), text })
    }

    fn in_folder(folder: &Path, title: &str, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut command = command(folder);
        command.envs(variables.iter().copied());
        Self::of(command, title)
    }

    /// Asserts that these variables are a problem of this topic, described by these words.
    fn expect_problem(title: &str, variables: &[(&str, &str)], topic: &str, words: &[&str]) -> anyhow::Result<()> {
        let folder = TempDir::new()?;
        Self::in_folder(folder.path(), title, variables)?.expect(topic, words)
    }

    /// Asserts that there is one problem, of this topic, whose lines contain these words.
    fn expect(&self, topic: &str, words: &[&str]) -> anyhow::Result<()> {
        ensure!(!self.is_good, "the exit status is 0: {}", self.text);
        let start = format!("PROBLEM  {topic:<11} ");
        let (_, problem) = self.text.split_once(&start).with_context(|| format!("no {topic}: {}", self.text))?;
        let problem: String = problem.split_inclusive('\n').take(2).collect();
        ensure!(problem.contains("\n                     To do: "), "no advice: {problem}");
        for word in words {
            ensure!(problem.contains(word), "{word:?} is missing: {problem}");
        }
        ensure!(self.text.contains("\n1 problem, "), "more than one problem: {}", self.text);
        Ok(())
    }
}

#[tokio::test]
async fn a_new_development_server_has_no_problem_and_the_doctor_creates_nothing() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let found = Diagnosis::in_folder(folder.path(), "a new folder", &[])?;
    ensure!(found.is_good && found.text.ends_with("0 problems, 0 warnings\n"), "{}", found.text);
    ensure!(fs::read_dir(folder.path())?.count() == 0, "the doctor has created a file");
    // With the server's files, and while it runs.
    let server = Server::start(folder.path(), &[])?;
    let port = server.address.rsplit(':').next().unwrap_or_default();
    let found = Diagnosis::in_folder(folder.path(), "a running server", &[("PORT", port)])?;
    ensure!(found.is_good, "{}", found.text);
    for words in ["a server is running on 127.0.0.1", "answers (SQLite 3.", "all are applied", "was generated"] {
        ensure!(found.text.contains(words), "{words:?} is missing: {}", found.text);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_production_server_on_postgres_with_everything_has_no_problem() -> anyhow::Result<()> {
    let name = "a_production_server_on_postgres_with_everything_has_no_problem";
    let Some(database) = TestDatabase::create_or_skip(Kind::Postgres, name).await? else { return Ok(()) };
    let (folder, openid) = (TempDir::new()?, OpenIdServer::start().await?);
    let reply =
        r#"{"choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]}"#;
    let (provider, issuer) = (http("200 OK", reply)?, openid.issuer());
    let variables = [
        ("DATABASE_URL", database.url()),
        ("ENVIRONMENT", "production"),
        ("JWT_SECRET", SECRET),
        ("PUBLIC_URL", "https://todo.example.com"),
        ("FRONTEND_URL", "https://app.example.com"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("OPENAI_BASE_URL", &provider),
        ("OPENAI_API_KEY", SECRET),
        ("OPENAI_MODEL", "tiny"),
        ("GOOGLE_CLIENT_ID", "doable"),
        ("GOOGLE_CLIENT_SECRET", SECRET),
        ("GOOGLE_ISSUER_URL", &issuer),
    ];
    let found = Diagnosis::in_folder(folder.path(), "production with Postgres, provider and sign-in", &variables)?;
    ensure!(found.is_good && found.text.ends_with("0 problems, 0 warnings\n"), "{}", found.text);
    for words in
        ["answers (PostgreSQL ", "agrees with the database's", "tiny at http://", "pending; the server applies"]
    {
        ensure!(found.text.contains(words), "{words:?} is missing: {}", found.text);
    }
    Ok(())
}

#[test]
fn invalid_settings_are_all_named() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let variables = [("PORT", "abc"), ("SHUTDOWN_DRAIN", "1m"), ("JWT_SECRET", "hunter2")];
    let found = Diagnosis::in_folder(folder.path(), "invalid settings", &variables)?;
    ensure!(!found.is_good);
    for words in ["PORT: \"abc\" is not a port", "SHUTDOWN_DRAIN: \"1m\" is not a duration", "JWT_SECRET: "] {
        ensure!(found.text.contains(words), "{words:?} is missing: {}", found.text);
    }
    Ok(())
}

#[test]
fn a_setting_that_others_require_is_missing() -> anyhow::Result<()> {
    let variables = [("ENVIRONMENT", "production")];
    let words = ["JWT_SECRET is required in production", "openssl rand", ".env"];
    Diagnosis::expect_problem("production without JWT_SECRET", &variables, "settings", &words)
}

#[test]
fn postgres_is_down() -> anyhow::Result<()> {
    let url = format!("postgres://me:{SECRET}@{}/todo", unused_address()?);
    let words = ["Postgres at 127.0.0.1:", "Connection refused", "Start Postgres"];
    Diagnosis::expect_problem("Postgres is down", &[("DATABASE_URL", &url)], "database", &words)
}

#[test]
fn postgres_refuses_the_password() -> anyhow::Result<()> {
    let url = format!("postgres://me:{SECRET}@{}/todo", postgres_that_refuses_passwords()?);
    let words = ["password authentication failed", "Correct the user and the password", "%2F %3F %23 %40"];
    Diagnosis::expect_problem("wrong password", &[("DATABASE_URL", &url)], "database", &words)
}

#[tokio::test]
async fn postgres_has_no_such_database() -> anyhow::Result<()> {
    let name = "postgres_has_no_such_database";
    let Some(database) = TestDatabase::create_or_skip(Kind::Postgres, name).await? else { return Ok(()) };
    let url = format!("{}_missing", database.direct_url());
    let words = ["does not exist", "createdb"];
    Diagnosis::expect_problem("no such database", &[("DATABASE_URL", &url)], "database", &words)
}

#[tokio::test]
async fn a_newer_version_has_migrated_the_database() -> anyhow::Result<()> {
    let name = "a_newer_version_has_migrated_the_database";
    let Some(database) = TestDatabase::create_or_skip(Kind::Postgres, name).await? else { return Ok(()) };
    let folder = TempDir::new()?;
    let variables = [("DATABASE_URL", database.url())];
    ensure!(run(folder.path(), &["migrate", "up"], &variables)?.status.success());
    database.execute("INSERT INTO seaql_migrations VALUES ('m20991231_000099_future', 0)").await?;
    let found = Diagnosis::in_folder(folder.path(), "a database of a newer version", &variables)?;
    found.expect("migrations", &["m20991231_000099_future", "Run that version", "restore a backup"])
}

#[test]
fn migrations_are_pending_and_not_applied_at_start() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    fs::write(folder.path().join("empty.db"), "")?;
    let variables = [("DATABASE_URL", "sqlite://empty.db"), ("MIGRATE_ON_START", "false")];
    let found = Diagnosis::in_folder(folder.path(), "pending migrations", &variables)?;
    found.expect("migrations", &["are pending", "MIGRATE_ON_START is false", "app migrate up"])
}

/// A command that runs the binary as a user who is not root, for whom permissions hold.
fn command_of_nobody(folder: &Path) -> anyhow::Result<Command> {
    if fs::metadata(folder)?.uid() != 0 {
        return Ok(command(folder));
    }
    let binary = folder.join("app");
    fs::copy(env!("CARGO_BIN_EXE_app"), &binary)?;
    for path in [folder, &binary] {
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    let mut command = Command::new(binary);
    command.current_dir(folder).env_clear().env("PORT", "0").uid(NOBODY).gid(NOBODY);
    Ok(command)
}

#[test]
fn the_folder_of_the_database_is_read_only() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let data = folder.path().join("data");
    fs::create_dir(&data)?;
    fs::set_permissions(&data, Permissions::from_mode(0o555))?;
    let mut command = command_of_nobody(folder.path())?;
    command.env("JWT_SECRET", SECRET);
    let found = Diagnosis::of(command, "a read-only data folder")?;
    found.expect("database", &["data cannot be written to", "Permission denied", "own the file and its folder"])?;

    // With a database that another user has created.
    fs::set_permissions(&data, Permissions::from_mode(0o755))?;
    ensure!(run(folder.path(), &["migrate", "up"], &[])?.status.success());
    for path in [data.join("doable.db"), data.clone()] {
        fs::set_permissions(&path, Permissions::from_mode(if path == data { 0o555 } else { 0o444 }))?;
    }
    let mut command = command_of_nobody(folder.path())?;
    command.env("JWT_SECRET", SECRET);
    let found = Diagnosis::of(command, "a database file of another user")?;
    found.expect("database", &["doable.db", "own the file and its folder"])?;
    fs::set_permissions(&data, Permissions::from_mode(0o755))?;
    Ok(())
}

#[test]
fn the_file_is_no_database() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    fs::write(folder.path().join("notes.txt"), "hunter2 is what this file contains, again and again. ".repeat(100))?;
    let found =
        Diagnosis::in_folder(folder.path(), "a file that is no database", &[("DATABASE_URL", "sqlite://notes.txt")])?;
    found.expect("database", &["is not an SQLite database", "Correct the path in DATABASE_URL"])
}

#[tokio::test]
async fn the_clock_differs_from_the_databases() -> anyhow::Result<()> {
    let name = "the_clock_differs_from_the_databases";
    let Some(database) = TestDatabase::create_or_skip(Kind::Postgres, name).await? else { return Ok(()) };
    // A function that hides the one of the system for all connections from now on.
    database
        .execute(
            "CREATE SCHEMA skewed; \
             CREATE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS \
             $$ SELECT pg_catalog.clock_timestamp() - interval '1 hour' $$; \
             DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = skewed, public, pg_catalog', \
             current_database()); END $$",
        )
        .await?;
    let words = [" s ahead of the database's", "Synchronize the clocks"];
    // A pooler keeps connections from before.
    Diagnosis::expect_problem("a wrong clock", &[("DATABASE_URL", database.direct_url())], "clock", &words)
}

/// The variables of a provider at this address.
fn provider(url: &str) -> [(&str, &str); 3] {
    [("OPENAI_BASE_URL", url), ("OPENAI_API_KEY", SECRET), ("OPENAI_MODEL", "tiny")]
}

#[test]
fn the_provider_refuses_the_key() -> anyhow::Result<()> {
    let url =
        http("401 Unauthorized", r#"{"error": {"message": "hunter2-hunter2 is wrong", "code": "invalid_api_key"}}"#)?;
    let words = ["tiny at http://127.0.0.1", "refused the key", "Set OPENAI_API_KEY"];
    Diagnosis::expect_problem("a refused key", &provider(&url), "provider", &words)
}

#[test]
fn the_provider_lacks_the_model() -> anyhow::Result<()> {
    let url = http("404 Not Found", r#"{"error": {"message": "no such model: tiny", "code": "model_not_found"}}"#)?;
    let words = ["does not have the model 'tiny'", "Set OPENAI_MODEL"];
    Diagnosis::expect_problem("a missing model", &provider(&url), "provider", &words)
}

#[test]
fn the_provider_cannot_be_reached() -> anyhow::Result<()> {
    let url = format!("http://{}", unused_address()?);
    let words = ["cannot be reached", "Check OPENAI_BASE_URL", "LLM_FALLBACK=offline"];
    Diagnosis::expect_problem("a provider that is down", &provider(&url), "provider", &words)
}

#[test]
fn the_port_is_taken_by_another_program() -> anyhow::Result<()> {
    let url = http("200 OK", r#"{"status": "another"}"#)?;
    let port = url.rsplit(':').next().unwrap_or_default();
    let words = ["is taken by another program", "or set PORT", "ss -ltnp"];
    Diagnosis::expect_problem("a port that is taken", &[("PORT", port)], "port", &words)?;
    // One that accepts connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let port = silent.local_addr()?.port().to_string();
    Diagnosis::expect_problem("a port of a silent program", &[("PORT", &port)], "port", &words)
}

#[test]
fn the_address_is_not_of_this_machine() -> anyhow::Result<()> {
    let words = ["cannot listen on 192.0.2.1", "Set HOST to an address of this machine"];
    Diagnosis::expect_problem("a foreign address", &[("HOST", "192.0.2.1")], "port", &words)
}

#[test]
fn the_counts_of_rate_limits_are_not_reached() -> anyhow::Result<()> {
    let redis = format!("redis://:hunter2@{}", unused_address()?);
    let words = ["cannot be used", "REDIS_URL"];
    Diagnosis::expect_problem("Redis is down", &[("REDIS_URL", &redis)], "rate limits", &words)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuer_of_the_sign_in_is_wrong() -> anyhow::Result<()> {
    let openid = OpenIdServer::start().await?;
    let sign_in = |issuer: &str, words: &[&str]| {
        let variables =
            [("GOOGLE_CLIENT_ID", "doable"), ("GOOGLE_CLIENT_SECRET", SECRET), ("GOOGLE_ISSUER_URL", issuer)];
        Diagnosis::expect_problem(&format!("the issuer {issuer}"), &variables, "sign-in", words)
    };
    let nobody = format!("http://{}", unused_address()?);
    tokio::task::block_in_place(|| {
        sign_in(&nobody, &["cannot be reached", "Correct GOOGLE_ISSUER_URL"])?;
        // The same server by another name.
        sign_in(&openid.issuer().replace("127.0.0.1", "localhost"), &["is not accepted", "exactly the `issuer`"])
    })
}

#[test]
fn urls_of_a_development_machine_are_warnings_in_production() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let variables = [("ENVIRONMENT", "production"), ("JWT_SECRET", SECRET)];
    let found = Diagnosis::in_folder(folder.path(), "production with the defaults", &variables)?;
    ensure!(found.is_good && found.text.contains("\n0 problems, 3 warnings"), "{}", found.text);
    for words in ["PUBLIC_URL is not set", "FRONTEND_URL is http://localhost:3000/", "CORS_ORIGINS allows http:"] {
        ensure!(found.text.contains(words), "{words:?} is missing: {}", found.text);
    }
    Ok(())
}

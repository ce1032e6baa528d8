//! Accounts: row locks against a concurrent transaction on PostgreSQL. (SQLite has a single writer; `race` tests
//! concurrency on both databases.)

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use domain::api_token::{ApiTokenRepo as _, ApiTokenRepoError};
use domain::change::{ChangeRepo as _, Write};
use domain::id::{SessionId, UserId};
use domain::session::{CodePurpose, NewCode, SessionRepo as _, SessionRepoError};
use domain::system::SystemRepo as _;
use domain::user::{NewUser, UserRepo as _, UserRepoError};
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, TransactionTrait as _};
use test_database::{Kind, TestDatabase};
use tokio::task::JoinHandle;

use crate::fixture::{
    Fixture, at, call, effect, external, id, new_api_token, new_code, new_password, new_session, new_task, new_user,
    token,
};

/// Creates the test `name::postgres` from each function.
macro_rules! on_postgres {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() -> anyhow::Result<()> {
                let test = super::TestDatabase::create_or_skip(super::Kind::Postgres, stringify!($name)).await?;
                let Some(test) = test else { return Ok(()) };
                super::$name(super::Fixture::new(test).await?).await
            }
        }
    )+};
}

on_postgres!(
    inserts_wait_for_a_password_change_and_then_insert_nothing,
    inserts_wait_for_the_end_of_their_session_and_then_insert_nothing,
    inserts_wait_for_the_deletion_of_their_user_and_then_insert_nothing,
    a_password_change_waits_for_concurrent_inserts_and_revokes_them,
    ending_all_sessions_waits_for_a_concurrent_creation,
    a_sign_up_waits_for_a_concurrent_link_of_its_account_and_then_is_refused,
    deleting_expired_rows_skips_locked_rows,
    a_commit_and_the_deletion_of_its_user_do_not_deadlock,
);

/// Begins a concurrent transaction that has executed these statements.
async fn concurrent(fixture: &Fixture, statements: &[String]) -> anyhow::Result<DatabaseTransaction> {
    let transaction = fixture.raw().begin().await?;
    for sql in statements {
        transaction.execute_unprepared(sql).await?;
    }
    Ok(transaction)
}

async fn end(transaction: DatabaseTransaction, commit: bool) -> Result<(), DbErr> {
    if commit { transaction.commit().await } else { transaction.rollback().await }
}

/// Spawns `work` and returns once it waits for a lock, in addition to `others` that do. Fails if it finishes before.
async fn waiting<T: Debug + Send + 'static>(
    fixture: &Fixture,
    others: i64,
    work: impl Future<Output = T> + Send + 'static,
) -> anyhow::Result<JoinHandle<T>> {
    let work = tokio::spawn(work);
    let locks = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while fixture.number(locks).await? <= others {
        if work.is_finished() {
            anyhow::bail!("finished without waiting: {:?}", work.await?);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(work)
}

/// What can be inserted in a user's name.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Insertion {
    Session,
    ApiToken,
    Code,
    CodeInSession,
    Link,
}

impl Insertion {
    const ALL: [Self; 5] = [Self::Session, Self::ApiToken, Self::Code, Self::CodeInSession, Self::Link];
    /// Those that require a session.
    const IN_SESSION: [Self; 3] = [Self::ApiToken, Self::CodeInSession, Self::Link];

    /// Inserts it. Returns `false` if it was refused.
    fn insert(
        self,
        fixture: &Fixture,
        owner: UserId,
        session: SessionId,
    ) -> impl Future<Output = anyhow::Result<bool>> + Send + 'static {
        let (sessions, api_tokens, users) =
            (fixture.sessions.clone(), fixture.api_tokens.clone(), fixture.users.clone());
        async move {
            let code = |session| NewCode { at: at(1), ..new_code(CodePurpose::Link, session) };
            match self {
                Self::Session => match sessions.create(owner, new_session(at(9))).await {
                    Err(SessionRepoError::NotFound) => Ok(false),
                    outcome => Ok(outcome.map(|_| true)?),
                },
                Self::ApiToken => match api_tokens.create(owner, session, new_api_token(at(1))?).await {
                    Err(ApiTokenRepoError::NotFound) => Ok(false),
                    outcome => Ok(outcome.map(|_| true)?),
                },
                Self::Code | Self::CodeInSession => {
                    let session = (self == Self::CodeInSession).then_some(session);
                    match sessions.create_code(owner, code(session)).await {
                        Err(SessionRepoError::NotFound) => Ok(false),
                        outcome => Ok(outcome.map(|()| true)?),
                    }
                }
                Self::Link => match users.link(owner, session, external(&owner.to_string())?, at(1)).await {
                    Err(UserRepoError::NotFound) => Ok(false),
                    outcome => Ok(outcome.map(|()| true)?),
                },
            }
        }
    }
}

async fn inserts_wait_for_a_password_change_and_then_insert_nothing(fixture: Fixture) -> anyhow::Result<()> {
    for insertion in Insertion::ALL {
        for committed in [true, false] {
            let owner = fixture.user().await?;
            let session = fixture.session(owner).await?;
            let change = [
                format!("UPDATE users SET token_version = token_version + 1 WHERE id = '{owner}'"),
                format!("DELETE FROM sessions WHERE user_id = '{owner}'"),
            ];
            let change = concurrent(&fixture, &change).await?;
            let inserted = waiting(&fixture, 0, insertion.insert(&fixture, owner, session)).await?;
            end(change, committed).await?;
            // A code without a session does not depend on the password and is inserted after the change.
            let expected = !committed || insertion == Insertion::Code;
            assert_eq!(inserted.await??, expected, "{insertion:?} {committed}");
        }
    }
    Ok(())
}

async fn inserts_wait_for_the_end_of_their_session_and_then_insert_nothing(fixture: Fixture) -> anyhow::Result<()> {
    for insertion in Insertion::IN_SESSION {
        let owner = fixture.user().await?;
        let session = fixture.session(owner).await?;
        let end = concurrent(&fixture, &[format!("DELETE FROM sessions WHERE id = '{session}'")]).await?;
        let inserted = waiting(&fixture, 0, insertion.insert(&fixture, owner, session)).await?;
        end.commit().await?;
        assert!(!inserted.await??, "{insertion:?}");
    }
    Ok(())
}

/// Both wait for the same transaction, the deletion first. If the insert held a lock while it waits, the two would
/// deadlock.
async fn inserts_wait_for_the_deletion_of_their_user_and_then_insert_nothing(fixture: Fixture) -> anyhow::Result<()> {
    for insertion in Insertion::ALL {
        let owner = fixture.user().await?;
        let session = fixture.session(owner).await?;
        // A lock without an update, so that the waiters proceed in order.
        let lock = concurrent(&fixture, &[format!("SELECT id FROM users WHERE id = '{owner}' FOR UPDATE")]).await?;
        let users = fixture.users.clone();
        let deleted = waiting(&fixture, 0, async move { users.delete(owner, 0).await }).await?;
        let inserted = waiting(&fixture, 1, insertion.insert(&fixture, owner, session)).await?;
        lock.commit().await?;
        deleted.await??;
        assert!(!inserted.await??, "{insertion:?}");
    }
    Ok(())
}

async fn a_password_change_waits_for_concurrent_inserts_and_revokes_them(fixture: Fixture) -> anyhow::Result<()> {
    let owner = fixture.user().await?;
    let zero = "'\\x0000000000000000000000000000000000000000000000000000000000000000'";
    let begin = [
        format!("SELECT id FROM users WHERE id = '{owner}' FOR SHARE"),
        format!("INSERT INTO sessions VALUES ('{}', '{owner}', now(), now(), now())", id::<SessionId>()),
        format!("INSERT INTO api_tokens VALUES (gen_random_uuid(), '{owner}', 'CI', 'chat', {zero}, now())"),
        format!("INSERT INTO one_time_codes VALUES ({zero}, 'sign_in', '{owner}', NULL, now(), now())"),
    ];
    let begin = concurrent(&fixture, &begin).await?;
    let users = fixture.users.clone();
    let changed =
        waiting(&fixture, 0, async move { users.change_password(owner, new_password(0), at(1)).await }).await?;
    begin.commit().await?;
    changed.await??;
    for (table, left) in [("sessions", 1), ("api_tokens", 0), ("one_time_codes", 0)] {
        assert_eq!(fixture.number(&format!("SELECT COUNT(*) FROM {table}")).await?, left, "{table}");
    }
    Ok(())
}

async fn ending_all_sessions_waits_for_a_concurrent_creation(fixture: Fixture) -> anyhow::Result<()> {
    let owner = fixture.user().await?;
    fixture.session(owner).await?;
    let begin = [
        format!("SELECT id FROM users WHERE id = '{owner}' FOR SHARE"),
        format!("INSERT INTO sessions VALUES ('{}', '{owner}', now(), now(), now())", id::<SessionId>()),
    ];
    let begin = concurrent(&fixture, &begin).await?;
    let sessions = fixture.sessions.clone();
    let ended = waiting(&fixture, 0, async move { sessions.end_all(owner).await }).await?;
    begin.commit().await?;
    ended.await??;
    assert_eq!(fixture.number("SELECT COUNT(*) FROM sessions").await?, 0);
    Ok(())
}

async fn a_sign_up_waits_for_a_concurrent_link_of_its_account_and_then_is_refused(
    fixture: Fixture,
) -> anyhow::Result<()> {
    for (number, linked) in [true, false].into_iter().enumerate() {
        let (email, subject, other) = (format!("ada{number}@example.com"), number.to_string(), id::<UserId>());
        let sign_in = [
            format!("INSERT INTO external_accounts VALUES ('https://id.example', '{subject}', '{other}', now())"),
            format!("INSERT INTO users VALUES ('{other}', '{email}', '{email}', 'Ada', 'UTC', NULL, 0, now(), now())"),
        ];
        let sign_in = concurrent(&fixture, &sign_in).await?;
        let (users, account) = (fixture.users.clone(), external(&subject)?);
        let new = NewUser { password_hash: None, ..new_user(&email)? };
        let created = waiting(&fixture, 0, async move { users.create_external(new, account).await }).await?;
        end(sign_in, linked).await?;
        let created = created.await?;
        // The address is taken too, but the error about the account takes precedence.
        match created {
            Ok(_) => assert!(!linked),
            Err(why) => assert!(linked && matches!(why, UserRepoError::ExternalAccountTaken), "{why:?}"),
        }
    }
    Ok(())
}

async fn deleting_expired_rows_skips_locked_rows(fixture: Fixture) -> anyhow::Result<()> {
    let owner = fixture.user().await?;
    for _ in 0..2 {
        fixture.sessions.create(owner, new_session(at(5))).await?;
        fixture.sessions.create_code(owner, new_code(CodePurpose::SignIn, None)).await?;
        fixture.system.spend_state(&token(), at(5)).await?;
    }
    let now = at(60_000_000);
    let one = |table: &str, key: &str, change: &str| {
        format!("UPDATE {table} SET {change} WHERE {key} = (SELECT {key} FROM {table} LIMIT 1)")
    };
    let locks = [
        // Extended by a concurrent refresh.
        one("sessions", "id", "expires_at = '2999-01-01'"),
        one("one_time_codes", "hash", "purpose = purpose"),
        one("spent_states", "hash", "expires_at = expires_at"),
    ];
    let locks = concurrent(&fixture, &locks).await?;
    assert_eq!(fixture.system.delete_expired(now).await?, 3);
    locks.commit().await?;
    assert_eq!(fixture.system.delete_expired(now).await?, 2);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM sessions").await?, 1);
    Ok(())
}

/// The commit locks the user before the turn; in the other order, the two would deadlock.
async fn a_commit_and_the_deletion_of_its_user_do_not_deadlock(fixture: Fixture) -> anyhow::Result<()> {
    let owner = fixture.user().await?;
    let (_, turn) = fixture.conversation(owner).await?;
    // Its statement is prepared, so that the next one waits for the table and not for the plan.
    fixture.task(owner, "Bread").await?;
    let lock = concurrent(&fixture, &["LOCK TABLE tasks IN SHARE MODE".to_owned()]).await?;
    let (changes, users) = (fixture.changes.clone(), fixture.users.clone());
    let (write, change) = (Write::create(new_task(owner, "Milk")?), effect(owner, call(&turn, 0), at(1)));
    let added = waiting(&fixture, 0, async move { changes.commit(owner, &[write], &change).await }).await?;
    let deleted = waiting(&fixture, 1, async move { users.delete(owner, 0).await }).await?;
    lock.commit().await?;
    // The commit is first; the deletion cascades to its rows.
    assert_eq!(added.await??.len(), 1);
    deleted.await??;
    for table in ["tasks", "changes"] {
        assert_eq!(fixture.number(&format!("SELECT COUNT(*) FROM {table}")).await?, 0, "{table}");
    }
    Ok(())
}

//! Accounts: who waits for whom on PostgreSQL, where another transaction is under way. (SQLite has one writer at a time:
//! what happens at the same time there is in `account_race`.)

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

/// Makes the test `name::postgres` out of each function.
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
    what_is_begun_while_the_password_changes_waits_and_then_is_not,
    what_is_begun_while_its_session_ends_waits_and_then_is_not,
    what_is_begun_while_its_user_is_deleted_waits_and_then_is_not,
    a_change_of_the_password_waits_for_what_is_being_begun_and_voids_it,
    the_end_of_all_sessions_waits_for_one_that_is_being_created,
    whoever_comes_with_an_account_that_is_being_tied_waits_and_then_hears_of_it,
    what_is_over_and_in_somebodys_hands_is_not_waited_for,
    a_turn_that_adds_a_task_is_not_in_the_way_of_its_users_deletion,
);

/// A transaction of somebody else that has sent these statements.
async fn somebody(fixture: &Fixture, statements: &[String]) -> anyhow::Result<DatabaseTransaction> {
    let transaction = fixture.database.connection_for_migrations().begin().await?;
    for sql in statements {
        transaction.execute_unprepared(sql).await?;
    }
    Ok(transaction)
}

async fn end(transaction: DatabaseTransaction, commit: bool) -> Result<(), DbErr> {
    if commit { transaction.commit().await } else { transaction.rollback().await }
}

/// Begins `work`, and returns when it waits for a lock, as do `others` before it. Fails if it is done before that.
async fn waiting<T: Debug + Send + 'static>(
    fixture: &Fixture,
    others: i64,
    work: impl Future<Output = T> + Send + 'static,
) -> anyhow::Result<JoinHandle<T>> {
    let work = tokio::spawn(work);
    let locks = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while fixture.number(locks).await? <= others {
        if work.is_finished() {
            anyhow::bail!("it did not wait: {:?}", work.await?);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(work)
}

/// What can be begun in somebody's name.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Beginning {
    Session,
    ApiToken,
    Code,
    CodeInSession,
    Link,
}

impl Beginning {
    const ALL: [Self; 5] = [Self::Session, Self::ApiToken, Self::Code, Self::CodeInSession, Self::Link];
    /// Those that need a session.
    const IN_SESSION: [Self; 3] = [Self::ApiToken, Self::CodeInSession, Self::Link];

    /// Begins it. Returns whether it could be.
    fn begin(
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

async fn what_is_begun_while_the_password_changes_waits_and_then_is_not(fixture: Fixture) -> anyhow::Result<()> {
    for beginning in Beginning::ALL {
        for made in [true, false] {
            let owner = fixture.user().await?;
            let session = fixture.session(owner).await?;
            let change = [
                format!("UPDATE users SET token_version = token_version + 1 WHERE id = '{owner}'"),
                format!("DELETE FROM sessions WHERE user_id = '{owner}'"),
            ];
            let change = somebody(&fixture, &change).await?;
            let begun = waiting(&fixture, 0, beginning.begin(&fixture, owner, session)).await?;
            end(change, made).await?;
            // A code that is tied to nothing is made after the change then.
            let expected = !made || beginning == Beginning::Code;
            assert_eq!(begun.await??, expected, "{beginning:?} {made}");
        }
    }
    Ok(())
}

async fn what_is_begun_while_its_session_ends_waits_and_then_is_not(fixture: Fixture) -> anyhow::Result<()> {
    for beginning in Beginning::IN_SESSION {
        let owner = fixture.user().await?;
        let session = fixture.session(owner).await?;
        let end = somebody(&fixture, &[format!("DELETE FROM sessions WHERE id = '{session}'")]).await?;
        let begun = waiting(&fixture, 0, beginning.begin(&fixture, owner, session)).await?;
        end.commit().await?;
        assert!(!begun.await??, "{beginning:?}");
    }
    Ok(())
}

/// Both wait for the same transaction, the deletion before the other one. If that held anything by then, the two would
/// wait for each other from then on.
async fn what_is_begun_while_its_user_is_deleted_waits_and_then_is_not(fixture: Fixture) -> anyhow::Result<()> {
    for beginning in Beginning::ALL {
        let owner = fixture.user().await?;
        let session = fixture.session(owner).await?;
        // Nothing is changed, so that the two are let go in the order in which they came.
        let lock = somebody(&fixture, &[format!("SELECT id FROM users WHERE id = '{owner}' FOR UPDATE")]).await?;
        let users = fixture.users.clone();
        let deleted = waiting(&fixture, 0, async move { users.delete(owner, 0).await }).await?;
        let begun = waiting(&fixture, 1, beginning.begin(&fixture, owner, session)).await?;
        lock.commit().await?;
        deleted.await??;
        assert!(!begun.await??, "{beginning:?}");
    }
    Ok(())
}

async fn a_change_of_the_password_waits_for_what_is_being_begun_and_voids_it(fixture: Fixture) -> anyhow::Result<()> {
    let owner = fixture.user().await?;
    let zero = "'\\x0000000000000000000000000000000000000000000000000000000000000000'";
    let begin = [
        format!("SELECT id FROM users WHERE id = '{owner}' FOR SHARE"),
        format!("INSERT INTO sessions VALUES ('{}', '{owner}', now(), now(), now())", id::<SessionId>()),
        format!("INSERT INTO api_tokens VALUES (gen_random_uuid(), '{owner}', 'CI', 'chat', {zero}, now())"),
        format!("INSERT INTO one_time_codes VALUES ({zero}, 'sign_in', '{owner}', NULL, now(), now())"),
    ];
    let begin = somebody(&fixture, &begin).await?;
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

async fn the_end_of_all_sessions_waits_for_one_that_is_being_created(fixture: Fixture) -> anyhow::Result<()> {
    let owner = fixture.user().await?;
    fixture.session(owner).await?;
    let begin = [
        format!("SELECT id FROM users WHERE id = '{owner}' FOR SHARE"),
        format!("INSERT INTO sessions VALUES ('{}', '{owner}', now(), now(), now())", id::<SessionId>()),
    ];
    let begin = somebody(&fixture, &begin).await?;
    let sessions = fixture.sessions.clone();
    let ended = waiting(&fixture, 0, async move { sessions.end_all(owner).await }).await?;
    begin.commit().await?;
    ended.await??;
    assert_eq!(fixture.number("SELECT COUNT(*) FROM sessions").await?, 0);
    Ok(())
}

async fn whoever_comes_with_an_account_that_is_being_tied_waits_and_then_hears_of_it(
    fixture: Fixture,
) -> anyhow::Result<()> {
    for (number, tied) in [true, false].into_iter().enumerate() {
        let (email, subject, other) = (format!("ada{number}@example.com"), number.to_string(), id::<UserId>());
        let sign_in = [
            format!("INSERT INTO external_accounts VALUES ('https://id.example', '{subject}', '{other}', now())"),
            format!("INSERT INTO users VALUES ('{other}', '{email}', '{email}', 'Ada', 'UTC', NULL, 0, now(), now())"),
        ];
        let sign_in = somebody(&fixture, &sign_in).await?;
        let (users, account) = (fixture.users.clone(), external(&subject)?);
        let new = NewUser { password_hash: None, ..new_user(&email)? };
        let created = waiting(&fixture, 0, async move { users.create_external(new, account).await }).await?;
        end(sign_in, tied).await?;
        let created = created.await?;
        // The address is taken, too, but that would sound as if it were by somebody else.
        match created {
            Ok(_) => assert!(!tied),
            Err(why) => assert!(tied && matches!(why, UserRepoError::ExternalAccountTaken), "{why:?}"),
        }
    }
    Ok(())
}

async fn what_is_over_and_in_somebodys_hands_is_not_waited_for(fixture: Fixture) -> anyhow::Result<()> {
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
    let hands = [
        // It is being refreshed.
        one("sessions", "id", "expires_at = '2999-01-01'"),
        one("one_time_codes", "hash", "purpose = purpose"),
        one("spent_states", "hash", "expires_at = expires_at"),
    ];
    let hands = somebody(&fixture, &hands).await?;
    assert_eq!(fixture.system.delete_expired(now).await?, 3);
    hands.commit().await?;
    assert_eq!(fixture.system.delete_expired(now).await?, 2);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM sessions").await?, 1);
    Ok(())
}

/// The user is held before the turn: if the turn were held when the user is waited for, the two would wait for each other.
async fn a_turn_that_adds_a_task_is_not_in_the_way_of_its_users_deletion(fixture: Fixture) -> anyhow::Result<()> {
    let owner = fixture.user().await?;
    let (_, turn) = fixture.conversation(owner).await?;
    let lock = somebody(&fixture, &["LOCK TABLE tasks IN SHARE MODE".to_owned()]).await?;
    let (changes, users) = (fixture.changes.clone(), fixture.users.clone());
    let (write, change) = (Write::create(new_task(owner, "Milk")?), effect(owner, call(&turn, 0), at(1)));
    let added = waiting(&fixture, 0, async move { changes.commit(owner, &[write], &change).await }).await?;
    let deleted = waiting(&fixture, 1, async move { users.delete(owner, 0).await }).await?;
    lock.commit().await?;
    // It came first, and goes with its user.
    assert_eq!(added.await??.len(), 1);
    deleted.await??;
    for table in ["tasks", "changes"] {
        assert_eq!(fixture.number(&format!("SELECT COUNT(*) FROM {table}")).await?, 0, "{table}");
    }
    Ok(())
}

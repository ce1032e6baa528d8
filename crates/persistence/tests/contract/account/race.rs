//! Accounts: concurrent operations.

use std::fmt::Debug;
use std::future::Future;

use domain::api_token::{ApiTokenRepo as _, ApiTokenRepoError};
use domain::id::UserId;
use domain::session::{CodePurpose, NewSession, Rotation, SessionRepo as _, SessionRepoError};
use domain::system::SystemRepo as _;
use domain::user::{NewUser, User, UserPatch, UserRepo as _, UserRepoError};
use test_database::{TestDatabase, on_both_databases};
use tokio::task::JoinHandle;

use crate::fixture::{
    Fixture, at, client, external, id, new_api_token, new_code, new_password, new_session, new_user, token,
};

on_both_databases!(
    nothing_created_during_a_password_change_survives_it,
    of_concurrent_password_changes_exactly_one_succeeds,
    concurrent_sign_ups_with_one_account_create_one_user,
    of_concurrent_sign_ups_with_one_address_one_succeeds,
    an_account_that_two_users_link_concurrently_is_linked_to_one,
    of_accounts_that_one_user_links_concurrently_one_is_linked,
    concurrent_account_operations_do_not_deadlock_and_deletion_leaves_no_rows,
);

const ROUNDS: u32 = 8;
const TOGETHER: usize = 4;

fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(work)
}

/// Returns the results of concurrent operations.
async fn all<T>(together: Vec<JoinHandle<T>>) -> anyhow::Result<Vec<T>> {
    let mut outcomes = Vec::new();
    for one in together {
        outcomes.push(one.await?);
    }
    Ok(outcomes)
}

/// Asserts that exactly one succeeded and the others failed with the expected error.
fn assert_one_succeeds<T: Debug>(outcomes: &[Result<T, UserRepoError>], why: fn(&UserRepoError) -> bool) {
    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let refused = outcomes.iter().filter(|outcome| outcome.as_ref().is_err_and(why)).count();
    assert_eq!((done, refused), (1, outcomes.len() - 1), "{outcomes:?}");
}

async fn nothing_created_during_a_password_change_survives_it(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for round in 0..ROUNDS {
        let owner = fixture.user().await?;
        let session = fixture.session(owner).await?;
        let (new, token, code) =
            (new_session(at(9)), new_api_token(at(1))?, new_code(CodePurpose::Link, Some(session)));
        let (sessions, codes, api_tokens, users) =
            (fixture.sessions.clone(), fixture.sessions.clone(), fixture.api_tokens.clone(), fixture.users.clone());
        let change = new_password(0);
        let kept = change.session.id;
        let insertions = (
            spawn(async move { sessions.create(owner, new).await }),
            spawn(async move { api_tokens.create(owner, session, token).await }),
            spawn(async move { codes.create_code(owner, code).await }),
        );
        // The order of the operations varies between rounds.
        let changed = spawn(async move { users.change_password(owner, change, at(2)).await });
        changed.await??;
        let (session, token, code) = (insertions.0.await?, insertions.1.await?, insertions.2.await?);
        assert!(matches!(session, Ok(_) | Err(SessionRepoError::NotFound)), "{round}: {session:?}");
        assert!(matches!(token, Ok(_) | Err(ApiTokenRepoError::NotFound)), "{round}: {token:?}");
        assert!(matches!(code, Ok(()) | Err(SessionRepoError::NotFound)), "{round}: {code:?}");
        let rounds = i64::from(round) + 1;
        assert_eq!(fixture.number("SELECT COUNT(*) FROM sessions").await?, rounds);
        assert_eq!(fixture.number("SELECT COUNT(*) FROM refresh_tokens").await?, rounds);
        assert_eq!(fixture.number("SELECT COUNT(*) FROM one_time_codes").await?, 0);
        assert_eq!(fixture.number("SELECT COUNT(*) FROM api_tokens").await?, 0);
        assert_eq!(fixture.sessions.status(owner, kept, at(3)).await?.token_version, 1);
    }
    Ok(())
}

async fn of_concurrent_password_changes_exactly_one_succeeds(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for version in 0..ROUNDS {
        let change = |_| {
            let (users, change) = (fixture.users.clone(), new_password(version));
            spawn(async move { users.change_password(owner, change, at(1)).await })
        };
        let outcomes = all((0..TOGETHER).map(change).collect()).await?;
        assert_one_succeeds(&outcomes, |why| matches!(why, UserRepoError::NotFound));
        assert_eq!(fixture.users.get(owner).await?.token_version, version + 1);
        assert_eq!(fixture.number("SELECT COUNT(*) FROM sessions").await?, 1);
    }
    Ok(())
}

fn sign_up(fixture: &Fixture, email: &str, subject: &str) -> anyhow::Result<JoinHandle<Result<User, UserRepoError>>> {
    let (users, account) = (fixture.users.clone(), external(subject)?);
    let new = NewUser { password_hash: None, ..new_user(email)? };
    Ok(spawn(async move { users.create_external(new, account).await }))
}

async fn concurrent_sign_ups_with_one_account_create_one_user(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for round in 0..ROUNDS {
        let subject = round.to_string();
        let mut together = Vec::new();
        for browser in 0..TOGETHER {
            // In every other round the addresses differ.
            let number = if round % 2 == 0 { 0 } else { browser };
            together.push(sign_up(&fixture, &format!("ada{round}.{number}@example.com"), &subject)?);
        }
        let outcomes = all(together).await?;
        assert_one_succeeds(&outcomes, |why| matches!(why, UserRepoError::ExternalAccountTaken));
        let user = fixture.system.user_by_external_account(&external(&subject)?).await?;
        assert_eq!(user.as_ref(), outcomes.iter().find_map(|outcome| outcome.as_ref().ok()));
        assert_eq!(fixture.number("SELECT COUNT(*) FROM users").await?, i64::from(round) + 1);
    }
    Ok(())
}

async fn of_concurrent_sign_ups_with_one_address_one_succeeds(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for round in 0..ROUNDS {
        let email = format!("ada{round}@example.com");
        let (users, new) = (fixture.users.clone(), new_user(&email)?);
        let together = vec![
            sign_up(&fixture, &email, &format!("{round}a"))?,
            sign_up(&fixture, &email, &format!("{round}b"))?,
            spawn(async move { users.create(new).await }),
        ];
        assert_one_succeeds(&all(together).await?, |why| matches!(why, UserRepoError::EmailTaken));
        let accounts = "SELECT COUNT(*) FROM external_accounts WHERE user_id NOT IN (SELECT id FROM users)";
        assert_eq!(fixture.number(accounts).await?, 0);
    }
    Ok(())
}

async fn link(
    fixture: &Fixture,
    owner: UserId,
    subject: &str,
) -> anyhow::Result<JoinHandle<Result<(), UserRepoError>>> {
    let (users, account, session) = (fixture.users.clone(), external(subject)?, fixture.session(owner).await?);
    Ok(spawn(async move { users.link(owner, session, account, at(1)).await }))
}

async fn an_account_that_two_users_link_concurrently_is_linked_to_one(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for round in 0..ROUNDS {
        let (ada, bob, subject) = (fixture.user().await?, fixture.user().await?, round.to_string());
        let mut outcomes = [Vec::new(), Vec::new()];
        // Linking twice is not an error.
        let together = [
            link(&fixture, ada, &subject).await?,
            link(&fixture, bob, &subject).await?,
            link(&fixture, ada, &subject).await?,
            link(&fixture, bob, &subject).await?,
        ];
        for (number, one) in together.into_iter().enumerate() {
            outcomes[number % 2].push(one.await?);
        }
        let user = fixture.system.user_by_external_account(&external(&subject)?).await?.map(|user| user.id);
        for (user_id, outcomes) in [ada, bob].into_iter().zip(outcomes) {
            let expected = |outcome: &Result<(), UserRepoError>| match outcome {
                Ok(()) => user == Some(user_id),
                Err(why) => user != Some(user_id) && matches!(why, UserRepoError::ExternalAccountTaken),
            };
            assert!(outcomes.iter().all(expected), "{outcomes:?}");
        }
    }
    Ok(())
}

async fn of_accounts_that_one_user_links_concurrently_one_is_linked(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for round in 0..ROUNDS {
        let owner = fixture.user().await?;
        let mut together = Vec::new();
        for number in 0..TOGETHER {
            together.push(link(&fixture, owner, &format!("{round}.{number}")).await?);
        }
        assert_one_succeeds(&all(together).await?, |why| matches!(why, UserRepoError::ExternalAccountTaken));
        assert_eq!(fixture.number("SELECT COUNT(*) FROM external_accounts").await?, i64::from(round) + 1);
    }
    Ok(())
}

/// Runs every kind of write to one user's account concurrently. A deadlock would fail with a storage error.
async fn concurrent_account_operations_do_not_deadlock_and_deletion_leaves_no_rows(
    test: TestDatabase,
) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for round in 0..ROUNDS {
        let owner = fixture.user().await?;
        let new = new_session(at(100_000_000));
        let (session, ended) = (new.id, fixture.session(owner).await?);
        fixture.sessions.create(owner, new.clone()).await?;
        for _ in 0..3 {
            // Expired sessions.
            fixture.sessions.create(owner, NewSession { expires_at: at(1), ..new_session(at(1)) }).await?;
        }
        let (spent, next, client) = (new.refresh, token(), client("Phone", "::1")?);
        let (replaced_since, expires_at) = (at(0), at(200_000_000));
        let rotation = Rotation { spent, next, client: client.clone(), at: at(2), replaced_since, expires_at };
        let renamed = UserPatch { name: Some("Countess".parse()?).into(), ..UserPatch::default() };
        let (api_token, account) = (new_api_token(at(2))?, external(&owner.to_string())?);
        let (sessions, users) = (|| fixture.sessions.clone(), || fixture.users.clone());
        let mut together: Vec<JoinHandle<Option<String>>> = Vec::new();
        macro_rules! at_once {
            ($repo:expr, $method:ident ( $($argument:expr),* ), $expected:pat) => {{
                let repo = $repo;
                together.push(spawn(async move {
                    match repo.$method($($argument),*).await {
                        Ok(_) | Err($expected) => None,
                        Err(other) => Some(format!("{}: {other:?}", stringify!($method))),
                    }
                }));
            }};
        }
        at_once!(sessions(), create(owner, new_session(at(9))), SessionRepoError::NotFound);
        at_once!(sessions(), rotate(owner, session, rotation), SessionRepoError::NotFound);
        at_once!(sessions(), touch(owner, session, client, at(3)), SessionRepoError::NotFound);
        at_once!(sessions(), create_code(owner, new_code(CodePurpose::SignIn, None)), SessionRepoError::NotFound);
        let code = new_code(CodePurpose::Link, Some(session));
        at_once!(sessions(), create_code(owner, code), SessionRepoError::NotFound);
        at_once!(fixture.api_tokens.clone(), create(owner, session, api_token), ApiTokenRepoError::NotFound);
        at_once!(users(), link(owner, session, account, at(2)), UserRepoError::NotFound);
        at_once!(users(), update(owner, renamed, at(2)), UserRepoError::NotFound);
        at_once!(sessions(), end(owner, ended), SessionRepoError::NotFound);
        at_once!(fixture.system.clone(), delete_expired(at(2)), domain::storage::StorageError::Corrupt(_));
        at_once!(sessions(), end_all(owner), SessionRepoError::NotFound);
        if round % 2 == 0 {
            at_once!(users(), change_password(owner, new_password(0), at(2)), UserRepoError::NotFound);
        }
        let deletions = [0, 1].map(|version| {
            let users = users();
            spawn(async move { users.delete(owner, version).await })
        });
        let failed: Vec<String> = all(together).await?.into_iter().flatten().collect();
        assert!(failed.is_empty(), "{failed:?}");
        let mut deleted = false;
        for outcome in deletions {
            match outcome.await? {
                Ok(()) => deleted = true,
                Err(UserRepoError::NotFound) => {}
                Err(other) => return Err(other.into()),
            }
        }
        // Otherwise the password was changed between the two deletions.
        if !deleted {
            fixture.users.delete(owner, 1).await?;
        }
        for table in fixture.tables().await?.0 {
            assert_eq!(fixture.number(&format!("SELECT COUNT(*) FROM {table}")).await?, 0, "{table}");
        }
    }
    assert!(matches!(fixture.users.delete(id(), 0).await, Err(UserRepoError::NotFound)));
    Ok(())
}

//! Users: credentials, and the effect of a password change on sessions, codes and tokens.

use domain::api_token::ApiTokenRepo as _;
use domain::id::UserId;
use domain::session::{CodePurpose, NewSession, SessionRepo as _, SessionStatus};
use domain::system::{RefreshTokenOwner, SystemRepo as _};
use domain::user::{NewUser, PasswordChange, User, UserRepo as _, UserRepoError};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, id, new_api_token, new_code, new_password, new_session, new_user};

on_both_databases!(
    credentials_are_the_user_and_the_hash,
    a_password_change_deletes_sessions_codes_and_api_tokens,
    a_password_is_changed_only_at_the_current_token_version,
    a_user_without_a_password_can_set_one,
    a_session_for_another_token_version_changes_nothing,
);

async fn hash(fixture: &Fixture, owner: UserId) -> anyhow::Result<Option<String>> {
    let hash = fixture.users.credentials(owner).await?.password_hash;
    Ok(hash.map(|hash| hash.expose().to_owned()))
}

async fn credentials_are_the_user_and_the_hash(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let ada = fixture.known_user("ada@example.com").await?;
    let without = NewUser { password_hash: None, ..new_user("bob@example.com")? };
    fixture.users.create(without.clone()).await?;
    assert_eq!(fixture.users.credentials(ada.id).await?.user, ada);
    assert_eq!(hash(&fixture, ada.id).await?.as_deref(), Some("$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA"));
    assert_eq!(hash(&fixture, without.id).await?, None);
    let missing = fixture.users.credentials(id()).await;
    assert!(matches!(missing, Err(UserRepoError::NotFound)), "{missing:?}");
    Ok(())
}

/// Returns the numbers of sessions, refresh tokens, codes and API tokens.
async fn counts(fixture: &Fixture) -> anyhow::Result<[i64; 4]> {
    let mut counts = [0; 4];
    for (count, table) in counts.iter_mut().zip(["sessions", "refresh_tokens", "one_time_codes", "api_tokens"]) {
        *count = fixture.number(&format!("SELECT COUNT(*) FROM {table}")).await?;
    }
    Ok(counts)
}

/// Creates two sessions, a code of each kind, and an API token.
async fn begin(fixture: &Fixture, owner: UserId) -> anyhow::Result<()> {
    let session = fixture.session(owner).await?;
    fixture.session(owner).await?;
    fixture.sessions.create_code(owner, new_code(CodePurpose::Link, Some(session))).await?;
    fixture.sessions.create_code(owner, new_code(CodePurpose::SignIn, None)).await?;
    fixture.api_tokens.create(owner, session, new_api_token(at(1))?).await?;
    Ok(())
}

async fn a_password_change_deletes_sessions_codes_and_api_tokens(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let ada = fixture.known_user("ada@example.com").await?;
    let other = fixture.user().await?;
    begin(&fixture, ada.id).await?;
    begin(&fixture, other).await?;
    let task = fixture.task(ada.id, "Milk").await?;
    let change = new_password(0);
    let PasswordChange { session, .. } = change.clone();

    let changed = fixture.users.change_password(ada.id, change, at(7)).await?;
    assert_eq!(changed, User { token_version: 1, updated_at: at(7), ..ada.clone() });
    assert_eq!(fixture.users.get(ada.id).await?, changed);
    assert_eq!(hash(&fixture, ada.id).await?.as_deref(), Some("$argon2id$another"));
    // The owner has the new session with its refresh token; the other user's rows are unchanged.
    assert_eq!(counts(&fixture).await?, [1 + 2, 1 + 2, 2, 1]);
    let status = fixture.sessions.status(ada.id, session.id, at(8)).await?;
    let expected =
        SessionStatus { token_version: 1, created_at: at(0), last_used_at: at(0), expires_at: at(100_000_000) };
    assert_eq!(status, expected);
    let owner = RefreshTokenOwner { user: ada.id, session: session.id, expires_at: at(100_000_000) };
    assert_eq!(fixture.system.session_by_refresh_token(&session.refresh).await?, Some(owner));
    assert_eq!(hash(&fixture, other).await?.as_deref(), Some("$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA"));
    // Other rows of the owner are kept.
    domain::task::TaskRepo::get(&fixture.tasks, ada.id, task.id).await?;
    Ok(())
}

async fn a_password_is_changed_only_at_the_current_token_version(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let ada = fixture.known_user("ada@example.com").await?;
    begin(&fixture, ada.id).await?;
    for (user, version) in [(ada.id, 1), (id(), 0)] {
        let outcome = fixture.users.change_password(user, new_password(version), at(7)).await;
        assert!(matches!(outcome, Err(UserRepoError::NotFound)), "{outcome:?}");
    }
    assert_eq!(fixture.users.get(ada.id).await?, ada);
    assert_eq!(hash(&fixture, ada.id).await?.as_deref(), Some("$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA"));
    assert_eq!(counts(&fixture).await?, [2, 2, 2, 1]);
    fixture.users.change_password(ada.id, new_password(0), at(7)).await?;
    let again = fixture.users.change_password(ada.id, new_password(0), at(8)).await;
    assert!(matches!(again, Err(UserRepoError::NotFound)), "{again:?}");
    let changed = fixture.users.change_password(ada.id, new_password(1), at(8)).await?;
    assert_eq!((changed.token_version, changed.updated_at), (2, at(8)));
    Ok(())
}

async fn a_user_without_a_password_can_set_one(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.users.create(NewUser { password_hash: None, ..new_user("ada@example.com")? }).await?.id;
    fixture.users.change_password(owner, new_password(0), at(7)).await?;
    assert_eq!(hash(&fixture, owner).await?.as_deref(), Some("$argon2id$another"));
    Ok(())
}

async fn a_session_for_another_token_version_changes_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let ada = fixture.known_user("ada@example.com").await?;
    begin(&fixture, ada.id).await?;
    for token_version in [0, 2] {
        let session = NewSession { token_version, ..new_session(at(9)) };
        let outcome = fixture.users.change_password(ada.id, PasswordChange { session, ..new_password(0) }, at(7)).await;
        assert!(matches!(outcome, Err(UserRepoError::NotFound)), "{outcome:?}");
    }
    assert_eq!(fixture.users.get(ada.id).await?, ada);
    assert_eq!(counts(&fixture).await?, [2, 2, 2, 1]);
    Ok(())
}

//! Users: linked accounts of OpenID providers.

use domain::session::SessionRepo as _;
use domain::system::SystemRepo as _;
use domain::user::{ExternalAccount, NewUser, User, UserRepo as _, UserRepoError};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, external, id, new_user};

on_both_databases!(
    a_user_is_created_with_an_external_account,
    an_external_account_is_compared_byte_for_byte,
    a_taken_address_or_account_creates_nothing,
    a_linked_account_identifies_its_user,
    an_account_is_linked_only_in_an_active_session,
    an_account_has_one_user_and_a_user_one_account_per_issuer,
);

async fn user_of(fixture: &Fixture, account: &ExternalAccount) -> anyhow::Result<Option<User>> {
    Ok(fixture.system.user_by_external_account(account).await?)
}

fn without_password(email: &str) -> anyhow::Result<NewUser> {
    Ok(NewUser { password_hash: None, at: at(5), ..new_user(email)? })
}

async fn a_user_is_created_with_an_external_account(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (new, account) = (without_password("Ada@Example.com")?, external("1")?);
    let created = fixture.users.create_external(new.clone(), account.clone()).await?;
    let expected = User {
        id: new.id,
        email: new.email,
        name: new.name,
        time_zone: domain::user::TimeZone::default(),
        token_version: 0,
        created_at: at(5),
        updated_at: at(5),
    };
    assert_eq!(created, expected);
    assert_eq!(fixture.users.get(new.id).await?, expected);
    assert!(fixture.users.credentials(new.id).await?.password_hash.is_none());
    assert_eq!(user_of(&fixture, &account).await?, Some(expected));
    Ok(())
}

async fn an_external_account_is_compared_byte_for_byte(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let accounts = [
        ("https://id.example", "café"),
        ("https://id.example", "CAFÉ"),
        ("https://id.example", "cafe\u{301}"),
        ("https://id.example", "café "),
        ("https://id.example/", "café"),
        ("https://ID.example", "café"),
        ("https://id.example", "%"),
    ];
    for (number, (issuer, subject)) in accounts.into_iter().enumerate() {
        let account = ExternalAccount::new(issuer, subject)?;
        assert_eq!(user_of(&fixture, &account).await?, None, "{issuer} {subject}");
        let new = without_password(&format!("{number}@example.com"))?;
        let created = fixture.users.create_external(new, account.clone()).await?;
        assert_eq!(user_of(&fixture, &account).await?, Some(created));
    }
    Ok(())
}

async fn a_taken_address_or_account_creates_nothing(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (first, second) = (external("1")?, external("2")?);
    let ada = fixture.users.create_external(without_password("ada@example.com")?, first.clone()).await?;
    let taken = fixture.users.create_external(without_password("ADA@example.com")?, second.clone()).await;
    assert!(matches!(taken, Err(UserRepoError::EmailTaken)), "{taken:?}");
    // If the account and the address are both taken, the error about the account takes precedence.
    for email in ["eve@example.com", "ada@example.com"] {
        let taken = fixture.users.create_external(without_password(email)?, first.clone()).await;
        assert!(matches!(taken, Err(UserRepoError::ExternalAccountTaken)), "{taken:?}");
    }
    assert_eq!(user_of(&fixture, &first).await?, Some(ada));
    assert_eq!(user_of(&fixture, &second).await?, None);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM users").await?, 1);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM external_accounts").await?, 1);
    fixture.users.create_external(without_password("eve@example.com")?, second).await?;
    Ok(())
}

async fn a_linked_account_identifies_its_user(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let ada = fixture.known_user("ada@example.com").await?;
    let (session, another) = (fixture.session(ada.id).await?, fixture.session(ada.id).await?);
    // Linking again is not an error, in any session.
    for session in [session, session, another] {
        fixture.users.link(ada.id, session, external("1")?, at(1)).await?;
    }
    let other_issuer = ExternalAccount::new("https://other.example", "1")?;
    fixture.users.link(ada.id, session, other_issuer.clone(), at(1)).await?;
    for account in [external("1")?, other_issuer] {
        assert_eq!(user_of(&fixture, &account).await?, Some(ada.clone()));
    }
    // The link outlives the session.
    fixture.sessions.end_all(ada.id).await?;
    assert_eq!(user_of(&fixture, &external("1")?).await?, Some(ada.clone()));
    // A user who was created with an account can link it again.
    let bob = fixture.users.create_external(without_password("bob@example.com")?, external("2")?).await?;
    let session = fixture.session(bob.id).await?;
    fixture.users.link(bob.id, session, external("2")?, at(1)).await?;
    Ok(())
}

async fn an_account_is_linked_only_in_an_active_session(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    let (session, others, ended) =
        (fixture.session(owner).await?, fixture.session(other).await?, fixture.session(owner).await?);
    fixture.sessions.end(owner, ended).await?;
    let cases = [
        (owner, id(), 1),
        (owner, others, 1),
        (other, session, 1),
        (id(), session, 1),
        (owner, ended, 1),
        // The session has expired by then.
        (owner, session, 100_000_000),
    ];
    for (user, session, when) in cases {
        let outcome = fixture.users.link(user, session, external("1")?, at(when)).await;
        assert!(matches!(outcome, Err(UserRepoError::NotFound)), "{outcome:?}");
    }
    assert_eq!(user_of(&fixture, &external("1")?).await?, None);
    fixture.users.link(owner, session, external("1")?, at(99_999_999)).await?;
    // Without an active session the error does not reveal that the account is linked.
    for (user, session, when) in cases {
        let outcome = fixture.users.link(user, session, external("1")?, at(when)).await;
        assert!(matches!(outcome, Err(UserRepoError::NotFound)), "{outcome:?}");
    }
    Ok(())
}

async fn an_account_has_one_user_and_a_user_one_account_per_issuer(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let ada = fixture.known_user("ada@example.com").await?;
    let bob = fixture.known_user("bob@example.com").await?;
    let (adas, bobs) = (fixture.session(ada.id).await?, fixture.session(bob.id).await?);
    fixture.users.link(ada.id, adas, external("1")?, at(1)).await?;
    for (user, session, subject) in [(bob.id, bobs, "1"), (ada.id, adas, "2")] {
        let outcome = fixture.users.link(user, session, external(subject)?, at(1)).await;
        assert!(matches!(outcome, Err(UserRepoError::ExternalAccountTaken)), "{outcome:?}");
    }
    assert_eq!(user_of(&fixture, &external("1")?).await?, Some(ada.clone()));
    assert_eq!(user_of(&fixture, &external("2")?).await?, None);
    fixture.users.link(bob.id, bobs, external("2")?, at(1)).await?;
    // The account can be linked again after its user was deleted.
    fixture.users.delete(ada.id, 0).await?;
    assert_eq!(user_of(&fixture, &external("1")?).await?, None);
    fixture.users.create_external(without_password("ada@example.com")?, external("1")?).await?;
    Ok(())
}

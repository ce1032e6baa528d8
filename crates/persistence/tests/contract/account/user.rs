//! Users.

use domain::patch::Patch;
use domain::system::SystemRepo as _;
use domain::text::NormalizedText;
use domain::user::{NewUser, TimeZone, User, UserPatch, UserRepo as _, UserRepoError};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, id, new_user};

on_both_databases!(
    a_created_user_is_read_as_returned,
    a_folded_email_is_unique,
    of_concurrent_registrations_of_one_email_one_succeeds,
    a_missing_user_is_not_found,
    each_field_of_a_user_is_updated_separately,
    a_patch_without_a_change_keeps_updated_at,
    a_user_may_have_no_password,
);

async fn a_created_user_is_read_as_returned(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let new = NewUser { name: "‏עדה‏ 🧑\u{200D}🚀".parse()?, at: at(5), ..new_user("Ada@Example.com")? };
    let created = fixture.users.create(new.clone()).await?;
    let expected = User {
        id: new.id,
        email: new.email,
        name: new.name,
        time_zone: TimeZone::default(),
        token_version: 0,
        created_at: at(5),
        updated_at: at(5),
    };
    assert_eq!(created, expected);
    assert_eq!(fixture.users.get(new.id).await?, expected);
    Ok(())
}

async fn a_folded_email_is_unique(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let ada = fixture.known_user("ada@example.com").await?;
    for email in ["ada@example.com", "ADA@EXAMPLE.COM", "Ada@Example.Com"] {
        let outcome = fixture.users.create(new_user(email)?).await;
        assert!(matches!(outcome, Err(UserRepoError::EmailTaken)), "{email}: {outcome:?}");
    }
    assert_eq!(fixture.users.get(ada.id).await?, ada);
    fixture.known_user("ada2@example.com").await?;
    Ok(())
}

async fn of_concurrent_registrations_of_one_email_one_succeeds(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    for round in 0..10 {
        let register = |local: &str| -> anyhow::Result<_> {
            let (users, new) = (fixture.users.clone(), new_user(&format!("{local}{round}@example.com"))?);
            Ok(tokio::spawn(async move { users.create(new).await }))
        };
        let (one, other) = (register("eve")?, register("EVE")?);
        let outcomes = [one.await?, other.await?];
        let taken = outcomes.iter().filter(|outcome| matches!(outcome, Err(UserRepoError::EmailTaken))).count();
        assert_eq!(taken, 1, "{outcomes:?}");
    }
    Ok(())
}

async fn a_missing_user_is_not_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    fixture.user().await?;
    let patch = UserPatch { name: Patch::Set("Eve".parse()?), ..UserPatch::default() };
    assert!(matches!(fixture.users.get(id()).await, Err(UserRepoError::NotFound)));
    assert!(matches!(fixture.users.update(id(), patch, at(1)).await, Err(UserRepoError::NotFound)));
    let nothing = UserPatch::default();
    assert!(matches!(fixture.users.update(id(), nothing, at(1)).await, Err(UserRepoError::NotFound)));
    Ok(())
}

async fn each_field_of_a_user_is_updated_separately(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let ada = fixture.known_user("ada@example.com").await?;
    let zone: TimeZone = "Europe/Berlin".parse()?;
    let name = UserPatch { name: Patch::Set("Countess".parse()?), ..UserPatch::default() };
    let renamed = fixture.users.update(ada.id, name, at(1)).await?;
    assert_eq!(renamed, User { name: "Countess".parse()?, updated_at: at(1), ..ada.clone() });
    let both = UserPatch { name: Patch::Set("Countess".parse()?), time_zone: Patch::Set(zone) };
    let moved = fixture.users.update(ada.id, both, at(2)).await?;
    assert_eq!(moved, User { time_zone: zone, updated_at: at(2), ..renamed });
    assert_eq!(fixture.users.get(ada.id).await?, moved);
    Ok(())
}

async fn a_patch_without_a_change_keeps_updated_at(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let ada = fixture.known_user("ada@example.com").await?;
    let same = UserPatch { name: Patch::Set(ada.name.clone()), time_zone: Patch::Set(ada.time_zone) };
    let cleared = UserPatch { name: Patch::Clear, time_zone: Patch::Clear };
    for patch in [same, cleared, UserPatch::default()] {
        assert_eq!(fixture.users.update(ada.id, patch, at(1)).await?, ada);
    }
    Ok(())
}

async fn a_user_may_have_no_password(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let new = NewUser { password_hash: None, ..new_user("ada@example.com")? };
    fixture.users.create(new).await?;
    let found = fixture.system.credentials_by_email(&NormalizedText::new("ada@example.com")).await?;
    assert!(found.is_some_and(|found| found.password_hash.is_none()));
    Ok(())
}

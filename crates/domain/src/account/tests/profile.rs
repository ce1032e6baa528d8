//! The acting user's account.

use super::*;
use crate::user::UserPatch;

#[tokio::test]
async fn changing_the_password_replaces_all_sessions() {
    let mut ports = Ports::new().issuing();
    ports.users.expect_credentials().returning(|_| Ok(credentials(Some("old"))));
    ports
        .hasher
        .expect_verify()
        .times(1)
        .returning(|password, hash| Ok(password.expose() == "old password" && hash.unwrap().expose() == "old"));
    ports.hasher.expect_hash().times(1).returning(|_| Ok(PasswordHash::new("new".into())));
    ports.users.expect_change_password().times(1).returning(|owner, change, at| {
        let session = &change.session;
        assert_eq!((owner, change.token_version, session.token_version, at), (ada().id, 3, 4, now()));
        assert_eq!((change.password_hash.expose(), &session.refresh), ("new", &hash(1)));
        Ok(User { token_version: 4, ..ada() })
    });
    let (old, new) = (Password::unvalidated("old password"), Password::unvalidated("new password"));
    let signed_in = ports.service().change_password(&signed_in(), Some(old), new, Client::default()).await.unwrap();
    assert_eq!(signed_in.access_token.expose_secret(), &format!("{}/4", ada().id));
    assert_eq!(signed_in.refresh_token.expose_secret(), "refresh");
}

#[tokio::test]
async fn a_wrong_or_missing_password_changes_and_deletes_nothing() {
    for given in [None, Some("wrong")] {
        let password = || given.map(Password::unvalidated);
        let ports = || {
            let mut ports = Ports::new();
            ports.users.expect_credentials().returning(|_| Ok(credentials(Some("phc"))));
            ports.hasher.expect_verify().returning(|_, _| Ok(false));
            ports.service()
        };
        let new = Password::unvalidated("new password");
        let changed = ports().change_password(&signed_in(), password(), new, Client::default()).await.unwrap_err();
        let deleted = ports().delete_me(&signed_in(), password()).await.unwrap_err();
        for error in [changed, deleted] {
            match given {
                None => assert!(matches!(error, AccountError::PasswordRequired), "{error:?}"),
                Some(_) => assert!(matches!(error, AccountError::WrongPassword), "{error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_account_without_a_password_requires_a_recent_sign_in() {
    for (minutes, recent) in [(0, true), (10, true), (11, false)] {
        let mut ports = Ports::new();
        ports.users.expect_credentials().returning(|_| Ok(credentials(None)));
        ports.sessions.expect_status().returning(move |_, _, _| {
            Ok(SessionStatus { created_at: now() - TimeDelta::minutes(minutes), ..status(3) })
        });
        ports.users.expect_delete().times(usize::from(recent)).returning(|_, _| Ok(()));
        let deleted = ports.service().delete_me(&signed_in(), None).await;
        match deleted {
            Ok(()) => assert!(recent, "{minutes}"),
            Err(AccountError::RecentSignInRequired) => assert!(!recent, "{minutes}"),
            Err(error) => panic!("{minutes}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn deleting_deletes_the_verified_account() {
    let mut ports = Ports::new();
    ports.users.expect_credentials().returning(|_| Ok(credentials(Some("phc"))));
    ports.hasher.expect_verify().returning(|_, _| Ok(true));
    ports
        .users
        .expect_delete()
        .withf(|owner, version| (*owner, *version) == (ada().id, 3))
        .times(1)
        .returning(|_, _| Ok(()));
    ports.service().delete_me(&signed_in(), Some(Password::unvalidated("x"))).await.unwrap();
}

#[tokio::test]
async fn an_api_token_can_read_the_account_but_not_change_it() {
    let mut ports = Ports::new();
    ports.users.expect_get().returning(|_| Ok(ada()));
    let service = ports.service();
    assert_eq!(service.me(&script()).await.unwrap(), ada());
    assert_needs_account(&service.update_me(&script(), UserPatch::default()).await);
    assert_needs_account(&service.delete_me(&script(), Some(Password::unvalidated("x"))).await);
    let new = Password::unvalidated("new password");
    assert_needs_account(&service.change_password(&script(), None, new, Client::default()).await);
}

//! Limits of passwords: what is counted, and what is given back.

use std::net::IpAddr;
use std::sync::Mutex;

use super::*;
use crate::runtime::rate_limit::RateRefusal;
use crate::storage::StorageError;

/// What the limiter was asked for: `true` for a try that was taken, `false` for one that was given back.
type Calls = Arc<Mutex<Vec<(bool, RateKey)>>>;

fn client() -> Client {
    Client { peer: Some("192.0.2.1".parse().unwrap()), ..Client::default() }
}

fn from_network() -> RateKey {
    let network = "192.0.2.1".parse::<IpAddr>().unwrap();
    RateKey::SignInAccountPeer(ada().email.normalized(), Some(network.into()))
}

fn from_anywhere() -> RateKey {
    RateKey::SignInAccount(ada().email.normalized())
}

fn own() -> RateKey {
    RateKey::OwnPassword(ada().id)
}

fn allowed() -> RateDecision {
    let policy = RatePolicy { name: "test", quota: 10, window: Duration::from_mins(10) };
    RateDecision::Allowed { policy, remaining: 9, reset: Duration::from_mins(1) }
}

/// Ports that record the tries, and refuse those of `exhausted`.
fn recording(exhausted: Option<RateKey>) -> (Ports, Calls) {
    let exhausted = move |key: &RateKey| exhausted.as_ref() == Some(key);
    deciding(move |key| if exhausted(key) { refused() } else { allowed() })
}

/// Ports that record the tries that `decide` permits.
fn deciding(decide: impl Fn(&RateKey) -> RateDecision + Send + 'static) -> (Ports, Calls) {
    let (mut ports, calls) = (Ports::new().issuing(), Calls::default());
    let (taken, given_back) = (calls.clone(), calls.clone());
    ports.limiter.expect_take().withf(|key| !matches!(key, RateKey::Api(_))).returning(move |key| {
        let decision = decide(&key);
        if decision.permitted().is_ok() {
            taken.lock().unwrap().push((true, key));
        }
        decision
    });
    ports.limiter.expect_give_back().returning(move |key| given_back.lock().unwrap().push((false, key)));
    (ports, calls)
}

fn calls(recorded: &Calls) -> Vec<(bool, RateKey)> {
    recorded.lock().unwrap().clone()
}

type Verified = Result<bool, HashError>;

/// Signs in by a password whose verification has this result.
async fn login(verified: fn() -> Verified, known: bool, exhausted: Option<RateKey>) -> (AccountError, Calls) {
    login_with(recording(exhausted), verified, known).await
}

async fn login_with(
    (mut ports, recorded): (Ports, Calls),
    verified: fn() -> Verified,
    known: bool,
) -> (AccountError, Calls) {
    let found = known.then(|| credentials(Some("phc")));
    ports.system.expect_credentials_by_email().returning(move |_| Ok(found.clone()));
    ports.hasher.expect_verify().returning(move |_, _| verified());
    ports.sessions.expect_create().returning(|_, _| Err(StorageError::Unavailable("x".into()).into()));
    let email = "ADA@example.com".parse().unwrap();
    let error = ports.service().login(Some(&email), Password::unvalidated("x"), client()).await.unwrap_err();
    (error, recorded)
}

#[tokio::test]
async fn a_wrong_password_is_counted_for_the_network_and_for_the_account_whether_it_exists_or_not() {
    for known in [true, false] {
        let (error, recorded) = login(|| Ok(false), known, None).await;
        assert!(matches!(error, AccountError::InvalidCredentials), "{error:?}");
        assert_eq!(calls(&recorded), [(true, from_network()), (true, from_anywhere())], "{known}");
    }
}

#[tokio::test]
async fn what_is_no_wrong_password_is_given_back() {
    let right: fn() -> Verified = || Ok(true);
    for verified in [right, || Err(HashError::Overloaded)] {
        let (_, recorded) = login(verified, true, None).await;
        let tries = [true, false].map(|taken| [(taken, from_network()), (taken, from_anywhere())]);
        assert_eq!(calls(&recorded), tries.concat());
    }
}

#[tokio::test]
async fn too_many_wrong_passwords_are_refused_before_hashing_and_use_up_no_other_limit() {
    let (error, recorded) = login(|| panic!("hashed"), true, Some(from_network())).await;
    assert!(matches!(error, AccountError::RateLimited(_)), "{error:?}");
    assert_eq!(calls(&recorded), []);
    let (error, recorded) = login(|| panic!("hashed"), true, Some(from_anywhere())).await;
    assert!(matches!(error, AccountError::RateLimited(_)), "{error:?}");
    assert_eq!(calls(&recorded), [(true, from_network()), (false, from_network())]);
}

#[tokio::test]
async fn a_try_that_was_not_counted_is_not_given_back() {
    let only_from_anywhere = |key: &RateKey| match key {
        RateKey::SignInAccount(_) => allowed(),
        _ => RateDecision::Unlimited,
    };
    let (_, recorded) = login_with(deciding(only_from_anywhere), || Ok(true), true).await;
    assert_eq!(calls(&recorded), [(true, from_network()), (true, from_anywhere()), (false, from_anywhere())]);
}

#[tokio::test]
async fn a_password_is_not_verified_if_its_counts_cannot_be_reached_and_the_limiter_refuses() {
    let unavailable = |key: &RateKey| match key {
        RateKey::SignInAccount(_) => RateDecision::Unavailable,
        _ => allowed(),
    };
    let (error, recorded) = login_with(deciding(unavailable), || panic!("hashed"), true).await;
    assert!(matches!(error, AccountError::RateLimited(RateRefusal::Unavailable)), "{error:?}");
    assert_eq!(calls(&recorded), [(true, from_network()), (false, from_network())]);
}

#[tokio::test]
async fn a_try_is_taken_before_the_password_is_verified() {
    let (mut ports, recorded) = recording(None);
    ports.system.expect_credentials_by_email().returning(|_| Ok(None));
    let during = recorded.clone();
    ports.hasher.expect_verify().times(1).returning(move |_, _| {
        assert_eq!(calls(&during), [(true, from_network()), (true, from_anywhere())]);
        Ok(false)
    });
    ports.service().login(Some(&ada().email), Password::unvalidated("x"), client()).await.unwrap_err();
}

#[tokio::test]
async fn the_password_of_a_signed_in_user_is_counted_apart_from_sign_in() {
    for (right, expected) in [(true, vec![(true, own()), (false, own())]), (false, vec![(true, own())])] {
        let (mut ports, recorded) = recording(None);
        ports.users.expect_credentials().returning(|_| Ok(credentials(Some("phc"))));
        ports.hasher.expect_verify().returning(move |_, _| Ok(right));
        ports.users.expect_delete().returning(|_, _| Ok(()));
        let deleted = ports.service().delete_me(&signed_in(), Some(Password::unvalidated("x"))).await;
        assert_eq!(deleted.is_ok(), right, "{deleted:?}");
        assert_eq!(calls(&recorded), expected);
    }
    let mut ports = Ports::new().limiting(own());
    ports.users.expect_credentials().returning(|_| Ok(credentials(Some("phc"))));
    let error = ports.service().delete_me(&signed_in(), Some(Password::unvalidated("guess"))).await.unwrap_err();
    assert!(matches!(error, AccountError::RateLimited(_)), "{error:?}");
}

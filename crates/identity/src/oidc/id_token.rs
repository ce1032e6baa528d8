//! What is asked of an id token (OpenID Connect Core 1.0, 3.1.3.7), and what it says.
//!
//! `openidconnect` checks the header (`typ`, `crit`, encryption), the algorithm against a list, the signature by the one
//! key that fits, `iss`, that `aud` has us in it, `exp` and `nonce`. It leaves to us: the list, other audiences and `azp`,
//! `iat`, leeway, an empty `sub`, and the time. `at_hash` is not asked for: nothing is done with the access token.

use chrono::{DateTime, TimeDelta, Utc};
use domain::account::ProviderIdentity;
use domain::user::ExternalAccount;
use openidconnect::Nonce;
use openidconnect::core::{CoreIdToken, CoreIdTokenClaims, CoreIdTokenVerifier};

use super::failure::Failure;
use super::options::Registration;
use super::published::Published;

/// How far the provider's clock may be from ours.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);
/// How old an id token may be. It is made when the code is redeemed, so it is new, whatever its `exp`.
const OLDEST: TimeDelta = TimeDelta::minutes(10);

/// Whom `token` vouches for, if it is right in every way.
pub(super) fn verify(
    token: &CoreIdToken,
    nonce: &Nonce,
    registration: &Registration,
    published: &Published,
    now: DateTime<Utc>,
) -> Result<ProviderIdentity, Failure> {
    let Registration { issuer, client_id, .. } = registration.clone();
    // As a public client's: a confidential one would take the client's secret as a key.
    let verifier = CoreIdTokenVerifier::new_public_client(client_id, issuer, published.keys.clone())
        .set_allowed_algs(published.algorithms.iter().cloned())
        // Whom else it is for is settled by `azp`.
        .set_other_audience_verifier_fn(|_| true)
        .set_time_fn(|| now - LEEWAY)
        .set_issue_time_verifier_fn(|issued_at| check_issue_time(issued_at, now));
    let claims = token.claims(&verifier, nonce)?;
    check_authorized_party(claims, registration)?;
    identity(claims)
}

fn check_issue_time(issued_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), String> {
    if issued_at > now + LEEWAY {
        Err(format!("it was issued at {issued_at}, which is to come (it is {now})"))
    } else if issued_at < now - OLDEST - LEEWAY {
        Err(format!("it was issued at {issued_at}, which is long ago (it is {now})"))
    } else {
        Ok(())
    }
}

/// `azp` is ours if it is there, and there if the token is for others too.
fn check_authorized_party(claims: &CoreIdTokenClaims, registration: &Registration) -> Result<(), Failure> {
    match claims.authorized_party() {
        Some(party) if *party == registration.client_id => Ok(()),
        None if claims.audiences().len() == 1 => Ok(()),
        Some(_) | None => Err(Failure::AuthorizedParty),
    }
}

fn identity(claims: &CoreIdTokenClaims) -> Result<ProviderIdentity, Failure> {
    let name = claims.name().and_then(|names| names.get(None));
    Ok(ProviderIdentity {
        account: ExternalAccount::new(claims.issuer(), claims.subject())?,
        email: claims.email().and_then(|email| email.parse().ok()),
        email_verified: claims.email_verified() == Some(true),
        name: name.and_then(|name| name.parse().ok()),
    })
}

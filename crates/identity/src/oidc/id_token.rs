//! Verifies id tokens (OpenID Connect Core 1.0, 3.1.3.7) and reads their claims.
//!
//! [`super::reduced_token`] checks the algorithm against a list, and the signature with the only matching key. `openidconnect`
//! then checks the header (`typ`, `crit`), `iss`, that `aud` contains this client, `exp` and `nonce`. This module supplies
//! the time and checks further audiences, `azp`, `iat` and `sub`. `at_hash` is optional in the code flow and not checked.

use chrono::{DateTime, TimeDelta, Utc};
use domain::user::ExternalAccount;
use openidconnect::Nonce;
use openidconnect::core::{CoreIdTokenClaims, CoreIdTokenVerifier};

use super::claims::Claims;
use super::error::OidcError;
use super::options::ClientRegistration;
use super::provider_metadata::ProviderMetadata;
use super::reduced_token::ReducedToken;

/// Tolerated difference between the provider's clock and this one.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);
/// Maximum age since `iat`, whatever `exp` is. Providers issue the token when the code is redeemed.
const MAX_AGE: TimeDelta = TimeDelta::minutes(10);

/// Verifies `token` and returns the account and the claims in it.
pub(super) fn verify(
    token: &ReducedToken,
    nonce: &Nonce,
    registration: &ClientRegistration,
    metadata: &ProviderMetadata,
    now: DateTime<Utc>,
) -> Result<(ExternalAccount, Claims), OidcError> {
    let ClientRegistration { issuer, client_id, .. } = registration.clone();
    // A verifier of a confidential client would accept the client secret as an HMAC key.
    let verifier = CoreIdTokenVerifier::new_public_client(client_id, issuer, metadata.keys.clone())
        // Further audiences are checked by `azp`.
        .set_other_audience_verifier_fn(|_| true)
        .set_time_fn(|| now - LEEWAY)
        .set_issue_time_verifier_fn(|issued_at| check_issue_time(issued_at, now));
    let (token, claims) = token.verify_signature(&verifier, metadata)?;
    // Only the signature is not checked again: it is that of the original.
    let checked = token.claims(&verifier.insecure_disable_signature_check(), nonce)?;
    check_authorized_party(checked, registration)?;
    Ok((ExternalAccount::new(checked.issuer(), checked.subject())?, claims.clone()))
}

fn check_issue_time(issued_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), String> {
    if issued_at > now + LEEWAY {
        Err(format!("issued in the future: {issued_at} (now {now})"))
    } else if issued_at < now - MAX_AGE - LEEWAY {
        Err(format!("issued too long ago: {issued_at} (now {now})"))
    } else {
        Ok(())
    }
}

/// `azp`, if present, is this client. It is required if there are several audiences.
fn check_authorized_party(claims: &CoreIdTokenClaims, registration: &ClientRegistration) -> Result<(), OidcError> {
    match claims.authorized_party() {
        Some(party) if *party == registration.client_id => Ok(()),
        None if claims.audiences().len() == 1 => Ok(()),
        Some(_) | None => Err(OidcError::AuthorizedParty),
    }
}

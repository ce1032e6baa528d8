//! Refresh tokens: `dblr_` and 256 random bits. The prefix lets a reader, and a scanner for leaked secrets, tell what it
//! has found.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::account::{NewRefreshToken, TokenError};
use domain::session::RefreshTokenHash;
use rand::TryRng as _;
use rand::rngs::SysRng;
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest as _, Sha256};

const PREFIX: &str = "dblr_";
/// 256 bits.
const LENGTH: usize = 32;

pub(super) fn generate() -> Result<NewRefreshToken, TokenError> {
    let mut random = Zeroizing::new([0; LENGTH]);
    SysRng.try_fill_bytes(random.as_mut_slice()).map_err(|error| TokenError::Signing(error.into()))?;
    let token = secrecy::SecretString::from(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random.as_slice())));
    let hash = digest(token.expose_secret());
    Ok(NewRefreshToken { token, hash })
}

/// The hash of `token`, if it has the shape of one.
pub(super) fn hash(token: &str) -> Option<RefreshTokenHash> {
    let random = Zeroizing::new(URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?);
    (random.len() == LENGTH).then(|| digest(token))
}

fn digest(token: &str) -> RefreshTokenHash {
    RefreshTokenHash::new(Sha256::digest(token).into())
}

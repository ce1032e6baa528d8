//! Hashes passwords with Argon2id into PHC strings, off the threads that serve requests. Password rules are in
//! `domain::user::Password`.

mod argon2id;
mod hash_function;
mod pool;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use domain::account::{HashError, PasswordHasher};
use domain::user::{Password, PasswordHash};

use argon2id::Argon2id;
pub use argon2id::{Argon2Cost, InvalidCost};
use hash_function::HashFunction;
pub use pool::HashingLimits;
use pool::HashingPool;

/// Reasons why a hasher cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum HasherError {
    /// Argon2 is not defined for this cost.
    #[error(transparent)]
    InvalidCost(#[from] InvalidCost),
    /// The runtime of the hashing threads cannot be created.
    #[error("cannot create the threads for hashing")]
    Threads(#[from] io::Error),
}

/// Hashes passwords with Argon2id (RFC 9106).
///
/// A password is verified at the cost that is encoded in its hash, so hashes stay valid if the configured cost rises.
pub struct Argon2Hasher {
    function: Arc<dyn HashFunction>,
    pool: HashingPool,
    /// Hash of the configured cost that no known password matches. It is verified where a user has none, so that both
    /// cases take equally long.
    dummy: PasswordHash,
}

impl Argon2Hasher {
    /// Creates a hasher whose new hashes have this cost.
    ///
    /// # Errors
    /// See [`HasherError`].
    pub fn new(cost: Argon2Cost, limits: HashingLimits) -> Result<Self, HasherError> {
        Ok(Self::with_function(Arc::new(Argon2id::new(cost)?), cost, limits)?)
    }

    fn with_function(function: Arc<dyn HashFunction>, cost: Argon2Cost, limits: HashingLimits) -> io::Result<Self> {
        Ok(Self { function, pool: HashingPool::new(limits)?, dummy: cost.unmatched_hash() })
    }
}

#[async_trait]
impl PasswordHasher for Argon2Hasher {
    async fn hash(&self, password: Password) -> Result<PasswordHash, HashError> {
        let function = Arc::clone(&self.function);
        self.pool.run(move || function.hash(&password)).await
    }

    async fn verify(&self, password: Password, hash: Option<PasswordHash>) -> Result<bool, HashError> {
        let function = Arc::clone(&self.function);
        let has_hash = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.dummy.clone());
        let matches = self.pool.run(move || function.verify(&password, &hash)).await?;
        Ok(has_hash && matches)
    }
}

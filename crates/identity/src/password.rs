//! Passwords as Argon2id hashes, in PHC strings, computed off the threads that serve requests.
//!
//! Deliberately not here: which passwords may be chosen, which is `domain::user::Password`.

mod argon2id;
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
pub use pool::HashingLimits;
use pool::HashingPool;

/// What computes hashes: a seam, so that tests can count and stop the computing.
trait HashFunction: Send + Sync {
    fn hash(&self, password: &Password) -> Result<PasswordHash, HashError>;
    fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<bool, HashError>;
}

/// Why there is no hasher.
#[derive(Debug, thiserror::Error)]
pub enum NoHasher {
    /// Argon2 is not defined for such a cost.
    #[error(transparent)]
    InvalidCost(#[from] InvalidCost),
    /// The system gives nothing to run the hashing threads with.
    #[error("the threads for hashing cannot be set up")]
    Threads(#[from] io::Error),
}

/// Hashes passwords with Argon2id (RFC 9106).
///
/// A password is compared at the cost that its own hash names, so that the cost can be raised later without locking
/// anybody out.
pub struct Argon2Hasher {
    function: Arc<dyn HashFunction>,
    pool: HashingPool,
    /// A hash that no password fits, at the cost of a real one.
    dummy: PasswordHash,
}

impl Argon2Hasher {
    /// A hasher that makes hashes of this cost, within these limits.
    ///
    /// # Errors
    /// See [`NoHasher`].
    pub fn new(cost: Argon2Cost, limits: HashingLimits) -> Result<Self, NoHasher> {
        Ok(Self::over(Arc::new(Argon2id::new(cost)?), cost, limits)?)
    }

    fn over(function: Arc<dyn HashFunction>, cost: Argon2Cost, limits: HashingLimits) -> io::Result<Self> {
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
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.dummy.clone());
        let fits = self.pool.run(move || function.verify(&password, &hash)).await?;
        Ok(known && fits)
    }
}

//! The interface between the hasher and the hash algorithm, which tests replace.

use domain::account::HashError;
use domain::user::{Password, PasswordHash};

pub(super) trait HashFunction: Send + Sync {
    fn hash(&self, password: &Password) -> Result<PasswordHash, HashError>;
    fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<bool, HashError>;
}

//! Argon2id hashes and their cost. Threads and concurrency limits are in `pool.rs`.

use std::cell::RefCell;

use argon2::password_hash::{self, CustomizedPasswordHasher, PasswordHasher, phc};
use argon2::{Algorithm, Argon2, Block, Params, PasswordVerifier as _, Version};
use domain::account::HashError;
use domain::user::{Password, PasswordHash};

use super::hash_function::HashFunction;

/// Cost of one hash, for the server and for an attacker who guesses passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory in KiB; at least 8 per lane.
    pub memory_kib: u32,
    /// Passes over the memory; at least 1.
    pub passes: u32,
    /// Lanes; 1 to 16,777,215. They are computed sequentially.
    pub lanes: u32,
}

impl Argon2Cost {
    /// 19 MiB, 2 passes, 1 lane: the minimum for Argon2id in the OWASP Password Storage Cheat Sheet
    /// (<https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id>).
    pub const OWASP: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };

    /// Lowest cost that Argon2 is defined for. For tests only.
    pub const CHEAPEST: Self = Self { memory_kib: 8, passes: 1, lanes: 1 };

    /// Returns a well-formed hash of this cost whose salt (16 bytes) and digest (32 bytes) are all zero. Verifying it
    /// takes as long as verifying a real one, and no matching password is known.
    pub(super) fn unmatched_hash(self) -> PasswordHash {
        let Self { memory_kib, passes, lanes } = self;
        let (salt, digest) = ("A".repeat(22), "A".repeat(43));
        PasswordHash::new(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${digest}"))
    }
}

impl Default for Argon2Cost {
    fn default() -> Self {
        Self::OWASP
    }
}

/// Argon2 is not defined for this cost.
#[derive(Debug, thiserror::Error)]
#[error("Argon2 is not defined for this cost")]
pub struct InvalidCost(#[source] argon2::Error);

/// Argon2id, version 19, with a random salt of 16 bytes and a digest of 32 bytes.
pub(super) struct Argon2id(OnOwnMemory);

impl Argon2id {
    pub(super) fn new(cost: Argon2Cost) -> Result<Self, InvalidCost> {
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None).map_err(InvalidCost)?;
        Ok(Self(OnOwnMemory(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))))
    }
}

thread_local! {
    /// The memory of the thread's hashes. Allocated for each, it would not be given back to the system: allocators keep
    /// some twenty times as much.
    static MEMORY: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// Argon2 on the thread's own memory, which is wiped after each hash.
struct OnOwnMemory(Argon2<'static>);

impl PasswordHasher<phc::PasswordHash> for OnOwnMemory {
    fn hash_password_with_salt(&self, password: &[u8], salt: &[u8]) -> password_hash::Result<phc::PasswordHash> {
        let params = self.0.params();
        let mut digest = [0; phc::Output::MAX_LENGTH];
        let digest = &mut digest[..params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
        MEMORY.with_borrow_mut(|memory| {
            let blocks = params.block_count();
            if memory.len() < blocks {
                memory.resize(blocks, Block::new());
            }
            let hashed = self.0.hash_password_into_with_memory(password, salt, digest, &mut memory[..blocks]);
            memory[..blocks].fill(Block::new());
            hashed
        })?;
        Ok(phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: params.try_into()?,
            salt: Some(phc::Salt::new(salt)?),
            hash: Some(phc::Output::new(digest)?),
        })
    }
}

/// Hashes with the parameters of a stored hash, to compare with it.
impl CustomizedPasswordHasher<phc::PasswordHash> for OnOwnMemory {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> password_hash::Result<phc::PasswordHash> {
        let algorithm = algorithm.map(Algorithm::try_from).transpose()?.unwrap_or_default();
        let version = version.map(Version::try_from).transpose()?.unwrap_or_default();
        let hash = Self(Argon2::new(algorithm, version, params)).hash_password_with_salt(password, salt)?;
        Ok(phc::PasswordHash { algorithm: algorithm.ident(), version: Some(version.into()), ..hash })
    }
}

impl HashFunction for Argon2id {
    fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        let hash = self.0.hash_password(password.expose().as_bytes()).map_err(failed)?;
        Ok(PasswordHash::new(hash.to_string()))
    }

    /// Digests are compared in constant time (`phc::Output`).
    fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<bool, HashError> {
        let hash = phc::PasswordHash::new(hash.expose()).map_err(|error| HashError::Failed(error.into()))?;
        match self.0.verify_password(password.expose().as_bytes(), &hash) {
            Ok(()) => Ok(true),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(error: password_hash::Error) -> HashError {
    HashError::Failed(error.into())
}

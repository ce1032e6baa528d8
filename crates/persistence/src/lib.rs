//! The repositories of `domain` for SQLite and PostgreSQL: one code path, on SeaORM's entities and statements.
//!
//! | module | what it holds |
//! |---|---|
//! | `database` | [`Database`]: reads and batches past the pools, the connection pools, their sizes and timeouts |
//! | `change` | the repository of changes: writes tasks together with their ledger entries |
//! | `task`, `conversation`, `user`, `session`, `api_token`, `system` | the repository of that noun |
//! | `turn` | the statements and transactions on turns, used by `conversation`, `change` and `system` |
//! | `entity` | SeaORM entities, one per table |
//! | `idempotency` | idempotency keys, used by `change`, `turn` and `system` |
//! | `error` | the mapping of database errors to [`StorageError`](domain::storage::StorageError) |
//!
//! Rules, enforced by the tests in `tests/`: a read is one statement; a write is one statement that is filtered by
//! owner, or one batch or transaction where several rows change together. Business rules are in `domain`, which reads a
//! task, computes the new row and commits it under optimistic locking on the version that it read. Every statement on a
//! user's table is filtered by the owner, except those of [`SeaSystemRepo`].
//!
//! The schema is in crate `migrations`.

mod api_token;
mod change;
mod conversation;
mod database;
mod entity;
mod error;
mod idempotency;
mod json;
mod session;
mod system;
mod task;
mod turn;
mod user;

pub use api_token::SeaApiTokenRepo;
pub use change::SeaChangeRepo;
pub use conversation::SeaConversationRepo;
pub use database::{ConnectError, Database, DatabaseFault, DatabaseOptions, PoolStatus, StatementObserver};
pub use session::SeaSessionRepo;
pub use system::SeaSystemRepo;
pub use task::SeaTaskRepo;
pub use user::SeaUserRepo;

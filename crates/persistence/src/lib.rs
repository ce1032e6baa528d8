//! The repositories of `domain` on SeaORM: one code path for SQLite and PostgreSQL.
//!
//! | module | what it holds |
//! |---|---|
//! | `database` | [`Database`]: connections, how many there are and how long they are waited for |
//! | `change` | the repository of changes: every write of a task, and the ledger that it is entered in |
//! | `task`, `conversation`, `user`, `session`, `api_token`, `system` | the repository of that noun |
//! | `entity` | the tables as SeaORM sees them |
//! | `error` | which failure of a database is which [`StorageError`](domain::storage::StorageError) |
//!
//! Rules: a read is one statement; a write is one statement that guards itself by owner, or one transaction where several
//! rows change together. What a change makes of a task is decided in `domain`: it reads the row, applies its rule, and
//! commits whole rows, each guarded by the version that was read. Every statement on a user's table has the owner in it,
//! [`SeaSystemRepo`]'s aside. Tests in `tests/` hold these rules.
//!
//! Deliberately not here: the schema, which is crate `migrations`.

mod api_token;
mod change;
mod conversation;
mod database;
mod entity;
mod error;
mod json;
mod session;
mod system;
mod task;
mod turn;
mod user;

pub use api_token::SeaApiTokenRepo;
pub use change::SeaChangeRepo;
pub use conversation::SeaConversationRepo;
pub use database::{ConnectError, Database, DatabaseOptions, StatementObserver};
pub use session::SeaSessionRepo;
pub use system::SeaSystemRepo;
pub use task::SeaTaskRepo;
pub use user::SeaUserRepo;

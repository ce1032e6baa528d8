//! The repositories of `domain` on SeaORM: one code path for SQLite and PostgreSQL.
//!
//! | module | what it holds |
//! |---|---|
//! | `database` | [`Database`]: connections, how many there are and how long they are waited for |
//! | `task`, `conversation`, `user`, `session`, `api_token`, `system` | the repository of that noun |
//! | `entity` | the tables as SeaORM sees them |
//! | `error` | which failure of a database is which [`StorageError`](domain::storage::StorageError) |
//!
//! Rules: a read is one statement; a write is one statement that guards itself by owner and version, or one transaction
//! where several tables change together; nothing is read in order to be written; every statement on a user's table has
//! the owner in it, [`SeaSystemRepo`]'s aside. Tests in `tests/` hold them.
//!
//! Deliberately not here: the schema, which is crate `migrations`.

mod api_token;
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
pub use conversation::SeaConversationRepo;
pub use database::{ConnectError, Database, DatabaseOptions, StatementObserver};
pub use session::SeaSessionRepo;
pub use system::SeaSystemRepo;
pub use task::SeaTaskRepo;
pub use user::SeaUserRepo;

//! SeaORM entities, one per table. Keys, checks and indexes are in crate `migrations`.

pub(crate) mod api_token;
pub(crate) mod change;
pub(crate) mod conversation;
pub(crate) mod external_account;
pub(crate) mod idempotency_key;
pub(crate) mod message;
pub(crate) mod one_time_code;
pub(crate) mod pending_action;
pub(crate) mod refresh_token;
pub(crate) mod session;
pub(crate) mod spent_state;
pub(crate) mod task;
mod timestamp;
pub(crate) mod turn;
pub(crate) mod user;

pub(crate) use timestamp::Timestamp;

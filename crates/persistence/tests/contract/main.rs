//! Contract tests of the storage ports of `domain`, run on SQLite and on PostgreSQL, and tests of what this crate
//! guarantees beyond the ports.

mod fixture;
mod isolation;
mod owner;
mod plans;

mod account {
    mod api_token;
    mod code;
    mod external;
    mod lock;
    mod password;
    mod race;
    mod rotation;
    mod session;
    mod session_list;
    mod session_use;
    mod statements;
    mod user;
    mod user_delete;
}

mod change {
    mod commit;
    mod effect;
    mod find;
    mod idempotency;
    mod list;
    mod purge;
    mod race;
}

mod conversation {
    mod client_key;
    mod lifecycle;
    mod message;
    mod pending_action;
}

mod database {
    mod cancellation;
    mod failures;
    mod group;
    mod options;
    mod outage;
    mod pooler;
    mod schema_change;
    mod slow_reader;
    mod sqlite;
}

mod system {
    mod lookup;
    mod sessions;
    mod upkeep;
}

mod task {
    mod list;
    mod read;
    mod trash;
}

mod turn {
    mod fencing;
    mod idempotency;
    mod idempotency_race;
    mod lifecycle;
    mod race;
    mod resume;
    mod stored;
    mod tokens;
}

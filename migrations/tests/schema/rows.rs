//! Rows for the other tests: two users with a row in every table.

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend};
use uuid::Uuid;

/// The ids of one user's rows.
pub(crate) struct Owned {
    pub(crate) user: Uuid,
    pub(crate) session: Uuid,
    pub(crate) conversation: Uuid,
    pub(crate) turn: Uuid,
}

impl Owned {
    fn new() -> Self {
        let new = Uuid::new_v4;
        Self { user: new(), session: new(), conversation: new(), turn: new() }
    }
}

/// Inserts two users with their rows.
pub(crate) async fn fill(db: &DatabaseConnection) -> anyhow::Result<()> {
    two_users(db).await.map(|_| ())
}

pub(crate) async fn two_users(db: &DatabaseConnection) -> anyhow::Result<(Owned, Owned)> {
    Ok((user(db).await?, user(db).await?))
}

async fn user(db: &DatabaseConnection) -> anyhow::Result<Owned> {
    let owned = Owned::new();
    let Owned { user, session, conversation, turn } = owned;
    insert(
        db,
        "users",
        &format!("{}, '{user}@x.org', '{user}@x.org', 'Ada', 'UTC', NULL, 0, {NOW}, {NOW}, 1, {NOW}, 7", id(db, user)),
    )
    .await?;
    let (session, conversation, turn) = (id(db, session), id(db, conversation), id(db, turn));
    let user = id(db, user);
    let new = || id(db, Uuid::new_v4());
    insert(db, "sessions", &format!("{session}, {user}, {NOW}, {NOW}, {NOW}, 'curl/8.5', '::1'")).await?;
    insert(db, "refresh_tokens", &format!("{}, {user}, {session}, {NOW}, NULL", hash(db))).await?;
    insert(db, "tasks", &format!("{}, {user}, 'Milk', 'milk', NULL, 1, {NOW}, {NOW}, NULL", new())).await?;
    insert(db, "conversations", &format!("{conversation}, {user}, 'Hi', 1, NULL, {NOW}, {NOW}, 'slug'")).await?;
    insert(
        db,
        "turns",
        &format!(
            "{turn}, {user}, {conversation}, 'complete', 'here', {NOW}, 'offline', 'v1', 0, 0, NULL, {NOW}, {NOW}, {NOW}, \
             0, 'key', {}, 1",
            hash(db)
        ),
    )
    .await?;
    let message = |position, role| {
        format!("{}, {user}, {conversation}, {turn}, {position}, '{role}', '[]', 'complete', {NOW}", new())
    };
    insert(db, "messages", &message(1, "user")).await?;
    insert(db, "messages", &message(2, "assistant")).await?;
    let action = format!("{}, {user}, {conversation}, {turn}, {}, '[]', {NOW}, {NOW}, NULL", new(), new());
    insert(db, "pending_actions", &action).await?;
    let of_call = format!("{turn}, {conversation}, {}, 0, 0, 0", new());
    insert(db, "changes", &change(db, &user, 1, &of_call, "NULL")).await?;
    insert(db, "idempotency_keys", &format!("{user}, 'key', {}, '{{}}', {NOW}", hash(db))).await?;
    let token = format!("{}, {user}, 'CI', 'tasks:read chat', {}, {NOW}, NULL, NULL", new(), hash(db));
    insert(db, "api_tokens", &token).await?;
    let subject = owned.user;
    insert(db, "external_accounts", &format!("'https://id.example', '{subject}', {user}, {NOW}")).await?;
    for (purpose, session) in [("sign_in", "NULL"), ("link", &session)] {
        let code = format!("{}, '{purpose}', {user}, {session}, {NOW}, {NOW}", hash(db));
        insert(db, "one_time_codes", &code).await?;
    }
    insert(db, "spent_states", &format!("{}, {NOW}", hash(db))).await?;
    Ok(owned)
}

/// A change of a task, with the columns of its tool call from `turn_id` to `part`.
pub(crate) fn change(db: &DatabaseConnection, user: &str, seq: i64, of_call: &str, undoes: &str) -> String {
    let new = || id(db, Uuid::new_v4());
    format!(
        "{user}, {seq}, {NOW}, {}, 'task', {}, 'created', NULL, '{{}}', 'http', NULL, NULL, {of_call}, 'r', {undoes}",
        new(),
        new()
    )
}

pub(crate) async fn insert(db: &DatabaseConnection, table: &str, values: &str) -> anyhow::Result<()> {
    db.execute_unprepared(&format!("INSERT INTO {table} VALUES ({values})")).await?;
    Ok(())
}

/// A time literal of both databases.
pub(crate) const NOW: &str = "'2026-11-23T09:30:00+00:00'";

/// A UUID literal of the database.
pub(crate) fn id(db: &DatabaseConnection, id: Uuid) -> String {
    match db.get_database_backend() {
        DbBackend::Sqlite => format!("X'{}'", id.simple()),
        _ => format!("'{id}'"),
    }
}

/// A unique SHA-256 literal of the database.
pub(crate) fn hash(db: &DatabaseConnection) -> String {
    let digits = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    match db.get_database_backend() {
        DbBackend::Sqlite => format!("X'{digits}'"),
        _ => format!("'\\x{digits}'"),
    }
}

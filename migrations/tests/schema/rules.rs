//! Constraints: composite foreign keys, checks and unique indexes.

use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};
use test_database::{TestDatabase, on_both_databases};
use uuid::Uuid;

use crate::rows::{NOW, Owned, change, hash, id, insert, two_users};

on_both_databases!(
    a_row_cannot_refer_to_a_row_of_another_user,
    a_row_of_a_missing_user_is_refused,
    invalid_values_are_refused,
    invalid_account_values_are_refused,
    invalid_ledger_values_are_refused,
    a_conversation_has_at_most_one_running_turn,
    emails_positions_and_roles_in_a_turn_are_unique,
    keys_are_unique_per_user_and_effects_per_turn,
    hashes_of_secrets_are_unique,
    external_accounts_are_unique_and_each_user_has_one_per_issuer,
);

async fn database(test: &TestDatabase) -> anyhow::Result<(DatabaseConnection, Owned, Owned)> {
    let db = Database::connect(test.url()).await?;
    migrations::up(&db).await?;
    let (ada, bob) = two_users(&db).await?;
    Ok((db, ada, bob))
}

/// Asserts that a row is refused with an error that contains `reason`.
async fn assert_refused(db: &DatabaseConnection, table: &str, values: String, reason: &str) {
    let outcome = insert(db, table, &values).await.map_err(|error| error.to_string().to_lowercase());
    assert!(outcome.as_ref().is_err_and(|error| error.contains(reason)), "{table} ({values}): {outcome:?}");
}

fn new(db: &DatabaseConnection) -> String {
    id(db, Uuid::new_v4())
}

fn turn(db: &DatabaseConnection, user: Uuid, conversation: Uuid, state: &str, ended_at: &str) -> String {
    let (user, conversation) = (id(db, user), id(db, conversation));
    format!(
        "{}, {user}, {conversation}, '{state}', 'here', {NOW}, 'p', 'm', 0, 0, NULL, {NOW}, {ended_at}, NULL, 0, NULL, \
         NULL, 1",
        new(db)
    )
}

/// A completed turn with the columns of its idempotency key.
fn keyed(db: &DatabaseConnection, owned: &Owned, model_time: i64, key: &str, fingerprint: &str) -> String {
    let turn = turn(db, owned.user, owned.conversation, "complete", NOW);
    turn.replace("NULL, 0, NULL, NULL", &format!("NULL, {model_time}, {key}, {fingerprint}"))
}

fn message(db: &DatabaseConnection, owned: &Owned, turn: &str, position: i64, role: &str, status: &str) -> String {
    let (user, conversation) = (id(db, owned.user), id(db, owned.conversation));
    format!("{}, {user}, {conversation}, {turn}, {position}, '{role}', '[]', '{status}', {NOW}", new(db))
}

async fn a_row_cannot_refer_to_a_row_of_another_user(test: TestDatabase) -> anyhow::Result<()> {
    let (db, ada, bob) = database(&test).await?;
    let foreign = "foreign key";
    let (bob_user, ada_session) = (id(&db, bob.user), id(&db, ada.session));
    assert_refused(&db, "refresh_tokens", format!("{}, {bob_user}, {ada_session}, {NOW}, NULL", hash(&db)), foreign)
        .await;
    let code = format!("{}, 'link', {bob_user}, {ada_session}, {NOW}, {NOW}", hash(&db));
    assert_refused(&db, "one_time_codes", code, foreign).await;
    assert_refused(&db, "turns", turn(&db, bob.user, ada.conversation, "complete", NOW), foreign).await;
    // Otherwise the unique index on the roles of a turn would refuse the rows first.
    db.execute_unprepared("DELETE FROM messages").await?;
    let ada_turn = id(&db, ada.turn);
    let mixed = Owned { user: bob.user, conversation: ada.conversation, ..ada };
    assert_refused(&db, "messages", message(&db, &mixed, &ada_turn, 9, "user", "complete"), foreign).await;
    assert_refused(&db, "messages", message(&db, &bob, &ada_turn, 9, "user", "complete"), foreign).await;
    let ada_conversation = id(&db, ada.conversation);
    let message = new(&db);
    let action =
        format!("{}, {bob_user}, {ada_conversation}, {ada_turn}, {message}, '[]', {NOW}, {NOW}, NULL", new(&db));
    assert_refused(&db, "pending_actions", action, foreign).await;
    Ok(())
}

async fn a_row_of_a_missing_user_is_refused(test: TestDatabase) -> anyhow::Result<()> {
    let (db, ..) = database(&test).await?;
    let missing = new(&db);
    let rows = [
        ("sessions", format!("{}, {missing}, {NOW}, {NOW}, {NOW}, NULL, NULL", new(&db))),
        ("api_tokens", format!("{}, {missing}, 'CI', 'chat', {}, {NOW}, NULL, NULL", new(&db), hash(&db))),
        ("external_accounts", format!("'https://id.example', 'x', {missing}, {NOW}")),
        ("one_time_codes", format!("{}, 'sign_in', {missing}, NULL, {NOW}, {NOW}", hash(&db))),
        ("tasks", format!("{}, {missing}, 'Milk', 'milk', NULL, 1, {NOW}, {NOW}, NULL", new(&db))),
        ("changes", change(&db, &missing, 1, NO_CALL, "NULL")),
        ("idempotency_keys", format!("{missing}, 'k', {}, '{{}}', {NOW}", hash(&db))),
        ("conversations", format!("{}, {missing}, 'Hi', 0, NULL, {NOW}, {NOW}, NULL", new(&db))),
    ];
    for (table, values) in rows {
        assert_refused(&db, table, values, "foreign key").await;
    }
    Ok(())
}

async fn invalid_account_values_are_refused(test: TestDatabase) -> anyhow::Result<()> {
    let (db, ada, _) = database(&test).await?;
    let check = "check constraint";
    let (user, id, sha, short) = (id(&db, ada.user), new(&db), hash(&db), hash_of_one_byte(&test));
    let x = |times: usize| format!("'{}'", "x".repeat(times));
    for (device, peer) in [("''", "NULL"), (&*x(201), "NULL"), ("NULL", "':'"), ("NULL", &*x(46))] {
        assert_refused(&db, "sessions", format!("{id}, {user}, {NOW}, {NOW}, {NOW}, {device}, {peer}"), check).await;
    }
    for (name, scopes, hash) in
        [("''", "'chat'", &*sha), (&*x(101), "'chat'", &sha), ("'CI'", "''", &sha), ("'CI'", "'chat'", short)]
    {
        assert_refused(&db, "api_tokens", format!("{id}, {user}, {name}, {scopes}, {hash}, {NOW}, NULL, NULL"), check)
            .await;
    }
    for (issuer, subject) in [("''", "'1'"), ("'i'", "''"), (&*x(256), "'1'"), ("'i'", &*x(256))] {
        assert_refused(&db, "external_accounts", format!("{issuer}, {subject}, {user}, {NOW}"), check).await;
    }
    for (hash, purpose) in [(&*sha, "refresh"), (short, "link")] {
        assert_refused(&db, "one_time_codes", format!("{hash}, '{purpose}', {user}, NULL, {NOW}, {NOW}"), check).await;
    }
    assert_refused(&db, "spent_states", format!("{short}, {NOW}"), check).await;
    let session = id.as_str();
    insert(&db, "sessions", &format!("{session}, {user}, {NOW}, {NOW}, {NOW}, {}, {}", x(200), x(45))).await
}

/// The columns of a change that was not made by a tool call.
const NO_CALL: &str = "NULL, NULL, NULL, NULL, NULL, NULL";

async fn invalid_ledger_values_are_refused(test: TestDatabase) -> anyhow::Result<()> {
    let (db, ada, _) = database(&test).await?;
    let check = "check constraint";
    let user = id(&db, ada.user);
    let right = |seq| change(&db, &user, seq, NO_CALL, "NULL");
    let long = format!("'{}'", "x".repeat(129));
    for (part, wrong) in
        [("'task'", "'note'"), ("'created'", "'lost'"), ("'http'", "'pigeon'"), ("'r'", "''"), ("'r'", long.as_str())]
    {
        assert_refused(&db, "changes", right(2).replace(part, wrong), check).await;
    }
    assert_refused(&db, "changes", right(0), check).await;
    for undoes in ["0", "2", "3"] {
        assert_refused(&db, "changes", change(&db, &user, 2, NO_CALL, undoes), check).await;
    }
    // The columns of the call are all set or all NULL.
    let ids = [new(&db), new(&db), new(&db)];
    let all = [&*ids[0], &ids[1], &ids[2], "1", "2", "3"];
    for left_out in 0..all.len() {
        let mut of_call = all;
        of_call[left_out] = "NULL";
        assert_refused(&db, "changes", change(&db, &user, 2, &of_call.join(", "), "1"), check).await;
        let mut of_none = ["NULL"; 6];
        of_none[left_out] = all[left_out];
        assert_refused(&db, "changes", change(&db, &user, 2, &of_none.join(", "), "1"), check).await;
    }
    for number in 3..6 {
        let mut of_call = all;
        of_call[number] = "-1";
        assert_refused(&db, "changes", change(&db, &user, 2, &of_call.join(", "), "1"), check).await;
    }
    insert(&db, "changes", &change(&db, &user, 2, &all.join(", "), "1")).await?;
    insert(&db, "changes", &right(3)).await?;
    for column in ["change_seq", "tokens_used"] {
        let lowered = db.execute_unprepared(&format!("UPDATE users SET {column} = -1")).await;
        assert!(lowered.is_err(), "{column}: {lowered:?}");
    }
    Ok(())
}

async fn invalid_values_are_refused(test: TestDatabase) -> anyhow::Result<()> {
    let (db, ada, _) = database(&test).await?;
    let check = "check constraint";
    let user = id(&db, ada.user);
    let long = "x".repeat(501);
    for (title, version) in [("", 1), (long.as_str(), 1), ("Milk", 0)] {
        let task = format!("{}, {user}, '{title}', '', NULL, {version}, {NOW}, {NOW}, NULL", new(&db));
        assert_refused(&db, "tasks", task, check).await;
    }
    let task = |title: &str| format!("{}, {user}, '{title}', '', NULL, 1, {NOW}, {NOW}, NULL", new(&db));
    insert(&db, "tasks", &task(&"é".repeat(500))).await?;
    for (email, name, zone, version) in
        [("", "Ada", "UTC", 0), ("a@b.c", "", "UTC", 0), ("a@b.c", "Ada", "", 0), ("a@b.c", "Ada", "UTC", -1)]
    {
        let user = format!(
            "{}, '{email}', '{email}', '{name}', '{zone}', NULL, {version}, {NOW}, {NOW}, 0, NULL, 0",
            new(&db)
        );
        assert_refused(&db, "users", user, check).await;
    }
    let long = format!("'{}'", "x".repeat(256));
    for (title, key) in [("", "NULL"), ("Hi", "''"), ("Hi", &long)] {
        let conversation = format!("{}, {user}, '{title}', 0, NULL, {NOW}, {NOW}, {key}", new(&db));
        assert_refused(&db, "conversations", conversation, check).await;
    }
    for (state, ended_at) in [("paused", NOW), ("running", NOW), ("complete", "NULL")] {
        assert_refused(&db, "turns", turn(&db, ada.user, ada.conversation, state, ended_at), check).await;
    }
    let sha = hash(&db);
    for (model_time, key, fingerprint) in [
        (-1, "NULL", "NULL"),
        (0, "''", sha.as_str()),
        (0, &long, &sha),
        (0, "'k'", "NULL"),
        (0, "NULL", &sha),
        (0, "'k'", hash_of_one_byte(&test)),
    ] {
        assert_refused(&db, "turns", keyed(&db, &ada, model_time, key, fingerprint), check).await;
    }
    insert(&db, "turns", &keyed(&db, &ada, 0, "'k'", &sha)).await?;
    for (key, fingerprint) in [("''", sha.as_str()), (&long, &sha), ("'k'", hash_of_one_byte(&test))] {
        let row = format!("{user}, {key}, {fingerprint}, '{{}}', {NOW}");
        assert_refused(&db, "idempotency_keys", row, check).await;
    }
    let at_none = turn(&db, ada.user, ada.conversation, "complete", NOW).replace("NULL, 1", "NULL, 0");
    assert_refused(&db, "turns", at_none, check).await;
    let other = new(&db);
    for (position, role, status) in
        [(0, "user", "complete"), (9, "system", "complete"), (9, "assistant", "lost"), (9, "user", "running")]
    {
        assert_refused(&db, "messages", message(&db, &ada, &other, position, role, status), check).await;
    }
    let session = id(&db, ada.session);
    let hash = hash_of_one_byte(&test);
    assert_refused(&db, "refresh_tokens", format!("{hash}, {user}, {session}, {NOW}, NULL"), check).await;
    Ok(())
}

fn hash_of_one_byte(test: &TestDatabase) -> &'static str {
    if test.url().starts_with("sqlite") { "X'00'" } else { "'\\x00'" }
}

async fn a_conversation_has_at_most_one_running_turn(test: TestDatabase) -> anyhow::Result<()> {
    let (db, ada, bob) = database(&test).await?;
    let running = |owned: &Owned| turn(&db, owned.user, owned.conversation, "running", "NULL");
    insert(&db, "turns", &running(&ada)).await?;
    insert(&db, "turns", &running(&bob)).await?;
    assert_refused(&db, "turns", running(&ada), "unique").await;
    insert(&db, "turns", &turn(&db, ada.user, ada.conversation, "stopped", NOW)).await
}

async fn emails_positions_and_roles_in_a_turn_are_unique(test: TestDatabase) -> anyhow::Result<()> {
    let (db, ada, _) = database(&test).await?;
    let email = format!("{}@x.org", ada.user);
    let user = format!("{}, '{email}', '{email}', 'Eve', 'UTC', NULL, 0, {NOW}, {NOW}, 0, NULL, 0", new(&db));
    assert_refused(&db, "users", user, "unique").await;
    let taken = id(&db, ada.turn);
    assert_refused(&db, "messages", message(&db, &ada, &taken, 3, "assistant", "complete"), "unique").await;
    let free = Uuid::new_v4();
    let values = turn(&db, ada.user, ada.conversation, "complete", NOW);
    let values = values.split_once(", ").map(|(_, rest)| format!("{}, {rest}", id(&db, free))).unwrap_or_default();
    insert(&db, "turns", &values).await?;
    assert_refused(&db, "messages", message(&db, &ada, &id(&db, free), 2, "assistant", "complete"), "unique").await;
    insert(&db, "messages", &message(&db, &ada, &id(&db, free), 3, "assistant", "complete")).await
}

async fn keys_are_unique_per_user_and_effects_per_turn(test: TestDatabase) -> anyhow::Result<()> {
    // Both users have a conversation, a turn and a change with the same keys.
    let (db, ada, _) = database(&test).await?;
    let (user, turn) = (id(&db, ada.user), id(&db, ada.turn));
    assert_refused(&db, "turns", keyed(&db, &ada, 0, "'key'", &hash(&db)), "unique").await;
    let named = |key: &str| format!("{}, {user}, 'Hi', 0, NULL, {NOW}, {NOW}, {key}", new(&db));
    assert_refused(&db, "conversations", named("'slug'"), "unique").await;
    let effect = |seq, part| {
        let of_call = format!("{turn}, {}, {}, 0, 0, {part}", new(&db), new(&db));
        change(&db, &user, seq, &of_call, "NULL")
    };
    assert_refused(&db, "changes", effect(2, 0), "unique").await;
    assert_refused(&db, "changes", effect(1, 1), "unique").await;
    insert(&db, "changes", &effect(2, 1)).await?;
    assert_refused(&db, "idempotency_keys", format!("{user}, 'key', {}, '{{}}', {NOW}", hash(&db)), "unique").await;
    // Rows without keys do not conflict.
    for seq in 3..5 {
        insert(&db, "changes", &change(&db, &user, seq, NO_CALL, "1")).await?;
        insert(&db, "turns", &keyed(&db, &ada, 0, "NULL", "NULL")).await?;
        insert(&db, "conversations", &named("NULL")).await?;
    }
    Ok(())
}

async fn hashes_of_secrets_are_unique(test: TestDatabase) -> anyhow::Result<()> {
    let (db, ada, bob) = database(&test).await?;
    let sha = hash(&db);
    for user in [ada.user, bob.user].map(|user| id(&db, user)) {
        let rows = [
            ("api_tokens", format!("{}, {user}, 'CI', 'chat', {sha}, {NOW}, NULL, NULL", new(&db))),
            ("one_time_codes", format!("{sha}, 'sign_in', {user}, NULL, {NOW}, {NOW}")),
            ("spent_states", format!("{sha}, {NOW}")),
        ];
        for (table, values) in rows {
            if user == id(&db, ada.user) {
                insert(&db, table, &values).await?;
            } else {
                assert_refused(&db, table, values, "unique").await;
            }
        }
    }
    Ok(())
}

async fn external_accounts_are_unique_and_each_user_has_one_per_issuer(test: TestDatabase) -> anyhow::Result<()> {
    // Both users have an account of this issuer.
    let (db, ada, bob) = database(&test).await?;
    let account =
        |issuer: &str, subject: &str, user| format!("'https://{issuer}', '{subject}', {}, {NOW}", id(&db, user));
    assert_refused(&db, "external_accounts", account("id.example", &bob.user.to_string(), ada.user), "unique").await;
    assert_refused(&db, "external_accounts", account("id.example", "another", ada.user), "unique").await;
    insert(&db, "external_accounts", &account("other.example", &bob.user.to_string(), ada.user)).await
}

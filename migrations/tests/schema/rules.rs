//! What the schema keeps out: rows of two users mixed, values that no type of the domain has, a second turn at a time.

use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};
use test_database::{TestDatabase, on_both_databases};
use uuid::Uuid;

use crate::rows::{NOW, Owned, change, hash, id, insert, two_users};

on_both_databases!(
    a_row_of_one_user_cannot_hang_on_a_row_of_another,
    a_row_without_its_user_is_refused,
    wrong_values_are_refused,
    wrong_values_of_the_account_are_refused,
    wrong_values_of_the_ledger_are_refused,
    one_turn_runs_at_a_time_in_a_conversation,
    an_email_a_position_and_a_side_of_a_turn_are_taken_once,
    keys_are_taken_once_by_each_user_and_an_effect_once_by_a_turn,
    a_secret_is_taken_once,
    an_account_at_a_provider_is_one_users_and_a_user_has_one_there,
);

async fn database(test: &TestDatabase) -> anyhow::Result<(DatabaseConnection, Owned, Owned)> {
    let db = Database::connect(test.url()).await?;
    migrations::up(&db).await?;
    let (ada, bob) = two_users(&db).await?;
    Ok((db, ada, bob))
}

/// Inserts a row that is to be refused, for the reason named in the error.
async fn refused(db: &DatabaseConnection, table: &str, values: String, reason: &str) {
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

/// A turn that is over, with the columns that make it happen once.
fn keyed(db: &DatabaseConnection, owned: &Owned, model_time: i64, key: &str, fingerprint: &str) -> String {
    let turn = turn(db, owned.user, owned.conversation, "complete", NOW);
    turn.replace("NULL, 0, NULL, NULL", &format!("NULL, {model_time}, {key}, {fingerprint}"))
}

fn message(db: &DatabaseConnection, owned: &Owned, turn: &str, position: i64, role: &str, status: &str) -> String {
    let (user, conversation) = (id(db, owned.user), id(db, owned.conversation));
    format!("{}, {user}, {conversation}, {turn}, {position}, '{role}', '[]', '{status}', {NOW}", new(db))
}

async fn a_row_of_one_user_cannot_hang_on_a_row_of_another(test: TestDatabase) -> anyhow::Result<()> {
    let (db, ada, bob) = database(&test).await?;
    let foreign = "foreign key";
    let (bob_user, ada_session) = (id(&db, bob.user), id(&db, ada.session));
    refused(&db, "refresh_tokens", format!("{}, {bob_user}, {ada_session}, {NOW}, NULL", hash(&db)), foreign).await;
    let code = format!("{}, 'link', {bob_user}, {ada_session}, {NOW}, {NOW}", hash(&db));
    refused(&db, "one_time_codes", code, foreign).await;
    refused(&db, "turns", turn(&db, bob.user, ada.conversation, "complete", NOW), foreign).await;
    // Else their sides of the turn would be taken, which is another reason.
    db.execute_unprepared("DELETE FROM messages").await?;
    let ada_turn = id(&db, ada.turn);
    let mixed = Owned { user: bob.user, conversation: ada.conversation, ..ada };
    refused(&db, "messages", message(&db, &mixed, &ada_turn, 9, "user", "complete"), foreign).await;
    refused(&db, "messages", message(&db, &bob, &ada_turn, 9, "user", "complete"), foreign).await;
    let ada_conversation = id(&db, ada.conversation);
    let message = new(&db);
    let action =
        format!("{}, {bob_user}, {ada_conversation}, {ada_turn}, {message}, '[]', {NOW}, {NOW}, NULL", new(&db));
    refused(&db, "pending_actions", action, foreign).await;
    Ok(())
}

async fn a_row_without_its_user_is_refused(test: TestDatabase) -> anyhow::Result<()> {
    let (db, ..) = database(&test).await?;
    let nobody = new(&db);
    let rows = [
        ("sessions", format!("{}, {nobody}, {NOW}, {NOW}, {NOW}, NULL, NULL", new(&db))),
        ("api_tokens", format!("{}, {nobody}, 'CI', 'chat', {}, {NOW}, NULL, NULL", new(&db), hash(&db))),
        ("external_accounts", format!("'https://id.example', 'x', {nobody}, {NOW}")),
        ("one_time_codes", format!("{}, 'sign_in', {nobody}, NULL, {NOW}, {NOW}", hash(&db))),
        ("tasks", format!("{}, {nobody}, 'Milk', 'milk', NULL, 1, {NOW}, {NOW}, NULL", new(&db))),
        ("changes", change(&db, &nobody, 1, NO_CALL, "NULL")),
        ("conversations", format!("{}, {nobody}, 'Hi', 0, NULL, {NOW}, {NOW}, NULL", new(&db))),
    ];
    for (table, values) in rows {
        refused(&db, table, values, "foreign key").await;
    }
    Ok(())
}

async fn wrong_values_of_the_account_are_refused(test: TestDatabase) -> anyhow::Result<()> {
    let (db, ada, _) = database(&test).await?;
    let check = "check constraint";
    let (user, id, sha, short) = (id(&db, ada.user), new(&db), hash(&db), hash_of_one_byte(&test));
    let x = |times: usize| format!("'{}'", "x".repeat(times));
    for (device, peer) in [("''", "NULL"), (&*x(201), "NULL"), ("NULL", "':'"), ("NULL", &*x(46))] {
        refused(&db, "sessions", format!("{id}, {user}, {NOW}, {NOW}, {NOW}, {device}, {peer}"), check).await;
    }
    for (name, scopes, hash) in
        [("''", "'chat'", &*sha), (&*x(101), "'chat'", &sha), ("'CI'", "''", &sha), ("'CI'", "'chat'", short)]
    {
        refused(&db, "api_tokens", format!("{id}, {user}, {name}, {scopes}, {hash}, {NOW}, NULL, NULL"), check).await;
    }
    for (issuer, subject) in [("''", "'1'"), ("'i'", "''"), (&*x(256), "'1'"), ("'i'", &*x(256))] {
        refused(&db, "external_accounts", format!("{issuer}, {subject}, {user}, {NOW}"), check).await;
    }
    for (hash, purpose) in [(&*sha, "refresh"), (short, "link")] {
        refused(&db, "one_time_codes", format!("{hash}, '{purpose}', {user}, NULL, {NOW}, {NOW}"), check).await;
    }
    refused(&db, "spent_states", format!("{short}, {NOW}"), check).await;
    let session = id.as_str();
    insert(&db, "sessions", &format!("{session}, {user}, {NOW}, {NOW}, {NOW}, {}, {}", x(200), x(45))).await
}

/// The columns of a change that no tool call made.
const NO_CALL: &str = "NULL, NULL, NULL, NULL, NULL, NULL";

async fn wrong_values_of_the_ledger_are_refused(test: TestDatabase) -> anyhow::Result<()> {
    let (db, ada, _) = database(&test).await?;
    let check = "check constraint";
    let user = id(&db, ada.user);
    let right = |seq| change(&db, &user, seq, NO_CALL, "NULL");
    let long = format!("'{}'", "x".repeat(129));
    for (part, wrong) in
        [("'task'", "'note'"), ("'created'", "'lost'"), ("'http'", "'pigeon'"), ("'r'", "''"), ("'r'", long.as_str())]
    {
        refused(&db, "changes", right(2).replace(part, wrong), check).await;
    }
    refused(&db, "changes", right(0), check).await;
    for undoes in ["0", "2", "3"] {
        refused(&db, "changes", change(&db, &user, 2, NO_CALL, undoes), check).await;
    }
    // What a call made has all of its columns, and what none made has none of them.
    let ids = [new(&db), new(&db), new(&db)];
    let all = [&*ids[0], &ids[1], &ids[2], "1", "2", "3"];
    for left_out in 0..all.len() {
        let mut of_call = all;
        of_call[left_out] = "NULL";
        refused(&db, "changes", change(&db, &user, 2, &of_call.join(", "), "1"), check).await;
        let mut of_none = ["NULL"; 6];
        of_none[left_out] = all[left_out];
        refused(&db, "changes", change(&db, &user, 2, &of_none.join(", "), "1"), check).await;
    }
    for number in 3..6 {
        let mut of_call = all;
        of_call[number] = "-1";
        refused(&db, "changes", change(&db, &user, 2, &of_call.join(", "), "1"), check).await;
    }
    insert(&db, "changes", &change(&db, &user, 2, &all.join(", "), "1")).await?;
    insert(&db, "changes", &right(3)).await?;
    let lowered = db.execute_unprepared("UPDATE users SET change_seq = -1").await;
    assert!(lowered.is_err(), "{lowered:?}");
    Ok(())
}

async fn wrong_values_are_refused(test: TestDatabase) -> anyhow::Result<()> {
    let (db, ada, _) = database(&test).await?;
    let check = "check constraint";
    let user = id(&db, ada.user);
    let long = "x".repeat(501);
    for (title, version) in [("", 1), (long.as_str(), 1), ("Milk", 0)] {
        let task = format!("{}, {user}, '{title}', '', NULL, {version}, {NOW}, {NOW}, NULL", new(&db));
        refused(&db, "tasks", task, check).await;
    }
    let task = |title: &str| format!("{}, {user}, '{title}', '', NULL, 1, {NOW}, {NOW}, NULL", new(&db));
    insert(&db, "tasks", &task(&"é".repeat(500))).await?;
    for (email, name, zone, version) in
        [("", "Ada", "UTC", 0), ("a@b.c", "", "UTC", 0), ("a@b.c", "Ada", "", 0), ("a@b.c", "Ada", "UTC", -1)]
    {
        let user = format!("{}, '{email}', '{email}', '{name}', '{zone}', NULL, {version}, {NOW}, {NOW}, 0", new(&db));
        refused(&db, "users", user, check).await;
    }
    let long = format!("'{}'", "x".repeat(256));
    for (title, key) in [("", "NULL"), ("Hi", "''"), ("Hi", &long)] {
        let conversation = format!("{}, {user}, '{title}', 0, NULL, {NOW}, {NOW}, {key}", new(&db));
        refused(&db, "conversations", conversation, check).await;
    }
    for (state, ended_at) in [("paused", NOW), ("running", NOW), ("complete", "NULL")] {
        refused(&db, "turns", turn(&db, ada.user, ada.conversation, state, ended_at), check).await;
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
        refused(&db, "turns", keyed(&db, &ada, model_time, key, fingerprint), check).await;
    }
    insert(&db, "turns", &keyed(&db, &ada, 0, "'k'", &sha)).await?;
    let at_none = turn(&db, ada.user, ada.conversation, "complete", NOW).replace("NULL, 1", "NULL, 0");
    refused(&db, "turns", at_none, check).await;
    let other = new(&db);
    for (position, role, status) in
        [(0, "user", "complete"), (9, "system", "complete"), (9, "assistant", "lost"), (9, "user", "running")]
    {
        refused(&db, "messages", message(&db, &ada, &other, position, role, status), check).await;
    }
    let session = id(&db, ada.session);
    let hash = hash_of_one_byte(&test);
    refused(&db, "refresh_tokens", format!("{hash}, {user}, {session}, {NOW}, NULL"), check).await;
    Ok(())
}

fn hash_of_one_byte(test: &TestDatabase) -> &'static str {
    if test.url().starts_with("sqlite") { "X'00'" } else { "'\\x00'" }
}

async fn one_turn_runs_at_a_time_in_a_conversation(test: TestDatabase) -> anyhow::Result<()> {
    let (db, ada, bob) = database(&test).await?;
    let running = |owned: &Owned| turn(&db, owned.user, owned.conversation, "running", "NULL");
    insert(&db, "turns", &running(&ada)).await?;
    insert(&db, "turns", &running(&bob)).await?;
    refused(&db, "turns", running(&ada), "unique").await;
    insert(&db, "turns", &turn(&db, ada.user, ada.conversation, "stopped", NOW)).await
}

async fn an_email_a_position_and_a_side_of_a_turn_are_taken_once(test: TestDatabase) -> anyhow::Result<()> {
    let (db, ada, _) = database(&test).await?;
    let email = format!("{}@x.org", ada.user);
    let user = format!("{}, '{email}', '{email}', 'Eve', 'UTC', NULL, 0, {NOW}, {NOW}, 0", new(&db));
    refused(&db, "users", user, "unique").await;
    let taken = id(&db, ada.turn);
    refused(&db, "messages", message(&db, &ada, &taken, 3, "assistant", "complete"), "unique").await;
    let free = Uuid::new_v4();
    let values = turn(&db, ada.user, ada.conversation, "complete", NOW);
    let values = values.split_once(", ").map(|(_, rest)| format!("{}, {rest}", id(&db, free))).unwrap_or_default();
    insert(&db, "turns", &values).await?;
    refused(&db, "messages", message(&db, &ada, &id(&db, free), 2, "assistant", "complete"), "unique").await;
    insert(&db, "messages", &message(&db, &ada, &id(&db, free), 3, "assistant", "complete")).await
}

async fn keys_are_taken_once_by_each_user_and_an_effect_once_by_a_turn(test: TestDatabase) -> anyhow::Result<()> {
    // Both users have a conversation, a turn and a change of the same keys.
    let (db, ada, _) = database(&test).await?;
    let (user, turn) = (id(&db, ada.user), id(&db, ada.turn));
    refused(&db, "turns", keyed(&db, &ada, 0, "'key'", &hash(&db)), "unique").await;
    let named = |key: &str| format!("{}, {user}, 'Hi', 0, NULL, {NOW}, {NOW}, {key}", new(&db));
    refused(&db, "conversations", named("'slug'"), "unique").await;
    let effect = |seq, part| {
        let of_call = format!("{turn}, {}, {}, 0, 0, {part}", new(&db), new(&db));
        change(&db, &user, seq, &of_call, "NULL")
    };
    refused(&db, "changes", effect(2, 0), "unique").await;
    refused(&db, "changes", effect(1, 1), "unique").await;
    insert(&db, "changes", &effect(2, 1)).await?;
    // Rows without keys are not alike.
    for seq in 3..5 {
        insert(&db, "changes", &change(&db, &user, seq, NO_CALL, "1")).await?;
        insert(&db, "turns", &keyed(&db, &ada, 0, "NULL", "NULL")).await?;
        insert(&db, "conversations", &named("NULL")).await?;
    }
    Ok(())
}

async fn a_secret_is_taken_once(test: TestDatabase) -> anyhow::Result<()> {
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
                refused(&db, table, values, "unique").await;
            }
        }
    }
    Ok(())
}

async fn an_account_at_a_provider_is_one_users_and_a_user_has_one_there(test: TestDatabase) -> anyhow::Result<()> {
    // Both users have one at this provider.
    let (db, ada, bob) = database(&test).await?;
    let account =
        |issuer: &str, subject: &str, user| format!("'https://{issuer}', '{subject}', {}, {NOW}", id(&db, user));
    refused(&db, "external_accounts", account("id.example", &bob.user.to_string(), ada.user), "unique").await;
    refused(&db, "external_accounts", account("id.example", "another", ada.user), "unique").await;
    insert(&db, "external_accounts", &account("other.example", &bob.user.to_string(), ada.user)).await
}

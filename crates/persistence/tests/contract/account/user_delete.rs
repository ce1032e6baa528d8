//! Users: deletion and its cascades.

use domain::api_token::ApiTokenRepo as _;
use domain::change::{ChangeRepo as _, Keyed, KeyedAnswer, Write};
use domain::conversation::turn::TurnState;
use domain::conversation::{ConversationRepo as _, KeyReuse, TurnResult};
use domain::id::UserId;
use domain::session::{CodePurpose, SessionRepo as _};
use domain::system::SystemRepo as _;
use domain::user::{User, UserRepo as _, UserRepoError};
use test_database::{Kind, TestDatabase, on_both_databases};

use crate::fixture::{
    Fixture, at, call, effect, end, external, id, new_api_token, new_code, new_password, new_task, put_off, request,
};

on_both_databases!(
    a_deleted_user_leaves_no_row_in_any_table,
    a_user_is_deleted_only_at_the_current_token_version,
    the_address_of_a_deleted_user_can_be_registered,
);

/// Inserts a row of the user into every table.
async fn fill(fixture: &Fixture, owner: UserId) -> anyhow::Result<()> {
    let (_, turn) = fixture.conversation(owner).await?;
    let task = new_task(owner, "Milk")?;
    let added = effect(owner, call(&turn, 0), at(1));
    fixture.changes.commit(owner, &[Write::create(task.clone())], &added).await?;
    let answer = KeyedAnswer::Stop { turn: turn.id };
    let keyed = Keyed { request: request("key", 1, KeyReuse::Refuse)?, answer };
    fixture.changes.store_answer(owner, &keyed, at(1)).await?;
    let pending = Some(put_off(turn.assistant_message, &[task], at(9)));
    let ended = TurnResult { pending, ..end(TurnState::Complete, at(2)) };
    fixture.conversations.end_turn(owner, turn.attempt(), ended).await?;
    let session = fixture.session(owner).await?;
    fixture.sessions.create_code(owner, new_code(CodePurpose::Link, Some(session))).await?;
    fixture.sessions.create_code(owner, new_code(CodePurpose::SignIn, None)).await?;
    fixture.api_tokens.create(owner, session, new_api_token(at(1))?).await?;
    fixture.users.link(owner, session, external(&owner.to_string())?, at(1)).await?;
    Ok(())
}

/// Returns the number of rows of the user in each table.
async fn rows(fixture: &Fixture, owner: UserId) -> anyhow::Result<Vec<(String, i64)>> {
    let (tables, others) = fixture.tables().await?;
    assert_eq!(others, ["spent_states", "users"], "tables without an owner");
    let user = owner.as_uuid();
    let user = match fixture.test.kind() {
        Kind::Sqlite => format!("X'{}'", user.simple()),
        Kind::Postgres => format!("'{user}'"),
    };
    let mut counts = Vec::new();
    for table in tables {
        let count = fixture.number(&format!("SELECT COUNT(*) FROM {table} WHERE user_id = {user}")).await?;
        counts.push((table, count));
    }
    let count = fixture.number(&format!("SELECT COUNT(*) FROM users WHERE id = {user}")).await?;
    counts.push(("users".to_owned(), count));
    Ok(counts)
}

async fn a_deleted_user_leaves_no_row_in_any_table(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, bob) = (fixture.user().await?, fixture.user().await?);
    fill(&fixture, ada).await?;
    fill(&fixture, bob).await?;
    let before = rows(&fixture, bob).await?;
    assert!(before.iter().all(|(_, count)| *count > 0), "a table without a row: {before:?}");
    assert_eq!(rows(&fixture, ada).await?, before);

    fixture.users.delete(ada, 0).await?;
    let left = rows(&fixture, ada).await?;
    assert!(left.iter().all(|(_, count)| *count == 0), "{left:?}");
    assert_eq!(rows(&fixture, bob).await?, before);
    let outcome = fixture.users.get(ada).await;
    assert!(matches!(outcome, Err(UserRepoError::NotFound)), "{outcome:?}");
    Ok(())
}

async fn a_user_is_deleted_only_at_the_current_token_version(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let ada = fixture.known_user("ada@example.com").await?;
    fill(&fixture, ada.id).await?;
    let before = rows(&fixture, ada.id).await?;
    for (user, version) in [(ada.id, 1), (ada.id, u32::MAX), (id(), 0)] {
        let outcome = fixture.users.delete(user, version).await;
        assert!(matches!(outcome, Err(UserRepoError::NotFound)), "{outcome:?}");
    }
    assert_eq!(rows(&fixture, ada.id).await?, before);
    assert_eq!(fixture.users.get(ada.id).await?, ada);
    fixture.users.change_password(ada.id, new_password(0), at(7)).await?;
    let stale = fixture.users.delete(ada.id, 0).await;
    assert!(matches!(stale, Err(UserRepoError::NotFound)), "{stale:?}");
    fixture.users.delete(ada.id, 1).await?;
    let again = fixture.users.delete(ada.id, 1).await;
    assert!(matches!(again, Err(UserRepoError::NotFound)), "{again:?}");
    Ok(())
}

async fn the_address_of_a_deleted_user_can_be_registered(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let User { id, email, .. } = fixture.known_user("ada@example.com").await?;
    fixture.users.delete(id, 0).await?;
    assert!(fixture.system.credentials_by_email(&email.normalized()).await?.is_none());
    let another = fixture.known_user("ada@example.com").await?;
    assert_ne!(another.id, id);
    Ok(())
}

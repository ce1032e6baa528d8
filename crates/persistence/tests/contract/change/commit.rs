//! Changes: commits write rows and ledger entries atomically.

use domain::change::{
    Action, Change, ChangeRepo as _, ChangeRepoError, EntityId, Entry, EntrySelector, Row, Seq, Write,
};
use domain::id::{ApiTokenId, SessionId, UserId};
use domain::principal::{Principal, Via};
use domain::storage::StorageError;
use domain::task::{Task, TaskPatch, TaskRepo as _, Version};
use sea_orm::{ConnectionTrait as _, Statement};
use test_database::{Kind, TestDatabase, on_both_databases};
use uuid::Uuid;

use crate::fixture::{Fixture, at, call, change, effect, id, new_task};

on_both_databases!(
    every_action_adds_an_entry_with_the_row_before_and_after,
    an_entry_records_the_origin_of_its_change,
    a_stale_write_rolls_back_the_whole_commit,
    creating_an_existing_row_returns_stale,
    a_commit_may_write_one_row_several_times,
    a_commit_for_a_missing_user_returns_not_found,
    an_undo_entry_refers_to_the_undone_entry,
    a_commit_may_exceed_the_parameters_of_one_statement,
    a_row_in_an_unknown_format_is_corrupt,
    unknown_stored_names_are_corrupt,
    calls_send_the_expected_number_of_statements,
);

fn title(title: &str) -> anyhow::Result<TaskPatch> {
    Ok(TaskPatch { title: Some(title.parse()?).into(), ..TaskPatch::default() })
}

async fn every_action_adds_an_entry_with_the_row_before_and_after(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let created = new_task(owner, "Milk")?;
    let renamed = created.apply(&title("Oat milk")?, at(1));
    let completed = renamed.toggle(at(2));
    let reopened = completed.toggle(at(3));
    let deleted = reopened.delete(at(4));
    let restored = deleted.restore(at(5));
    let states = [&created, &renamed, &completed, &reopened, &deleted, &restored];
    let mut before: Option<&Task> = None;
    let mut expected = Vec::new();
    for (number, (after, action)) in (1..).zip(states.into_iter().zip(Action::ALL)) {
        let change = change(owner, at(100 + number));
        let write = Write::Task { before: before.cloned(), after: Some(after.clone()), undoes: None };
        let entries = fixture.changes.commit(owner, &[write], &change).await?;
        expected.push(Entry {
            seq: Seq(u64::try_from(number)?),
            at: at(100 + number),
            operation: change.operation,
            entity: EntityId::Task(created.id),
            action,
            before: before.cloned().map(Row::Task),
            after: Some(Row::Task(after.clone())),
            via: Via::Http,
            turn: None,
            conversation: None,
            message: None,
            undoes: None,
        });
        assert_eq!(entries, expected[expected.len() - 1..]);
        let row = fixture.tasks.get_many(owner, &[after.id]).await?;
        assert_eq!(row, std::slice::from_ref(after));
        before = Some(after);
    }
    assert_eq!(fixture.entries(owner).await?, expected);
    Ok(())
}

async fn an_entry_records_the_origin_of_its_change(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (_, turn) = fixture.conversation(owner).await?;
    let (session, token): (SessionId, ApiTokenId) = (id(), id());
    let actor = |via, session, api_token| Principal { via, session, api_token, ..change(owner, at(0)).actor };
    let origin = call(&turn, 3);
    for (actor, call) in [
        (actor(Via::Http, Some(session), None), None),
        (actor(Via::Mcp, None, Some(token)), None),
        (actor(Via::Chat, Some(session), Some(token)), Some(origin)),
        (actor(Via::Cli, None, None), None),
        (Principal::system(owner), None),
    ] {
        let via = actor.via;
        let change = Change { actor, call, ..change(owner, at(1)) };
        let writes = [Write::create(new_task(owner, "Milk")?), Write::create(new_task(owner, "Bread")?)];
        for (part, entry) in (0..).zip(fixture.changes.commit(owner, &writes, &change).await?) {
            assert_eq!((entry.via, entry.operation), (via, change.operation));
            assert_eq!((entry.turn, entry.conversation), (call.map(|_| turn.id), call.map(|_| turn.conversation)));
            assert_eq!(entry.message, call.map(|_| turn.assistant_message));
            let found = fixture.changes.find(owner, &EntrySelector::Seq(entry.seq)).await?;
            assert_eq!(found, std::slice::from_ref(&entry));
            let row = row(&fixture, entry.seq).await?;
            let ids = ["session_id", "api_token_id"].map(|column| row.try_get::<Option<Uuid>>("", column));
            let ids = ids.into_iter().collect::<Result<Vec<_>, _>>()?;
            let expected =
                [change.actor.session.map(SessionId::as_uuid), change.actor.api_token.map(ApiTokenId::as_uuid)];
            assert_eq!(ids, expected);
            let numbers = ["round", "call_index", "part"].map(|column| row.try_get::<Option<i32>>("", column));
            let numbers = numbers.into_iter().collect::<Result<Vec<_>, _>>()?;
            assert_eq!(numbers, if call.is_some() { [Some(0), Some(3), Some(part)] } else { [None; 3] });
            assert_eq!(row.try_get::<String>("", "request_id")?, change.request_id.as_str());
        }
    }
    Ok(())
}

/// Returns the row with this sequence number.
async fn row(fixture: &Fixture, seq: Seq) -> anyhow::Result<sea_orm::QueryResult> {
    let db = fixture.raw_reads();
    let sql = format!("SELECT * FROM changes WHERE seq = {seq}");
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    row.ok_or_else(|| anyhow::anyhow!("no entry {seq}"))
}

async fn a_stale_write_rolls_back_the_whole_commit(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (one, two) = (fixture.task(owner, "1").await?, fixture.task(owner, "2").await?);
    let three = fixture.task(owner, "3").await?;
    let other = fixture.user().await?;
    let theirs = fixture.task(other, "4").await?;
    let before = fixture.entries(owner).await?;
    let second = Version::new(2).unwrap_or(Version::FIRST);
    let mut missing = new_task(owner, "never was")?;
    missing.version = second;
    let behind = Task { version: second, ..three.clone() };
    for (number, stale) in [
        Write::replace(behind.clone(), behind.toggle(at(1))),
        Write::purge(behind),
        Write::replace(missing.clone(), missing.toggle(at(1))),
        Write::purge(missing),
        // A row of another user, and the same with the owner's id in it.
        Write::replace(theirs.clone(), theirs.toggle(at(1))),
        Write::purge(Task { user_id: owner, ..theirs.clone() }),
        Write::create(Task { user_id: owner, ..theirs.clone() }),
    ]
    .into_iter()
    .enumerate()
    {
        let writes = [
            Write::create(new_task(owner, "new")?),
            Write::replace(one.clone(), one.toggle(at(1))),
            Write::purge(two.clone()),
            stale,
        ];
        let outcome = fixture.changes.commit(owner, &writes, &change(owner, at(1))).await;
        assert!(matches!(outcome, Err(ChangeRepoError::Stale)), "{number}: {outcome:?}");
        assert_eq!(fixture.entries(owner).await?, before);
        assert_eq!(fixture.changes.head(owner).await?.seq, Seq(3));
        assert_eq!(fixture.tasks.counts(owner).await?.pending, 3);
        assert_eq!(fixture.tasks.get(owner, one.id).await?, one);
        assert_eq!(fixture.tasks.get(other, theirs.id).await?, theirs);
    }
    // Sequence numbers continue without a gap.
    let entry = fixture.write(owner, Write::replace(one.clone(), one.toggle(at(1)))).await?;
    assert_eq!(entry.seq, Seq(4));
    Ok(())
}

async fn creating_an_existing_row_returns_stale(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let again = fixture.write(owner, Write::create(Task { title: "Bread".parse()?, ..task.clone() })).await;
    assert!(matches!(again, Err(ChangeRepoError::Stale)), "{again:?}");
    assert_eq!(fixture.tasks.get(owner, task.id).await?, task);
    assert_eq!(fixture.changes.head(owner).await?.seq, Seq(1));
    Ok(())
}

async fn a_commit_may_write_one_row_several_times(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let created = new_task(owner, "Milk")?;
    let (renamed, other) = (created.apply(&title("Bread")?, at(1)), new_task(owner, "Eggs")?);
    let completed = renamed.toggle(at(1));
    let writes = [
        Write::create(created.clone()),
        Write::replace(created.clone(), renamed.clone()),
        Write::create(other),
        Write::replace(renamed.clone(), completed.clone()),
    ];
    let entries = fixture.changes.commit(owner, &writes, &change(owner, at(1))).await?;
    let seqs: Vec<_> = entries.iter().map(|entry| entry.seq.0).collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
    assert_eq!(
        (&entries[3].before, &entries[3].after),
        (&Some(Row::Task(renamed.clone())), &Some(Row::Task(completed.clone())))
    );
    assert_eq!(fixture.entries(owner).await?, entries);
    assert_eq!(fixture.tasks.get(owner, created.id).await?, completed);
    // The order of the writes matters.
    let (next, after) = (completed.toggle(at(2)), completed.toggle(at(2)).toggle(at(2)));
    let writes = [Write::replace(next.clone(), after), Write::replace(completed.clone(), next)];
    let crossed = fixture.changes.commit(owner, &writes, &change(owner, at(2))).await;
    assert!(matches!(crossed, Err(ChangeRepoError::Stale)), "{crossed:?}");
    assert_eq!(fixture.tasks.get(owner, created.id).await?, completed);
    Ok(())
}

async fn a_commit_for_a_missing_user_returns_not_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (missing, owner) = (id::<UserId>(), fixture.user().await?);
    let (_, turn) = fixture.conversation(owner).await?;
    for change in [change(missing, at(1)), effect(missing, call(&turn, 0), at(1))] {
        let outcome = fixture.changes.commit(missing, &[Write::create(new_task(missing, "Milk")?)], &change).await;
        assert!(matches!(outcome, Err(ChangeRepoError::NotFound)), "{outcome:?}");
    }
    for table in ["tasks", "changes"] {
        assert_eq!(fixture.number(&format!("SELECT COUNT(*) FROM {table}")).await?, 0, "{table}");
    }
    Ok(())
}

async fn an_undo_entry_refers_to_the_undone_entry(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let undo = Write::Task { before: Some(task.clone()), after: Some(task.delete(at(1))), undoes: Some(Seq(1)) };
    let entry = fixture.write(owner, undo).await?;
    assert_eq!((entry.action, entry.undoes), (Action::Deleted, Some(Seq(1))));
    assert_eq!(fixture.entries(owner).await?[1], entry);
    Ok(())
}

async fn a_commit_may_exceed_the_parameters_of_one_statement(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let tasks: Vec<_> = (0..1_700).map(|_| new_task(owner, "Milk")).collect::<Result<_, _>>()?;
    let writes: Vec<_> = tasks.into_iter().map(Write::create).collect();
    let entries = fixture.changes.commit(owner, &writes, &change(owner, at(1))).await?;
    assert_eq!(fixture.entries(owner).await?, entries);
    assert!(entries.iter().zip(1..).all(|(entry, number)| entry.seq == Seq(number)));
    assert_eq!(fixture.tasks.counts(owner).await?.pending, 1_700);
    Ok(())
}

async fn a_row_in_an_unknown_format_is_corrupt(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    fixture.task(owner, "Milk").await?;
    let set = match fixture.test.kind() {
        Kind::Sqlite => "json_set(\"after\", '$.v', 2)",
        Kind::Postgres => "jsonb_set(\"after\", '{v}', '2')",
    };
    let db = fixture.raw();
    db.execute_unprepared(&format!("UPDATE changes SET \"after\" = {set}")).await?;
    let found = fixture.changes.find(owner, &EntrySelector::Seq(Seq(1))).await;
    assert!(matches!(found, Err(StorageError::Corrupt(_))), "{found:?}");
    let listed = fixture.changes.list(owner, Seq(0), std::num::NonZeroU16::MAX).await;
    assert!(matches!(listed, Err(ChangeRepoError::Storage(StorageError::Corrupt(_)))), "{listed:?}");
    Ok(())
}

/// The current schema does not allow these names, but a later version may.
async fn unknown_stored_names_are_corrupt(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    fixture.task(owner, "Milk").await?;
    let db = fixture.raw();
    match fixture.test.kind() {
        Kind::Sqlite => db.execute_unprepared("PRAGMA ignore_check_constraints = ON").await?,
        Kind::Postgres => {
            let drop = "DO $$ DECLARE name text; BEGIN FOR name IN SELECT conname FROM pg_constraint \
                        WHERE conrelid = 'changes'::regclass AND contype = 'c' \
                        LOOP EXECUTE format('ALTER TABLE changes DROP CONSTRAINT %I', name); END LOOP; END $$";
            db.execute_unprepared(drop).await?
        }
    };
    for (column, value) in [("entity", "task"), ("action", "created"), ("via", "http")] {
        db.execute_unprepared(&format!("UPDATE changes SET {column} = 'of_the_future'")).await?;
        let found = fixture.changes.find(owner, &EntrySelector::Seq(Seq(1))).await;
        assert!(matches!(found, Err(StorageError::Corrupt(_))), "{column}: {found:?}");
        db.execute_unprepared(&format!("UPDATE changes SET {column} = '{value}'")).await?;
        assert_eq!(fixture.entries(owner).await?.len(), 1);
    }
    Ok(())
}

async fn calls_send_the_expected_number_of_statements(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (_, turn) = fixture.conversation(owner).await?;
    let (task, changes) = (fixture.task(owner, "Milk").await?, &fixture.changes);
    let create = || -> anyhow::Result<Write> { Ok(Write::create(new_task(owner, "Bread")?)) };
    let sent = |what: &str, expected: usize| {
        let statements = fixture.statements();
        assert_eq!(statements.len(), expected, "{what}: {statements:?}");
    };
    fixture.statements();
    // Updates of the head and the row, and the insert of the entry.
    changes.commit(owner, &[create()?], &change(owner, at(1))).await?;
    sent("commit", 3);
    changes.commit(owner, &[create()?, create()?, create()?], &change(owner, at(1))).await?;
    sent("commit of three", 5);
    changes.commit(owner, &[Write::purge(task.clone())], &change(owner, at(1))).await?;
    sent("purge", 4);
    changes.commit(owner, &[Write::purge(task)], &change(owner, at(1))).await.err();
    // All are sent before the first is answered.
    sent("stale", 4);
    // For a tool call also the look-ups of the effect and of the running attempt.
    changes.commit(owner, &[create()?], &effect(owner, call(&turn, 0), at(1))).await?;
    sent("effect", 5);
    changes.commit(owner, &[create()?], &effect(owner, call(&turn, 0), at(1))).await?;
    // The entries are read once more, after the transaction.
    sent("effect that has happened", 6);
    changes.find_effect(owner, call(&turn, 0).effect()).await?;
    sent("find_effect", 1);
    changes.list(owner, Seq(0), std::num::NonZeroU16::MAX).await?;
    sent("list", 1);
    changes.head(owner).await?;
    sent("head", 1);
    changes.undo_links(owner, &[Seq(1), Seq(2)]).await?;
    sent("undo_links", 1);
    changes.find(owner, &EntrySelector::Operation(id())).await?;
    sent("find", 1);
    Ok(())
}

//! Query plans: every statement uses an index instead of scanning a table.

use domain::change::{ChangeRepo as _, Write};
use domain::id::UserId;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement, TransactionTrait as _};
use test_database::{Kind, TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, call, change, effect, new_task};
use crate::owner::{drive_owned, drive_system};

on_both_databases!(no_statement_scans_a_table, lists_use_the_intended_indexes);

/// Returns the lines of the query plan of `statement`.
async fn plan(fixture: &Fixture, statement: &Statement) -> anyhow::Result<Vec<String>> {
    let mut explain = statement.clone();
    let postgres = statement.db_backend == DbBackend::Postgres;
    explain.sql = format!("{} {}", if postgres { "EXPLAIN" } else { "EXPLAIN QUERY PLAN" }, statement.sql);
    let transaction = fixture.raw().begin().await?;
    if postgres {
        // The planner prefers a sequential scan of a small table.
        transaction.execute_unprepared("SET LOCAL enable_seqscan = off").await?;
        transaction.execute_unprepared("SET LOCAL enable_bitmapscan = off").await?;
    }
    let rows = transaction.query_all_raw(explain).await?;
    let column = if postgres { 0 } else { 3 };
    Ok(rows.iter().map(|row| row.try_get_by_index(column)).collect::<Result<_, _>>()?)
}

async fn no_statement_scans_a_table(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut record = drive_owned(&fixture, owner).await?;
    record.statements.extend(drive_system(&fixture, owner).await?.statements);
    for (method, statement) in record.statements {
        for line in plan(&fixture, &statement).await? {
            // SQLite: SEARCH uses an index, SCAN does not; it also SCANs literal values and subqueries. PostgreSQL:
            // Index Scan or Seq Scan.
            let values = ["VALUES CLAUSE", "CONSTANT ROW"].iter().any(|text| line.contains(text));
            let found = values || ["SCAN page", "SCAN links"].iter().any(|text| line.starts_with(text));
            let reads_all = line.starts_with("SCAN") && !found || line.contains("Seq Scan");
            assert!(!reads_all, "{method}: {line} in {}", statement.sql);
        }
    }
    Ok(())
}

/// Fills and analyzes only the ledger: on an empty one, all indexes of a user's entries have the same cost on
/// PostgreSQL.
async fn fill_ledger(fixture: &Fixture, owner: UserId) -> anyhow::Result<()> {
    let mut owners = vec![owner];
    for _ in 0..9 {
        owners.push(fixture.user().await?);
    }
    for owner in owners {
        for index in 0..4 {
            let (_, turn) = fixture.conversation(owner).await?;
            for change in [change(owner, at(1)), effect(owner, call(&turn, index), at(1))] {
                let writes: Vec<_> =
                    (0..10).map(|_| Ok(Write::create(new_task(owner, "Milk")?))).collect::<anyhow::Result<_>>()?;
                fixture.changes.commit(owner, &writes, &change).await?;
            }
        }
    }
    let db = fixture.raw();
    db.execute_unprepared("TRUNCATE tasks, conversations CASCADE").await?;
    db.execute_unprepared("ANALYZE changes").await?;
    Ok(())
}

async fn lists_use_the_intended_indexes(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let record = drive_owned(&fixture, owner).await?;
    if fixture.test.kind() == Kind::Postgres {
        fill_ledger(&fixture, owner).await?;
    }
    for (method, text, index) in [
        ("list", "\"completed_at\" IS NULL", "tasks_pending_idx"),
        ("list", "\"completed_at\" IS NOT NULL", "tasks_completed_idx"),
        ("list", "ORDER BY \"conversations\".\"updated_at\" DESC", "conversations_activity_idx"),
        ("messages", "ORDER BY", "messages_position_key"),
        ("get", "FROM \"conversations\"", "turns_running_key"),
        ("find_by_key", "FROM \"conversations\"", "conversations_client_key"),
        ("usage", "GROUP BY", "turns_usage_idx"),
        ("begin_turn", "JOIN \"messages\"", "turns_idempotency_key"),
        ("list", "\"deleted_at\" IS NULL ORDER BY", "tasks_live_idx"),
        ("list_trash", "\"tasks\"", "tasks_trash_idx"),
        ("begin_turn", "FROM \"pending_actions\"", "pending_actions_open_idx"),
        ("end_turn", "UPDATE \"pending_actions\"", "pending_actions_open_idx"),
        ("pending", "FROM \"pending_actions\"", "pending_actions_open_idx"),
        ("answer", "\"messages\"", "messages_turn_key"),
        ("commit", "UPDATE \"changes\"", "changes_entity_idx"),
        ("find_effect", "\"changes\"", "changes_effect_key"),
        ("find", "\"operation_id\" = ", "changes_operation_idx"),
        ("find", "\"message_id\" = ", "changes_message_idx"),
        ("find", "\"message_id\" IN ", "changes_message_idx"),
        ("find", "\"entity_id\" = ", "changes_entity_idx"),
        ("find", "\"undoes\" IS NULL", "changes_turns_idx"),
        ("undo_links", "RECURSIVE", "changes_undoes_idx"),
        ("list", "FROM \"sessions\"", "sessions_user_id_id_key"),
        ("list", "FROM \"api_tokens\"", "api_tokens_user_id_id_key"),
    ] {
        let mut found = 0;
        for (_, statement) in record.statements.iter().filter(|(name, statement)| {
            *name == method
                && statement.sql.contains(text)
                && !statement.sql.contains("title_folded\" ")
                && !statement.sql.contains("substr(title_folded")
        }) {
            found += 1;
            let plan = plan(&fixture, statement).await?;
            // On an empty table, the indexes on running turns have the same cost, and so have the indexes on an owner's
            // turns.
            let postgres = statement.db_backend == DbBackend::Postgres;
            let alternative = match index {
                "turns_running_key" => "turns_lease",
                "turns_usage_idx" if postgres => "turns_idempotency_key",
                "turns_idempotency_key" if postgres => "turns_usage_idx",
                _ => index,
            };
            let found = |line: &String| line.contains(index) || line.contains(alternative);
            assert!(plan.iter().any(found), "{index} is not in {plan:?} of {}", statement.sql);
            // A page of messages is sorted again after the join, usage is grouped by sorting, and one row has few entries.
            let may_sort = ["messages", "usage"].contains(&method) || index == "changes_entity_idx";
            let sorts = |line: &String| (line.contains("TEMP B-TREE") || line.contains("Sort")) && !may_sort;
            assert!(!plan.iter().any(sorts), "{plan:?} sorts in {}", statement.sql);
        }
        assert!(found > 0, "no {method} with {text}");
    }
    Ok(())
}

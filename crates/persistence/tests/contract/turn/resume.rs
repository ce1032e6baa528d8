//! Turns: resuming failed ones.

use std::time::Duration;

use domain::conversation::message::Part;
use domain::conversation::turn::{Turn, TurnState, Usage};
use domain::conversation::{
    ConversationRepo as _, ConversationRepoError, ConversationTarget, KeyReuse, NewTurn, TurnResult, TurnStart,
};
use domain::id::UserId;
use domain::system::SystemRepo as _;
use sea_orm::{ConnectionTrait as _, QueryResult, Statement};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, as_new, at, end, new_conversation, new_turn, request, text};

on_both_databases!(
    a_failed_turn_is_resumed_with_its_parts,
    a_turn_with_an_expired_lease_is_resumed,
    a_turn_is_resumed_more_than_once,
    a_turn_is_resumed_before_later_messages,
    a_turn_is_not_resumed_while_another_is_running,
    usage_of_attempts_is_summed,
);

fn keyed(when: i64) -> anyhow::Result<NewTurn> {
    let idempotency = Some(request("key", 1, KeyReuse::Refuse)?);
    Ok(NewTurn { idempotency, ..new_turn(new_conversation()?, at(when))? })
}

async fn begin(fixture: &Fixture, owner: UserId) -> anyhow::Result<Turn> {
    Ok(as_new(fixture.conversations.begin_turn(owner, keyed(0)?).await?))
}

async fn resumed(fixture: &Fixture, owner: UserId, new: NewTurn) -> anyhow::Result<(Turn, Vec<Part>)> {
    match fixture.conversations.begin_turn(owner, new).await? {
        TurnStart::Resumed { turn, parts, .. } => Ok((turn, parts)),
        other => anyhow::bail!("{other:?}"),
    }
}

fn nth(attempt: u32, turn: &Turn) -> Turn {
    Turn { attempt, ..turn.clone() }
}

/// Returns the row of the only turn.
async fn row(fixture: &Fixture) -> anyhow::Result<QueryResult> {
    let db = fixture.raw_reads();
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), "SELECT * FROM turns")).await?;
    row.ok_or_else(|| anyhow::anyhow!("no turn"))
}

async fn a_failed_turn_is_resumed_with_its_parts(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let turn = begin(&fixture, owner).await?;
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(1))).await?;
    let mut again = keyed(2)?;
    again.lease.instance = "elsewhere".parse()?;
    (again.provider, again.model) = ("cohere".into(), "v2".into());
    let again = resumed(&fixture, owner, again).await?;
    assert_eq!(again, (nth(2, &turn), text("Done.")));
    let turn = again.0;

    let row = row(&fixture).await?;
    let texts = ["state", "instance", "provider", "model"].map(|column| row.try_get::<String>("", column));
    let texts = texts.into_iter().collect::<Result<Vec<_>, _>>()?;
    assert_eq!(texts, ["running", "elsewhere", "cohere", "v2"]);
    assert_eq!(row.try_get::<Option<String>>("", "error_code")?, None);
    assert_eq!(row.try_get::<Option<String>>("", "ended_at").ok().flatten(), None);
    let answer = fixture.conversations.answer(owner, turn.id).await?;
    assert_eq!((&answer.turn, answer.error_code), (&turn, None));
    assert_eq!((answer.message.status, answer.message.parts), (TurnState::Running, text("Done.")));
    let conversation = fixture.conversations.get(owner, turn.conversation).await?;
    assert_eq!((conversation.active_turn, conversation.message_count), (Some(turn.id), 2));
    assert_eq!(conversation.updated_at, at(2));
    // It behaves like any running turn: it is in progress, has a lease, and can end.
    let again = fixture.conversations.begin_turn(owner, keyed(3)?).await;
    assert!(matches!(again, Err(ConversationRepoError::IdempotencyInProgress)), "{again:?}");
    assert_eq!(fixture.system.fail_expired_turns(at(3)).await?, 0);
    fixture.conversations.save_progress(owner, turn.attempt(), &text("More")).await?;
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(4))).await?;
    let again = fixture.conversations.begin_turn(owner, keyed(5)?).await?;
    assert!(matches!(&again, TurnStart::AlreadyAnswered(answer) if answer.turn == turn), "{again:?}");
    Ok(())
}

async fn a_turn_with_an_expired_lease_is_resumed(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let turn = begin(&fixture, owner).await?;
    fixture.conversations.save_progress(owner, turn.attempt(), &text("Add")).await?;
    // It is not marked as failed yet.
    fixture.expire(owner, turn.attempt()).await?;
    assert_eq!(resumed(&fixture, owner, keyed(1)?).await?, (nth(2, &turn), text("Add")));
    // It is marked as failed, and the request names the conversation.
    fixture.expire(owner, nth(2, &turn).attempt()).await?;
    assert_eq!(fixture.system.fail_expired_turns(at(2)).await?, 1);
    let here = NewTurn { target: ConversationTarget::Existing(turn.conversation), ..keyed(2)? };
    assert_eq!(resumed(&fixture, owner, here).await?, (nth(3, &turn), text("Add")));
    fixture.expire(owner, nth(3, &turn).attempt()).await?;
    let here = NewTurn { target: ConversationTarget::Existing(turn.conversation), ..keyed(3)? };
    assert_eq!(resumed(&fixture, owner, here).await?, (nth(4, &turn), text("Add")));
    assert_eq!(fixture.number("SELECT COUNT(*) FROM conversations").await?, 1);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM messages").await?, 2);
    Ok(())
}

async fn a_turn_is_resumed_more_than_once(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut turn = begin(&fixture, owner).await?;
    for round in 1..=3 {
        fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(round))).await?;
        let again = resumed(&fixture, owner, keyed(round)?).await?.0;
        assert_eq!(again, nth(turn.attempt + 1, &turn));
        turn = again;
    }
    fixture.conversations.stop_turn(owner, turn.id, at(4)).await?;
    let again = fixture.conversations.begin_turn(owner, keyed(5)?).await?;
    assert!(matches!(again, TurnStart::AlreadyAnswered(_)), "{again:?}");
    Ok(())
}

async fn a_turn_is_resumed_before_later_messages(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, first) = fixture.conversation(owner).await?;
    fixture.conversations.end_turn(owner, first.attempt(), end(TurnState::Complete, at(1))).await?;
    let target = ConversationTarget::Existing(conversation);
    let turn = fixture.begin(owner, NewTurn { target: target.clone(), ..keyed(2)? }).await?;
    assert_eq!(turn.position, 3);
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(3))).await?;
    let last = fixture.begin(owner, new_turn(target.clone(), at(4))?).await?;
    assert_eq!(last.position, 5);
    fixture.conversations.end_turn(owner, last.attempt(), end(TurnState::Complete, at(5))).await?;
    assert_eq!(resumed(&fixture, owner, NewTurn { target, ..keyed(6)? }).await?.0, nth(2, &turn));
    let stored = fixture.conversations.answer(owner, turn.id).await?;
    assert_eq!((stored.turn, stored.message.position), (nth(2, &turn), 4));
    Ok(())
}

async fn a_turn_is_not_resumed_while_another_is_running(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let turn = begin(&fixture, owner).await?;
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(1))).await?;
    let target = ConversationTarget::Existing(turn.conversation);
    let other = fixture.begin(owner, new_turn(target.clone(), at(2))?).await?;
    for new in [keyed(3)?, NewTurn { target: target.clone(), ..keyed(3)? }] {
        let outcome = fixture.conversations.begin_turn(owner, new).await;
        assert!(matches!(outcome, Err(ConversationRepoError::TurnInProgress)), "{outcome:?}");
    }
    assert_eq!(fixture.conversations.get(owner, turn.conversation).await?.active_turn, Some(other.id));
    assert_eq!(fixture.conversations.answer(owner, turn.id).await?.message.status, TurnState::Failed);
    // When the lease of the other turn has expired, that turn is failed.
    fixture.expire(owner, other.attempt()).await?;
    assert_eq!(resumed(&fixture, owner, keyed(4)?).await?.0, nth(2, &turn));
    assert_eq!(fixture.conversations.answer(owner, other.id).await?.message.status, TurnState::Failed);
    Ok(())
}

async fn usage_of_attempts_is_summed(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut turn = begin(&fixture, owner).await?;
    for (round, waited, first_token) in [(1, 70, None), (2, 700, Some(5)), (3, 7, Some(9))] {
        let failed = TurnResult {
            first_token_at: first_token.map(at),
            model_time: Duration::from_micros(waited),
            ..end(TurnState::Failed, at(round))
        };
        fixture.conversations.end_turn(owner, turn.attempt(), failed).await?;
        let usage = fixture.conversations.answer(owner, turn.id).await?.usage;
        assert_eq!(usage, Usage { tokens_in: 3 * round.unsigned_abs(), tokens_out: 4 * round.unsigned_abs() });
        let TurnStart::Resumed { turn: again, usage: so_far, at: first, .. } =
            fixture.conversations.begin_turn(owner, keyed(round)?).await?
        else {
            anyhow::bail!("not resumed")
        };
        assert_eq!((so_far, first), (usage, at(0)));
        turn = again;
        // Usage is unknown while the turn is running.
        assert_eq!(fixture.conversations.answer(owner, turn.id).await?.usage, Usage::default());
    }
    let row = row(&fixture).await?;
    assert_eq!((row.try_get::<i64>("", "tokens_in")?, row.try_get::<i64>("", "tokens_out")?), (9, 12));
    assert_eq!(row.try_get::<i64>("", "model_time_us")?, 777);
    let first_token_at: chrono::DateTime<chrono::Utc> = row.try_get("", "first_token_at")?;
    assert_eq!(first_token_at, at(5));
    Ok(())
}

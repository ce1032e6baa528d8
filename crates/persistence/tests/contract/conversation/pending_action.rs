//! Pending actions: creation, confirmation, expiry.

use domain::change::{Change, ChangeRepo as _, Write};
use domain::conversation::turn::{Turn, TurnState};
use domain::conversation::{
    ConversationRepo as _, ConversationRepoError, ConversationTarget, KeyReuse, NewTurn, PendingAction, PendingItem,
    PendingItemAction, TurnResult, TurnStart,
};
use domain::id::{ConversationId, PendingActionId, UserId};
use domain::system::SystemRepo as _;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, call, effect, end, id, new_conversation, new_task, new_turn, put_off, request};

on_both_databases!(
    a_pending_action_is_read_as_it_was_stored,
    a_pending_action_belongs_to_its_conversation,
    a_failed_turn_keeps_the_pending_action,
    a_completed_or_stopped_turn_settles_the_pending_action,
    a_pending_action_expires,
    a_turn_confirms_the_pending_action_of_its_conversation,
    a_turn_that_confirms_an_unknown_action_is_refused,
    a_repeated_confirmation_returns_the_stored_answer,
    committing_a_confirmation_settles_the_pending_action_even_if_the_turn_fails,
    a_resumed_turn_confirms_only_actions_created_before_it_began,
    the_newest_of_several_pending_actions_is_returned,
    a_turn_that_is_not_running_stores_no_pending_action,
    ending_a_turn_is_rolled_back_when_its_pending_action_is_refused,
);

/// Later than every other time in these tests.
const LATER: i64 = 1_000_000;

/// Returns a pending action with a deletion and an edit.
fn deletion_and_edit(owner: UserId, turn: &Turn) -> anyhow::Result<PendingAction> {
    let mut action = put_off(turn.assistant_message, &[new_task(owner, "Milk")?.toggle(at(1))], at(LATER));
    let new_title = "Rye bread".parse()?;
    action.items.push(PendingItem::new(&new_task(owner, "Bread")?, PendingItemAction::Update { new_title }));
    Ok(action)
}

/// Creates a conversation with a pending action from `at(1)`.
async fn with_pending(fixture: &Fixture, owner: UserId) -> anyhow::Result<(ConversationId, PendingAction)> {
    let (conversation, turn) = fixture.conversation(owner).await?;
    let action = deletion_and_edit(owner, &turn)?;
    let ended = TurnResult { pending: Some(action.clone()), ..end(TurnState::Complete, at(1)) };
    fixture.conversations.end_turn(owner, turn.attempt(), ended).await?;
    Ok((conversation, action))
}

fn next_turn(conversation: ConversationId, when: i64) -> anyhow::Result<NewTurn> {
    new_turn(ConversationTarget::Existing(conversation), at(when))
}

/// Returns a turn that confirms, with an idempotency key.
fn confirming(conversation: ConversationId, pending: PendingActionId, when: i64) -> anyhow::Result<NewTurn> {
    let idempotency = Some(request("confirm", 7, KeyReuse::Refuse)?);
    Ok(NewTurn { confirms: Some(pending), idempotency, ..next_turn(conversation, when)? })
}

async fn begin(fixture: &Fixture, owner: UserId, turn: NewTurn) -> anyhow::Result<(Turn, Option<PendingAction>)> {
    match fixture.conversations.begin_turn(owner, turn).await? {
        TurnStart::New { turn, pending, .. } => Ok((turn, pending)),
        other => anyhow::bail!("{other:?}"),
    }
}

async fn find_pending(
    fixture: &Fixture,
    owner: UserId,
    id: ConversationId,
    when: i64,
) -> anyhow::Result<Option<PendingAction>> {
    Ok(fixture.conversations.pending(owner, id, at(when)).await?)
}

async fn a_pending_action_is_read_as_it_was_stored(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, action) = with_pending(&fixture, owner).await?;
    fixture.statements();
    assert_eq!(find_pending(&fixture, owner, conversation, 2).await?, Some(action.clone()));
    assert_eq!(fixture.statements().len(), 1);
    // Neither reading it nor beginning a turn settles it.
    let (turn, pending) = begin(&fixture, owner, next_turn(conversation, 2)?).await?;
    assert_eq!(pending, Some(action.clone()));
    assert_eq!(find_pending(&fixture, owner, conversation, 3).await?, Some(action));
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(4))).await?;
    assert_eq!(fixture.number("SELECT COUNT(*) FROM pending_actions WHERE settled_at IS NOT NULL").await?, 1);
    fixture.conversations.delete(owner, conversation).await?;
    assert_eq!(fixture.number("SELECT COUNT(*) FROM pending_actions").await?, 0);
    assert_eq!(find_pending(&fixture, owner, conversation, 5).await?, None);
    Ok(())
}

async fn a_pending_action_belongs_to_its_conversation(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (one, first) = with_pending(&fixture, owner).await?;
    let (other, second) = with_pending(&fixture, owner).await?;
    assert_eq!(begin(&fixture, owner, new_turn(new_conversation()?, at(2))?).await?.1, None);
    // Settling one does not affect the other.
    let (turn, pending) = begin(&fixture, owner, next_turn(other, 2)?).await?;
    assert_eq!(pending, Some(second));
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(3))).await?;
    assert_eq!(find_pending(&fixture, owner, other, 4).await?, None);
    assert_eq!(find_pending(&fixture, owner, one, 4).await?, Some(first));
    Ok(())
}

async fn a_failed_turn_keeps_the_pending_action(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, action) = with_pending(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, next_turn(conversation, 2)?).await?;
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(3))).await?;
    assert_eq!(find_pending(&fixture, owner, conversation, 4).await?, Some(action.clone()));
    // The turn is failed by upkeep, by its restarted instance, and by the next message.
    let (turn, _) = begin(&fixture, owner, next_turn(conversation, 4)?).await?;
    fixture.expire(owner, turn.attempt()).await?;
    assert_eq!(fixture.system.fail_expired_turns(at(5)).await?, 1);
    begin(&fixture, owner, next_turn(conversation, 6)?).await?;
    assert_eq!(fixture.system.fail_turns_of(&"here".parse()?, at(7)).await?, 1);
    let (turn, _) = begin(&fixture, owner, next_turn(conversation, 8)?).await?;
    fixture.expire(owner, turn.attempt()).await?;
    let (_, pending) = begin(&fixture, owner, next_turn(conversation, 9)?).await?;
    assert_eq!(pending, Some(action));
    Ok(())
}

async fn a_completed_or_stopped_turn_settles_the_pending_action(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for state in [TurnState::Complete, TurnState::Stopped] {
        let (conversation, _) = with_pending(&fixture, owner).await?;
        let (turn, _) = begin(&fixture, owner, next_turn(conversation, 2)?).await?;
        fixture.conversations.end_turn(owner, turn.attempt(), end(state, at(3))).await?;
        assert_eq!(find_pending(&fixture, owner, conversation, 4).await?, None, "{state:?}");
        assert_eq!(begin(&fixture, owner, next_turn(conversation, 4)?).await?.1, None, "{state:?}");
    }
    let (conversation, _) = with_pending(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, next_turn(conversation, 2)?).await?;
    fixture.conversations.stop_turn(owner, turn.id, at(3)).await?;
    assert_eq!(find_pending(&fixture, owner, conversation, 4).await?, None);
    // A pending action of the turn itself replaces the earlier one.
    let (conversation, _) = with_pending(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, next_turn(conversation, 2)?).await?;
    let next = deletion_and_edit(owner, &turn)?;
    let ended = TurnResult { pending: Some(next.clone()), ..end(TurnState::Complete, at(3)) };
    fixture.conversations.end_turn(owner, turn.attempt(), ended).await?;
    assert_eq!(find_pending(&fixture, owner, conversation, 4).await?, Some(next));
    Ok(())
}

async fn a_pending_action_expires(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, action) = with_pending(&fixture, owner).await?;
    assert_eq!(find_pending(&fixture, owner, conversation, LATER - 1).await?, Some(action.clone()));
    assert_eq!(find_pending(&fixture, owner, conversation, LATER).await?, None);
    let late = fixture.conversations.begin_turn(owner, confirming(conversation, action.id, LATER)?).await;
    assert!(matches!(late, Err(ConversationRepoError::NotPending)), "{late:?}");
    assert_eq!(begin(&fixture, owner, next_turn(conversation, LATER)?).await?.1, None);
    Ok(())
}

async fn a_turn_confirms_the_pending_action_of_its_conversation(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, action) = with_pending(&fixture, owner).await?;
    // If the confirming turn fails, the next one can confirm it.
    let first = NewTurn { idempotency: None, ..confirming(conversation, action.id, 2)? };
    let (turn, pending) = begin(&fixture, owner, first).await?;
    assert_eq!(pending, Some(action.clone()));
    let busy = NewTurn { idempotency: None, ..confirming(conversation, action.id, 3)? };
    let busy = fixture.conversations.begin_turn(owner, busy).await;
    assert!(matches!(busy, Err(ConversationRepoError::TurnInProgress)), "{busy:?}");
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(3))).await?;
    let (turn, pending) = begin(&fixture, owner, confirming(conversation, action.id, 4)?).await?;
    assert_eq!(pending, Some(action.clone()));
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(5))).await?;
    // It can be confirmed only once.
    let twice = NewTurn { idempotency: None, ..confirming(conversation, action.id, 6)? };
    let twice = fixture.conversations.begin_turn(owner, twice).await;
    assert!(matches!(twice, Err(ConversationRepoError::NotPending)), "{twice:?}");
    Ok(())
}

async fn a_turn_that_confirms_an_unknown_action_is_refused(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    let (conversation, action) = with_pending(&fixture, owner).await?;
    let (elsewhere, of_elsewhere) = with_pending(&fixture, owner).await?;
    let (theirs, of_theirs) = with_pending(&fixture, other).await?;
    let (empty, turn) = fixture.conversation(owner).await?;
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(1))).await?;
    let before = fixture.conversations.get(owner, conversation).await?;
    let count = "SELECT (SELECT COUNT(*) FROM turns) + (SELECT COUNT(*) FROM messages) + \
                 (SELECT COUNT(*) FROM conversations)";
    let rows = fixture.number(count).await?;
    let confirm = |target, pending| -> anyhow::Result<NewTurn> {
        Ok(NewTurn { confirms: Some(pending), ..new_turn(target, at(2))? })
    };
    let existing = ConversationTarget::Existing;
    let keyed = || -> anyhow::Result<_> { Ok(ConversationTarget::Keyed("slug".parse()?, id(), "Hi".parse()?)) };
    for (target, pending) in [
        (existing(conversation), id()),
        (existing(conversation), of_elsewhere.id),
        (existing(conversation), of_theirs.id),
        (existing(elsewhere), action.id),
        (existing(empty), action.id),
        (new_conversation()?, action.id),
        (keyed()?, action.id),
    ] {
        let outcome = fixture.conversations.begin_turn(owner, confirm(target.clone(), pending)?).await;
        assert!(matches!(outcome, Err(ConversationRepoError::NotPending)), "{target:?}: {outcome:?}");
    }
    let foreign = fixture.conversations.begin_turn(owner, confirm(existing(theirs), of_theirs.id)?).await;
    assert!(matches!(foreign, Err(ConversationRepoError::NotFound)), "{foreign:?}");
    assert_eq!(fixture.number(count).await?, rows);
    assert_eq!(fixture.conversations.get(owner, conversation).await?, before);
    for (owner, conversation, expected) in
        [(owner, conversation, action), (owner, elsewhere, of_elsewhere), (other, theirs, of_theirs)]
    {
        assert_eq!(find_pending(&fixture, owner, conversation, 3).await?, Some(expected));
    }
    Ok(())
}

/// The action is settled by then.
async fn a_repeated_confirmation_returns_the_stored_answer(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, action) = with_pending(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, confirming(conversation, action.id, 2)?).await?;
    let running = fixture.conversations.begin_turn(owner, confirming(conversation, action.id, 3)?).await;
    assert!(matches!(running, Err(ConversationRepoError::IdempotencyInProgress)), "{running:?}");
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(4))).await?;
    let repeated = fixture.conversations.begin_turn(owner, confirming(conversation, action.id, 5)?).await?;
    let TurnStart::AlreadyAnswered(answer) = repeated else { anyhow::bail!("{repeated:?}") };
    assert_eq!(answer.turn, turn);
    // The key of another request is still refused, and a released key does not repeat the confirmation.
    let other =
        NewTurn { idempotency: Some(request("confirm", 8, KeyReuse::Refuse)?), ..confirming(conversation, id(), 6)? };
    let other = fixture.conversations.begin_turn(owner, other).await;
    assert!(matches!(other, Err(ConversationRepoError::IdempotencyKeyReused)), "{other:?}");
    let anew =
        NewTurn { idempotency: Some(request("confirm", 8, KeyReuse::StartNew)?), ..confirming(conversation, id(), 6)? };
    let day = 86_400_000_000;
    for turn in [anew, confirming(conversation, action.id, day + 2)?] {
        let outcome = fixture.conversations.begin_turn(owner, turn).await;
        assert!(matches!(outcome, Err(ConversationRepoError::NotPending)), "{outcome:?}");
    }
    Ok(())
}

async fn a_resumed_turn_confirms_only_actions_created_before_it_began(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let resumed = |turn| {
        let outcome = fixture.conversations.begin_turn(owner, turn);
        async move {
            match outcome.await? {
                TurnStart::Resumed { turn, pending, .. } => anyhow::Ok((turn, pending)),
                other => anyhow::bail!("{other:?}"),
            }
        }
    };
    let (conversation, first) = with_pending(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, confirming(conversation, first.id, 2)?).await?;
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(3))).await?;
    let (turn, pending) = resumed(confirming(conversation, first.id, 4)?).await?;
    assert_eq!(pending, Some(first.clone()));
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(5))).await?;
    // The turn is resumed even if the action has expired, because it may have run already.
    let (turn, pending) = resumed(confirming(conversation, first.id, LATER)?).await?;
    assert_eq!(pending, None);
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(6))).await?;
    // Another turn settles it and creates a new one.
    let (other, _) = begin(&fixture, owner, next_turn(conversation, 7)?).await?;
    let second = deletion_and_edit(owner, &other)?;
    let ended = TurnResult { pending: Some(second.clone()), ..end(TurnState::Complete, at(8)) };
    fixture.conversations.end_turn(owner, other.attempt(), ended).await?;
    let (turn, pending) = resumed(confirming(conversation, first.id, 9)?).await?;
    assert_eq!(pending, None);
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(10))).await?;
    assert_eq!(find_pending(&fixture, owner, conversation, 11).await?, Some(second));
    Ok(())
}

async fn the_newest_of_several_pending_actions_is_returned(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, earlier) = with_pending(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, next_turn(conversation, 2)?).await?;
    let later = PendingAction { expires_at: at(LATER - 1), ..deletion_and_edit(owner, &turn)? };
    let failed = TurnResult { pending: Some(later.clone()), ..end(TurnState::Failed, at(3)) };
    fixture.conversations.end_turn(owner, turn.attempt(), failed).await?;
    assert_eq!(find_pending(&fixture, owner, conversation, 4).await?, Some(later.clone()));
    let overtaken = fixture.conversations.begin_turn(owner, confirming(conversation, earlier.id, 4)?).await;
    assert!(matches!(overtaken, Err(ConversationRepoError::NotPending)), "{overtaken:?}");
    let (turn, pending) = begin(&fixture, owner, confirming(conversation, later.id, 5)?).await?;
    assert_eq!(pending, Some(later));
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(6))).await?;
    assert_eq!(fixture.number("SELECT COUNT(*) FROM pending_actions WHERE settled_at IS NULL").await?, 0);
    Ok(())
}

async fn a_turn_that_is_not_running_stores_no_pending_action(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, action) = with_pending(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, next_turn(conversation, 2)?).await?;
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(3))).await?;
    let late = TurnResult { pending: Some(deletion_and_edit(owner, &turn)?), ..end(TurnState::Complete, at(4)) };
    let late = fixture.conversations.end_turn(owner, turn.attempt(), late).await;
    assert!(matches!(late, Err(ConversationRepoError::NoTurn)), "{late:?}");
    let stopped = fixture.conversations.stop_turn(owner, turn.id, at(4)).await;
    assert!(matches!(stopped, Err(ConversationRepoError::NoTurn)), "{stopped:?}");
    assert_eq!(find_pending(&fixture, owner, conversation, 5).await?, Some(action));
    Ok(())
}

async fn ending_a_turn_is_rolled_back_when_its_pending_action_is_refused(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, action) = with_pending(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, next_turn(conversation, 2)?).await?;
    // The id exists already.
    let ended = TurnResult { pending: Some(action.clone()), ..end(TurnState::Complete, at(3)) };
    assert!(fixture.conversations.end_turn(owner, turn.attempt(), ended).await.is_err());
    assert_eq!(fixture.conversations.answer(owner, turn.id).await?.message.status, TurnState::Running);
    let found = fixture.conversations.get(owner, conversation).await?;
    assert_eq!((found.active_turn, found.updated_at), (Some(turn.id), at(2)));
    assert_eq!(find_pending(&fixture, owner, conversation, 4).await?, Some(action));
    Ok(())
}

async fn committing_a_confirmation_settles_the_pending_action_even_if_the_turn_fails(
    test: TestDatabase,
) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, action) = with_pending(&fixture, owner).await?;
    let (turn, pending) = begin(&fixture, owner, confirming(conversation, action.id, 2)?).await?;
    assert_eq!(pending, Some(action.clone()));
    let change = Change { confirms: Some(action.id), ..effect(owner, call(&turn, 0), at(3)) };
    fixture.changes.commit(owner, &[Write::create(new_task(owner, "Milk")?)], &change).await?;
    assert_eq!(find_pending(&fixture, owner, conversation, 3).await?, None);
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(4))).await?;
    let again = NewTurn { idempotency: None, ..confirming(conversation, action.id, 5)? };
    let again = fixture.conversations.begin_turn(owner, again).await;
    assert!(matches!(again, Err(ConversationRepoError::NotPending)), "{again:?}");
    Ok(())
}

//! What waits for confirmation in a conversation, and until when.

use domain::conversation::{
    ConversationRepo as _, ConversationRepoError, ConversationTarget, KeyReuse, NewTurn, PendingAction, PendingItem,
    PendingItemAction, TurnResult, TurnStart,
};
use domain::id::{ConversationId, PendingActionId, UserId};
use domain::system::SystemRepo as _;
use domain::turn::{Turn, TurnState};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, end, id, new_conversation, new_task, new_turn, put_off, request};

on_both_databases!(
    a_pending_action_comes_back_as_it_was,
    a_pending_action_stays_in_its_conversation,
    a_turn_that_fails_leaves_what_waits,
    a_turn_that_ends_or_is_stopped_lets_it_lapse,
    a_pending_action_expires,
    a_turn_confirms_what_waits_in_its_conversation,
    a_turn_that_confirms_something_else_does_not_begin,
    a_confirmation_that_is_repeated_is_answered_alike,
    a_resumed_turn_confirms_only_what_waited_before_it_began,
    of_several_that_wait_the_last_one_counts,
    a_turn_that_does_not_run_puts_nothing_off,
    a_turn_whose_pending_action_cannot_be_stored_does_not_end,
);

/// `Lease::TTL` in microseconds.
const LEASE: i64 = 15_000_000;
/// Later than what the tests do.
const LATER: i64 = 9 * LEASE;

/// What a turn puts off: a deletion and an edit.
fn two(owner: UserId, turn: &Turn) -> anyhow::Result<PendingAction> {
    let mut action = put_off(turn.assistant_message, &[new_task(owner, "Milk")?.toggle(at(1))], at(LATER));
    let new_title = "Rye bread".parse()?;
    action.items.push(PendingItem::new(&new_task(owner, "Bread")?, PendingItemAction::Update { new_title }));
    Ok(action)
}

/// A conversation whose turn has put something off at `at(1)`.
async fn waiting(fixture: &Fixture, owner: UserId) -> anyhow::Result<(ConversationId, PendingAction)> {
    let (conversation, turn) = fixture.conversation(owner).await?;
    let action = two(owner, &turn)?;
    let ended = TurnResult { pending: Some(action.clone()), ..end(TurnState::Complete, at(1)) };
    fixture.conversations.end_turn(owner, turn.attempt(), ended).await?;
    Ok((conversation, action))
}

fn again(conversation: ConversationId, when: i64) -> anyhow::Result<NewTurn> {
    new_turn(ConversationTarget::Existing(conversation), at(when))
}

/// A turn that confirms, by a request that may be repeated.
fn confirming(conversation: ConversationId, pending: PendingActionId, when: i64) -> anyhow::Result<NewTurn> {
    let idempotency = Some(request("confirm", 7, KeyReuse::Refuse)?);
    Ok(NewTurn { confirms: Some(pending), idempotency, ..again(conversation, when)? })
}

async fn begin(fixture: &Fixture, owner: UserId, turn: NewTurn) -> anyhow::Result<(Turn, Option<PendingAction>)> {
    match fixture.conversations.begin_turn(owner, turn).await? {
        TurnStart::New { turn, pending } => Ok((turn, pending)),
        other => anyhow::bail!("{other:?}"),
    }
}

async fn waits(
    fixture: &Fixture,
    owner: UserId,
    id: ConversationId,
    when: i64,
) -> anyhow::Result<Option<PendingAction>> {
    Ok(fixture.conversations.pending(owner, id, at(when)).await?)
}

async fn a_pending_action_comes_back_as_it_was(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, action) = waiting(&fixture, owner).await?;
    fixture.statements();
    assert_eq!(waits(&fixture, owner, conversation, 2).await?, Some(action.clone()));
    assert_eq!(fixture.statements().len(), 1);
    // To look does not change it; nor does to begin.
    let (turn, pending) = begin(&fixture, owner, again(conversation, 2)?).await?;
    assert_eq!(pending, Some(action.clone()));
    assert_eq!(waits(&fixture, owner, conversation, 3).await?, Some(action));
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(4))).await?;
    assert_eq!(fixture.number("SELECT COUNT(*) FROM pending_actions WHERE settled_at IS NOT NULL").await?, 1);
    fixture.conversations.delete(owner, conversation).await?;
    assert_eq!(fixture.number("SELECT COUNT(*) FROM pending_actions").await?, 0);
    assert_eq!(waits(&fixture, owner, conversation, 5).await?, None);
    Ok(())
}

async fn a_pending_action_stays_in_its_conversation(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (one, first) = waiting(&fixture, owner).await?;
    let (other, second) = waiting(&fixture, owner).await?;
    assert_eq!(begin(&fixture, owner, new_turn(new_conversation()?, at(2))?).await?.1, None);
    // What becomes of the one is nothing to the other.
    let (turn, pending) = begin(&fixture, owner, again(other, 2)?).await?;
    assert_eq!(pending, Some(second));
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(3))).await?;
    assert_eq!(waits(&fixture, owner, other, 4).await?, None);
    assert_eq!(waits(&fixture, owner, one, 4).await?, Some(first));
    Ok(())
}

async fn a_turn_that_fails_leaves_what_waits(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, action) = waiting(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, again(conversation, 2)?).await?;
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(3))).await?;
    assert_eq!(waits(&fixture, owner, conversation, 4).await?, Some(action.clone()));
    // Whoever finds it dead: upkeep, its instance, the next message.
    begin(&fixture, owner, again(conversation, 4)?).await?;
    assert_eq!(fixture.system.fail_expired_turns(at(4 + LEASE)).await?, 1);
    begin(&fixture, owner, again(conversation, LEASE + 5)?).await?;
    assert_eq!(fixture.system.fail_turns_of(&"here".parse()?, at(LEASE + 6)).await?, 1);
    begin(&fixture, owner, again(conversation, LEASE + 7)?).await?;
    let (_, pending) = begin(&fixture, owner, again(conversation, 3 * LEASE)?).await?;
    assert_eq!(pending, Some(action));
    Ok(())
}

async fn a_turn_that_ends_or_is_stopped_lets_it_lapse(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for state in [TurnState::Complete, TurnState::Stopped] {
        let (conversation, _) = waiting(&fixture, owner).await?;
        let (turn, _) = begin(&fixture, owner, again(conversation, 2)?).await?;
        fixture.conversations.end_turn(owner, turn.attempt(), end(state, at(3))).await?;
        assert_eq!(waits(&fixture, owner, conversation, 4).await?, None, "{state:?}");
        assert_eq!(begin(&fixture, owner, again(conversation, 4)?).await?.1, None, "{state:?}");
    }
    let (conversation, _) = waiting(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, again(conversation, 2)?).await?;
    fixture.conversations.stop_turn(owner, turn.id, at(3)).await?;
    assert_eq!(waits(&fixture, owner, conversation, 4).await?, None);
    // What the turn puts off itself takes the place of what lapses.
    let (conversation, _) = waiting(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, again(conversation, 2)?).await?;
    let next = two(owner, &turn)?;
    let ended = TurnResult { pending: Some(next.clone()), ..end(TurnState::Complete, at(3)) };
    fixture.conversations.end_turn(owner, turn.attempt(), ended).await?;
    assert_eq!(waits(&fixture, owner, conversation, 4).await?, Some(next));
    Ok(())
}

async fn a_pending_action_expires(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, action) = waiting(&fixture, owner).await?;
    assert_eq!(waits(&fixture, owner, conversation, LATER - 1).await?, Some(action.clone()));
    assert_eq!(waits(&fixture, owner, conversation, LATER).await?, None);
    let late = fixture.conversations.begin_turn(owner, confirming(conversation, action.id, LATER)?).await;
    assert!(matches!(late, Err(ConversationRepoError::NotPending)), "{late:?}");
    assert_eq!(begin(&fixture, owner, again(conversation, LATER)?).await?.1, None);
    Ok(())
}

async fn a_turn_confirms_what_waits_in_its_conversation(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, action) = waiting(&fixture, owner).await?;
    // A turn that fails before it has done it leaves it to the next one.
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
    // It can be confirmed once.
    let twice = NewTurn { idempotency: None, ..confirming(conversation, action.id, 6)? };
    let twice = fixture.conversations.begin_turn(owner, twice).await;
    assert!(matches!(twice, Err(ConversationRepoError::NotPending)), "{twice:?}");
    Ok(())
}

async fn a_turn_that_confirms_something_else_does_not_begin(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (owner, other) = (fixture.user().await?, fixture.user().await?);
    let (conversation, action) = waiting(&fixture, owner).await?;
    let (elsewhere, of_elsewhere) = waiting(&fixture, owner).await?;
    let (theirs, of_theirs) = waiting(&fixture, other).await?;
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
        let begun = fixture.conversations.begin_turn(owner, confirm(target.clone(), pending)?).await;
        assert!(matches!(begun, Err(ConversationRepoError::NotPending)), "{target:?}: {begun:?}");
    }
    let foreign = fixture.conversations.begin_turn(owner, confirm(existing(theirs), of_theirs.id)?).await;
    assert!(matches!(foreign, Err(ConversationRepoError::NotFound)), "{foreign:?}");
    assert_eq!(fixture.number(count).await?, rows);
    assert_eq!(fixture.conversations.get(owner, conversation).await?, before);
    for (owner, conversation, expected) in
        [(owner, conversation, action), (owner, elsewhere, of_elsewhere), (other, theirs, of_theirs)]
    {
        assert_eq!(waits(&fixture, owner, conversation, 3).await?, Some(expected));
    }
    Ok(())
}

/// Although what it confirms waits no longer by then.
async fn a_confirmation_that_is_repeated_is_answered_alike(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, action) = waiting(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, confirming(conversation, action.id, 2)?).await?;
    let running = fixture.conversations.begin_turn(owner, confirming(conversation, action.id, 3)?).await;
    assert!(matches!(running, Err(ConversationRepoError::IdempotencyInProgress)), "{running:?}");
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(4))).await?;
    let repeated = fixture.conversations.begin_turn(owner, confirming(conversation, action.id, 5)?).await?;
    let TurnStart::AlreadyAnswered(answer) = repeated else { anyhow::bail!("{repeated:?}") };
    assert_eq!(answer.turn, turn);
    // The key of another request is that still, and one that is no longer known is none.
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

async fn a_resumed_turn_confirms_only_what_waited_before_it_began(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let resumed = |turn| {
        let begun = fixture.conversations.begin_turn(owner, turn);
        async move {
            match begun.await? {
                TurnStart::Resumed { turn, pending, .. } => anyhow::Ok((turn, pending)),
                other => anyhow::bail!("{other:?}"),
            }
        }
    };
    let (conversation, first) = waiting(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, confirming(conversation, first.id, 2)?).await?;
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(3))).await?;
    let (turn, pending) = resumed(confirming(conversation, first.id, 4)?).await?;
    assert_eq!(pending, Some(first.clone()));
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(5))).await?;
    // It goes on even when that has expired: it may have been done.
    let (turn, pending) = resumed(confirming(conversation, first.id, LATER)?).await?;
    assert_eq!(pending, None);
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(6))).await?;
    // Another turn lets it lapse, and puts something else off.
    let (other, _) = begin(&fixture, owner, again(conversation, 7)?).await?;
    let second = two(owner, &other)?;
    let ended = TurnResult { pending: Some(second.clone()), ..end(TurnState::Complete, at(8)) };
    fixture.conversations.end_turn(owner, other.attempt(), ended).await?;
    let (turn, pending) = resumed(confirming(conversation, first.id, 9)?).await?;
    assert_eq!(pending, None);
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(10))).await?;
    assert_eq!(waits(&fixture, owner, conversation, 11).await?, Some(second));
    Ok(())
}

async fn of_several_that_wait_the_last_one_counts(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, earlier) = waiting(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, again(conversation, 2)?).await?;
    let later = PendingAction { expires_at: at(LATER - 1), ..two(owner, &turn)? };
    let failed = TurnResult { pending: Some(later.clone()), ..end(TurnState::Failed, at(3)) };
    fixture.conversations.end_turn(owner, turn.attempt(), failed).await?;
    assert_eq!(waits(&fixture, owner, conversation, 4).await?, Some(later.clone()));
    let overtaken = fixture.conversations.begin_turn(owner, confirming(conversation, earlier.id, 4)?).await;
    assert!(matches!(overtaken, Err(ConversationRepoError::NotPending)), "{overtaken:?}");
    let (turn, pending) = begin(&fixture, owner, confirming(conversation, later.id, 5)?).await?;
    assert_eq!(pending, Some(later));
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(6))).await?;
    assert_eq!(fixture.number("SELECT COUNT(*) FROM pending_actions WHERE settled_at IS NULL").await?, 0);
    Ok(())
}

async fn a_turn_that_does_not_run_puts_nothing_off(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, action) = waiting(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, again(conversation, 2)?).await?;
    fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Failed, at(3))).await?;
    let late = TurnResult { pending: Some(two(owner, &turn)?), ..end(TurnState::Complete, at(4)) };
    let late = fixture.conversations.end_turn(owner, turn.attempt(), late).await;
    assert!(matches!(late, Err(ConversationRepoError::NoTurn)), "{late:?}");
    let stopped = fixture.conversations.stop_turn(owner, turn.id, at(4)).await;
    assert!(matches!(stopped, Err(ConversationRepoError::NoTurn)), "{stopped:?}");
    assert_eq!(waits(&fixture, owner, conversation, 5).await?, Some(action));
    Ok(())
}

async fn a_turn_whose_pending_action_cannot_be_stored_does_not_end(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let (conversation, action) = waiting(&fixture, owner).await?;
    let (turn, _) = begin(&fixture, owner, again(conversation, 2)?).await?;
    // The id is taken.
    let ended = TurnResult { pending: Some(action.clone()), ..end(TurnState::Complete, at(3)) };
    assert!(fixture.conversations.end_turn(owner, turn.attempt(), ended).await.is_err());
    assert_eq!(fixture.conversations.answer(owner, turn.id).await?.message.status, TurnState::Running);
    let found = fixture.conversations.get(owner, conversation).await?;
    assert_eq!((found.active_turn, found.updated_at), (Some(turn.id), at(2)));
    assert_eq!(waits(&fixture, owner, conversation, 4).await?, Some(action));
    Ok(())
}

//! Changes made by a turn's tool calls: each effect happens once, and only while its turn is running.

use domain::change::{CallOrigin, Change, ChangeRepo as _, ChangeRepoError, EffectId, Entry, Write};
use domain::conversation::turn::{Attempt, Turn};
use domain::conversation::{ConversationRepo as _, KeyReuse, NewTurn, TurnStart};
use domain::id::UserId;
use domain::task::{Task, TaskRepo as _};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, call, change, effect, id, new_conversation, new_task, new_turn, request, text};

on_both_databases!(
    an_effect_happens_once,
    an_effect_of_several_parts_happens_once,
    a_recorded_effect_is_returned_to_later_attempts_and_after_the_end,
    effects_are_identified_by_turn_round_and_call,
    a_failed_effect_can_be_retried,
    an_effect_outlives_its_conversation,
    the_call_is_stored_with_its_effect,
);

struct Case {
    fixture: Fixture,
    owner: UserId,
    turn: Turn,
}

impl Case {
    async fn new(test: TestDatabase) -> anyhow::Result<Self> {
        let fixture = Fixture::new(test).await?;
        let owner = fixture.user().await?;
        let (_, turn) = fixture.conversation(owner).await?;
        Ok(Self { fixture, owner, turn })
    }

    async fn commit(&self, writes: &[Write], call: CallOrigin) -> Result<Vec<Entry>, ChangeRepoError> {
        self.fixture.changes.commit(self.owner, writes, &effect(self.owner, call, at(1))).await
    }

    async fn found(&self, effect: EffectId) -> anyhow::Result<Vec<Entry>> {
        Ok(self.fixture.changes.find_effect(self.owner, effect).await?)
    }

    fn create(&self) -> anyhow::Result<Write> {
        Ok(Write::create(new_task(self.owner, "Milk")?))
    }
}

async fn an_effect_happens_once(test: TestDatabase) -> anyhow::Result<()> {
    let case = Case::new(test).await?;
    let (tasks, owner) = (&case.fixture.tasks, case.owner);
    let origin = call(&case.turn, 0);
    assert_eq!(case.found(origin.effect()).await?, []);
    let task = case.fixture.task(owner, "Milk").await?;
    let toggled = task.toggle(at(1));
    let done = case.commit(&[Write::replace(task.clone(), toggled.clone())], origin).await?;
    assert_eq!(case.found(origin.effect()).await?, done);
    // The same write, which is stale by now; a different write; and after the row was purged.
    let same = Write::replace(task, toggled.clone());
    for writes in [vec![same], vec![Write::replace(toggled.clone(), toggled.toggle(at(2)))], vec![case.create()?; 3]] {
        assert_eq!(case.commit(&writes, origin).await?, done);
    }
    assert_eq!(tasks.get(owner, toggled.id).await?, toggled);
    case.fixture.trash(&toggled, at(3)).await?;
    assert_eq!(case.commit(&[case.create()?], origin).await?, done);
    assert_eq!(tasks.counts(owner).await?.pending, 0);
    assert_eq!(case.fixture.changes.head(owner).await?.seq.0, 3);
    Ok(())
}

async fn an_effect_of_several_parts_happens_once(test: TestDatabase) -> anyhow::Result<()> {
    let case = Case::new(test).await?;
    let origin = call(&case.turn, 7);
    let writes: Vec<_> = (0..12).map(|_| case.create()).collect::<Result<_, _>>()?;
    let done = case.commit(&writes, origin).await?;
    let written: Vec<_> = writes.iter().filter_map(Write::entity).collect();
    assert_eq!(done.iter().map(|entry| entry.entity).collect::<Vec<_>>(), written);
    // In order, with more parts than ten, so that an order by text would fail.
    assert_eq!(case.found(origin.effect()).await?, done);
    assert_eq!(case.commit(&writes, origin).await?, done);
    assert_eq!(case.commit(&writes[..1], origin).await?, done);
    assert_eq!(case.fixture.changes.head(case.owner).await?.seq.0, 12);
    Ok(())
}

async fn a_recorded_effect_is_returned_to_later_attempts_and_after_the_end(test: TestDatabase) -> anyhow::Result<()> {
    let case = Case::new(test).await?;
    let (fixture, owner) = (&case.fixture, case.owner);
    let keyed = |when| -> anyhow::Result<NewTurn> {
        Ok(NewTurn {
            idempotency: Some(request("key", 1, KeyReuse::Refuse)?),
            ..new_turn(new_conversation()?, at(when))?
        })
    };
    let first = fixture.begin(owner, keyed(0)?).await?;
    let done = case.commit(&[case.create()?], call(&first, 0)).await?;
    fixture.expire(owner, first.attempt()).await?;
    let second = fixture.conversations.begin_turn(owner, keyed(2)?).await?;
    let TurnStart::Resumed { turn: second, .. } = second else { anyhow::bail!("{second:?}") };
    for ended in [false, true] {
        if ended {
            fixture.conversations.stop_turn(owner, second.id, at(2)).await?;
        }
        for turn in [&first, &second] {
            assert_eq!(case.commit(&[case.create()?], call(turn, 0)).await?, done);
        }
        // An effect that has not happened requires the running attempt.
        let late = case.commit(&[case.create()?], call(&first, 1)).await;
        assert!(matches!(late, Err(ChangeRepoError::LeaseLost)), "{late:?}");
    }
    Ok(())
}

async fn effects_are_identified_by_turn_round_and_call(test: TestDatabase) -> anyhow::Result<()> {
    let case = Case::new(test).await?;
    let (_, other) = case.fixture.conversation(case.owner).await?;
    let origin = call(&case.turn, 1);
    let origins = [
        origin,
        CallOrigin { round: 1, ..origin },
        CallOrigin { index: 0, ..origin },
        CallOrigin { round: u8::MAX, index: u8::MAX, ..origin },
        call(&other, 1),
    ];
    let mut done = Vec::new();
    for origin in origins {
        done.push(case.commit(&[case.create()?], origin).await?);
    }
    for (origin, done) in origins.into_iter().zip(done) {
        assert_eq!(case.found(origin.effect()).await?, done);
    }
    assert_eq!(case.fixture.changes.head(case.owner).await?.seq.0, 5);
    Ok(())
}

async fn a_failed_effect_can_be_retried(test: TestDatabase) -> anyhow::Result<()> {
    let case = Case::new(test).await?;
    let origin = call(&case.turn, 0);
    let task: Task = case.fixture.task(case.owner, "Milk").await?;
    let now = task.toggle(at(1));
    case.fixture.write(case.owner, Write::replace(task.clone(), now.clone())).await?;
    let stale = case.commit(&[case.create()?, Write::replace(task.clone(), task.toggle(at(2)))], origin).await;
    assert!(matches!(stale, Err(ChangeRepoError::Stale)), "{stale:?}");
    assert_eq!(case.found(origin.effect()).await?, []);
    // A turn that does not exist.
    let nowhere = CallOrigin { attempt: Attempt { turn: id(), number: 1 }, ..origin };
    let ended = case.commit(&[case.create()?], nowhere).await;
    assert!(matches!(ended, Err(ChangeRepoError::LeaseLost)), "{ended:?}");
    let done = case.commit(&[Write::replace(now.clone(), now.toggle(at(2)))], origin).await?;
    assert_eq!((done.len(), done[0].seq.0), (1, 3));
    Ok(())
}

async fn an_effect_outlives_its_conversation(test: TestDatabase) -> anyhow::Result<()> {
    let case = Case::new(test).await?;
    let origin = call(&case.turn, 0);
    let done = case.commit(&[case.create()?], origin).await?;
    case.fixture.conversations.delete(case.owner, case.turn.conversation).await?;
    assert_eq!(case.found(origin.effect()).await?, done);
    // A change without a call needs no turn.
    case.fixture.changes.commit(case.owner, &[case.create()?], &change(case.owner, at(2))).await?;
    Ok(())
}

async fn the_call_is_stored_with_its_effect(test: TestDatabase) -> anyhow::Result<()> {
    let case = Case::new(test).await?;
    let (fixture, owner) = (&case.fixture, case.owner);
    let parts = async || anyhow::Ok(fixture.conversations.answer(owner, case.turn.id).await?.message.parts);
    let commit = async |writes: &[Write], index, words: &str| {
        let origin = call(&case.turn, index);
        let message_parts = Some(text(words).into());
        let change = Change { message_parts, ..effect(owner, origin, at(1)) };
        fixture.changes.commit(owner, writes, &change).await
    };
    let task = new_task(owner, "Milk")?;
    commit(&[Write::create(task.clone())], 0, "first").await?;
    assert_eq!(parts().await?, text("first"));

    let stale = Write::replace(task.toggle(at(1)), task.toggle(at(2)));
    assert!(matches!(commit(&[stale], 1, "stale").await, Err(ChangeRepoError::Stale)));
    fixture.conversations.stop_turn(owner, case.turn.id, at(2)).await?;
    assert!(matches!(commit(&[case.create()?], 1, "stopped").await, Err(ChangeRepoError::LeaseLost)));
    assert_eq!(parts().await?, text("first"));
    Ok(())
}

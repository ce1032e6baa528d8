//! Two users: every method of every port with an owner, asked by one user about the rows of the other, answers as if
//! they were not there, and leaves them as they are.

use std::num::NonZeroU16;

use domain::api_token::{ApiTokenRepo as _, ApiTokenRepoError};
use domain::change::EffectId;
use domain::conversation::{
    BegunTurn, ConversationRepo as _, ConversationRepoError, ConversationTarget, MessageOrder, TurnEnd,
};
use domain::page::PageRequest;
use domain::session::{Client, CodePurpose, Rotation, SessionRepo as _, SessionRepoError};
use domain::system::SystemRepo as _;
use domain::task::{TaskCounts, TaskFilter, TaskPatch, TaskRepo as _, TaskRepoError, TitleMatch};
use domain::turn::TurnState;
use domain::user::{UserPatch, UserRepo as _, UserRepoError};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{
    Fixture, at, change, client, effect, end, external, id, new_api_token, new_code, new_password, new_session,
    new_task, new_turn, offer, token,
};

on_both_databases!(
    a_task_of_another_user_is_not_there,
    a_conversation_of_another_user_is_not_there,
    a_turn_of_another_user_is_not_there,
    what_a_turn_left_of_another_user_is_not_there,
    a_session_of_another_user_is_not_there,
    an_api_token_of_another_user_is_not_there,
    a_user_changes_nobody_else,
);

async fn a_task_of_another_user_is_not_there(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    let (tasks, task) = (&fixture.tasks, fixture.task(ada, "Milk").await?);
    let now = change(eve, at(1));
    let patch = || TaskPatch { completed: Some(true).into(), ..TaskPatch::default() };
    for expected in [None, Some(task.version)] {
        let outcomes = [
            tasks.get(eve, task.id).await.err(),
            tasks.update(eve, task.id, patch(), expected, &now).await.err(),
            tasks.update(eve, task.id, TaskPatch::default(), expected, &now).await.err(),
            tasks.toggle(eve, task.id, expected, &now).await.err(),
            tasks.delete(eve, task.id, expected, &now).await.err(),
        ];
        for outcome in outcomes {
            assert!(matches!(outcome, Some(TaskRepoError::NotFound)), "{outcome:?}");
        }
    }
    assert_eq!(tasks.get_many(eve, &[task.id]).await?, []);
    assert_eq!(tasks.counts(eve).await?, TaskCounts::default());
    for title in
        [None, Some(TitleMatch::Exactly(task.title.folded())), Some(TitleMatch::Containing(task.title.folded()))]
    {
        let filter = TaskFilter { title, ..TaskFilter::default() };
        assert_eq!(tasks.list(eve, &filter, PageRequest::first(NonZeroU16::MIN)).await?.items, []);
        assert_eq!(
            tasks.list(ada, &filter, PageRequest::first(NonZeroU16::MIN)).await?.items,
            std::slice::from_ref(&task)
        );
    }
    assert_eq!(tasks.get(ada, task.id).await?, task);
    Ok(())
}

async fn a_conversation_of_another_user_is_not_there(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    let (id, turn) = fixture.conversation(ada).await?;
    let conversations = &fixture.conversations;
    let shown = [fixture.task(ada, "Milk").await?.id];
    conversations.set_shown_tasks(ada, id, &shown).await?;
    let before = conversations.get(ada, id).await?;
    let page = || PageRequest::first(NonZeroU16::MAX);
    let messages = conversations.messages(ada, id, MessageOrder::Ascending, page()).await?;

    let outcomes = [
        conversations.get(eve, id).await.err(),
        conversations.rename(eve, id, "Mine".parse()?).await.err(),
        conversations.delete(eve, id).await.err(),
        conversations.messages(eve, id, MessageOrder::Ascending, page()).await.err(),
        conversations.begin_turn(eve, new_turn(ConversationTarget::Existing(id), at(1))?).await.err(),
        // Its turn is dead by then, and not hers to replace.
        conversations.begin_turn(eve, new_turn(ConversationTarget::Existing(id), at(99_000_000))?).await.err(),
        conversations.set_shown_tasks(eve, id, &[]).await.err(),
        conversations.shown_tasks(eve, id).await.err(),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Some(ConversationRepoError::NotFound)), "{outcome:?}");
    }
    // An id that is taken is not taken over either.
    let over = new_turn(ConversationTarget::New(id, "Mine".parse()?), at(1))?;
    assert!(conversations.begin_turn(eve, over).await.is_err());
    assert_eq!(conversations.list(eve, PageRequest::first(NonZeroU16::MIN)).await?.items, []);

    assert_eq!(conversations.get(ada, id).await?, before);
    assert_eq!(before.active_turn, Some(turn.id));
    assert_eq!(conversations.messages(ada, id, MessageOrder::Ascending, page()).await?, messages);
    assert_eq!(conversations.shown_tasks(ada, id).await?, shown);
    Ok(())
}

async fn a_turn_of_another_user_is_not_there(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    let (id, turn) = fixture.conversation(ada).await?;
    fixture.conversation(eve).await?;
    let page = || PageRequest::first(NonZeroU16::MAX);
    let before = fixture.conversations.messages(ada, id, MessageOrder::Ascending, page()).await?;
    let end = end(TurnState::Stopped, at(1));
    let outcomes = [
        fixture.conversations.renew_lease(eve, turn.attempt(), at(0)).await.err(),
        fixture.conversations.save_progress(eve, turn.attempt(), &[]).await.err(),
        fixture.conversations.end_turn(eve, turn.attempt(), end).await.err(),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Some(ConversationRepoError::NoTurn)), "{outcome:?}");
    }
    assert_eq!(fixture.conversations.messages(ada, id, MessageOrder::Ascending, page()).await?, before);
    assert_eq!(fixture.conversations.get(ada, id).await?.active_turn, Some(turn.id));
    // The lease, too, is what it was.
    assert_eq!(fixture.system.fail_expired_turns(at(14_999_999)).await?, 0);
    Ok(())
}

async fn what_a_turn_left_of_another_user_is_not_there(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    let (conversation, turn) = fixture.conversation(ada).await?;
    let (own, own_turn) = fixture.conversation(eve).await?;
    let (done, undone) =
        (EffectId { turn: turn.id, round: 0, index: 0 }, EffectId { turn: turn.id, round: 0, index: 1 });
    let task = fixture.tasks.create(ada, new_task("Milk")?, &effect(ada, done, at(1))).await?;
    let hers = fixture.task(eve, "Bread").await?;

    let answer = fixture.conversations.answer(eve, turn.id).await;
    assert!(matches!(answer, Err(ConversationRepoError::NoTurn)), "{answer:?}");
    let stopped = fixture.conversations.stop_turn(eve, turn.id, at(1)).await;
    assert!(matches!(stopped, Err(ConversationRepoError::NoTurn)), "{stopped:?}");
    assert_eq!(fixture.conversations.answer(ada, turn.id).await?.message.status, TurnState::Running);

    assert_eq!(fixture.tasks.effect(eve, done).await?, None);
    for call in [done, undone] {
        let change = effect(eve, call, at(2));
        let outcomes = [
            fixture.tasks.create(eve, new_task("Eggs")?, &change).await.map(|_| ()),
            fixture.tasks.toggle(eve, hers.id, None, &change).await.map(|_| ()),
            fixture.tasks.delete(eve, hers.id, None, &change).await.map(|_| ()),
            fixture.tasks.delete_many(eve, &[(hers.id, hers.version)], &change).await.map(|_| ()),
            fixture.tasks.delete(eve, task.id, None, &change).await.map(|_| ()),
            fixture.tasks.delete_many(eve, &[(task.id, task.version)], &change).await.map(|_| ()),
        ];
        for outcome in outcomes {
            assert!(matches!(outcome, Err(TaskRepoError::TurnEnded)), "{outcome:?}");
        }
    }
    let in_her_turn = effect(eve, EffectId { turn: own_turn.id, round: 0, index: 0 }, at(2));
    let missed = fixture.tasks.delete(eve, task.id, None, &in_her_turn).await;
    assert!(matches!(missed, Err(TaskRepoError::NotFound)), "{missed:?}");
    assert_eq!(fixture.tasks.delete_many(eve, &[(task.id, task.version)], &in_her_turn).await?, []);
    assert_eq!(fixture.tasks.delete_many(eve, &[(task.id, task.version)], &change(eve, at(2))).await?, []);
    assert_eq!(fixture.tasks.counts(eve).await?.pending, 1);
    assert_eq!(fixture.tasks.get(ada, task.id).await?, task);
    assert_eq!(fixture.tasks.effect(ada, undone).await?, None);

    let action = offer(&[(task.id, task.version)]);
    let ended = TurnEnd { pending: Some(action.clone()), ..end(TurnState::Complete, at(3)) };
    fixture.conversations.end_turn(ada, turn.attempt(), ended).await?;
    for (owner, id, expected) in [(eve, own, None), (ada, conversation, Some(action))] {
        // Hers is dead by then.
        let next = new_turn(ConversationTarget::Existing(id), at(15_000_000))?;
        let begun = fixture.conversations.begin_turn(owner, next).await?;
        let BegunTurn::New { pending, .. } = begun else { anyhow::bail!("{begun:?}") };
        assert_eq!(pending, expected);
    }
    Ok(())
}

async fn a_session_of_another_user_is_not_there(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    let (sessions, new) = (&fixture.sessions, new_session(at(100_000_000)));
    sessions.create(ada, new.clone()).await?;
    let page = || PageRequest::first(NonZeroU16::MAX);
    let before = sessions.list(ada, page(), at(1)).await?;
    let rotation = |next| Rotation {
        spent: new.refresh.clone(),
        next,
        client: Client::default(),
        at: at(1),
        expires_at: at(200_000_000),
    };
    let outcomes = [
        sessions.standing(eve, new.id, at(1)).await.err(),
        sessions.rotate(eve, new.id, rotation(token())).await.err(),
        sessions.end(eve, new.id).await.err(),
        sessions.create_code(eve, new_code(CodePurpose::Link, Some(new.id))).await.err(),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Some(SessionRepoError::NotFound)), "{outcome:?}");
    }
    let token_in_it = fixture.api_tokens.create(eve, new.id, new_api_token(at(1))?).await;
    assert!(matches!(token_in_it, Err(ApiTokenRepoError::NotFound)), "{token_in_it:?}");
    let linked = fixture.users.link(eve, new.id, external("1")?, at(1)).await;
    assert!(matches!(linked, Err(UserRepoError::NotFound)), "{linked:?}");
    sessions.touch(eve, new.id, client("Phone", "::1")?, at(1)).await?;
    sessions.end_all(eve).await?;
    assert_eq!(sessions.list(eve, page(), at(1)).await?.items, []);
    // A cursor of hers leads nobody else to her rows.
    let behind = PageRequest { after: Some(id()), ..page() };
    assert_eq!(sessions.list(eve, behind, at(1)).await?.items, []);
    assert_eq!(sessions.list(ada, page(), at(1)).await?, before);
    sessions.rotate(ada, new.id, rotation(token())).await?;
    Ok(())
}

async fn an_api_token_of_another_user_is_not_there(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    let session = fixture.session(ada).await?;
    let token = fixture.api_tokens.create(ada, session, new_api_token(at(1))?).await?;
    let page = || PageRequest::first(NonZeroU16::MAX);
    let deleted = fixture.api_tokens.delete(eve, token.id).await;
    assert!(matches!(deleted, Err(ApiTokenRepoError::NotFound)), "{deleted:?}");
    fixture.api_tokens.touch(eve, token.id, at(2)).await?;
    for behind in [None, Some(id())] {
        let page = PageRequest { after: behind, ..page() };
        assert_eq!(fixture.api_tokens.list(eve, page).await?.items, []);
    }
    assert_eq!(fixture.api_tokens.list(ada, page()).await?.items, [token]);
    Ok(())
}

async fn a_user_changes_nobody_else(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let ada = fixture.known_user("ada@example.com").await?;
    let eve = fixture.user().await?;
    let session = fixture.session(ada.id).await?;
    fixture.sessions.create_code(ada.id, new_code(CodePurpose::Link, Some(session))).await?;
    fixture.api_tokens.create(ada.id, session, new_api_token(at(1))?).await?;
    let hash = fixture.users.credentials(ada.id).await?.password_hash.map(|hash| hash.expose().to_owned());
    let patch = UserPatch { name: Some("Eve".parse()?).into(), ..UserPatch::default() };
    fixture.users.update(eve, patch, at(1)).await?;
    fixture.users.change_password(eve, new_password(0), at(1)).await?;
    fixture.users.delete(eve, 1).await?;
    let credentials = fixture.users.credentials(ada.id).await?;
    assert_eq!(credentials.user, ada);
    assert_eq!(credentials.password_hash.map(|hash| hash.expose().to_owned()), hash);
    for table in ["sessions", "refresh_tokens", "one_time_codes", "api_tokens"] {
        assert_eq!(fixture.number(&format!("SELECT COUNT(*) FROM {table}")).await?, 1, "{table}");
    }
    Ok(())
}

//! Isolation of two users: every method of every port that takes an owner treats the rows of another user as missing
//! and does not change them.

use std::num::NonZeroU16;
use std::time::Duration;

use domain::api_token::{ApiTokenRepo as _, ApiTokenRepoError};
use domain::change::{ChangeRepo as _, ChangeRepoError, EntityId, EntrySelector, Seq, Write};
use domain::conversation::turn::TurnState;
use domain::conversation::{
    ConversationRepo as _, ConversationRepoError, ConversationTarget, MessageOrder, NewTurn, TurnResult, TurnStart,
};
use domain::page::PageRequest;
use domain::session::{Client, CodePurpose, Rotation, SessionRepo as _, SessionRepoError};
use domain::system::SystemRepo as _;
use domain::task::{Task, TaskCounts, TaskFilter, TaskRepo as _, TaskRepoError, TitleMatch};
use domain::user::{UserPatch, UserRepo as _, UserRepoError};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{
    Fixture, at, call, change, client, effect, end, external, id, new_api_token, new_code, new_password, new_session,
    new_task, new_turn, put_off, token,
};

on_both_databases!(
    a_task_of_another_user_is_not_found,
    a_change_of_another_user_is_not_found,
    a_conversation_of_another_user_is_not_found,
    a_turn_of_another_user_is_not_found,
    the_answer_and_pending_action_of_another_user_are_not_found,
    a_session_of_another_user_is_not_found,
    an_api_token_of_another_user_is_not_found,
    changes_of_a_user_affect_no_other_user,
);

async fn a_task_of_another_user_is_not_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    let (tasks, task) = (&fixture.tasks, fixture.task(ada, "Milk").await?);
    let trash = fixture.trash(&fixture.task(ada, "Bread").await?, at(1)).await?;
    let read = tasks.get(eve, task.id).await;
    assert!(matches!(read, Err(TaskRepoError::NotFound)), "{read:?}");
    assert_eq!(tasks.get_many(eve, &[task.id, trash.id]).await?, []);
    assert_eq!(tasks.counts(eve).await?, TaskCounts::default());
    let page = PageRequest::first(NonZeroU16::MAX);
    assert_eq!(tasks.list_trash(eve, page.clone()).await?.items, []);
    assert_eq!(tasks.list_trash(ada, page.clone()).await?.items, std::slice::from_ref(&trash));
    for title in [
        None,
        Some(TitleMatch::Exactly(task.title.normalized())),
        Some(TitleMatch::Containing(task.title.normalized())),
    ] {
        let filter = TaskFilter { title, ..TaskFilter::default() };
        assert_eq!(tasks.list(eve, &filter, PageRequest::first(NonZeroU16::MIN)).await?.items, []);
        assert_eq!(
            tasks.list(ada, &filter, PageRequest::first(NonZeroU16::MIN)).await?.items,
            std::slice::from_ref(&task)
        );
    }
    // It is not written either, whatever owner the row names.
    for user_id in [ada, eve] {
        let mine = Task { user_id, ..task.clone() };
        for write in [Write::replace(mine.clone(), mine.toggle(at(2))), Write::purge(mine.clone()), Write::create(mine)]
        {
            let written = fixture.write(eve, write).await;
            assert!(matches!(written, Err(ChangeRepoError::Stale)), "{written:?}");
        }
    }
    assert_eq!(tasks.get(ada, task.id).await?, task);
    Ok(())
}

async fn a_change_of_another_user_is_not_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    let (conversation, turn) = fixture.conversation(ada).await?;
    let changes = &fixture.changes;
    let (task, origin) = (new_task(ada, "Milk")?, call(&turn, 0));
    let added = effect(ada, origin, at(1));
    let mut entries = changes.commit(ada, &[Write::create(task.clone())], &added).await?;
    let undo = Write::Task { before: Some(task.clone()), after: Some(task.delete(at(2))), undoes: Some(Seq(1)) };
    entries.push(fixture.write(ada, undo).await?);
    // The other user's entry has the same sequence number.
    let hers = fixture.write(eve, Write::create(new_task(eve, "Bread")?)).await?;

    let rows = || vec![EntityId::Task(task.id)];
    for selector in [
        EntrySelector::Seq(Seq(2)),
        EntrySelector::Operation(added.operation),
        EntrySelector::Message(conversation, turn.assistant_message),
        EntrySelector::Messages(vec![turn.assistant_message]),
        EntrySelector::Rows { rows: rows(), after: Seq(0), limit: NonZeroU16::MAX },
        EntrySelector::Turns { conversation, except: id(), before: None, limit: NonZeroU16::MAX },
    ] {
        assert_eq!(changes.find(eve, &selector).await?, [], "{selector:?}");
        assert_ne!(changes.find(ada, &selector).await?, [], "{selector:?}");
    }
    assert_eq!(changes.find_effect(eve, origin.effect()).await?, []);
    assert_eq!(changes.undo_links(eve, &[Seq(1)]).await?, []);
    assert_eq!(changes.head(eve).await?.seq, Seq(1));
    let page = changes.list(eve, Seq(0), NonZeroU16::MAX).await?;
    assert_eq!((page.head, page.entries), (Seq(1), vec![hers]));

    // The other user can neither write nor purge the task, nor commit an effect of a call of the owner's turn.
    let bread = new_task(eve, "Eggs")?;
    for call in [origin, call(&turn, 1)] {
        let outcome = changes.commit(eve, &[Write::create(bread.clone())], &effect(eve, call, at(2))).await;
        assert!(matches!(outcome, Err(ChangeRepoError::LeaseLost)), "{outcome:?}");
    }
    let purged = changes.commit(eve, &[Write::purge(task.delete(at(2)))], &change(eve, at(3))).await;
    assert!(matches!(purged, Err(ChangeRepoError::Stale)), "{purged:?}");
    let page = changes.list(ada, Seq(0), NonZeroU16::MAX).await?;
    assert_eq!((page.head, page.entries), (Seq(2), entries));
    Ok(())
}

async fn a_conversation_of_another_user_is_not_found(test: TestDatabase) -> anyhow::Result<()> {
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
        conversations.set_shown_tasks(eve, id, &[]).await.err(),
        conversations.shown_tasks(eve, id).await.err(),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Some(ConversationRepoError::NotFound)), "{outcome:?}");
    }
    // When the lease of its turn has expired, only the owner may replace it.
    fixture.expire(ada, turn.attempt()).await?;
    let replaced = conversations.begin_turn(eve, new_turn(ConversationTarget::Existing(id), at(2))?).await;
    assert!(matches!(replaced, Err(ConversationRepoError::NotFound)), "{replaced:?}");
    // Creating a conversation with an existing id does not change its owner.
    let existing_id = new_turn(ConversationTarget::New(id, "Mine".parse()?), at(1))?;
    assert!(conversations.begin_turn(eve, existing_id).await.is_err());
    assert_eq!(conversations.list(eve, PageRequest::first(NonZeroU16::MIN)).await?.items, []);

    assert_eq!(conversations.get(ada, id).await?, before);
    assert_eq!(before.active_turn, Some(turn.id));
    assert_eq!(conversations.messages(ada, id, MessageOrder::Ascending, page()).await?, messages);
    assert_eq!(conversations.shown_tasks(ada, id).await?, shown);
    Ok(())
}

async fn a_turn_of_another_user_is_not_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    let (id, turn) = fixture.conversation(ada).await?;
    fixture.conversation(eve).await?;
    let page = || PageRequest::first(NonZeroU16::MAX);
    let before = fixture.conversations.messages(ada, id, MessageOrder::Ascending, page()).await?;
    let end = end(TurnState::Stopped, at(1));
    let outcomes = [
        fixture.conversations.renew_lease(eve, turn.attempt(), Duration::ZERO).await.err(),
        fixture.conversations.save_progress(eve, turn.attempt(), &[]).await.err(),
        fixture.conversations.end_turn(eve, turn.attempt(), end).await.err(),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Some(ConversationRepoError::NoTurn)), "{outcome:?}");
    }
    assert_eq!(fixture.conversations.messages(ada, id, MessageOrder::Ascending, page()).await?, before);
    assert_eq!(fixture.conversations.get(ada, id).await?.active_turn, Some(turn.id));
    // The lease is unchanged.
    assert_eq!(fixture.system.fail_expired_turns(at(2)).await?, 0);
    Ok(())
}

async fn the_answer_and_pending_action_of_another_user_are_not_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    let (conversation, turn) = fixture.conversation(ada).await?;
    let (own, own_turn) = fixture.conversation(eve).await?;
    let answer = fixture.conversations.answer(eve, turn.id).await;
    assert!(matches!(answer, Err(ConversationRepoError::NoTurn)), "{answer:?}");
    let stopped = fixture.conversations.stop_turn(eve, turn.id, at(1)).await;
    assert!(matches!(stopped, Err(ConversationRepoError::NoTurn)), "{stopped:?}");
    assert_eq!(fixture.conversations.answer(ada, turn.id).await?.message.status, TurnState::Running);

    let action = put_off(turn.assistant_message, &[new_task(ada, "Milk")?], at(99_000_000));
    let ended = TurnResult { pending: Some(action.clone()), ..end(TurnState::Complete, at(3)) };
    fixture.conversations.end_turn(ada, turn.attempt(), ended).await?;
    assert_eq!(fixture.conversations.pending(eve, conversation, at(4)).await?, None);
    // It cannot be confirmed in a conversation of the other user, whose turn has an expired lease.
    fixture.expire(eve, own_turn.attempt()).await?;
    let next = |id, confirms| -> anyhow::Result<NewTurn> {
        Ok(NewTurn { confirms, ..new_turn(ConversationTarget::Existing(id), at(15_000_000))? })
    };
    let confirmed = fixture.conversations.begin_turn(eve, next(own, Some(action.id))?).await;
    assert!(matches!(confirmed, Err(ConversationRepoError::NotPending)), "{confirmed:?}");
    for (owner, id, expected) in [(eve, own, None), (ada, conversation, Some(action))] {
        let start = fixture.conversations.begin_turn(owner, next(id, None)?).await?;
        let TurnStart::New { turn, pending, .. } = start else { anyhow::bail!("{start:?}") };
        assert_eq!(pending, expected);
        // The end of the other user's turn does not settle the owner's pending action.
        if owner == eve {
            fixture.conversations.end_turn(eve, turn.attempt(), end(TurnState::Complete, at(15_000_001))).await?;
        }
    }
    Ok(())
}

async fn a_session_of_another_user_is_not_found(test: TestDatabase) -> anyhow::Result<()> {
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
        replaced_since: at(0),
        expires_at: at(200_000_000),
    };
    let outcomes = [
        sessions.status(eve, new.id, at(1)).await.err(),
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
    // A cursor does not give access to another user's rows.
    let after = PageRequest { after: Some(id()), ..page() };
    assert_eq!(sessions.list(eve, after, at(1)).await?.items, []);
    assert_eq!(sessions.list(ada, page(), at(1)).await?, before);
    sessions.rotate(ada, new.id, rotation(token())).await?;
    Ok(())
}

async fn an_api_token_of_another_user_is_not_found(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, eve) = (fixture.user().await?, fixture.user().await?);
    let session = fixture.session(ada).await?;
    let token = fixture.api_tokens.create(ada, session, new_api_token(at(1))?).await?;
    let page = || PageRequest::first(NonZeroU16::MAX);
    let deleted = fixture.api_tokens.delete(eve, token.id).await;
    assert!(matches!(deleted, Err(ApiTokenRepoError::NotFound)), "{deleted:?}");
    fixture.api_tokens.touch(eve, token.id, at(2)).await?;
    for after in [None, Some(id())] {
        let page = PageRequest { after, ..page() };
        assert_eq!(fixture.api_tokens.list(eve, page).await?.items, []);
    }
    assert_eq!(fixture.api_tokens.list(ada, page()).await?.items, [token]);
    Ok(())
}

async fn changes_of_a_user_affect_no_other_user(test: TestDatabase) -> anyhow::Result<()> {
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

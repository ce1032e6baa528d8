//! Records every statement of the repositories and fails if one on a user's table is not filtered by the owner. Only
//! the listed methods of `SystemRepo` may lack the filter.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::time::Duration;

use domain::api_token::ApiTokenRepo as _;
use domain::change::{CallOrigin, Change, ChangeRepo as _, EntityId, EntrySelector, Keyed, KeyedAnswer, Seq, Write};
use domain::conversation::turn::{Attempt, TurnState};
use domain::conversation::{
    ConversationRepo as _, ConversationTarget, KeyReuse, MessageOrder, NewTurn, TurnResult, TurnStart,
};
use domain::id::UserId;
use domain::page::PageRequest;
use domain::session::{Client, CodePurpose, Rotation, SessionRepo as _};
use domain::system::SystemRepo as _;
use domain::task::{TaskCursor, TaskFilter, TaskRepo as _, TaskStatus, TitleMatch, TrashCursor};
use domain::text::NormalizedText;
use domain::user::{NewUser, UserPatch, UserRepo as _};
use sea_orm::{Statement, Value};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{
    Fixture, as_new, at, call, change, effect, end, external, id, new_api_token, new_code, new_conversation,
    new_password, new_session, new_task, new_turn, new_user, put_off, request, text, token,
};

on_both_databases!(every_statement_is_filtered_by_the_owner, only_the_listed_methods_lack_the_owner);

/// The tables that have an owner, with the column of the owner's id.
const OWNED: [(&str, &str); 13] = [
    ("users", "id"),
    ("sessions", "user_id"),
    ("refresh_tokens", "user_id"),
    ("one_time_codes", "user_id"),
    ("api_tokens", "user_id"),
    ("external_accounts", "user_id"),
    ("tasks", "user_id"),
    ("conversations", "user_id"),
    ("turns", "user_id"),
    ("messages", "user_id"),
    ("pending_actions", "user_id"),
    ("changes", "user_id"),
    ("idempotency_keys", "user_id"),
];

/// The sources of the ports whose methods all take an owner.
const PORTS: [&str; 6] = [
    include_str!("../../../domain/src/task/repo.rs"),
    include_str!("../../../domain/src/change/repo.rs"),
    include_str!("../../../domain/src/conversation/repo.rs"),
    include_str!("../../../domain/src/user.rs"),
    include_str!("../../../domain/src/session.rs"),
    include_str!("../../../domain/src/api_token.rs"),
];

/// The methods whose statements may lack the owner.
const SYSTEM: [&str; 15] = [
    "credentials_by_email",
    "session_by_refresh_token",
    "user_by_external_account",
    "api_token",
    "redeem_code",
    SPEND_STATE,
    "fail_turns_of",
    "fail_expired_turns",
    "users_with_trash",
    "delete_changes",
    "change_heads",
    "turn_progress",
    "session_statuses",
    "touch_sessions",
    "delete_expired",
];

/// Uses no table that has an owner.
const SPEND_STATE: &str = "spend_state";

/// The recorded statements with the method that sent them.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) statements: Vec<(&'static str, Statement)>,
}

impl Record {
    fn add(&mut self, fixture: &Fixture, method: &'static str) {
        self.statements.extend(fixture.statements().into_iter().map(|statement| (method, statement)));
    }

    fn methods(&self) -> BTreeSet<&'static str> {
        self.statements.iter().map(|(method, _)| *method).collect()
    }
}

/// Calls a method and records its statements.
macro_rules! drive {
    ($record:ident, $fixture:ident, $repo:ident . $method:ident ( $($argument:expr),* $(,)? )) => {{
        let answer = $fixture.$repo.$method($($argument),*).await;
        $record.add(&$fixture, stringify!($method));
        answer
    }};
}

/// Returns the methods of the traits in `source`.
fn methods(source: &str) -> BTreeSet<&str> {
    source.split("async fn ").skip(1).filter_map(|rest| rest.split('(').next()).collect()
}

/// Returns why `statement` may use rows of other users than `owner`; `None` if it cannot.
fn lacks_owner(statement: &Statement, owner: UserId) -> Option<String> {
    let sql = &statement.sql;
    // Includes the preceding keyword, because a column has the same name as a table.
    let is_in = |table: &str| {
        ["FROM", "INTO", "UPDATE", "JOIN"].iter().any(|word| sql.contains(&format!("{word} \"{table}\"")))
    };
    for (table, column) in OWNED.iter().filter(|(table, _)| is_in(table)) {
        let named = if sql.starts_with(&format!("INSERT INTO \"{table}\"")) {
            sql.contains(&format!("\"{column}\""))
        } else {
            [format!("\"{table}\".\"{column}\" = "), format!(" = \"{table}\".\"{column}\"")]
                .iter()
                .any(|condition| sql.contains(condition))
        };
        if !named {
            return Some(format!("no condition on {table}.{column}"));
        }
        // The same table under an alias.
        let renamed = format!("\"{table}\" AS \"");
        for other in sql.split(&renamed).skip(1).filter_map(|rest| rest.split('"').next()) {
            if !sql.contains(&format!("\"{other}\".\"{column}\" = ")) {
                return Some(format!("no condition on {other}.{column}"));
            }
        }
    }
    let values = statement.values.iter().flat_map(|values| &values.0);
    let bound = values.into_iter().any(|value| *value == Value::from(owner.as_uuid()));
    let touches = OWNED.iter().any(|(table, _)| is_in(table));
    (touches && !bound).then(|| "the owner is not among the values".to_owned())
}

/// Calls every method of the ports that take an owner, with success and with failure.
pub(crate) async fn drive_owned(fixture: &Fixture, owner: UserId) -> anyhow::Result<Record> {
    let mut record = Record::default();
    fixture.statements();
    drive_tasks(fixture, owner, &mut record).await?;
    drive_changes(fixture, owner, &mut record).await?;
    drive_conversations(fixture, owner, &mut record).await?;
    drive_sessions(fixture, owner, &mut record).await?;
    drive_users(fixture, owner, &mut record).await?;
    Ok(record)
}

async fn drive_sessions(fixture: &Fixture, owner: UserId, record: &mut Record) -> anyhow::Result<()> {
    let new = new_session(at(100_000_000));
    let rotation = Rotation {
        spent: new.refresh.clone(),
        next: token(),
        client: Client::default(),
        at: at(1),
        replaced_since: at(1),
        expires_at: at(200_000_000),
    };
    drive!(record, fixture, sessions.create(owner, new.clone()))?;
    drive!(record, fixture, sessions.status(owner, new.id, at(1)))?;
    drive!(record, fixture, sessions.touch(owner, new.id, Client::default(), at(1)))?;
    drive!(record, fixture, sessions.rotate(owner, new.id, rotation.clone()))?;
    drive!(record, fixture, sessions.rotate(owner, new.id, rotation.clone()))?;
    drive!(record, fixture, sessions.rotate(owner, new.id, Rotation { replaced_since: at(2), ..rotation })).err();
    for after in [None, Some(id())] {
        drive!(record, fixture, sessions.list(owner, PageRequest { limit: NonZeroU16::MIN, after }, at(1)))?;
    }
    for session in [None, Some(new.id)] {
        drive!(record, fixture, sessions.create_code(owner, new_code(CodePurpose::Link, session)))?;
    }
    let token = new_api_token(at(1))?;
    drive!(record, fixture, api_tokens.create(owner, new.id, token.clone()))?;
    for after in [None, Some(id())] {
        drive!(record, fixture, api_tokens.list(owner, PageRequest { limit: NonZeroU16::MIN, after }))?;
    }
    drive!(record, fixture, api_tokens.touch(owner, token.id, at(1)))?;
    drive!(record, fixture, api_tokens.delete(owner, token.id))?;
    drive!(record, fixture, users.link(owner, new.id, external("1")?, at(1)))?;
    drive!(record, fixture, users.link(owner, new.id, external("1")?, at(1)))?;
    drive!(record, fixture, users.link(owner, new.id, external("2")?, at(1))).err();
    drive!(record, fixture, sessions.end(owner, new.id))?;
    drive!(record, fixture, sessions.end_all(owner))?;
    Ok(())
}

async fn drive_users(fixture: &Fixture, owner: UserId, record: &mut Record) -> anyhow::Result<()> {
    let name = UserPatch { name: Some("Countess".parse()?).into(), ..UserPatch::default() };
    drive!(record, fixture, users.get(owner))?;
    drive!(record, fixture, users.credentials(owner))?;
    drive!(record, fixture, users.update(owner, name, at(1)))?;
    drive!(record, fixture, users.update(owner, UserPatch::default(), at(1)))?;
    drive!(record, fixture, users.change_password(owner, new_password(0), at(1)))?;
    drive!(record, fixture, users.delete(owner, 0)).err();
    // The created user is the owner.
    fixture.users.delete(owner, 1).await?;
    fixture.statements();
    let new = NewUser { id: owner, ..new_user(&format!("{owner}@example.com"))? };
    drive!(record, fixture, users.create_external(new.clone(), external("3")?))?;
    drive!(record, fixture, users.create_external(new.clone(), external("3")?)).err();
    drive!(record, fixture, users.create_external(new.clone(), external("4")?)).err();
    drive!(record, fixture, users.delete(owner, 0))?;
    drive!(record, fixture, users.create(new))?;
    Ok(())
}

async fn drive_tasks(fixture: &Fixture, owner: UserId, record: &mut Record) -> anyhow::Result<()> {
    let task = fixture.task(owner, "Milk").await?;
    fixture.statements();
    drive!(record, fixture, tasks.get(owner, task.id))?;
    drive!(record, fixture, tasks.get_many(owner, &[task.id, id()]))?;
    drive!(record, fixture, tasks.counts(owner))?;
    let milk = NormalizedText::new("milk");
    for status in [TaskStatus::All, TaskStatus::Pending, TaskStatus::Completed] {
        for title in [None, Some(TitleMatch::Exactly(milk.clone())), Some(TitleMatch::Containing(milk.clone()))] {
            for after in [None, Some(TaskCursor(id()))] {
                let filter = TaskFilter { status, title: title.clone() };
                let page = PageRequest { limit: NonZeroU16::MIN, after };
                drive!(record, fixture, tasks.list(owner, &filter, page))?;
            }
        }
    }
    for after in [None, Some(TrashCursor { deleted_at: at(1), id: id() })] {
        drive!(record, fixture, tasks.list_trash(owner, PageRequest { limit: NonZeroU16::MIN, after }))?;
    }
    Ok(())
}

async fn drive_changes(fixture: &Fixture, owner: UserId, record: &mut Record) -> anyhow::Result<()> {
    let (conversation, turn) = fixture.conversation(owner).await?;
    fixture.statements();
    let task = new_task(owner, "Bread")?;
    let (renamed, now) = (task.toggle(at(1)), change(owner, at(1)));
    drive!(record, fixture, changes.commit(owner, &[Write::create(task.clone())], &now))?;
    let replace = [Write::replace(task, renamed.clone())];
    drive!(record, fixture, changes.commit(owner, &replace, &now))?;
    drive!(record, fixture, changes.commit(owner, &replace, &now)).err();
    drive!(record, fixture, changes.commit(owner, &[Write::purge(renamed)], &now))?;
    // An effect that is new, one that is recorded, and one of an attempt that is not running.
    let (origin, create) = (call(&turn, 0), [Write::create(new_task(owner, "Eggs")?)]);
    for _ in 0..2 {
        drive!(record, fixture, changes.commit(owner, &create, &effect(owner, origin, at(1))))?;
    }
    let ended = CallOrigin { attempt: Attempt { number: 2, ..origin.attempt }, index: 1, ..origin };
    drive!(record, fixture, changes.commit(owner, &create, &effect(owner, ended, at(1)))).err();
    drive!(record, fixture, changes.find_effect(owner, origin.effect()))?;
    let answer = KeyedAnswer::Undo { operation: None, conflicts: Vec::new() };
    let keyed = Keyed { request: request("once", 1, KeyReuse::Refuse)?, answer };
    let once = Change { keyed: Some(keyed.clone()), ..change(owner, at(1)) };
    for _ in 0..2 {
        let create = [Write::create(new_task(owner, "Jam")?)];
        drive!(record, fixture, changes.commit(owner, &create, &once)).err();
    }
    drive!(record, fixture, changes.find_answer(owner, &keyed.request, at(1)))?;
    drive!(record, fixture, changes.store_answer(owner, &keyed, at(1))).err();
    let (rows, limit) = (vec![EntityId::Task(id()), EntityId::Task(id())], NonZeroU16::MIN);
    for selector in [
        EntrySelector::Seq(Seq(1)),
        EntrySelector::Operation(now.operation),
        EntrySelector::Message(conversation, turn.assistant_message),
        EntrySelector::Messages(vec![turn.assistant_message, id()]),
        EntrySelector::Rows { rows, after: Seq(1), limit },
        EntrySelector::Turns { conversation, except: turn.id, before: None, limit },
        EntrySelector::Turns { conversation, except: turn.id, before: Some(Seq(9)), limit },
    ] {
        drive!(record, fixture, changes.find(owner, &selector))?;
    }
    drive!(record, fixture, changes.list(owner, Seq(1), NonZeroU16::MIN))?;
    drive!(record, fixture, changes.head(owner))?;
    drive!(record, fixture, changes.undo_links(owner, &[Seq(1), Seq(2)]))?;
    fixture.conversations.delete(owner, conversation).await?;
    fixture.statements();
    Ok(())
}

async fn drive_conversations(fixture: &Fixture, owner: UserId, record: &mut Record) -> anyhow::Result<()> {
    let turn = as_new(drive!(record, fixture, conversations.begin_turn(owner, new_turn(new_conversation()?, at(0))?))?);
    let (conversation, shown) = (turn.conversation, [id()]);
    let again = |when| new_turn(ConversationTarget::Existing(conversation), at(when));
    drive!(record, fixture, conversations.begin_turn(owner, again(1)?)).err();
    let found = drive!(record, fixture, conversations.get(owner, conversation))?;
    drive!(record, fixture, conversations.rename(owner, conversation, "Shopping".parse()?))?;
    drive!(record, fixture, conversations.set_shown_tasks(owner, conversation, &shown))?;
    drive!(record, fixture, conversations.shown_tasks(owner, conversation))?;
    let cursor = domain::conversation::ConversationCursor { updated_at: found.updated_at, id: found.id };
    for after in [None, Some(cursor)] {
        let page = PageRequest { limit: NonZeroU16::MIN, after };
        drive!(record, fixture, conversations.list(owner, page))?;
    }
    for order in [MessageOrder::Ascending, MessageOrder::Descending] {
        for after in [None, Some(domain::conversation::MessageCursor(1))] {
            let page = PageRequest { limit: NonZeroU16::MIN, after };
            drive!(record, fixture, conversations.messages(owner, conversation, order, page))?;
        }
    }
    drive!(record, fixture, conversations.renew_lease(owner, turn.attempt(), Duration::ZERO))?;
    drive!(record, fixture, conversations.save_progress(owner, turn.attempt(), &text("Add")))?;
    // The lease of the first turn has expired.
    let turn = as_new(drive!(record, fixture, conversations.begin_turn(owner, again(11)?))?);
    drive!(record, fixture, conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(12))))?;
    drive!(record, fixture, conversations.delete(owner, conversation))?;
    drive_keys(fixture, owner, record).await
}

async fn drive_keys(fixture: &Fixture, owner: UserId, record: &mut Record) -> anyhow::Result<()> {
    let again = |when| -> anyhow::Result<NewTurn> {
        let target = ConversationTarget::Keyed("slug".parse()?, id(), "Groceries".parse()?);
        Ok(NewTurn { idempotency: Some(request("key", 1, KeyReuse::Refuse)?), ..new_turn(target, at(when))? })
    };
    let turn = as_new(drive!(record, fixture, conversations.begin_turn(owner, again(20)?))?);
    drive!(record, fixture, conversations.begin_turn(owner, again(21)?)).err();
    drive!(record, fixture, conversations.find_by_key(owner, &"slug".parse()?))?;
    let pending = Some(put_off(turn.assistant_message, &[new_task(owner, "Milk")?], at(99)));
    let failed = TurnResult { pending, ..end(TurnState::Failed, at(22)) };
    drive!(record, fixture, conversations.end_turn(owner, turn.attempt(), failed))?;
    let resumed = drive!(record, fixture, conversations.begin_turn(owner, again(23)?))?;
    assert!(matches!(resumed, TurnStart::Resumed { .. }), "{resumed:?}");
    drive!(record, fixture, conversations.stop_turn(owner, turn.id, at(24)))?;
    drive!(record, fixture, conversations.answer(owner, turn.id))?;
    drive!(record, fixture, conversations.pending(owner, turn.conversation, at(24)))?;
    let confirms =
        NewTurn { confirms: Some(id()), ..new_turn(ConversationTarget::Existing(turn.conversation), at(24))? };
    drive!(record, fixture, conversations.begin_turn(owner, confirms)).err();
    drive!(record, fixture, conversations.begin_turn(owner, again(25)?))?;
    as_new(drive!(record, fixture, conversations.begin_turn(owner, again(86_400_000_020)?))?);
    let mut other = new_turn(ConversationTarget::Existing(turn.conversation), at(86_400_000_021))?;
    other.idempotency = Some(request("other", 1, KeyReuse::Refuse)?);
    drive!(record, fixture, conversations.begin_turn(owner, other)).err();
    drive!(record, fixture, conversations.count_tokens(owner, 7, at(0)))?;
    let limited = NewTurn { tokens_per_day: std::num::NonZeroU32::new(7), ..new_turn(new_conversation()?, at(0))? };
    drive!(record, fixture, conversations.begin_turn(owner, limited))?;
    drive!(record, fixture, conversations.usage(owner, at(0)))?;
    Ok(())
}

/// Calls every method of `SystemRepo`, with turns and sessions that match.
pub(crate) async fn drive_system(fixture: &Fixture, owner: UserId) -> anyhow::Result<Record> {
    let mut record = Record::default();
    fixture.conversation(owner).await?;
    let new = new_session(at(1));
    fixture.sessions.create(owner, new.clone()).await?;
    let code = new_code(CodePurpose::SignIn, None);
    fixture.sessions.create_code(owner, code.clone()).await?;
    fixture.trash(&fixture.task(owner, "Milk").await?, at(0)).await?;
    fixture.statements();
    drive!(record, fixture, system.credentials_by_email(&NormalizedText::new("ada@example.com")))?;
    drive!(record, fixture, system.session_by_refresh_token(&new.refresh))?;
    drive!(record, fixture, system.user_by_external_account(&external("1")?))?;
    drive!(record, fixture, system.api_token(&token()))?;
    drive!(record, fixture, system.redeem_code(&code.hash, code.purpose, at(1)))?;
    drive!(record, fixture, system.spend_state(&token(), at(1)))?;
    drive!(record, fixture, system.fail_turns_of(&"here".parse()?, at(1)))?;
    let (_, expired) = fixture.conversation(owner).await?;
    fixture.expire(owner, expired.attempt()).await?;
    fixture.statements();
    drive!(record, fixture, system.fail_expired_turns(at(1)))?;
    drive!(record, fixture, system.users_with_trash(at(1)))?;
    drive!(record, fixture, system.delete_changes(at(1)))?;
    drive!(record, fixture, system.change_heads(&[owner, id()]))?;
    drive!(record, fixture, system.turn_progress(&[id()]))?;
    drive!(record, fixture, system.session_statuses(&[new.id, id()], at(1)))?;
    drive!(record, fixture, system.touch_sessions(&[new.id, id()], at(1)))?;
    drive!(record, fixture, system.delete_expired(at(1)))?;
    Ok(record)
}

async fn every_statement_is_filtered_by_the_owner(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let record = drive_owned(&fixture, owner).await?;
    let expected: BTreeSet<&str> = PORTS.iter().flat_map(|port| methods(port)).collect();
    assert_eq!(record.methods(), expected, "every method of the ports is called");
    let tables: BTreeSet<String> = fixture.tables().await?.0.into_iter().chain(["users".to_owned()]).collect();
    assert_eq!(OWNED.map(|(table, _)| table.to_owned()).into_iter().collect::<BTreeSet<_>>(), tables);
    for (method, statement) in &record.statements {
        assert_eq!(lacks_owner(statement, owner), None, "{method}: {}", statement.sql);
    }
    Ok(())
}

async fn only_the_listed_methods_lack_the_owner(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let record = drive_system(&fixture, owner).await?;
    let named = BTreeSet::from(SYSTEM);
    assert_eq!(methods(include_str!("../../../domain/src/system.rs")), named);
    assert_eq!(record.methods(), named);
    // Also proves that `lacks_owner` can fail.
    let lacking = record.statements.iter().filter(|(_, statement)| lacks_owner(statement, owner).is_some());
    let mut lacking: BTreeSet<_> = lacking.map(|(method, _)| *method).collect();
    assert!(lacking.insert(SPEND_STATE), "spent states have no owner");
    assert_eq!(lacking, named);
    Ok(())
}

//! A migrated database with its repositories, and the values that tests are about.

use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::api_token::NewApiToken;
use domain::change::{CallOrigin, Change, ChangeRepo as _, ChangeRepoError, Entry, Seq, Write};
use domain::conversation::{
    ConversationRepo as _, ConversationRepoError, ConversationTarget, ConversationTitle, Fingerprint, Idempotency,
    KeyReuse, NewTurn, PendingAction, PendingItem, PendingItemAction, TurnResult, TurnStart,
};
use domain::id::{ConversationId, MessageId, SessionId, UserId};
use domain::message::Part;
use domain::principal::{Principal, Scopes, Via};
use domain::secret::SecretHash;
use domain::session::{Client, CodePurpose, Device, NewCode, NewSession, SessionRepo as _};
use domain::task::{Task, Title};
use domain::turn::{FailureCode, Lease, Turn, TurnState, Usage};
use domain::user::{ExternalAccount, NewUser, PasswordChange, PasswordHash, User, UserRepo as _};
use persistence::{
    Database, DatabaseOptions, SeaApiTokenRepo, SeaChangeRepo, SeaConversationRepo, SeaSessionRepo, SeaSystemRepo,
    SeaTaskRepo, SeaUserRepo,
};
use sea_orm::{ConnectionTrait as _, Statement};
use test_database::{Kind, TestDatabase};
use uuid::Uuid;

/// A migrated database with its repositories.
pub(crate) struct Fixture {
    pub(crate) test: TestDatabase,
    pub(crate) database: Database,
    pub(crate) tasks: SeaTaskRepo,
    pub(crate) changes: SeaChangeRepo,
    pub(crate) conversations: SeaConversationRepo,
    pub(crate) users: SeaUserRepo,
    pub(crate) sessions: SeaSessionRepo,
    pub(crate) api_tokens: SeaApiTokenRepo,
    pub(crate) system: SeaSystemRepo,
    statements: Arc<Mutex<Vec<Statement>>>,
}

impl Fixture {
    pub(crate) async fn new(test: TestDatabase) -> anyhow::Result<Self> {
        Self::with(test, |_| {}).await
    }

    /// One whose options are changed before it is opened.
    pub(crate) async fn with(test: TestDatabase, change: impl FnOnce(&mut DatabaseOptions)) -> anyhow::Result<Self> {
        let statements = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&statements);
        let mut options = options(&test);
        options.observer = Some(Arc::new(move |statement: &Statement| {
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(statement.clone());
        }));
        change(&mut options);
        let database = Database::connect(&options).await?;
        migrations::up(database.connection_for_migrations()).await?;
        Ok(Self {
            test,
            tasks: SeaTaskRepo::new(database.clone()),
            changes: SeaChangeRepo::new(database.clone()),
            conversations: SeaConversationRepo::new(database.clone()),
            users: SeaUserRepo::new(database.clone()),
            sessions: SeaSessionRepo::new(database.clone()),
            api_tokens: SeaApiTokenRepo::new(database.clone()),
            system: SeaSystemRepo::new(database.clone()),
            database,
            statements,
        })
    }

    /// The number that `sql` selects.
    pub(crate) async fn number(&self, sql: &str) -> anyhow::Result<i64> {
        let db = self.database.connection_for_status();
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
        Ok(row.ok_or_else(|| anyhow::anyhow!("no row"))?.try_get_by_index(0)?)
    }

    /// The tables whose rows are a user's, and all others but the one of migrations.
    pub(crate) async fn tables(&self) -> anyhow::Result<(Vec<String>, Vec<String>)> {
        let sql = match self.test.kind() {
            Kind::Sqlite => {
                "SELECT m.name, EXISTS (SELECT 1 FROM pragma_table_info(m.name) WHERE name = 'user_id') \
                 FROM sqlite_master m WHERE m.type = 'table' AND m.name <> 'seaql_migrations' ORDER BY m.name"
            }
            Kind::Postgres => {
                "SELECT t.tablename::text, EXISTS (SELECT 1 FROM information_schema.columns c \
                 WHERE c.table_schema = 'public' AND c.table_name = t.tablename AND c.column_name = 'user_id') \
                 FROM pg_tables t WHERE t.schemaname = 'public' AND t.tablename <> 'seaql_migrations' ORDER BY t.tablename"
            }
        };
        let db = self.database.connection_for_status();
        let (mut owned, mut others) = (Vec::new(), Vec::new());
        for row in db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await? {
            let tables = if row.try_get_by_index(1)? { &mut owned } else { &mut others };
            tables.push(row.try_get_by_index(0)?);
        }
        Ok((owned, others))
    }

    /// The statements that were sent since this was last asked.
    pub(crate) fn statements(&self) -> Vec<Statement> {
        std::mem::take(&mut *self.statements.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) async fn user(&self) -> anyhow::Result<UserId> {
        Ok(self.users.create(new_user(&format!("{}@example.com", Uuid::now_v7()))?).await?.id)
    }

    pub(crate) async fn known_user(&self, email: &str) -> anyhow::Result<User> {
        Ok(self.users.create(new_user(email)?).await?)
    }

    /// A session from `at(0)` until `at(100_000_000)`, of a user whose password was never changed.
    pub(crate) async fn session(&self, owner: UserId) -> anyhow::Result<SessionId> {
        Ok(self.sessions.create(owner, new_session(at(100_000_000))).await?.id)
    }

    /// A task that was created at `at(0)`.
    pub(crate) async fn task(&self, owner: UserId, title: &str) -> anyhow::Result<Task> {
        let task = new_task(owner, title)?;
        self.write(owner, Write::create(task.clone())).await?;
        Ok(task)
    }

    /// Commits one write at `at(0)`, as an operation that no tool call asks for.
    pub(crate) async fn write(&self, owner: UserId, write: Write) -> Result<Entry, ChangeRepoError> {
        Ok(self.changes.commit(owner, &[write], &change(owner, at(0))).await?.remove(0))
    }

    /// Every entry of the owner, as they are stored.
    pub(crate) async fn entries(&self, owner: UserId) -> anyhow::Result<Vec<Entry>> {
        Ok(self.changes.list(owner, Seq(0), NonZeroU16::MAX).await?.entries)
    }

    /// Moves a task to the trash, and returns it as it is there.
    pub(crate) async fn trash(&self, task: &Task, at: DateTime<Utc>) -> anyhow::Result<Task> {
        let deleted = task.delete(at);
        self.write(task.user_id, Write::replace(task.clone(), deleted.clone())).await?;
        Ok(deleted)
    }

    /// A conversation of one turn that runs until `at(15_000_000)`.
    pub(crate) async fn conversation(&self, owner: UserId) -> anyhow::Result<(ConversationId, Turn)> {
        let turn = self.begin(owner, new_turn(new_conversation()?, at(0))?).await?;
        Ok((turn.conversation, turn))
    }

    /// A turn that is new.
    pub(crate) async fn begin(&self, owner: UserId, turn: NewTurn) -> Result<Turn, ConversationRepoError> {
        Ok(as_new(self.conversations.begin_turn(owner, turn).await?))
    }
}

/// Options for a test: a database that is at hand answers soon.
pub(crate) fn options(test: &TestDatabase) -> DatabaseOptions {
    DatabaseOptions::new(test.url().into())
}

/// The turn that begins.
pub(crate) fn as_new(begun: TurnStart) -> Turn {
    match begun {
        TurnStart::New { turn, .. } => turn,
        other => panic!("not a new turn: {other:?}"),
    }
}

/// So many microseconds after some moment.
pub(crate) fn at(microseconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_790_000_000) + TimeDelta::microseconds(microseconds)
}

pub(crate) fn id<T: From<Uuid>>() -> T {
    Uuid::now_v7().into()
}

pub(crate) fn change(owner: UserId, at: DateTime<Utc>) -> Change {
    let actor = Principal { user: owner, session: None, api_token: None, via: Via::Http, scopes: Scopes::all() };
    Change { operation: id(), actor, call: None, request_id: Uuid::now_v7().into(), at }
}

/// Call `index` of the first round of a turn.
pub(crate) fn call(turn: &Turn, index: u8) -> CallOrigin {
    let Turn { conversation, assistant_message: message, .. } = *turn;
    CallOrigin { conversation, message, attempt: turn.attempt(), round: 0, index }
}

/// A change that a tool call asks for.
pub(crate) fn effect(owner: UserId, call: CallOrigin, at: DateTime<Utc>) -> Change {
    Change { call: Some(call), ..change(owner, at) }
}

pub(crate) fn new_user(email: &str) -> anyhow::Result<NewUser> {
    let password_hash = Some(PasswordHash::new("$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA".into()));
    Ok(NewUser { id: id(), email: email.parse()?, name: "Ada".parse()?, password_hash, at: at(0) })
}

/// A task of `at(0)` that is not stored yet.
pub(crate) fn new_task(owner: UserId, title: &str) -> anyhow::Result<Task> {
    Ok(Task::new(id(), owner, title.parse::<Title>()?, false, at(0)))
}

pub(crate) fn new_session(until: DateTime<Utc>) -> NewSession {
    NewSession { id: id(), refresh: token(), client: Client::default(), token_version: 0, at: at(0), expires_at: until }
}

pub(crate) fn client(device: &str, peer: &str) -> anyhow::Result<Client> {
    Ok(Client { device: Device::new(device), peer: Some(peer.parse()?) })
}

/// The hash of a secret that nobody else has.
pub(crate) fn token() -> SecretHash {
    let mut digest = [0; 32];
    digest[..16].copy_from_slice(Uuid::now_v7().as_bytes());
    SecretHash::new(digest)
}

/// A token for everything that can be granted, made at `at`, that is good until it is deleted.
pub(crate) fn new_api_token(at: DateTime<Utc>) -> anyhow::Result<NewApiToken> {
    let scopes = Scopes::granted(["tasks:read", "tasks:write", "chat"])?;
    Ok(NewApiToken { id: id(), name: "CI".parse()?, scopes, hash: token(), at, expires_at: None })
}

/// A code from `at(0)` until `at(60_000_000)`.
pub(crate) fn new_code(purpose: CodePurpose, session: Option<SessionId>) -> NewCode {
    NewCode { hash: token(), purpose, session, at: at(0), expires_at: at(60_000_000) }
}

/// Another password for a user at this token version, and a session until `at(100_000_000)`.
pub(crate) fn new_password(token_version: u32) -> PasswordChange {
    let session = NewSession { token_version: token_version + 1, ..new_session(at(100_000_000)) };
    PasswordChange { token_version, password_hash: PasswordHash::new("$argon2id$another".into()), session }
}

/// An account at a provider that everybody in the tests uses.
pub(crate) fn external(subject: &str) -> anyhow::Result<ExternalAccount> {
    Ok(ExternalAccount::new("https://id.example", subject)?)
}

pub(crate) fn new_conversation() -> anyhow::Result<ConversationTarget> {
    Ok(ConversationTarget::New(id(), "Groceries".parse::<ConversationTitle>()?))
}

pub(crate) fn text(words: &str) -> Vec<Part> {
    vec![Part::Text { round: 0, text: words.to_owned() }]
}

/// A turn of the instance `here` whose lease ends in 15 s.
pub(crate) fn new_turn(target: ConversationTarget, at: DateTime<Utc>) -> anyhow::Result<NewTurn> {
    Ok(NewTurn {
        id: id(),
        target,
        user_message: id(),
        user_parts: text("Add milk"),
        assistant_message: id(),
        lease: Lease { instance: "here".parse()?, until: at + Lease::TTL },
        provider: "offline".into(),
        model: "v1".into(),
        confirms: None,
        idempotency: None,
        at,
    })
}

pub(crate) fn request(key: &str, what: u8, reuse: KeyReuse) -> anyhow::Result<Idempotency> {
    Ok(Idempotency { key: key.parse()?, fingerprint: Fingerprint([what; 32]), reuse })
}

/// The deletion of tasks, which the turn of this message has put off until `expires_at`.
pub(crate) fn put_off(message: MessageId, tasks: &[Task], expires_at: DateTime<Utc>) -> PendingAction {
    let items = tasks.iter().map(|task| PendingItem::new(task, PendingItemAction::Delete)).collect();
    PendingAction { id: id(), message, items, expires_at }
}

/// An end with the words "Done." and 3 and 4 tokens.
pub(crate) fn end(state: TurnState, at: DateTime<Utc>) -> TurnResult {
    TurnResult {
        state,
        parts: text("Done."),
        usage: Usage { tokens_in: 3, tokens_out: 4 },
        error_code: (state == TurnState::Failed).then_some(FailureCode::Timeout),
        provider: "offline".into(),
        model: "v1".into(),
        first_token_at: None,
        model_time: Duration::ZERO,
        pending: None,
        at,
    }
}

//! A migrated database with its repositories, and builders of test values.

use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::api_token::NewApiToken;
use domain::change::{CallOrigin, Change, ChangeRepo as _, ChangeRepoError, Entry, Seq, Write};
use domain::conversation::message::Part;
use domain::conversation::turn::{Attempt, FailureCode, Lease, Turn, TurnState, Usage};
use domain::conversation::{
    ConversationRepo as _, ConversationRepoError, ConversationTarget, ConversationTitle, Fingerprint, Idempotency,
    KeyReuse, NewTurn, PendingAction, PendingItem, PendingItemAction, TurnResult, TurnStart,
};
use domain::id::{ConversationId, MessageId, SessionId, UserId};
use domain::principal::{Principal, Scopes, Via};
use domain::secret::SecretHash;
use domain::session::{Client, CodePurpose, Device, NewCode, NewSession, SessionRepo as _};
use domain::task::{Task, Title};
use domain::user::{ExternalAccount, NewUser, PasswordChange, PasswordHash, User, UserRepo as _};
use persistence::{
    Database, DatabaseOptions, SeaApiTokenRepo, SeaChangeRepo, SeaConversationRepo, SeaSessionRepo, SeaSystemRepo,
    SeaTaskRepo, SeaUserRepo,
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
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
    /// Past a pooler, if the test has one.
    direct: Option<DatabaseConnection>,
    statements: Arc<Mutex<Vec<Statement>>>,
}

impl Fixture {
    pub(crate) async fn new(test: TestDatabase) -> anyhow::Result<Self> {
        Self::with(test, |_| {}).await
    }

    /// Creates a fixture with changed options.
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
        let is_direct = test.url() == test.direct_url();
        let direct = if is_direct { None } else { Some(sea_orm::Database::connect(test.direct_url()).await?) };
        Ok(Self {
            test,
            direct,
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

    /// Returns connections for statements of the test itself, also outside of transactions.
    pub(crate) fn raw(&self) -> &DatabaseConnection {
        self.direct.as_ref().unwrap_or_else(|| self.database.connection_for_migrations())
    }

    /// Returns connections for SELECTs of the test itself.
    pub(crate) fn raw_reads(&self) -> &DatabaseConnection {
        self.direct.as_ref().unwrap_or_else(|| self.database.pool_for_reads())
    }

    /// Returns the integer that `sql` selects.
    pub(crate) async fn number(&self, sql: &str) -> anyhow::Result<i64> {
        let db = self.raw_reads();
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
        Ok(row.ok_or_else(|| anyhow::anyhow!("no row"))?.try_get_by_index(0)?)
    }

    /// Returns the tables with a `user_id`, and all others except the one of migrations.
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
        let db = self.raw_reads();
        let (mut owned, mut others) = (Vec::new(), Vec::new());
        for row in db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await? {
            let tables = if row.try_get_by_index(1)? { &mut owned } else { &mut others };
            tables.push(row.try_get_by_index(0)?);
        }
        Ok((owned, others))
    }

    /// Returns and clears the recorded statements.
    pub(crate) fn statements(&self) -> Vec<Statement> {
        std::mem::take(&mut *self.statements.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) async fn user(&self) -> anyhow::Result<UserId> {
        Ok(self.users.create(new_user(&format!("{}@example.com", Uuid::now_v7()))?).await?.id)
    }

    pub(crate) async fn known_user(&self, email: &str) -> anyhow::Result<User> {
        Ok(self.users.create(new_user(email)?).await?)
    }

    /// Creates a session from `at(0)` until `at(100_000_000)` at token version 0.
    pub(crate) async fn session(&self, owner: UserId) -> anyhow::Result<SessionId> {
        Ok(self.sessions.create(owner, new_session(at(100_000_000))).await?.id)
    }

    /// Creates a task at `at(0)`.
    pub(crate) async fn task(&self, owner: UserId, title: &str) -> anyhow::Result<Task> {
        let task = new_task(owner, title)?;
        self.write(owner, Write::create(task.clone())).await?;
        Ok(task)
    }

    /// Commits one write at `at(0)` that is not made by a tool call.
    pub(crate) async fn write(&self, owner: UserId, write: Write) -> Result<Entry, ChangeRepoError> {
        Ok(self.changes.commit(owner, &[write], &change(owner, at(0))).await?.remove(0))
    }

    /// Returns every entry of the owner.
    pub(crate) async fn entries(&self, owner: UserId) -> anyhow::Result<Vec<Entry>> {
        Ok(self.changes.list(owner, Seq(0), NonZeroU16::MAX).await?.entries)
    }

    /// Moves a task to the trash and returns the deleted task.
    pub(crate) async fn trash(&self, task: &Task, at: DateTime<Utc>) -> anyhow::Result<Task> {
        let deleted = task.delete(at);
        self.write(task.user_id, Write::replace(task.clone(), deleted.clone())).await?;
        Ok(deleted)
    }

    /// Creates a conversation with one running turn whose lease is valid.
    pub(crate) async fn conversation(&self, owner: UserId) -> anyhow::Result<(ConversationId, Turn)> {
        let turn = self.begin(owner, new_turn(new_conversation()?, at(0))?).await?;
        Ok((turn.conversation, turn))
    }

    /// Makes the lease of a running turn expire.
    pub(crate) async fn expire(&self, owner: UserId, turn: Attempt) -> Result<(), ConversationRepoError> {
        self.conversations.renew_lease(owner, turn, Duration::ZERO).await
    }

    /// Begins a turn, which must be new.
    pub(crate) async fn begin(&self, owner: UserId, turn: NewTurn) -> Result<Turn, ConversationRepoError> {
        Ok(as_new(self.conversations.begin_turn(owner, turn).await?))
    }
}

/// The time for which the leases of the tests are valid.
pub(crate) const LEASE: Duration = Duration::from_hours(1);

/// Returns the options of the test database.
pub(crate) fn options(test: &TestDatabase) -> DatabaseOptions {
    DatabaseOptions::new(test.url().into())
}

/// Returns the turn, which must be new.
pub(crate) fn as_new(started: TurnStart) -> Turn {
    match started {
        TurnStart::New { turn, .. } => turn,
        other => panic!("not a new turn: {other:?}"),
    }
}

/// Returns the time that is `microseconds` after the start of the test.
pub(crate) fn at(microseconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_790_000_000) + TimeDelta::microseconds(microseconds)
}

pub(crate) fn id<T: From<Uuid>>() -> T {
    Uuid::now_v7().into()
}

pub(crate) fn change(owner: UserId, at: DateTime<Utc>) -> Change {
    let actor = Principal { user: owner, session: None, api_token: None, via: Via::Http, scopes: Scopes::all() };
    Change {
        operation: id(),
        actor,
        call: None,
        message_parts: None,
        request_id: Uuid::now_v7().into(),
        confirms: None,
        keyed: None,
        at,
    }
}

/// Returns call `index` of the first round of a turn.
pub(crate) fn call(turn: &Turn, index: u8) -> CallOrigin {
    let Turn { conversation, assistant_message: message, .. } = *turn;
    CallOrigin { conversation, message, attempt: turn.attempt(), round: 0, index }
}

/// Returns a change that is made by a tool call.
pub(crate) fn effect(owner: UserId, call: CallOrigin, at: DateTime<Utc>) -> Change {
    Change { call: Some(call), ..change(owner, at) }
}

pub(crate) fn new_user(email: &str) -> anyhow::Result<NewUser> {
    let password_hash = Some(PasswordHash::new("$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA".into()));
    Ok(NewUser { id: id(), email: email.parse()?, name: "Ada".parse()?, password_hash, at: at(0) })
}

/// Returns a task that is not stored.
pub(crate) fn new_task(owner: UserId, title: &str) -> anyhow::Result<Task> {
    Ok(Task::new(id(), owner, title.parse::<Title>()?, false, at(0)))
}

pub(crate) fn new_session(until: DateTime<Utc>) -> NewSession {
    NewSession { id: id(), refresh: token(), client: Client::default(), token_version: 0, at: at(0), expires_at: until }
}

pub(crate) fn client(device: &str, peer: &str) -> anyhow::Result<Client> {
    Ok(Client { device: Device::new(device), peer: Some(peer.parse()?) })
}

/// Returns a unique hash.
pub(crate) fn token() -> SecretHash {
    let mut digest = [0; 32];
    digest[..16].copy_from_slice(Uuid::now_v7().as_bytes());
    SecretHash::new(digest)
}

/// Returns an API token with all grantable scopes and without an expiry.
pub(crate) fn new_api_token(at: DateTime<Utc>) -> anyhow::Result<NewApiToken> {
    let scopes = Scopes::granted(["tasks:read", "tasks:write", "chat"])?;
    Ok(NewApiToken { id: id(), name: "CI".parse()?, scopes, hash: token(), at, expires_at: None })
}

/// Returns a code that is valid from `at(0)` until `at(60_000_000)`.
pub(crate) fn new_code(purpose: CodePurpose, session: Option<SessionId>) -> NewCode {
    NewCode { hash: token(), purpose, session, at: at(0), expires_at: at(60_000_000) }
}

/// Returns a new password for a user at this token version, with a session until `at(100_000_000)`.
pub(crate) fn new_password(token_version: u32) -> PasswordChange {
    let session = NewSession { token_version: token_version + 1, ..new_session(at(100_000_000)) };
    PasswordChange { token_version, password_hash: PasswordHash::new("$argon2id$another".into()), session }
}

/// Returns an account of the issuer that all tests use.
pub(crate) fn external(subject: &str) -> anyhow::Result<ExternalAccount> {
    Ok(ExternalAccount::new("https://id.example", subject)?)
}

pub(crate) fn new_conversation() -> anyhow::Result<ConversationTarget> {
    Ok(ConversationTarget::New(id(), "Groceries".parse::<ConversationTitle>()?))
}

pub(crate) fn text(words: &str) -> Vec<Part> {
    vec![Part::Text { round: 0, text: words.to_owned() }]
}

/// Returns a turn of the instance `here` with a lease that is valid longer than any test runs.
pub(crate) fn new_turn(target: ConversationTarget, at: DateTime<Utc>) -> anyhow::Result<NewTurn> {
    Ok(NewTurn {
        id: id(),
        target,
        user_message: id(),
        user_parts: text("Add milk"),
        assistant_message: id(),
        lease: Lease { instance: "here".parse()?, ttl: LEASE },
        provider: "offline".into(),
        model: "v1".into(),
        confirms: None,
        tokens_per_day: None,
        idempotency: None,
        at,
    })
}

pub(crate) fn request(key: &str, what: u8, reuse: KeyReuse) -> anyhow::Result<Idempotency> {
    Ok(Idempotency { key: key.parse()?, fingerprint: Fingerprint([what; 32]), reuse })
}

/// Returns a pending deletion of tasks, created by the turn of `message`.
pub(crate) fn put_off(message: MessageId, tasks: &[Task], expires_at: DateTime<Utc>) -> PendingAction {
    let items = tasks.iter().map(|task| PendingItem::new(task, PendingItemAction::Delete)).collect();
    PendingAction { id: id(), message, items, expires_at }
}

/// Returns a result with the text "Done.", 3 input and 4 output tokens.
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
